/*
 * support.c - fixtures and measures for the tests.
 */
#include "tests/support.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "weights/safetensors.h"

static void format_path(char path[1024], const char *fmt, va_list ap)
{
    int n = vsnprintf(path, 1024, fmt, ap);
    assert_in_range(n, 1, 1023);
}

void fixture_open(Fixture *f, const char *fmt, ...)
{
    char path[1024];
    va_list ap;
    va_start(ap, fmt);
    format_path(path, fmt, ap);
    va_end(ap);

    Err e = { 0 };
    *f = (Fixture){ .w = weights_new() };
    if (file_map(&f->file, path, &e) || safetensors_read(f->w, f->file, &e)) fail_msg("%s: %s", path, e.text);
}

void fixture_close(Fixture *f)
{
    for (size_t i = 0; i < f->count; i++) free(f->floats[i]);
    free(f->floats);
    weights_free(f->w);
    file_unmap(&f->file);
    *f = (Fixture){ 0 };
}

/* Memory that lives as long as the fixture. */
static void *fixture_keep(Fixture *f, void *block)
{
    f->floats = mem_grow(f->floats, (f->count + 1) * sizeof *f->floats);
    return f->floats[f->count++] = block;
}

bool fixture_has(const Fixture *f, const char *name) { return weights_find(f->w, name) != NULL; }

static const Weight *fixture_find(const Fixture *f, const char *name)
{
    const Weight *t = weights_find(f->w, name);
    if (!t) fail_msg("the fixture has no tensor %s", name);
    return t;
}

const Weight *fixture_shape(const Fixture *f, const char *name, int shape[4])
{
    const Weight *t = fixture_find(f, name);
    assert_in_range(t->ndim, 0, 4);
    for (int i = 0; i < 4; i++) {
        int k = i - (4 - t->ndim);
        shape[i] = k < 0 ? 1 : (int)t->shape[k];
    }
    return t;
}

const float *fixture_f32(Fixture *f, const char *name, size_t *len)
{
    const Weight *t = fixture_find(f, name);
    size_t n = weight_count(t);
    float *x = fixture_keep(f, mem_array(n, sizeof *x));
    Err e = { 0 };
    if (weight_to_f32(t, x, &e)) fail_msg("%s: %s", name, e.text);
    if (len) *len = n;
    return x;
}

const int *fixture_ints(Fixture *f, const char *name, size_t *len)
{
    const Weight *t = fixture_find(f, name);
    assert_int_equal(t->dtype, DT_I64);
    size_t n = weight_count(t);
    int *x = fixture_keep(f, mem_array(n, sizeof *x));
    for (size_t i = 0; i < n; i++) {
        int64_t v;
        memcpy(&v, t->data + i * sizeof v, sizeof v);
        x[i] = (int)v;
    }
    if (len) *len = n;
    return x;
}

Tensor fixture_nchw(Fixture *f, const char *name, Arena *a)
{
    int s[4];
    fixture_shape(f, name, s);
    Tensor t = tensor_new(a, s[0], s[2], s[3], s[1]);
    if (!arena_dry(a)) tensor_from_nchw(t, fixture_f32(f, name, NULL));
    return t;
}

Tensor fixture_tokens(Fixture *f, const char *name, Arena *a)
{
    int s[4];
    fixture_shape(f, name, s);
    assert_int_equal(s[0], 1);
    Tensor t = tensor_new(a, s[1], s[2], 1, s[3]);
    if (!arena_dry(a)) memcpy(t.data, fixture_f32(f, name, NULL), tensor_len(t) * sizeof *t.data);
    return t;
}

const char *fixture_metadata(Fixture *f, const char *key)
{
    char *text = safetensors_metadata(f->file, key);
    return text ? fixture_keep(f, text) : NULL;
}

Config *config_open(const char *fmt, ...)
{
    char path[1024];
    va_list ap;
    va_start(ap, fmt);
    format_path(path, fmt, ap);
    va_end(ap);

    Err e = { 0 };
    Bytes file = { 0 };
    Config *c = file_map(&file, path, &e) ? NULL : config_parse(file, path, &e);
    file_unmap(&file);
    if (!c) fail_msg("%s: %s", path, e.text);
    return c;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Entries of dir that end in suffix, or with suffix NULL those that are folders. */
static char **list(const char *dir, const char *suffix)
{
    size_t count = 0;
    char **names = mem_alloc(sizeof *names);
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        bool wanted = suffix ? str_ends(entry->d_name, suffix) : entry->d_name[0] != '.' && file_is_dir(path);
        if (!wanted) continue;
        names = mem_grow(names, (count + 2) * sizeof *names);
        names[count++] = mem_strdup(entry->d_name);
        names[count] = NULL;
    }
    if (d) closedir(d);
    qsort(names, count, sizeof *names, by_name);
    return names;
}

char **folders_in(const char *dir) { return list(dir, NULL); }
char **files_in(const char *dir, const char *suffix) { return list(dir, suffix); }

void names_free(char **names)
{
    for (char **n = names; *n; n++) free(*n);
    free(names);
}

double relative_l2(const float *a, const float *b, size_t n)
{
    double diff = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        diff += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(diff / norm);
}

double relative_l2_nchw(Tensor a, Fixture *f, const char *name)
{
    int s[4];
    fixture_shape(f, name, s);
    assert_int_equal(a.n, s[0]);
    assert_int_equal(a.c, s[1]);
    assert_int_equal(a.h, s[2]);
    assert_int_equal(a.w, s[3]);
    float *nchw = mem_array(tensor_len(a), sizeof *nchw);
    tensor_to_nchw(nchw, a);
    double error = relative_l2(nchw, fixture_f32(f, name, NULL), tensor_len(a));
    free(nchw);
    return error;
}

double psnr(const float *a, const float *b, size_t n, double peak)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum == 0 ? 200 : 10 * log10(peak * peak * (double)n / sum);
}

void assert_error(double error, double limit, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (getenv("LIMN_TEST_VERBOSE")) print_message("%-48s %.2e (limit %.0e)\n", what, error, limit);
    if (!(error <= limit)) fail_msg("%s: error %.3e, limit %.3e", what, error, limit);
}

Tensor run_measured(ForwardFn f, void *ctx, int threads, Arena *a)
{
    const char *why = NULL;
    Nn nn = { .arena = a, .k = kernels_select(&why), .threads = threads };
    if (!nn.k) fail_msg("%s", why);

    arena_init_dry(a);
    f(&nn, ctx);
    size_t need = a->peak;
    arena_release(a);

    Err e = { 0 };
    if (arena_init(a, need, &e)) fail_msg("%s", e.text);
    Tensor out = f(&nn, ctx);
    assert_int_equal(a->peak, need); /* the dry pass walked the same way */
    return out;
}

int each_folder(const char *parent, const char *prefix, void (*check)(const char *dir))
{
    int found = 0;
    char **names = folders_in(parent);
    for (char **n = names; *n; n++) {
        char dir[1024];
        if (!str_starts(*n, prefix)) continue;
        snprintf(dir, sizeof dir, "%s/%s", parent, *n);
        check(dir);
        found++;
    }
    names_free(names);
    return found;
}

Panels test_panels(const float *w, int n, int k)
{
    return (Panels){ .data = { (const unsigned char *)w }, .type = { DT_F32 }, .k = k, .n = n };
}
