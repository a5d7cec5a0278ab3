/* loose.c - JSON as other tools write it: readers.h. Python's json.dumps() writes NaN, Infinity and integers of any length. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "again/readers.h"
#include "base/file.h"
#include "base/json.h"

enum { EXACT_DIGITS = 15 }; /* of a whole number that every double holds */

/* The length of a number's whole part that is to be a string; 0: it is not. */
static size_t long_integer(const char *p)
{
    size_t sign = *p == '-', n = strspn(p + sign, "0123456789");
    return n > EXACT_DIGITS && !strchr(".eE", p[sign + n] ? p[sign + n] : ' ') ? sign + n : 0;
}

/* The length of what Python writes and JSON lacks; 0: none is here. */
static size_t no_number(const char *p)
{
    static const char *const words[] = { "NaN", "Infinity", "-Infinity" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts(p, words[i])) return strlen(words[i]);
    return 0;
}

static void strict_text(const char *p, Str *out)
{
    bool inside = false;
    while (*p) {
        size_t n = inside ? 0 : no_number(p), digits = inside || n ? 0 : long_integer(p);
        if (n) {
            str_add(out, "null");
            p += n;
        } else if (digits) {
            str_add(out, "\"");
            str_addn(out, p, digits);
            str_add(out, "\"");
            p += digits;
        } else if (!inside && strchr("0123456789-", *p)) { /* a number of another kind, whole */
            size_t number = strspn(p, "0123456789+-.eE");
            str_addn(out, p, number);
            p += number;
        } else {
            if (*p == '"') inside = !inside;
            if (inside && *p == '\\' && p[1]) str_addn(out, p++, 1);
            str_addn(out, p++, 1);
        }
    }
}

cJSON *loose_json(const char *text)
{
    Str strict = { 0 };
    Err ignored;
    if (text[strspn(text, " \t\r\n")] != '{') return NULL;
    strict_text(text, &strict);
    cJSON *root = json_parse((Bytes){ (const unsigned char *)strict.s, strict.len }, &ignored);
    str_release(&strict);
    return root;
}

bool loose_text(const cJSON *item, Str *out)
{
    char number[JSON_NUMBER];
    if (cJSON_IsString(item)) str_add(out, item->valuestring);
    else if (cJSON_IsNumber(item) && json_number(item->valuedouble, number)) str_add(out, number);
    else if (cJSON_IsBool(item)) str_add(out, cJSON_IsTrue(item) ? "true" : "false");
    else return false;
    return true;
}
