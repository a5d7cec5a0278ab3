/* made.c - see made.h. */
#define _GNU_SOURCE
#include "base/made.h"

#include <string.h>

#include "base/str.h"

enum { LOOK = 4096 }; /* bytes at the beginning that have the mark */

#define MARK(text) (text), sizeof(text) - 1

static const struct {
    const char *ending, *mark;
    size_t len;
} marks[] = {
    { ".png", MARK(MADE_KEY "\0" MADE_TEXT) },
    { ".html", MARK("<meta name=\"generator\" content=\"limn ") },
    { ".json", MARK("\"limn\":") },
    { ".csv", MARK(",psnr") },
};

static bool is_marked(const char *name, Bytes file)
{
    size_t most = file.len < LOOK ? file.len : LOOK;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (str_ends(name, marks[i].ending)) return memmem(file.data, most, marks[i].mark, marks[i].len) != NULL;
    return false;
}

/* Whether a regular file of that name has no mark. */
static bool is_others(const Folder *f, const char *name)
{
    Bytes file;
    Err ignored;
    if (!folder_has_file(f, name)) return false;
    if (folder_map(f, name, &file, &ignored)) return true;
    bool others = !is_marked(name, file);
    file_unmap(&file);
    return others;
}

int made_check(const Folder *f, const char *name, Err *e)
{
    if (!is_others(f, name)) return 0;
    return err_set(e, "%s%s is there and limn did not make it: another folder, or move it away", f->path, name);
}

bool made_remove(const Folder *f, const char *name) { return !is_others(f, name) && folder_remove(f, name); }
