/* checkpoint.c - see checkpoint.h. */
#include "tests/checkpoint.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/files.h"
#include "tests/support.h"

bool checkpoint_line(FILE *f, CheckpointLine *l)
{
    return fscanf(f, "%159s %31s %15s %159s %31s %zu", l->name, l->shape, l->part, l->diffusers, l->new_shape,
                  &l->row) == 6;
}

void checkpoint_dims(const char *shape, Str *out, size_t *count)
{
    char *end;
    *count = 1;
    str_clear(out);
    if (strcmp(shape, "scalar") == 0) return;
    for (const char *p = shape;; p = end + 1) {
        unsigned long n = strtoul(p, &end, 10);
        *count *= n;
        str_addf(out, "%s%lu", p == shape ? "" : ",", n);
        if (*end != 'x') return;
    }
}

void checkpoint_add(Checkpoint *c, const char *name, const char *shape)
{
    Str list = { 0 };
    size_t count;
    checkpoint_dims(shape, &list, &count);
    str_addf(&c->header, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
             c->header.len ? "," : "{", name, str_text(&list), c->bytes, c->bytes + 2 * count);
    c->bytes += 2 * count;
    str_release(&list);
}

char *checkpoint_finish(const char *dir, const char *name, Checkpoint *c)
{
    char *path = path_in(dir, name);
    FILE *f = fopen(path, "wb");
    str_add(&c->header, "}");
    uint64_t len = c->header.len;
    assert_non_null(f);
    assert_int_equal(fwrite(&len, 8, 1, f) + fwrite(c->header.s, 1, len, f), 1 + len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(path, (off_t)(8 + len + c->bytes)), 0);
    str_release(&c->header);
    c->bytes = 0;
    return path;
}

char *checkpoint_put(const char *dir, const char *name, const char *list, const char *without, const char *extra)
{
    char golden[256], last[160] = "";
    CheckpointLine l;
    Checkpoint c = { 0 };
    snprintf(golden, sizeof golden, GOLDEN "/ldm/%s.tsv", list);
    FILE *f = fopen(golden, "r");
    assert_non_null(f);
    while (checkpoint_line(f, &l)) {
        if (strcmp(last, l.name) == 0) continue; /* the thirds of one tensor */
        strcpy(last, l.name);
        if (!without || !str_starts(l.name, without)) checkpoint_add(&c, l.name, l.shape);
    }
    if (extra) checkpoint_add(&c, extra, "1");
    fclose(f);
    return checkpoint_finish(dir, name, &c);
}
