/* files.c - see files.h. Names as diffusers and transformers write them. */
#include "hub/files.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "hub/http.h"
#include "hub/url.h"
#include "weights/component.h"
#include "weights/read.h"

void hub_files_release(HubFiles *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->file[i].path);
        free(f->file[i].url);
    }
    free(f->file);
    *f = (HubFiles){ 0 };
}

HubFile *hub_files_add(HubFiles *f, const char *path)
{
    f->file = mem_grow(f->file, (f->count + 1) * sizeof *f->file);
    f->file[f->count] = (HubFile){ .path = mem_strdup(path), .size = HTTP_UNKNOWN };
    return &f->file[f->count++];
}

HubFile *hub_files_find(const HubFiles *f, const char *path)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->file[i].path, path) == 0) return &f->file[i];
    return NULL;
}

/* The file of that name (printf), wanted from now on; NULL: it is not there. */
static HubFile *want(HubFiles *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static HubFile *want(HubFiles *f, const char *fmt, ...)
{
    char path[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path, sizeof path, fmt, ap);
    va_end(ap);
    HubFile *found = hub_files_find(f, path);
    if (found) found->wanted = true;
    return found;
}

/* ---- a diffusers folder ---- */

typedef enum { PART_WEIGHTS, PART_TOKENIZER, PART_SCHEDULER } Kind;

static const struct {
    const char *name;
    Kind kind;
    const char *with; /* it is wanted where the model has that one too; NULL: always */
} parts[] = {
    { "unet", PART_WEIGHTS, NULL },
    { "vae", PART_WEIGHTS, NULL },
    { "text_encoder", PART_WEIGHTS, NULL },
    { "text_encoder_2", PART_WEIGHTS, NULL },
    { "tokenizer", PART_TOKENIZER, NULL },
    { "tokenizer_2", PART_TOKENIZER, NULL },
    { "scheduler", PART_SCHEDULER, NULL },
    { "image_encoder", PART_WEIGHTS, "image_normalizer" }, /* unCLIP's; others' image encoders are an IP-Adapter's */
    { "image_normalizer", PART_WEIGHTS, NULL },
    { "image_noising_scheduler", PART_SCHEDULER, NULL },
    { "low_res_scheduler", PART_SCHEDULER, NULL }, /* the x4 upscaler's */
};

static const char *const tokenizer_files[] = {
    "vocab.json",        "merges.txt", "tokenizer.json", "special_tokens_map.json", "tokenizer_config.json",
    "added_tokens.json", NULL
};

static HubFile *want_variant(HubFiles *f, const char *folder, const char *variant)
{
    Str name = { 0 };
    HubFile *found = NULL;
    for (int i = 0; !found && component_name(&name, variant, i); i++) found = want(f, "%s/%s", folder, name.s);
    str_release(&name);
    return found;
}

static int no_weights(const HubFiles *f, const char *folder, Err *e)
{
    size_t len = strlen(folder);
    for (size_t i = 0; i < f->count; i++) {
        const char *path = f->file[i].path;
        if (strncmp(path, folder, len) == 0 && path[len] == '/' && str_ends(path, ".bin"))
            return err_set(e, "%s: only a PyTorch pickle (%s), which can hold a program: limn reads safetensors",
                           folder, path);
    }
    return err_set(e, "%s: no weights in safetensors", folder);
}

static int want_weights(HubFiles *f, const char *folder, const HubChoice *c, Str *notes, Err *e)
{
    HubFile *found = c->variant ? want_variant(f, folder, c->variant) : NULL;
    bool asked = found != NULL;
    for (const char *const *v = component_variants; *v && !found; v++) found = want_variant(f, folder, *v);
    if (!found) return no_weights(f, folder, e);
    if (c->variant && !asked) str_addf(notes, "%s has no %s weights: %s\n", folder, c->variant, found->path);
    if (!want(f, "%s/config.json", folder)) return err_set(e, "%s: no config.json", folder);
    return 0;
}

static int want_part(HubFiles *f, size_t i, const HubChoice *c, Str *notes, Err *e)
{
    const char *name = parts[i].name;
    bool any = false;
    if (parts[i].kind == PART_WEIGHTS) return want_weights(f, name, c, notes, e);
    if (parts[i].kind == PART_SCHEDULER)
        return want(f, "%s/scheduler_config.json", name) ? 0 : err_set(e, "%s: no scheduler_config.json", name);
    for (const char *const *t = tokenizer_files; *t; t++)
        if (want(f, "%s/%s", name, *t)) any = true;
    return any ? 0 : err_set(e, "%s: no files of a tokenizer", name);
}

static bool has_part(const cJSON *index, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(index, name);
    return cJSON_IsArray(item) && cJSON_IsString(cJSON_GetArrayItem(item, 1));
}

static int choose_folder(HubFiles *f, const char *text, const HubChoice *c, Str *notes, Err *e)
{
    cJSON *index = json_parse((Bytes){ (const unsigned char *)text, strlen(text) }, e);
    int failed = index ? 0 : err_in(e, "model_index.json"), weights = 0;
    for (size_t i = 0; !failed && i < sizeof parts / sizeof *parts; i++) {
        if (!has_part(index, parts[i].name) || (parts[i].with && !has_part(index, parts[i].with))) continue;
        weights += parts[i].kind == PART_WEIGHTS;
        failed = want_part(f, i, c, notes, e);
    }
    if (!failed && !weights)
        failed = err_set(e, "model_index.json names no part of Stable Diffusion (unet, vae, text_encoder)");
    cJSON_Delete(index);
    if (failed) return -1;
    want(f, "model_index.json");
    want(f, "limn.json");
    want(f, "limn-words.json");
    return 0;
}

/* ---- a repository of single files ---- */

static bool is_weights(const char *path) { return !strchr(path, '/') && weights_ending(path); }

static int choose_single(HubFiles *f, Err *e)
{
    HubFile *only = NULL;
    Str names = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (!is_weights(f->file[i].path)) continue;
        only = &f->file[i];
        if (count++ < 8) str_addf(&names, "%s%s", names.len ? ", " : "", only->path);
    }
    if (count == 1) only->wanted = true;
    else if (count > 1)
        err_usage(e, "%zu files of weights and no model_index.json: name one, as in ORG/NAME:FILE: %s%s", count,
                  names.s, count > 8 ? ", ..." : "");
    str_release(&names);
    if (count) return count == 1 ? 0 : -1;
    return err_set(
        e, "no model_index.json, and no file of weights (.safetensors, .gguf) with it: no model that limn runs");
}

/* CLIP's own repository, for single files: its vocabulary, not its weights. */
static bool choose_vocabulary(HubFiles *f)
{
    if (!hub_files_find(f, "vocab.json") || !hub_files_find(f, "merges.txt")) return false;
    for (const char *const *t = tokenizer_files; *t; t++) want(f, "%s", *t);
    return true;
}

/* ---- all ---- */

static bool matches(const char *path, const char *patterns)
{
    char one[256];
    for (const char *p = patterns; p && *p; p += strcspn(p, ","), p += *p == ',') {
        snprintf(one, sizeof one, "%.*s", (int)strcspn(p, ","), p);
        if (fnmatch(one, path, 0) == 0) return true;
    }
    return false;
}

int hub_files_choose(HubFiles *f, const char *index, const char *file, const HubChoice *c, Str *notes, Err *e)
{
    bool any = false;
    for (size_t i = 0; i < f->count; i++)
        if (matches(f->file[i].path, c->patterns)) any = f->file[i].wanted = true;
    if (c->patterns && !any) return err_set(e, "no file is called so: --include %s", c->patterns);
    if (file) {
        HubFile *found = want(f, "%s", file);
        return found ? 0 : err_set(e, "no file \"%s\" in it", file);
    }
    if (index) return choose_folder(f, index, c, notes, e);
    if (any || choose_vocabulary(f)) return 0;
    return choose_single(f, e);
}

bool hub_files_is_index(const char *path)
{
    return strstr(path, ".safetensors.") && strstr(path, ".index.") && str_ends(path, ".json");
}

int hub_files_add_shards(HubFiles *f, const char *path, const char *json, Err *e)
{
    cJSON *root = json_parse((Bytes){ (const unsigned char *)json, strlen(json) }, e);
    const cJSON *item, *map = cJSON_GetObjectItemCaseSensitive(root, "weight_map");
    const char *slash = strrchr(path, '/');
    int failed = root ? 0 : -1;
    if (!failed && !cJSON_IsObject(map)) failed = err_set(e, "no \"weight_map\" object: not an index of shards");
    cJSON_ArrayForEach(item, map)
    {
        char buf[SHOWN_MAX];
        const char *name = cJSON_GetStringValue(item);
        if (failed) break;
        if (!name || strchr(name, '/') || !want(f, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path, name))
            failed = err_set(e, "%s is not a file in its folder", json_shown(item, buf));
    }
    cJSON_Delete(root);
    return failed ? err_in(e, path) : 0;
}
