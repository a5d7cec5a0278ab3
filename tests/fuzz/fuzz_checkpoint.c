/*
 * fuzz_checkpoint.c - a single file as people have them, with something else about it. The input is text: a list of tensors by its name
 * (tests/golden/ldm/NAME.tsv), then a line for each edit:
 *     - PREFIX          tensors whose names begin so are left out
 *     > PREFIX OTHER    names that begin so begin otherwise
 *     = PREFIX SHAPE    the first of these has another shape: 320x4x3x3
 *     + NAME SHAPE      a tensor more
 * The file is a sparse one of the real size, and opened without its weights.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "pipeline/model.h"
#include "tests/fuzz/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TENSORS = 3000, EDITS = 12, WORD = 160 };

typedef struct {
    char name[WORD], shape[32];
    bool out;
} Row;

static const char *const lists[] = { "sd15", "sd21", "sdxl", "sdxl-refiner" };
enum { LISTS = sizeof lists / sizeof *lists };

static Row *read_list(int which, size_t *count)
{
    static Row *kept[LISTS];
    static size_t counts[LISTS];
    if (!kept[which]) {
        char path[64], last[WORD] = "";
        snprintf(path, sizeof path, "tests/golden/ldm/%s.tsv", lists[which]);
        FILE *f = fopen(path, "r");
        if (!f) abort();
        kept[which] = mem_alloc(TENSORS * sizeof(Row));
        Row r = { .out = false };
        while (counts[which] < TENSORS && fscanf(f, "%159s %31s %*[^\n]", r.name, r.shape) == 2) {
            if (strcmp(last, r.name) != 0) kept[which][counts[which]++] = r; /* else: the thirds of one tensor */
            strcpy(last, r.name);
        }
        fclose(f);
    }
    *count = counts[which];
    return kept[which];
}

static void edit(Row *rows, size_t *count, char op, const char *at, const char *to)
{
    if (op == '+' && *count < TENSORS) {
        Row *r = &rows[(*count)++];
        *r = (Row){ .out = false };
        snprintf(r->name, sizeof r->name, "%s", at);
        snprintf(r->shape, sizeof r->shape, "%.31s", to);
        return;
    }
    for (size_t i = 0; i < *count; i++) {
        Row *r = &rows[i];
        if (!str_starts(r->name, at)) continue;
        if (op == '-') r->out = true;
        if (op == '=') {
            snprintf(r->shape, sizeof r->shape, "%.31s", to);
            return;
        }
        if (op == '>') {
            char renamed[2 * WORD];
            snprintf(renamed, sizeof renamed, "%s%s", to, r->name + strlen(at));
            snprintf(r->name, sizeof r->name, "%.159s", renamed);
        }
    }
}

/* "320x4" -> "320,4" and what it counts; shapes that no file of a sane size has become one number. */
static size_t dims(const char *shape, Str *out)
{
    size_t count = 1;
    str_clear(out);
    for (const char *p = shape; *p;) {
        char *end;
        unsigned long n = strtoul(p, &end, 10);
        if (end == p || n > 1 << 20 || count * n > (size_t)1 << 32) break;
        count *= n;
        str_addf(out, "%s%lu", out->len ? "," : "", n);
        p = *end ? end + 1 : end;
    }
    return count;
}

static const char *write_file(const Row *rows, size_t count)
{
    Str header = { 0 }, shape = { 0 };
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].out) continue;
        size_t n = 2 * dims(rows[i].shape, &shape);
        str_addf(&header, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                 header.len ? "," : "{", rows[i].name, str_text(&shape), bytes, bytes + n);
        bytes += n;
    }
    str_add(&header, header.len ? "}" : "{}");
    Str file = { 0 };
    uint64_t len = header.len;
    str_addn(&file, (const char *)&len, sizeof len);
    str_addn(&file, header.s, header.len);
    const char *path = work_file("m.safetensors", file.s, file.len);
    if (truncate(path, (off_t)(file.len + bytes))) abort();
    str_release(&header);
    str_release(&shape);
    str_release(&file);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[2048], at[WORD], to[WORD], op;
    int which = 0, edits = 0;
    if (size >= sizeof text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    for (size_t i = 0; i < size; i++) /* the header stays JSON: fuzz_safetensors breaks that */
        if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~' || strchr("\"\\", text[i]))) text[i] = '_';
    char *rest = NULL, *line = strtok_r(text, "\n", &rest);
    for (int i = 0; line && i < LISTS; i++)
        if (strcmp(line, lists[i]) == 0) which = i;

    size_t count;
    const Row *list = read_list(which, &count);
    Row *rows = mem_alloc(TENSORS * sizeof *rows);
    memcpy(rows, list, count * sizeof *rows);
    while ((line = strtok_r(NULL, "\n", &rest)) && edits++ < EDITS) {
        to[0] = 0;
        if (sscanf(line, "%c %159s %159s", &op, at, to) >= 2) edit(rows, &count, op, at, to);
    }
    const char *path = write_file(rows, count);
    free(rows);

    ModelPaths paths = { .path = path, .no_weights = true };
    Err e = { .text = "" };
    Model *m = model_open(&paths, &e); /* not described: that hashes the file, whose size is a real one's */
    if (!m && !e.text[0]) abort();
    model_free(m);
    work_remove("m.safetensors");
    return 0;
}
