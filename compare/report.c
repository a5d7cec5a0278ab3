/* report.c - see report.h. */
#include "compare/report.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/file.h"

extern const char report_html[], report_css[], report_js[]; /* scripts/embed */

static void add_base64(Str *out, Bytes b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < b.len; i += 3) {
        size_t left = b.len - i;
        unsigned v =
            (unsigned)b.data[i] << 16 | (left > 1 ? (unsigned)b.data[i + 1] << 8 : 0) | (left > 2 ? b.data[i + 2] : 0U);
        char four[4] = { digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63] };
        if (left < 3) four[3] = '=';
        if (left < 2) four[2] = '=';
        str_addn(out, four, 4);
    }
}

/* Inside <script> no text may end the element: "<" is written so that JSON reads it all the same. */
static void add_json(Str *out, const char *json)
{
    for (; *json; json++) {
        if (*json == '<') str_add(out, "\\u003c");
        else str_addn(out, json, 1);
    }
}

static void add_escaped(Str *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<') str_add(out, "&lt;");
        else if (*text == '>') str_add(out, "&gt;");
        else if (*text == '&') str_add(out, "&amp;");
        else if (*text == '"') str_add(out, "&quot;");
        else str_addn(out, text, 1);
    }
}

static int add_picture(Str *out, const char *dir, const char *file, Err *e)
{
    Str path = { 0 };
    Bytes png;
    /* a name that is absolute stays: pictures that the user named */
    if (*file == '/') str_add(&path, file);
    else str_addf(&path, "%s/%s", dir, file);
    int failed = file_map(&png, str_text(&path), e);
    if (!failed) {
        str_add(out, "\"data:image/png;base64,");
        add_base64(out, png);
        str_add(out, "\"");
        file_unmap(&png);
    }
    str_release(&path);
    return failed;
}

/* {"cells/x.png": "data:...", ...}: each file once. */
static int add_pictures(Str *out, const char *dir, const cJSON *doc, Err *e)
{
    static const char *const lists[] = { "references", "cells" };
    cJSON *seen = cJSON_CreateObject();
    int failed = 0;
    str_add(out, "{");
    for (int i = 0; i < 2 && !failed; i++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(doc, lists[i]))
        {
            const char *file = cJSON_GetStringValue(cJSON_GetObjectItem(item, "file"));
            if (!file || cJSON_GetObjectItemCaseSensitive(seen, file)) continue;
            cJSON *key = cJSON_CreateString(file);
            char *text = cJSON_PrintUnformatted(key);
            str_add(out, out->s[out->len - 1] == '{' ? "" : ",");
            add_json(out, text);
            str_add(out, ":");
            cJSON_free(text);
            cJSON_Delete(key);
            cJSON_AddTrueToObject(seen, file);
            failed = add_picture(out, dir, file, e);
            if (failed) break;
        }
    }
    str_add(out, "}");
    cJSON_Delete(seen);
    return failed;
}

/* What stands at "{{name}}" of the page. */
static int add_part(Str *out, const char *name, size_t len, const char *dir, const char *title, const cJSON *doc,
                    Err *e)
{
    if (len == 5 && memcmp(name, "title", len) == 0) add_escaped(out, title);
    if (len == 5 && memcmp(name, "style", len) == 0) str_add(out, report_css);
    if (len == 6 && memcmp(name, "script", len) == 0) str_add(out, report_js);
    if (len == 4 && memcmp(name, "data", len) == 0) {
        char *text = cJSON_PrintUnformatted(doc);
        add_json(out, text);
        cJSON_free(text);
    }
    if (len == 8 && memcmp(name, "pictures", len) == 0) return add_pictures(out, dir, doc, e);
    return 0;
}

int report_write(const char *dir, const char *title, const cJSON *doc, Err *e)
{
    Str page = { 0 }, path = { 0 };
    int failed = 0;
    for (const char *p = report_html; *p && !failed;) {
        const char *open = strstr(p, "{{"), *close = open ? strstr(open, "}}") : NULL;
        if (!close) {
            str_add(&page, p);
            break;
        }
        str_addn(&page, p, (size_t)(open - p));
        failed = add_part(&page, open + 2, (size_t)(close - open - 2), dir, title, doc, e);
        p = close + 2;
    }
    str_addf(&path, "%s/report.html", dir);
    if (!failed) failed = file_write(str_text(&path), (Bytes){ (const unsigned char *)page.s, page.len }, e);
    str_release(&page);
    str_release(&path);
    return failed;
}
