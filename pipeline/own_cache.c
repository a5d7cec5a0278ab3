/* own_cache.c - see own_cache.h. */
#include "pipeline/own_cache.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"

int own_cache_open(Folder *f)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    Str path = { 0 };
    Err ignored;
    struct stat st;
    *f = (Folder){ 0 };
    if (cache && *cache) str_add(&path, cache);
    else if (home && *home) str_addf(&path, "%s/.cache", home);
    else return -1;
    mkdir(path.s, 0700);
    str_add(&path, "/limn");
    mkdir(path.s, 0700);
    int failed = folder_open(f, path.s, &ignored);
    str_release(&path);
    if (!failed && fstat(f->fd, &st) == 0 && folder_owns(f, &st) && !(st.st_mode & (S_IWGRP | S_IWOTH))) return 0;
    folder_close(f);
    return -1;
}

static bool is_own(const Folder *f, const char *name)
{
    struct stat st;
    return fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && folder_owns(f, &st);
}

cJSON *own_cache_read(const Folder *f, const char *name)
{
    Bytes file;
    Err ignored;
    cJSON *root = NULL;
    if (is_own(f, name) && folder_map(f, name, &file, &ignored) == 0) {
        root = json_parse(file, &ignored);
        file_unmap(&file);
    }
    if (root && cJSON_IsObject(root)) return root;
    cJSON_Delete(root);
    return cJSON_CreateObject();
}

void own_cache_write(const Folder *f, const char *name, const cJSON *root)
{
    Err ignored;
    char *text = cJSON_Print(root);
    folder_sweep(f);
    if (text) folder_write_text(f, name, text, &ignored);
    cJSON_free(text);
}
