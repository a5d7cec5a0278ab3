/* test_web.c - pages are whole, and no text in their data gets out of it. How they look and work: make test-web. */
#include "tests/support.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/job.h"
#include "web/gallery.h"
#include "web/page.h"

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++) n++;
    return n;
}

/* The page's data, parsed. */
static cJSON *data_of(const char *html)
{
    const char *begin = strstr(html, "id=\"data\">"), *end = begin ? strstr(begin, "</script>") : NULL;
    assert_non_null(end);
    begin += strlen("id=\"data\">");
    cJSON *root = cJSON_ParseWithLength(begin, (size_t)(end - begin));
    assert_non_null(root);
    return root;
}

static void a_gallery_is_one_file(void **state)
{
    (void)state;
    Str html = { 0 };
    static const char *const lines[] = { "{\"file\":\"a.png\",\"job\":{\"prompt\":\"x\"}}" };
    gallery_page("night", lines, 1, &html);
    assert_true(str_starts(html.s, "<!doctype html>"));
    assert_null(strstr(html.s, "@style@"));
    assert_null(strstr(html.s, "@script@"));
    assert_null(strstr(html.s, "@data@"));
    assert_null(strstr(html.s, "http:")); /* nothing from elsewhere */
    assert_null(strstr(html.s, "https:"));
    assert_int_equal(times(html.s, "<style>"), 1);
    cJSON *root = data_of(html.s);
    int options = 0;
    for (const Option *o = job_options; o->name; o++) options += o->picture;
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "options")), options + 1); /* and the model */
    cJSON_Delete(root);
    str_release(&html);
}

static void hostile_texts_stay_data(void **state)
{
    (void)state;
    static const char hostile[] = "</script><script>alert(1)</script><!-- @data@ \"'&";
    Str html = { 0 };
    cJSON *p = cJSON_CreateObject();
    cJSON_AddStringToObject(p, "file", hostile);
    char *text = cJSON_PrintUnformatted(p);
    const char *lines[] = { text, text };
    gallery_page(hostile, lines, 2, &html);
    assert_int_equal(times(html.s, "</script>"), 2);
    assert_int_equal(times(html.s, "<!--"), 0);
    cJSON *root = data_of(html.s);
    assert_string_equal(cJSON_GetObjectItem(root, "title")->valuestring, hostile);
    const cJSON *pictures = cJSON_GetObjectItem(root, "pictures");
    assert_int_equal(cJSON_GetArraySize(pictures), 2);
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(pictures, 1), "file")->valuestring, hostile);
    cJSON_Delete(root);
    cJSON_Delete(p);
    cJSON_free(text);
    str_release(&html);
}

static void it_is_written_into_the_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/limn-gallery-XXXXXX", path[64];
    Err e;
    Bytes file;
    Str html = { 0 };
    Folder in;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(folder_open(&in, folder, &e), 0);
    assert_int_equal(gallery_write(&in, "none", NULL, 0, &e), 0);
    gallery_page("none", NULL, 0, &html);
    snprintf(path, sizeof path, "%s/index.html", folder);
    assert_int_equal(file_map(&file, path, &e), 0);
    assert_int_equal(file.len, html.len);
    assert_memory_equal(file.data, html.s, html.len);
    file_unmap(&file);
    unlink(path);
    rmdir(folder);
    assert_int_equal(gallery_write(&in, "none", NULL, 0, &e), -1);
    folder_close(&in);
    str_release(&html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gallery_is_one_file),
        cmocka_unit_test(hostile_texts_stay_data),
        cmocka_unit_test(it_is_written_into_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
