/*
 * fuzz_foreign.c - what another tool wrote into a picture: the first line is the text's key, what follows the text, parted by a line "--"
 * from a second one. And all of it as Exif. A reading has every remark on one line without control characters, and its job can be
 * written as a command.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "again/foreign_picture.h"
#include "base/mem.h"
#include "base/visible.h"
#include "image/comment.h"

static void add(PngTexts *t, char *part)
{
    char *text = strchr(part, '\n');
    if (text) *text++ = '\0';
    t->items[t->count++] = (PngText){ mem_strdup(part), mem_strdup(text ? text : "") };
}

static void check(const Reading *r)
{
    for (size_t i = 0; i < r->remarks; i++) assert(visible_all(r->remark[i].text));
    assert(r->loras <= READING_LORAS && r->remarks <= READING_REMARKS);
    for (const Option *o = job_options; o->name; o++) {
        Str value = { 0 };
        job_get(&r->job, o, &value);
        str_release(&value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16) return 0;
    char *exif = comment_of_exif((Bytes){ data, size }), *text = mem_strndup((const char *)data, size);
    char *second = strstr(text, "\n--\n");
    PngTexts t = { .items = mem_array(2, sizeof *t.items) };
    Reading r;
    Err e = { .text = "" };
    if (second) *second = '\0', second += 4;
    add(&t, text);
    if (second) add(&t, second);
    int failed = foreign_read(&t, NULL, &r, &e);
    assert(!failed || e.text[0]);
    check(&r);
    reading_release(&r);
    png_texts_release(&t);
    free(exif);
    free(text);
    return 0;
}
