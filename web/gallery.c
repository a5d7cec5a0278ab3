/* gallery.c - see gallery.h. */
#include "web/gallery.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "base/made.h"
#include "base/version.h"
#include "pipeline/job.h"
#include "web/page.h"

/* The options in the table's order, so that the page can write a command as the program reads it. */
static void add_options(cJSON *to)
{
    cJSON *list = cJSON_AddArrayToObject(to, "options");
    for (const Option *o = job_options; o->name; o++) {
        if (!o->picture && strcmp(o->name, "model") != 0) continue;
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", o->name);
        if (o->dflt && o->type != OPT_FLAG) cJSON_AddStringToObject(row, "dflt", o->dflt);
        cJSON_AddItemToArray(list, row);
    }
}

void gallery_page(const char *title, const char *const *lines, size_t count, Str *html)
{
    cJSON *head = cJSON_CreateObject();
    json_add_text(head, "title", title);
    cJSON_AddStringToObject(head, "version", LIMN_VERSION);
    add_options(head);
    char *text = cJSON_PrintUnformatted(head);
    Str json = { 0 };
    str_addn(&json, text, strlen(text) - 1); /* the object stays open */
    str_add(&json, ",\"pictures\":[");
    for (size_t i = 0; i < count; i++) str_addf(&json, "%s\n%s", i ? "," : "", lines[i]);
    str_add(&json, "\n]}");
    page_make("gallery", str_text(&json), html);
    cJSON_free(text);
    cJSON_Delete(head);
    str_release(&json);
}

int gallery_write(const Folder *folder, const char *title, const char *const *lines, size_t count, Err *e)
{
    Str html = { 0 };
    gallery_page(title, lines, count, &html);
    int failed = made_check(folder, "index.html", e) ||
                 folder_write(folder, "index.html", (Bytes){ (const unsigned char *)html.s, html.len }, e);
    str_release(&html);
    return failed ? -1 : 0;
}
