/* files.c - see files.h. */
#define _GNU_SOURCE /* nftw */
#include "tests/files.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/support.h"

int folder_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    Str path = { 0 };
    str_addf(&path, "%s/limn-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(path.s));
    *state = path.s;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int folder_teardown(void **state)
{
    nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

char *path_in(const char *dir, const char *name)
{
    Str path = { 0 };
    str_addf(&path, "%s/%s", dir, name);
    return path.s;
}

void put_file(const char *dir, const char *name, Bytes bytes)
{
    char *path = path_in(dir, name);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(path, 0777);
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
    free(path);
}

void put_text(const char *dir, const char *name, const char *text)
{
    put_file(dir, name, (Bytes){ (const unsigned char *)text, strlen(text) });
}

Bytes safetensors_of(const char *header, size_t data)
{
    uint64_t len = strlen(header);
    Str file = { 0 };
    str_addn(&file, (const char *)&len, sizeof len);
    str_add(&file, header);
    for (size_t i = 0; i < data; i++) str_addn(&file, &(const char){ (char)(i % 251) }, 1);
    Bytes bytes = exact(file.s, file.len);
    str_release(&file);
    return bytes;
}

Bytes exact(const void *data, size_t len)
{
    unsigned char *copy = mem_alloc(len);
    if (len) memcpy(copy, data, len);
    return (Bytes){ copy, len };
}

void assert_said(int failed, const Err *e, const char *part)
{
    if (!failed) fail_msg("accepted; expected an error with \"%s\"", part);
    if (!strstr(e->text, part)) fail_msg("said \"%s\", expected \"%s\" in it", e->text, part);
}
