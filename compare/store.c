/* store.c - see store.h. */
#include "compare/store.h"

#include <ctype.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/made.h"
#include "base/mem.h"
#include "weights/safetensors.h"

enum { LONGEST_WORDS = 60, MOST_NUMBER = 1000000000 };

static const char cells[] = "cells/"; /* before every file's name */

/* Names in a record's metadata. */
static const char *const change_names[CHANGES] = { "rmse", "psnr", "ssim", "flip", "flip_worst", "steps", "converged" };

void drawn_release(Drawn *d)
{
    image_release(&d->image);
    free(d->latent);
    *d = (Drawn){ 0 };
}

void store_key(char key[STORE_KEY + 1], const char *text)
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    sha256_update(&sha, strlen(text), (const uint8_t *)text);
    sha256_digest(&sha, sizeof digest, digest);
    for (int i = 0; i < STORE_KEY / 2; i++) snprintf(key + 2 * i, 3, "%02x", digest[i]);
}

int store_check_made(const Folder *f, Err *e)
{
    static const char *const names[] = { "sheet.png", "report.html", "compare.csv", "compare.json" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (made_check(f, names[i], e)) return -1;
    return 0;
}

int store_open(Store *s, const char *dir, Err *e)
{
    *s = (Store){ 0 };
    if (folder_make(&s->folder, dir, e)) return -1;
    folder_sweep(&s->folder);
    if (store_check_made(&s->folder, e)) return -1;
    if (folder_below(&s->cells, &s->folder, "cells", true, e) ||
        folder_below(&s->records, &s->cells, "latents", true, e))
        return -1;
    folder_sweep(&s->cells);
    return folder_check_writable(&s->records, "x", e);
}

void store_close(Store *s)
{
    folder_close(&s->records);
    folder_close(&s->cells);
    folder_close(&s->folder);
}

void store_file(Str *out, const char *words, const char *key)
{
    str_add(out, cells);
    size_t start = out->len;
    for (; *words && out->len - start < LONGEST_WORDS; words++) {
        bool plain = isalnum((unsigned char)*words) || strchr("._+", *words);
        if (plain && (out->len > start || *words != '.')) str_addn(out, words, 1);
        else if (out->len > start && out->s[out->len - 1] != '-') str_add(out, "-");
    }
    if (out->len > start && out->s[out->len - 1] != '-') str_add(out, "-");
    str_addf(out, "%s.png", key);
}

/* "NAME.safetensors" of "cells/NAME.png". */
static void add_record(Str *out, const char *file)
{
    const char *name = file + strlen(cells);
    str_addf(out, "%.*s.safetensors", (int)(strlen(name) - strlen(".png")), name);
}

int store_image(const Store *s, const char *file, Image *out, Err *e)
{
    return png_load(&s->cells, file + strlen(cells), out, e);
}

/* False: it is not there, or no number that a run writes. */
static bool read_number(Bytes file, const char *key, double *out)
{
    char *text = safetensors_metadata(file, key), *end = NULL;
    *out = text ? strtod(text, &end) : NAN;
    bool good = text && end != text && !*end && isfinite(*out) && fabs(*out) <= MOST_NUMBER;
    free(text);
    return good;
}

static bool read_cost(Bytes file, Cost *cost)
{
    double evaluations;
    bool good = read_number(file, "evaluations", &evaluations) && read_number(file, "seconds", &cost->seconds) &&
                read_number(file, "peak_mb", &cost->peak_mb);
    for (int i = 0; i < CHANGES && good; i++) good = read_number(file, change_names[i], &cost->change[i]);
    good = good && evaluations >= 1 && cost->seconds >= 0 && cost->peak_mb >= 0;
    cost->evaluations = good ? (int)evaluations : 0;
    return good;
}

static void read_machine(Bytes file, Cost *cost)
{
    char *text = safetensors_metadata(file, "machine");
    if (text) snprintf(cost->machine, sizeof cost->machine, "%s", text);
    free(text);
}

static bool read_record(Bytes file, const char *key, Drawn *out)
{
    char *found = safetensors_metadata(file, "key");
    bool same = found && strcmp(found, key) == 0;
    Err e;
    free(found);
    if (!same) return false;
    if (!read_cost(file, &out->cost)) return false;
    read_machine(file, &out->cost);

    Weights *w = weights_new();
    const Weight *t = safetensors_read(w, file, &e) ? NULL : weights_find(w, "latent");
    bool whole = t && t->dtype == DT_F32;
    if (whole) {
        out->len = weight_count(t);
        out->latent = mem_array(out->len + 1, sizeof *out->latent);
        whole = weight_to_f32(t, out->latent, &e) == 0;
    }
    weights_free(w);
    return whole;
}

bool store_read(const Store *s, const char *file, const char *key, Drawn *out)
{
    Str name = { 0 };
    Bytes record;
    Err e;
    *out = (Drawn){ 0 };
    add_record(&name, file);
    bool whole = folder_map(&s->records, str_text(&name), &record, &e) == 0;
    if (whole) {
        whole = read_record(record, key, out);
        file_unmap(&record);
    }
    str_release(&name);
    if (whole && !store_image(s, file, &out->image, &e)) return true;
    drawn_release(out);
    return false;
}

static int write_record(const Store *s, const char *file, const char *key, const Drawn *d, Err *e)
{
    enum { EVALUATIONS, SECONDS, PEAK, CHANGE, FIELDS = CHANGE + CHANGES };
    static const char *const names[] = { "evaluations", "seconds", "peak_mb" };
    const double values[] = { d->cost.evaluations, d->cost.seconds, d->cost.peak_mb };
    char texts[FIELDS][32];
    const char *metadata[2 * FIELDS + 5] = { "key", key };
    for (int i = 0; i < FIELDS; i++) {
        double v = i < CHANGE ? values[i] : d->cost.change[i - CHANGE];
        snprintf(texts[i], sizeof texts[i], i < CHANGE ? "%.17g" : "%.9g", v);
        metadata[2 * i + 2] = i < CHANGE ? names[i] : change_names[i - CHANGE];
        metadata[2 * i + 3] = texts[i];
    }
    metadata[2 * FIELDS + 2] = "machine";
    metadata[2 * FIELDS + 3] = d->cost.machine;
    TensorOut t = { .name = "latent", .dtype = DT_F32, .ndim = 1, .shape = { (int64_t)d->len }, .data = d->latent };
    Bytes record;
    Str name = { 0 };
    if (safetensors_encode(&t, 1, metadata, &record, e)) return -1;
    add_record(&name, file);
    int failed = folder_write(&s->records, str_text(&name), record, e);
    free((void *)(size_t)record.data);
    str_release(&name);
    return failed;
}

int store_write(const Store *s, const char *file, const char *key, const Drawn *d, const PngTexts *texts, Err *e)
{
    Bytes png = { 0 };
    /* the record last: where there is one, there is the picture too */
    int failed = png_encode(&d->image, texts->items, texts->count, &png, e) ||
                 folder_write(&s->cells, file + strlen(cells), png, e) || write_record(s, file, key, d, e);
    free((void *)(size_t)png.data);
    return failed ? -1 : 0;
}
