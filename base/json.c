/* json.c - see json.h. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/magic.h"
#include "base/mem.h"
#include "base/utf8.h"

/* cJSON hands out C strings: a NUL inside one would cut it short unseen. */
static bool has_nul(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!s[i]) return true;
        if (s[i] != '\\') continue;
        i++; /* an escape: "\\u0000" is a backslash and five characters */
        if (len - i >= 5 && memcmp(s + i, "u0000", 5) == 0) return true;
    }
    return false;
}

/*
 * Python writes an infinite number as a bare Infinity, and diffusers' scheduler configs hold some. 1e999 means the same to
 * the parser, in as many bytes.
 */
static void rewrite_infinity(char *s)
{
    for (bool quoted = false; *s; s++) {
        if (*s == '"') quoted = !quoted;
        else if (*s == '\\' && s[1]) s++;
        else if (!quoted && *s == 'I' && strncmp(s, "Infinity", 8) == 0) memcpy(s, "1e999   ", 8);
    }
}

int json_check_size(Bytes text, Err *e)
{
    size_t values = 1; /* each follows a comma or the beginning of a list; an empty list counts for two */
    int depth = 0;
    bool quoted = false;

    if (text.len > JSON_MAX_BYTES)
        return err_set(e, "%zu bytes of JSON, more than the %d that limn reads", text.len, JSON_MAX_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = text.data[i];
        if (c == '"') quoted = !quoted;
        if (quoted) {
            i += c == '\\'; /* what is escaped ends no text */
            continue;
        }
        bool opens = c == '{' || c == '[';
        values += opens || c == ',';
        depth += opens - (c == '}' || c == ']');
        if (depth > JSON_MAX_DEPTH) return err_set(e, "JSON that is nested more than %d deep", JSON_MAX_DEPTH);
    }
    if (values > JSON_MAX_VALUES)
        return err_set(e, "JSON of about %zu values, more than the %d that limn reads", values, JSON_MAX_VALUES);
    return 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* A key that an object in the tree has twice, or NULL. The depth is at most JSON_MAX_DEPTH. */
static const char *duplicate_key(const cJSON *tree)
{
    const char *found = NULL;
    size_t count = 0, i = 0;
    const cJSON *item;

    cJSON_ArrayForEach(item, tree)
    {
        count++;
        if (item->child && (found = duplicate_key(item))) return found;
    }
    if (!cJSON_IsObject(tree) || count < 2) return NULL;

    const char **keys = mem_array(count, sizeof *keys);
    cJSON_ArrayForEach(item, tree) keys[i++] = item->string;
    qsort(keys, count, sizeof *keys, by_text);
    for (i = 1; i < count && !found; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0) found = keys[i];
    free(keys);
    return found;
}

struct cJSON *json_parse(Bytes text, Err *e)
{
    char buf[SHOWN_MAX];
    const char *end = NULL, *duplicate;
    if (json_check_size(text, e)) return NULL;
    /* a copy with a NUL behind it: older cJSON looks one byte past the end of some broken texts */
    char *copy = mem_strndup((const char *)text.data, text.len);
    cJSON *root = NULL;

    if (!text.len) {
        err_set(e, "empty: expected a JSON object");
        goto fail;
    }
    if (has_nul(copy, text.len)) {
        err_set(e, "a NUL byte in the JSON text: the file is damaged");
        goto fail;
    }
    rewrite_infinity(copy);
    root = cJSON_ParseWithLengthOpts(copy, text.len, &end, false);
    Magic other = { 0 };
    if (!root) other = magic_of(text);
    if (!root && other.kind == MAGIC_OTHER) { /* what stands there in place of a file that was not fetched */
        err_set(e, "%s, not JSON%s%s", other.what, other.advice ? ": " : "", other.advice ? other.advice : "");
        goto fail;
    }
    if (!root) {
        err_set(e, "not valid JSON (at byte %zu of %zu)", end ? (size_t)(end - copy) : 0, text.len);
        goto fail;
    }
    end += strspn(end, " \t\r\n");
    if (end != copy + text.len) {
        err_set(e, "text after the end of the JSON object (at byte %zu of %zu)", (size_t)(end - copy), text.len);
        goto fail;
    }
    if (!cJSON_IsObject(root)) {
        err_set(e, "JSON, but %s: expected an object {...}", cJSON_IsArray(root) ? "an array" : "a plain value");
        goto fail;
    }
    if ((duplicate = duplicate_key(root))) {
        err_set(e, "the key \"%s\" is there twice", shown(duplicate, buf));
        goto fail;
    }
    free(copy);
    return root;

fail:
    cJSON_Delete(root);
    free(copy);
    return NULL;
}

bool json_number(double d, char out[JSON_NUMBER])
{
    if (!isfinite(d) || fabs(d) >= 9007199254740992.0) return false; /* 2^53, which 2^53 + 1 is read as, too */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, JSON_NUMBER, "%.*g", digits, d);
        if (strtod(out, NULL) == d) break;
    }
    if (d == (double)(long long)d) snprintf(out, JSON_NUMBER, "%.0f", d);
    return true;
}

bool json_whole(const struct cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item)) return false;
    double v = item->valuedouble;
    if (!(v >= 0 && v <= 0x1p53) || v != (double)(uint64_t)v) return false;
    *out = (uint64_t)v;
    return true;
}

void json_add_lines(cJSON *to, const char *key, const char *lines)
{
    cJSON *list = cJSON_AddArrayToObject(to, key);
    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
        Str line = { 0 };
        utf8_add(&line, lines, (size_t)(end - lines));
        cJSON_AddItemToArray(list, cJSON_CreateString(str_text(&line)));
        str_release(&line);
    }
}

void json_add_text(struct cJSON *to, const char *key, const char *value)
{
    Str valid = { 0 };
    utf8_add(&valid, value, strlen(value));
    cJSON_AddStringToObject(to, key, str_text(&valid));
    str_release(&valid);
}

const char *shown(const char *name, char buf[SHOWN_MAX])
{
    size_t len = strlen(name), n = len < SHOWN_MAX ? len : SHOWN_MAX - 4;
    for (size_t i = 0; i < n; i++) buf[i] = name[i] < 32 || name[i] > 126 ? '?' : name[i];
    strcpy(buf + n, n < len ? "..." : "");
    return buf;
}

const char *json_shown(const struct cJSON *item, char buf[SHOWN_MAX])
{
    char *text = cJSON_PrintUnformatted(item);
    shown(text, buf);
    cJSON_free(text);
    return buf;
}
