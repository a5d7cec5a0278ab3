/* parts_folder.c - a model as a diffusers folder: model_index.json and a folder a component. */
#include "pipeline/parts_internal.h"

#include <string.h>

#include "base/mem.h"
#include "weights/component.h"
#include "weights/json.h"
#include "weights/names.h"

/* Pipelines that draw from a text as limn does, or are told apart by their UNet's channels. */
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
    "DiffusionPipeline",
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

/* Further components without which the picture would be another one. */
static const char *const needed[] = {
    "text_encoder_3",  "transformer", "prior",     "decoder", "motion_adapter",    "controlnet", "adapter",
    "unet_2",          "image_unet",  "text_unet", "vocoder", "low_res_scheduler", "movq",       "language_model",
    "depth_estimator", "t2i_adapter", NULL,
};

/* And those that only look at the picture, or at pictures that limn does not take from it. */
static const char *const needless[] = {
    "safety_checker", "feature_extractor", "image_encoder", "image_processor", "watermark", NULL,
};

static bool one_of(const char *name, const char *const *list)
{
    while (*list && strcmp(name, *list) != 0) list++;
    return *list != NULL;
}

/* "StableDiffusionPipeline", or ["my_pipeline", "MyPipeline"] where the folder brings code of its own; NULL: neither. */
static const char *pipeline_class(Config *index)
{
    int len = config_list_len(index, "_class_name");
    return len == 2 ? config_str_at(index, "_class_name", 1) : len < 0 ? config_str(index, "_class_name", NULL) : NULL;
}

/* The class of a component; NULL: it is not there. */
static const char *component_class(Config *index, const char *name)
{
    bool there = config_list_len(index, name) == 2 && config_is_str_at(index, name, 1);
    return there ? config_str_at(index, name, 1) : NULL;
}

static int check_class(Config *index, const char *name, const char *const *classes, Err *e)
{
    const char *class = component_class(index, name);
    if (!class) return err_set(e, "model_index.json names no \"%s\": the model is not complete", name);
    if (!classes[0] || one_of(class, classes)) return 0;
    return err_set(e, "the %s is of the class %.60s, which limn cannot run: expected %s", name, class, classes[0]);
}

/* The parts of the pipeline are those of Stable Diffusion. */
static int check_components(Config *index, const ModelPaths *p, Err *e)
{
    for (const char *const *x = needed; *x; x++)
        if (component_class(index, *x))
            return err_set(e, "has a \"%s\", which limn cannot run: expected SD 1.x, 2.x or XL", *x);
    for (int i = 0; components[i].name; i++) {
        bool replaced = (p->vae && strcmp(components[i].name, "vae") == 0) ||
                        (p->tokenizer && str_starts(components[i].name, "tokenizer"));
        const char *instead = components[i].instead;
        bool lacking = instead && component_class(index, instead) && !component_class(index, components[i].name);
        if (!replaced && !lacking && check_class(index, components[i].name, components[i].classes, e)) return -1;
    }
    return 0;
}

/* The classes that decide how the scheduler's file is read. */
static void keep_classes(Parts *parts, Config *index, const char *class)
{
    const char *scheduler = component_class(index, "scheduler");
    parts->pipeline = mem_strdup(class);
    parts->scheduler_class = scheduler ? mem_strdup(scheduler) : NULL;
}

/* What else a pipeline of its own kind has. */
static void note_further(Parts *parts, Config *index, const char *class)
{
    Str names = { 0 };
    const char *key;
    for (int i = 0; (key = config_key(index, i)); i++) {
        char buf[SHOWN_MAX];
        bool known = *key == '_' || !component_class(index, key) || one_of(key, needless);
        for (int k = 0; components[k].name; k++) known = known || strcmp(key, components[k].name) == 0;
        if (!known) str_addf(&names, "%s\"%s\"", names.len ? ", " : "", shown(key, buf));
    }
    if (!one_of(class, pipelines))
        parts_note(
            parts,
            "%s: drawn as a StableDiffusionPipeline is, from the same parts: what else a %.60s does is not known",
            parts->path, class);
    if (names.len)
        parts_note(parts, "%s: its %s is passed over: no Stable Diffusion pipeline has that", parts->path, names.s);
    str_release(&names);
}

static int read_index(Parts *parts, Source *s, const ModelPaths *p, Err *e)
{
    Bytes text;
    if (source_get(s, "model_index.json", &text, e)) return -1;
    Config *index = config_parse(text, "model_index.json", e);
    if (!index) return err_in(e, source_name(s));

    const char *class = pipeline_class(index);
    int failed = -1;
    if (!class) {
        err_set(e, "model_index.json names no _class_name: not a diffusers pipeline");
    } else if (check_components(index, p, e)) {
        Err why = *e;
        if (!one_of(class, pipelines)) err_set(e, "a %.60s, which limn cannot run: %s", class, why.text);
    } else {
        note_further(parts, index, class);
        keep_classes(parts, index, class);
        for (int i = 0; i < TEXTS_MAX; i++) parts->has_text[i] = component_class(index, part_names[PART_TEXT + i]);
        parts->zero_negative = config_bool(index, "force_zeros_for_empty_prompt", false);
        failed = 0;
    }
    config_free(index);
    return failed ? err_in(e, source_name(s)) : 0;
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

/* Brings older and newer diffusers names to those that limn binds. */
static int rename_part(Parts *parts, PartId id, Err *e)
{
    static const NameTable tables[PART_COUNT] = { [PART_TEXT] = NAMES_CLIP_TEXT,
                                                  [PART_TEXT_2] = NAMES_CLIP_TEXT,
                                                  [PART_UNET] = NAMES_DIFFUSERS_UNET,
                                                  [PART_VAE] = NAMES_DIFFUSERS_VAE };
    Part *part = &parts->part[id];
    Weights *renamed = names_convert(part->weights, "", tables[id], (NameShape){ 0 }, e);
    if (!renamed) return err_in(e, part->where);
    parts_note_rest(parts, part->weights, part->where);
    weights_free(part->weights);
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
    if (strstr(file.s, ".non_ema."))
        parts_note(parts, "%s: the weights without their training's average: no others are there", part->where);
    part->weights = weights_new();
    if (component_read(s, file.s, part->weights, e)) goto done;
    if (id == PART_UNET) {
        if (source_get(s, file.s, &parts->hashed, e)) goto done;
        if (source_id(s, file.s, &parts->hashed_id)) parts->hashed_path = mem_strdup(part->where);
    }
    failed = rename_part(parts, id, e);

done:
    str_release(&file);
    str_release(&config);
    return failed;
}

int parts_open_folder(Parts *parts, Source *s, const ModelPaths *p, Err *e)
{
    Bytes text;
    if (read_index(parts, s, p, e)) return -1;
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
    if (source_has(s, "limn-words.json")) {
        if (source_get(s, "limn-words.json", &text, e)) return -1;
        parts->words = words_parse(text, e);
        if (!parts->words) return err_in(e, "limn-words.json"), err_in(e, source_name(s));
    }
    for (int i = 0; !p->tokenizer && i < TEXTS_MAX; i++)
        if (parts->has_text[i] && parts_read_tokenizer(&parts->tokenizer[i], s, i ? "tokenizer_2/" : "tokenizer/", e))
            return -1;
    return 0;
}
