/* preview.c - see preview.h. */
#include "output/preview.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/folder.h"
#include "image/png.h"

static const char mark[] = "limn: the picture so far, ";

/* Whether the file is a preview of limn's. */
static bool is_ours(const Folder *f, const char *name)
{
    Bytes file;
    PngTexts texts = { 0 };
    Err e;
    if (folder_map(f, name, &file, &e)) return false;
    const char *text = png_read_texts(file, &texts, NULL, NULL, &e) ? NULL : png_text(&texts, "Comment");
    bool ours = text && str_starts(text, mark);
    png_texts_release(&texts);
    file_unmap(&file);
    return ours;
}

/* Its folder, opened; *name: within path. Error: what is there is not limn's. */
static int open_place(const OutputNames *n, Folder *f, Str *path, const char **name, Err *e)
{
    if (output_preview_path(n, path, e)) return -1;
    if (folder_of(f, str_text(path), name, e)) return -1;
    if (!folder_has(f, *name) || is_ours(f, *name)) return 0;
    folder_close(f);
    return err_set(e, "\"%.400s\" is there and no preview of limn's: move it away, or give another --output",
                   str_text(path));
}

int preview_file_check(const OutputNames *n, Err *e)
{
    Folder f;
    Str path = { 0 };
    const char *name;
    int failed = open_place(n, &f, &path, &name, e);
    if (!failed) folder_close(&f);
    str_release(&path);
    return failed ? err_in(e, "--preview") : 0;
}

int preview_file_write(const OutputNames *n, const Image *im, int done, int steps, Err *e)
{
    char comment[96];
    Folder f;
    Str path = { 0 };
    Bytes png = { 0 };
    const char *name;
    snprintf(comment, sizeof comment, "%sstep %d of %d", mark, done, steps);
    PngText text = { (char *)(size_t) "Comment", comment };
    int failed = open_place(n, &f, &path, &name, e);
    if (!failed) {
        failed = png_encode(im, &text, 1, &png, e) || folder_write(&f, name, png, e);
        folder_close(&f);
    }
    free((void *)(size_t)png.data);
    str_release(&path);
    return failed ? err_in(e, "--preview") : 0;
}

void preview_file_remove(const OutputNames *n)
{
    Folder f;
    Str path = { 0 };
    const char *name;
    Err e;
    if (!open_place(n, &f, &path, &name, &e)) {
        if (folder_has(&f, name)) folder_remove(&f, name);
        folder_close(&f);
    }
    str_release(&path);
}
