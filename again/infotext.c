/* infotext.c - see infotext.h. */
#include "again/infotext.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 128; }
static bool in_key(char c) { return is_word(c) || c == ' ' || c == '-' || c == '/' || c == '*'; }

/* The length of a JSON string at s, its quotes with it; 0: it does not end. */
static size_t quoted(const char *s, const char *end)
{
    for (const char *p = s + 1; p < end; p++) {
        if (*p == '\\') p++;
        else if (*p == '"') return (size_t)(p + 1 - s);
    }
    return 0;
}

/* The length of a list or an object at s; 0: it does not end. */
static size_t bracketed(const char *s, const char *end)
{
    int depth = 0;
    for (const char *p = s; p < end; p++) {
        if (*p == '"') {
            size_t n = quoted(p, end);
            if (!n) return 0;
            p += n - 1;
        }
        depth += *p == '[' || *p == '{';
        depth -= *p == ']' || *p == '}';
        if (!depth) return (size_t)(p + 1 - s);
    }
    return 0;
}

static char *unquoted(const char *s, size_t n)
{
    char *text = mem_strndup(s, n), *plain = NULL;
    cJSON *value = cJSON_Parse(text);
    if (cJSON_IsString(value)) plain = mem_strdup(value->valuestring);
    cJSON_Delete(value);
    if (plain) free(text);
    return plain ? plain : text;
}

/* The value at s: *n bytes of the text. heap */
static char *read_value(const char *s, const char *end, size_t *n)
{
    size_t string = *s == '"' ? quoted(s, end) : 0, list = *s == '[' || *s == '{' ? bracketed(s, end) : 0;
    if (string && (s + string == end || s[string] == ',')) {
        *n = string;
        return unquoted(s, string);
    }
    const char *comma = list ? NULL : memchr(s, ',', (size_t)(end - s));
    *n = list ? list : comma ? (size_t)(comma - s) : (size_t)(end - s);
    size_t len = *n;
    while (len && isspace((unsigned char)s[len - 1])) len--;
    return mem_strndup(s, len);
}

static void read_pairs(const char *line, const char *end, Infotext *out)
{
    const char *p = line;
    while (p < end && out->count < INFO_PAIRS) {
        const char *key = p, *k;
        for (k = key; k < end && in_key(*k); k++) {
        }
        if (!is_word(*key) || k - key < 2 || k == end || *k != ':') {
            p++;
            continue;
        }
        const char *value = k + 1;
        while (value < end && *value == ' ') value++;
        size_t n = 0;
        char *text = value < end ? read_value(value, end, &n) : mem_strdup("");
        out->pair = mem_grow(out->pair, (out->count + 1) * sizeof *out->pair);
        out->pair[out->count++] = (InfoPair){ mem_strndup(key, (size_t)(k - key)), text };
        p = value + n;
        while (p < end && (*p == ',' || *p == ' ')) p++;
    }
}

static void drop_pairs(Infotext *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->pair[i].key);
        free(t->pair[i].value);
    }
    free(t->pair);
    t->pair = NULL;
    t->count = 0;
}

/* Python's str.strip() of one line. */
static void add_line(Str *to, const char *s, size_t n)
{
    while (n && isspace((unsigned char)s[n - 1])) n--;
    while (n && isspace((unsigned char)*s)) s++, n--;
    if (to->len) str_add(to, "\n");
    str_addn(to, s, n);
}

/* Where the line of pairs begins, which is read; the text's end: it has none. */
static const char *find_pairs(const char *text, const char *end, Infotext *out)
{
    const char *line_end = end;
    for (bool last = true;; last = false) {
        const char *line = line_end;
        while (line > text && line[-1] != '\n') line--;
        if (last || (size_t)(line_end - line) > 6) {
            bool steps = line_end - line > 6 && strncmp(line, "Steps:", 6) == 0;
            if (last || steps) read_pairs(line, line_end, out);
            if (out->count >= 3) return line;
            drop_pairs(out);
        }
        if (line == text) return end;
        line_end = line - 1;
    }
}

void infotext_parse(const char *text, Infotext *out)
{
    Str prompt = { 0 }, negative = { 0 };
    bool in_negative = false;
    *out = (Infotext){ 0 };
    while (isspace((unsigned char)*text)) text++;
    const char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) end--;
    const char *pairs = find_pairs(text, end, out);
    for (const char *p = text; p < pairs;) {
        const char *stop = memchr(p, '\n', (size_t)(pairs - p));
        size_t n = (size_t)((stop ? stop : pairs) - p), blank = strspn(p, " \t");
        if (blank < n && str_starts(p + blank, "Negative prompt:")) {
            in_negative = true;
            add_line(&negative, p + blank + 16, n - blank - 16);
        } else {
            add_line(in_negative ? &negative : &prompt, p, n);
        }
        p += n + (stop != NULL);
    }
    out->prompt = prompt.s ? prompt.s : mem_strdup("");
    out->negative = negative.s ? negative.s : mem_strdup("");
}

void infotext_release(Infotext *t)
{
    drop_pairs(t);
    free(t->prompt);
    free(t->negative);
    *t = (Infotext){ 0 };
}

const char *infotext_value(const Infotext *t, const char *key)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->pair[i].key, key) == 0) return t->pair[i].value;
    return NULL;
}
