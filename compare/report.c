/* report.c - see report.h. */
#include "compare/report.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/base64.h"
#include "base/made.h"
#include "web/page.h"

static int add_picture(Str *out, const Folder *dir, const char *file, Err *e)
{
    Bytes png;
    /* a name that is absolute: pictures that the user named */
    int failed = *file == '/' ? file_map(&png, file, e) : folder_map(dir, file, &png, e);
    if (!failed) {
        str_add(out, "\"data:image/png;base64,");
        base64_add(out, png);
        str_add(out, "\"");
        file_unmap(&png);
    }
    return failed;
}

/* {"cells/x.png": "data:...", ...}: each file once. */
static int add_pictures(Str *out, const Folder *dir, const cJSON *doc, Err *e)
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
            str_addf(out, "%s:", text);
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

int report_write(const Folder *dir, const cJSON *doc, Err *e)
{
    Str json = { 0 }, page = { 0 };
    char *text = cJSON_PrintUnformatted(doc);
    str_add(&json, "{\"pictures\":");
    int failed = add_pictures(&json, dir, doc, e);
    str_addf(&json, ",%s", text + 1); /* the document's own members follow */
    if (!failed) {
        page_make("compare", str_text(&json), &page);
        failed = made_check(dir, "report.html", e) ||
                 folder_write(dir, "report.html", (Bytes){ (const unsigned char *)page.s, page.len }, e);
    }
    cJSON_free(text);
    str_release(&json);
    str_release(&page);
    return failed ? -1 : 0;
}
