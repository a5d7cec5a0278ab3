/* fuzz_manifest.c - a manifest of any bytes: read and opened, looked up, put into the gallery's page. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "batch/manifest.h"
#include "tests/fuzz/work.h"
#include "web/gallery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int keep(void *ctx, const char *line, size_t len)
{
    str_addn(ctx, line, len);
    return 0;
}

static void look(const Manifest *m)
{
    static const char *const names[] = { "a.png", "b.png", "x/y.png", "" };
    const char *lines[4];
    Entry entries[4];
    size_t count = 0;
    for (int i = 0; i < 4; i++)
        if (manifest_find(m, names[i], &entries[count])) {
            lines[count] = str_text(&entries[count].line);
            count++;
        }
    Str page = { 0 }, all = { 0 };
    Index none = { 0 };
    gallery_page("t", lines, count, &page);
    manifest_others(m, &none, keep, &all);
    manifest_date(m);
    manifest_seq(m);
    for (size_t i = 0; i < count; i++) str_release(&entries[i].line);
    str_release(&page);
    str_release(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    Folder folder;
    Shard whole = { 1, 1 };
    work_file("manifest.jsonl", data, size);
    if (folder_open(&folder, work_folder(), &e)) abort();
    Manifest *m = manifest_read(&folder, &e);
    if (m) look(m);
    manifest_close(m);
    m = manifest_open(&folder, &whole, &e);
    if (m) look(m);
    manifest_close(m);
    folder_close(&folder);
    return 0;
}
