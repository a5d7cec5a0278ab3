/* seen.c - the folders of the x4 upscaler and unCLIP other than text encoder, UNet and VAE (pipeline/seen.h). See layouts.h. */
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "convert/layouts.h"
#include "weights/component.h"

static const struct {
    const char *name, *settings;
    const char *weights; /* as it is written; NULL: it has none */
} extras[] = {
    { "low_res_scheduler", "scheduler_config.json", NULL },
    { "image_noising_scheduler", "scheduler_config.json", NULL },
    { "feature_extractor", "preprocessor_config.json", NULL },
    { "image_encoder", "config.json", "model.safetensors" },
    { "image_normalizer", "config.json", "diffusion_pytorch_model.safetensors" },
};
enum { EXTRAS = sizeof extras / sizeof *extras };

bool layout_is_seen(const Parts *parts)
{
    const Weights *unet = parts_next(parts, ROLE_NETWORK, NULL)->weights;
    return weights_find(unet, "class_embedding.weight") || weights_find(unet, "class_embedding.linear_1.weight");
}

/* The source that has such a part, and the path of its settings; NULL: none has. */
static Source *source_of(const Parts *parts, int extra, Str *path)
{
    str_clear(path);
    str_addf(path, "%s/%s", extras[extra].name, extras[extra].settings);
    for (int i = 0; i < PARTS_SOURCES; i++)
        if (parts->sources[i] && source_has(parts->sources[i], path->s)) return parts->sources[i];
    return NULL;
}

int layout_seen_index(const Parts *parts, struct cJSON *index, Err *e)
{
    Str path = { 0 };
    int failed = 0;
    for (int i = 0; i < EXTRAS && !failed && layout_is_seen(parts); i++) {
        Bytes text;
        Source *s = source_of(parts, i, &path);
        if (!s) continue;
        cJSON *own = source_get(s, "model_index.json", &text, e) ? NULL : json_parse(text, e);
        const cJSON *entry = cJSON_GetObjectItemCaseSensitive(own, extras[i].name);
        failed = own ? 0 : -1;
        cJSON_DeleteItemFromObjectCaseSensitive(index, extras[i].name); /* [null, null] */
        if (entry) cJSON_AddItemToObject(index, extras[i].name, cJSON_Duplicate(entry, true));
        cJSON_Delete(own);
    }
    str_release(&path);
    return failed;
}

/* Its weights, whatever they were called, in one file. */
static int write_weights(const ConvertJob *j, Source *s, int extra, const Watch *w, const Folder *f, Converted *made,
                         Err *e)
{
    Str file = { 0 };
    Plan plan;
    Converted own = { .bytes = 0 };
    Weights *all = weights_new();
    plan_init(&plan, j, w);
    plan_metadata(&plan, (Bytes){ 0 }, NULL);
    int failed = component_find(s, extras[extra].name, &file, e) || component_read(s, file.s, all, e);
    for (size_t i = 0; !failed && i < weights_count(all); i++) {
        const Weight *t = weights_at(all, i);
        failed = plan_add(&plan, t->name, t, e);
    }
    failed = failed || plan_write(&plan, f, extras[extra].weights, &own, e);
    made->bytes += own.bytes;
    made->tensors += own.tensors;
    plan_release(&plan);
    weights_free(all);
    str_release(&file);
    return failed ? -1 : 0;
}

int layout_seen(const ConvertJob *j, const Parts *parts, const Watch *w, const Folder *in, Converted *made, Err *e)
{
    Str path = { 0 };
    int failed = 0;
    for (int i = 0; i < EXTRAS && !failed && layout_is_seen(parts); i++) {
        Folder f;
        Bytes text;
        Source *s = source_of(parts, i, &path);
        if (!s) continue;
        if (source_get(s, path.s, &text, e) || folder_below(&f, in, extras[i].name, true, e)) {
            failed = -1;
            break;
        }
        failed = folder_write(&f, extras[i].settings, text, e) ||
                 (extras[i].weights && write_weights(j, s, i, w, &f, made, e));
        folder_close(&f);
    }
    str_release(&path);
    return failed ? -1 : 0;
}
