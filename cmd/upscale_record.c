/* upscale_record.c - see upscale_record.h. A1111's words: modules/postprocessing.py and scripts/postprocessing_upscale.py. */
#include "cmd/upscale_record.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/version.h"
#include "cmd/upscale.h"
#include "nn/kernels.h"
#include "pipeline/metadata.h"
#include "pipeline/precision.h"

void upscale_record_release(UpscaleRecord *r)
{
    free(r->source);
    free(r->model);
    *r = (UpscaleRecord){ 0 };
}

static void add_file(cJSON *to, const char *key, const char *path, const char *sha256)
{
    cJSON *file = cJSON_AddObjectToObject(to, key);
    json_add_text(file, "path", path);
    cJSON_AddStringToObject(file, "sha256", sha256);
}

void upscale_record_write(const UpscaleRecord *r, Str *out)
{
    const char *why;
    const Kernels *k = kernels_select(&why);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "limn", LIMN_VERSION);
    cJSON_AddStringToObject(root, "kernels", k ? k->name : "");
    add_file(root, "source", r->source, r->source_sha256);
    add_file(root, "model", r->model, r->model_sha256);
    cJSON_AddNumberToObject(root, "width", r->w);
    cJSON_AddNumberToObject(root, "height", r->h);
    char precision[PRECISION_TEXT];
    cJSON_AddStringToObject(root, "precision", precision_text(r->precision, precision));
    char *text = cJSON_PrintUnformatted(root);
    str_add(out, text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static bool get_text(const cJSON *from, const char *key, char *buf, size_t size)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, key));
    if (!s || strlen(s) >= size) return false;
    memcpy(buf, s, strlen(s) + 1);
    return true;
}

static bool get_side(const cJSON *from, const char *key, int *out)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(from, key);
    if (!cJSON_IsNumber(n) || !(n->valuedouble >= 1 && n->valuedouble <= PNG_MAX_SIDE)) return false;
    *out = (int)n->valuedouble;
    return true;
}

/* Whether both of a file's fields are there. */
static bool get_file(const cJSON *root, const char *key, char **path, char sha256[65])
{
    const cJSON *file = cJSON_GetObjectItemCaseSensitive(root, key);
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file, "path"));
    if (!s || !*s || !get_text(file, "sha256", sha256, 65)) return false;
    *path = mem_strdup(s);
    return true;
}

int upscale_record_read(UpscaleRecord *r, const char *json, Err *e)
{
    char precision[PRECISION_TEXT];
    *r = (UpscaleRecord){ 0 };
    cJSON *root = json_parse((Bytes){ (const unsigned char *)json, strlen(json) }, e);
    if (!root) return err_in(e, "the text \"" UPSCALE_KEY "\"");
    bool whole = get_text(root, "limn", r->version, sizeof r->version) &&
                 get_text(root, "kernels", r->kernels, sizeof r->kernels) &&
                 get_file(root, "source", &r->source, r->source_sha256) &&
                 get_file(root, "model", &r->model, r->model_sha256) && get_side(root, "width", &r->w) &&
                 get_side(root, "height", &r->h) && get_text(root, "precision", precision, sizeof precision) &&
                 !precision_parse(precision, &r->precision, e);
    cJSON_Delete(root);
    if (whole) return 0;
    upscale_record_release(r);
    return err_set(e, "the text \"" UPSCALE_KEY "\" lacks limn, kernels, source, model, width, height or precision");
}

/* The source's A1111 text with what was done to it; *text stays empty where the source has none. */
static void add_parameters(const Upscaler *u, const Image *im, Bytes source, Str *text)
{
    PngTexts texts;
    Err e;
    int w, h;
    if (!png_is(source) || png_read_texts(source, &texts, &w, &h, &e)) return;
    const char *own = png_text(&texts, METADATA_A1111_KEY);
    if (own && w > 0)
        str_addf(text, "%s, Postprocess upscale by: %g, Postprocess upscaler: %s", own, (double)im->w / w,
                 upscaler_name(u));
    png_texts_release(&texts);
}

int upscale_png(const UpscaleRecord *r, const Upscaler *u, const Image *im, Bytes source, Bytes *out, Err *e)
{
    Str record = { 0 }, parameters = { 0 };
    upscale_record_write(r, &record);
    add_parameters(u, im, source, &parameters);
    PngText texts[] = { { (char[]){ UPSCALE_KEY }, record.s }, { (char[]){ METADATA_A1111_KEY }, parameters.s } };
    int failed = png_encode(im, texts, parameters.len ? 2 : 1, out, e);
    str_release(&record);
    str_release(&parameters);
    return failed;
}
