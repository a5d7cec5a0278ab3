/* fields.c - see fields.h. */
#include "again/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/visible.h"

enum { UNKNOWN_MAX = 400, SHOWN = 80 };

static void replace(char **to, const char *value)
{
    free(*to);
    *to = *value ? mem_strndup(value, strnlen(value, 255)) : NULL;
}

static void put_model(Reading *r, const char *value) { reading_name(&r->model, value); }
static void put_model_hash(Reading *r, const char *value) { replace(&r->model_hash, value); }
static void put_vae(Reading *r, const char *value) { reading_name(&r->vae, value); }
static void put_vae_hash(Reading *r, const char *value) { replace(&r->vae_hash, value); }

/* "name [hash]" */
static void put_refiner(Reading *r, const char *value)
{
    char *name = mem_strdup(value), *hash = strstr(name, " [");
    if (hash) *hash = '\0';
    reading_name(&r->refiner, name);
    free(name);
}

static void put_init(Reading *r, const char *value)
{
    r->from_picture = true;
    reading_name(&r->init, value);
}

/* Diffusers' tools count skipped layers from 0, A1111's from 1. */
static void put_clip_skip_from_0(Reading *r, const char *value) { reading_setf(r, "clip-skip", "%d", atoi(value) + 1); }

static void put_clip_skip(Reading *r, const char *value)
{
    int n = atoi(value);
    if (n > 1) reading_set(r, "clip-skip", value);
}

static void put_seamless(Reading *r, const char *value, const char *axis, const char *other)
{
    if (strcasecmp(value, "true") != 0) return;
    bool both = r->job.tile && strcmp(r->job.tile, other) == 0;
    reading_set(r, "tile", both ? "both" : axis);
}
static void put_tile_x(Reading *r, const char *value) { put_seamless(r, value, "x", "y"); }
static void put_tile_y(Reading *r, const char *value) { put_seamless(r, value, "y", "x"); }
static void put_tile_both(Reading *r, const char *value)
{
    if (strcasecmp(value, "true") == 0) reading_set(r, "tile", "both");
}

static void put_freeu(Reading *r, const char *value)
{
    const char *digit = *value == 'v' ? value + 1 : value;
    reading_set(r, "freeu", *digit == '2' ? "v2" : "v1");
}

static const struct {
    const char *to;
    void (*put)(Reading *r, const char *value);
} targets[] = {
    { "@model", put_model },         { "@model-hash", put_model_hash }, { "@vae", put_vae },
    { "@vae-hash", put_vae_hash },   { "@refiner", put_refiner },       { "@init", put_init },
    { "@sampler", reading_sampler }, { "@schedule", reading_schedule }, { "@hires-schedule", reading_hires_schedule },
    { "@size", reading_size },       { "@clip-skip", put_clip_skip },   { "@clip-skip-0", put_clip_skip_from_0 },
    { "@tile", put_tile_both },      { "@tile-x", put_tile_x },         { "@tile-y", put_tile_y },
    { "@freeu", put_freeu },
};

/* Whether one of a list's names, parted by '|', is the key. */
static bool has_name(const char *names, const char *key)
{
    size_t len = strlen(key);
    for (const char *p = names; *p; p += *p == '|') {
        size_t n = strcspn(p, "|");
        if (n == len && strncasecmp(p, key, n) == 0) return true;
        p += n;
    }
    return false;
}

const Field *fields_find(const Field *table, const char *key)
{
    for (const Field *f = table; f->key; f++)
        if (has_name(f->key, key)) return f;
    return NULL;
}

static void remember_unknown(Reading *r, const char *key)
{
    char shown[SHOWN];
    if (r->unknown.len > UNKNOWN_MAX) return;
    snprintf(shown, sizeof shown, "%s", key);
    visible_mask(shown, false);
    str_addf(&r->unknown, "%s%s", r->unknown.len ? ", " : "", shown);
}

bool fields_neutral(const Field *f, const char *value)
{
    return f->neutral && (strcmp(f->neutral, "*") == 0 || !*value || has_name(f->neutral, value));
}

void fields_read(const Field *table, Reading *r, const char *key, const char *value)
{
    const Field *f = fields_find(table, key);
    if (!f) {
        remember_unknown(r, key);
        return;
    }
    if (fields_neutral(f, value)) return;
    if (!f->to) {
        reading_remark(r, f->how, "%.*s %.*s: %s", SHOWN, key, SHOWN, value, f->says);
        return;
    }
    if (*f->to != '@') {
        reading_set(r, f->to, value);
        return;
    }
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].to, f->to) == 0) targets[i].put(r, value);
}
