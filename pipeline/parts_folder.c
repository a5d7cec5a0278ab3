/* parts_folder.c - a model as a diffusers folder: model_index.json and a folder a component. */
#include "pipeline/parts_internal.h"

#include <string.h>

#include "base/mem.h"
#include "weights/component.h"
#include "weights/names.h"

/* Pipelines whose parts limn can run. */
static const char *const pipelines[] = {
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "LatentConsistencyModelPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLInstructPix2PixPipeline",
    NULL,
};

/* Components and the classes that limn has for them; NULL: any class will do. */
static const struct {
    const char *name;
    const char *classes[3];
    const char *instead; /* the model may lack it where it has that one: the refiner has only the second text encoder */
} components[] = {
    { "text_encoder", { "CLIPTextModel", "CLIPTextModelWithProjection", NULL }, "text_encoder_2" },
    { "text_encoder_2", { "CLIPTextModel", "CLIPTextModelWithProjection", NULL }, "text_encoder" },
    { "unet", { "UNet2DConditionModel", NULL }, NULL },
    { "vae", { "AutoencoderKL", NULL }, NULL },
    { "tokenizer", { "CLIPTokenizer", "CLIPTokenizerFast", NULL }, "tokenizer_2" },
    { "tokenizer_2", { "CLIPTokenizer", "CLIPTokenizerFast", NULL }, "tokenizer" },
    { "scheduler", { NULL }, NULL },
    { NULL, { NULL }, NULL },
};

/* A pipeline's class tells the user more than the first component that limn cannot run. */
static int check_pipeline(Config *index, const Source *s, Err *e)
{
    const char *class = config_str(index, "_class_name", NULL);
    if (!class)
        return err_set(e, "%s: model_index.json names no _class_name: not a diffusers pipeline", source_name(s));
    for (const char *const *p = pipelines; *p; p++)
        if (strcmp(class, *p) == 0) return 0;
    return err_set(e,
                   "%s: a %.60s, which limn cannot run: expected a StableDiffusionPipeline (SD 1.x or 2.x) or a "
                   "StableDiffusionXLPipeline",
                   source_name(s), class);
}

/* Whether model_index.json names a component, and not as [null, null]. */
static bool names(Config *index, const char *name)
{
    return config_list_len(index, name) == 2 && config_str_at(index, name, 1);
}

static int check_class(Config *index, const Source *s, const char *name, const char *const *classes, Err *e)
{
    const char *class = config_list_len(index, name) == 2 ? config_str_at(index, name, 1) : NULL;
    if (!class)
        return err_set(e, "%s: model_index.json names no \"%s\": the model is not complete", source_name(s), name);
    bool known = !classes[0];
    for (; *classes && !known; classes++) known = strcmp(class, *classes) == 0;
    if (!known) return err_set(e, "%s: the %s is a %.60s, which limn cannot run", source_name(s), name, class);
    return 0;
}

static int read_index(Parts *parts, Source *s, bool own_vae, bool own_tokenizer, Err *e)
{
    static const char *const extra[] = {
        "text_encoder_3", "transformer", "prior", "motion_adapter", "controlnet", NULL
    };
    Bytes text;
    int failed = -1;

    if (!source_has(s, "model_index.json"))
        return err_set(e, "%s: no model_index.json in it: not a diffusers folder%s", source_name(s),
                       source_has(s, "config.json") ? ", only one part of one: give the folder above" : "");
    if (source_get(s, "model_index.json", &text, e)) return -1;
    Config *index = config_parse(text, "model_index.json", e);
    if (!index) return err_in(e, source_name(s));

    if (check_pipeline(index, s, e)) goto done;
    for (int i = 0; components[i].name; i++) {
        bool replaced = (own_vae && strcmp(components[i].name, "vae") == 0) ||
                        (own_tokenizer && str_starts(components[i].name, "tokenizer"));
        bool lacking =
            components[i].instead && names(index, components[i].instead) && !names(index, components[i].name);
        if (!replaced && !lacking && check_class(index, s, components[i].name, components[i].classes, e)) goto done;
    }
    for (const char *const *x = extra; *x; x++) {
        if (!names(index, *x)) continue;
        err_set(e, "%s: has a \"%s\", which limn cannot run: expected SD 1.x or 2.x", source_name(s), *x);
        goto done;
    }
    for (int i = 0; i < TEXTS_MAX; i++) parts->has_text[i] = names(index, part_names[PART_TEXT + i]);
    parts->zero_negative = config_bool(index, "force_zeros_for_empty_prompt", false);
    failed = 0;

done:
    config_free(index);
    return failed;
}

static char *file_in(const Source *s, const char *file)
{
    Str path = { 0 };
    str_addf(&path, "%s/%s", source_name(s), file);
    return path.s;
}

int parts_read_text(Source *s, const char *file, Str *out, char **where, Err *e)
{
    Bytes bytes;
    *where = file_in(s, file);
    if (source_get(s, file, &bytes, e)) return -1;
    str_addn(out, (const char *)bytes.data, bytes.len);
    return 0;
}

int parts_rename(Part *part, PartId id, Err *e)
{
    Weights *renamed = part->weights;
    if (id == PART_TEXT || id == PART_TEXT_2)
        renamed = names_convert(part->weights, "", NAMES_CLIP_TEXT, (NameShape){ 0 }, e);
    if (id == PART_VAE) renamed = names_convert(part->weights, "", NAMES_DIFFUSERS_VAE, (NameShape){ 0 }, e);
    if (!renamed) return err_in(e, part->where);
    if (renamed != part->weights) weights_free(part->weights);
    part->weights = renamed;
    return 0;
}

int parts_read_component(Parts *parts, Source *s, const char *folder, PartId id, Err *e)
{
    Part *part = &parts->part[id];
    Str file = { 0 }, config = { 0 };
    int failed = -1;

    str_addf(&config, "%s%sconfig.json", folder, *folder ? "/" : "");
    if (parts_read_text(s, config.s, &part->config, &part->config_where, e)) goto done;
    if (component_find(s, folder, &file, e)) goto done;
    part->where = file_in(s, file.s);
    part->weights = weights_new();
    if (component_read(s, file.s, part->weights, e)) {
        if (!str_starts(e->text, source_name(s))) err_in(e, source_name(s));
        goto done;
    }
    if (id == PART_UNET) {
        if (source_get(s, file.s, &parts->hashed, e)) goto done;
        if (source_id(s, file.s, &parts->hashed_id)) parts->hashed_path = mem_strdup(part->where);
    }
    failed = parts_rename(part, id, e);

done:
    str_release(&file);
    str_release(&config);
    return failed;
}

int parts_open_folder(Parts *parts, Source *s, const ModelPaths *p, Err *e)
{
    Bytes text;
    if (read_index(parts, s, p->vae != NULL, p->tokenizer != NULL, e)) return -1;
    for (PartId id = 0; id < PART_COUNT; id++) {
        if (id == PART_VAE && p->vae) continue;
        if (id <= PART_TEXT_2 && !parts->has_text[id]) continue;
        if (parts_read_component(parts, s, part_names[id], id, e)) return -1;
    }
    if (parts_read_text(s, "scheduler/scheduler_config.json", &parts->scheduler, &parts->scheduler_where, e)) return -1;
    if (source_has(s, "limn.json")) {
        if (source_get(s, "limn.json", &text, e)) return -1;
        parts->defaults = config_parse(text, "limn.json", e);
        if (!parts->defaults) return err_in(e, source_name(s));
    }
    for (int i = 0; !p->tokenizer && i < TEXTS_MAX; i++)
        if (parts->has_text[i] && parts_read_tokenizer(&parts->tokenizer[i], s, i ? "tokenizer_2/" : "tokenizer/", e))
            return -1;
    return 0;
}
