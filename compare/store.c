/* store.c - see store.h. */
#include "compare/store.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "weights/safetensors.h"

enum { LONGEST_WORDS = 60 };

static const char cells[] = "cells/", records[] = "cells/latents/";

/* Names in a record's metadata. */
static const char *const change_names[] = { "change0", "change1", "change2", "change3" };

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

static int make_folder(const char *path, Err *e)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && file_is_dir(path))) return 0;
    return err_set(e, "%s: the folder cannot be made: %s", path,
                   errno == EEXIST ? "a file is in its place" : strerror(errno));
}

int store_open(const char *dir, Err *e)
{
    Str path = { 0 };
    int failed = make_folder(dir, e);
    str_addf(&path, "%s/cells", dir);
    if (!failed) failed = make_folder(str_text(&path), e);
    str_add(&path, "/latents");
    if (!failed) failed = make_folder(str_text(&path), e);
    str_add(&path, "/x");
    if (!failed) failed = file_check_writable(str_text(&path), e);
    str_release(&path);
    return failed ? -1 : 0;
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

/* "DIR/cells/NAME.png", or "DIR/cells/latents/NAME.safetensors". */
static void add_path(Str *out, const char *dir, const char *file, bool record)
{
    const char *name = file + strlen(cells);
    if (record) str_addf(out, "%s/%s%.*s.safetensors", dir, records, (int)(strlen(name) - strlen(".png")), name);
    else str_addf(out, "%s/%s", dir, file);
}

int store_image(const char *dir, const char *file, Image *out, Err *e)
{
    Str path = { 0 };
    Bytes png;
    add_path(&path, dir, file, false);
    int failed = file_map(&png, str_text(&path), e);
    if (!failed) {
        failed = png_decode(png, out, e);
        file_unmap(&png);
        if (failed) err_in(e, str_text(&path));
    }
    str_release(&path);
    return failed ? -1 : 0;
}

static double number(Bytes file, const char *key)
{
    char *text = safetensors_metadata(file, key);
    double v = text ? strtod(text, NULL) : NAN;
    free(text);
    return v;
}

static bool read_record(Bytes file, const char *key, Drawn *out)
{
    char *found = safetensors_metadata(file, "key");
    bool same = found && strcmp(found, key) == 0;
    Err e;
    free(found);
    if (!same) return false;
    out->cost.evaluations = (int)number(file, "evaluations");
    out->cost.seconds = number(file, "seconds");
    out->cost.peak_mb = number(file, "peak_mb");
    for (int i = 0; i < 4; i++) out->cost.change[i] = number(file, change_names[i]);

    Weights *w = weights_new();
    const Weight *t = safetensors_read(w, file, &e) ? NULL : weights_find(w, "latent");
    bool whole = t && t->dtype == DT_F32 && out->cost.evaluations > 0;
    if (whole) {
        out->len = weight_count(t);
        out->latent = mem_array(out->len + 1, sizeof *out->latent);
        whole = weight_to_f32(t, out->latent, &e) == 0;
    }
    weights_free(w);
    return whole;
}

bool store_read(const char *dir, const char *file, const char *key, Drawn *out)
{
    Str path = { 0 };
    Bytes record;
    Err e;
    *out = (Drawn){ 0 };
    add_path(&path, dir, file, true);
    bool whole = file_exists(str_text(&path)) && !file_map(&record, str_text(&path), &e);
    if (whole) {
        whole = read_record(record, key, out);
        file_unmap(&record);
    }
    str_release(&path);
    if (whole && !store_image(dir, file, &out->image, &e)) return true;
    drawn_release(out);
    return false;
}

int store_write(const char *dir, const char *file, const char *key, const Drawn *d, const PngTexts *texts, Err *e)
{
    Str path = { 0 }, record = { 0 };
    Bytes png = { 0 };
    char evaluations[16], seconds[32], peak[32], change[4][32];
    snprintf(evaluations, sizeof evaluations, "%d", d->cost.evaluations);
    snprintf(seconds, sizeof seconds, "%.17g", d->cost.seconds);
    snprintf(peak, sizeof peak, "%.17g", d->cost.peak_mb);
    for (int i = 0; i < 4; i++) snprintf(change[i], sizeof change[i], "%.9g", d->cost.change[i]);
    const char *const metadata[] = { "key",
                                     key,
                                     "evaluations",
                                     evaluations,
                                     "seconds",
                                     seconds,
                                     "peak_mb",
                                     peak,
                                     change_names[0],
                                     change[0],
                                     change_names[1],
                                     change[1],
                                     change_names[2],
                                     change[2],
                                     change_names[3],
                                     change[3],
                                     NULL };
    TensorOut t = { .name = "latent", .dtype = DT_F32, .ndim = 1, .shape = { (int64_t)d->len }, .data = d->latent };
    add_path(&path, dir, file, false);
    add_path(&record, dir, file, true);
    /* the record last: where there is one, there is the picture too */
    int failed = png_encode(&d->image, texts->items, texts->count, &png, e) || file_write(str_text(&path), png, e) ||
                 safetensors_write(str_text(&record), &t, 1, metadata, e);
    free((void *)(size_t)png.data);
    str_release(&path);
    str_release(&record);
    return failed ? -1 : 0;
}
