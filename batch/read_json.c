/* read_json.c - jobs as JSON objects: one a line, in an array or one after the other, parsed one at a time. */
#include <math.h>
#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "batch/readers.h"

/* A value as the text that an option takes. Error: neither text, number nor bool. */
static int add_value(Field *f, const cJSON *v, Err *e)
{
    char number[JSON_NUMBER], seen[SHOWN_MAX];
    if (cJSON_IsString(v)) {
        field_add_text(f, v->valuestring, VALUE_TEXT);
    } else if (cJSON_IsBool(v)) {
        field_add_text(f, cJSON_IsTrue(v) ? "true" : "false", VALUE_BOOL);
    } else if (cJSON_IsNumber(v)) {
        double d = v->valuedouble;
        if (isinf(d)) return err_usage(e, "%.60s: a number that is finite is expected", f->name);
        if (!json_number(d, number))
            return err_usage(e, "%.60s: a number above 2^53 keeps its digits only in quotes", f->name);
        field_add_text(f, number, VALUE_NUMBER);
    } else {
        return err_usage(e, "%.60s: a text, a number, true, false or a list of them is expected, not %s", f->name,
                         json_shown(v, seen));
    }
    return 0;
}

static int add_fields(const cJSON *object, Record *out, Err *e)
{
    const cJSON *item, *v;
    cJSON_ArrayForEach(item, object)
    {
        if (cJSON_IsNull(item) || (cJSON_IsObject(item) && !item->child)) continue; /* as if it were not there */
        if (!*item->string) return err_usage(e, "a field without a name");
        Field *f = record_add(out, item->string, strlen(item->string));
        if (!cJSON_IsArray(item)) {
            if (add_value(f, item, e)) return -1;
            continue;
        }
        cJSON_ArrayForEach(v, item) if (add_value(f, v, e)) return -1;
    }
    return 0;
}

static int read_object(Bytes text, Record *out, Err *e)
{
    if (check_record(text, e)) return -1;
    cJSON *object = json_parse(text, e);
    if (!object) return -1;
    int failed = add_fields(object, out, e);
    cJSON_Delete(object);
    return failed ? -1 : 1;
}

static bool blank(Bytes line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!is_space(line.data[i])) return false;
    return true;
}

static bool one_of(char c, const char *set) { return c && strchr(set, c); }

/* Whether a line that begins an object or array could be all of it. */
static bool ends_here(Bytes line)
{
    size_t len = line.len;
    while (len && is_space(line.data[len - 1])) len--;
    return !one_of((char)line.data[strspn((const char *)line.data, " \t")], "{[") ||
           one_of((char)line.data[len - 1], "}],");
}

int read_jsonl(Cursor *c, Record *out, Err *e)
{
    Bytes line;
    if (!c->first) c->line++;
    for (; next_line(c, &line); c->line++) {
        c->first = false;
        if (blank(line)) continue;
        out->line = c->line;
        if (check_record(line, e)) return -1;
        if (!ends_here(line))
            return err_usage(e, "not valid JSON: no object ends on this line; .jsonl has one a line, --format json "
                                "takes them over several");
        return read_object(line, out, e);
    }
    return 0;
}

/* ---- an array ---- */

static void skip_space(Cursor *c)
{
    for (; c->at < c->end && is_space(*c->at); c->at++) c->line += *c->at == '\n';
}

/* The bytes of the value at the cursor, which moves behind it: brackets are counted, strings skipped. */
static Bytes take_value(Cursor *c, size_t *lines)
{
    const char *start = c->at;
    size_t depth = 0;
    for (bool quoted = false; c->at < c->end && c->at - start <= JOBS_MAX_RECORD; c->at++) {
        char x = *c->at;
        *lines += x == '\n';
        if (quoted) {
            if (x == '\\' && c->at + 1 < c->end) c->at++;
            else if (x == '"') quoted = false;
            continue;
        }
        if (x == '"') quoted = true;
        else if (x == '{' || x == '[') depth++;
        else if ((x == '}' || x == ']') && depth) {
            if (--depth) continue;
            c->at++;
            break;
        } else if (!depth && (x == ',' || x == ']')) break;
    }
    return (Bytes){ (const unsigned char *)start, (size_t)(c->at - start) };
}

static int after_last(Cursor *c, Err *e)
{
    c->at++;
    skip_space(c);
    return c->at == c->end ? 0 : err_usage(e, "text after the end of the array");
}

/* The object at the cursor. */
static int take_object(Cursor *c, Record *out, Err *e)
{
    size_t lines = 0;
    out->line = c->line;
    if (read_object(take_value(c, &lines), out, e) < 0) return -1;
    c->line += lines;
    skip_space(c);
    return 1;
}

/* Objects one after the other, as jq prints them; one alone is one job. */
static int next_object(Cursor *c, Record *out, Err *e)
{
    if (c->at == c->end) return 0;
    if (*c->at != '{')
        return err_usage(e, "an object is expected, or an array of them: [{\"prompt\": \"a red potion\"}, ...]");
    return take_object(c, out, e);
}

/* Behind the '[' or the element before. */
static int next_element(Cursor *c, bool first, Record *out, Err *e)
{
    if (!first && c->at == c->end) return 0;
    if (!first && *c->at == ']') return after_last(c, e);
    if (!first && *c->at != ',') return err_usage(e, "a comma or ] is expected between two jobs");
    c->at++;
    skip_space(c);
    if (c->at == c->end) return err_usage(e, "the array has no end");
    if (first && *c->at == ']') return after_last(c, e);
    if (*c->at == ']') return err_usage(e, "a comma with no job behind it");
    if (take_object(c, out, e) < 0) return -1;
    return c->at < c->end ? 1 : err_usage(e, "the array has no end: ] is missing");
}

int read_json(Cursor *c, Record *out, Err *e)
{
    bool first = c->first;
    skip_space(c);
    c->first = false;
    if (first) c->array = c->at < c->end && *c->at == '[';
    return c->array ? next_element(c, first, out, e) : next_object(c, out, e);
}
