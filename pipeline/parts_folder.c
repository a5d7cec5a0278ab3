/* parts_folder.c - a model as a diffusers folder: model_index.json and a folder a component. */
#include "pipeline/parts_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "scheduler/config.h"
#include "weights/component.h"
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
    "StableDiffusionUpscalePipeline",
    "StableUnCLIPImg2ImgPipeline",
    "DiffusionPipeline",
    "RectifiedFlowPipeline",
    NULL,
};

static const char *const tokenizer_classes[] = { "CLIPTokenizer", "CLIPTokenizerFast", NULL };

/* Further components without which the picture would be another one. */
static const char *const needed[] = {
    "text_encoder_3", "transformer", "prior",   "decoder", "motion_adapter", "controlnet",      "adapter",     "unet_2",
    "image_unet",     "text_unet",   "vocoder", "movq",    "language_model", "depth_estimator", "t2i_adapter", NULL,
};

/*
 * And those that only look at the picture, or at pictures that limn does not take from it; those that seen.c reads where the UNet wants
 * them.
 */
static const char *const needless[] = {
    "safety_checker", "feature_extractor", "image_encoder",    "image_processor",         "watermark",
    "watermarker",    "low_res_scheduler", "image_normalizer", "image_noising_scheduler", NULL,
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

static int no_component(const char *name, Err *e)
{
    return err_set(e, "model_index.json names no \"%s\": the model is not complete", name);
}

/* The component's class, which the part has from now on. */
static int check_part(Part *part, Config *index, Err *e)
{
    const char *name = part->is->name, *class = component_class(index, name), *instead = part->is->instead;
    if (!class) return instead && component_class(index, instead) ? 0 : no_component(name, e);
    part->class = part_class_find(class, part->is->role);
    if (part->class) return 0;
    return err_set(e, "the %s is of the class %.60s, which limn cannot run: expected %s", name, class,
                   part_class_find(NULL, part->is->role)->name);
}

/* A text encoder that is there has its own. */
static int check_tokenizer(const Part *part, Config *index, Err *e)
{
    const char *name = part->is->tokenizer, *class = component_class(index, name);
    if (!class) return part->class ? no_component(name, e) : 0;
    if (one_of(class, tokenizer_classes)) return 0;
    return err_set(e, "the %s is of the class %.60s, which limn cannot run: expected %s", name, class,
                   tokenizer_classes[0]);
}

/* The parts of the pipeline are those of Stable Diffusion. */
static int check_components(Parts *parts, Config *index, const ModelPaths *p, Err *e)
{
    for (const char *const *x = needed; *x; x++)
        if (component_class(index, *x))
            return err_set(e, "has a \"%s\", which limn cannot run: expected SD 1.x, 2.x or XL", *x);
    for (int i = 0; i < parts->count; i++)
        if (!parts_given_alone(&parts->part[i], p) && check_part(&parts->part[i], index, e)) return -1;
    for (int i = 0; i < parts->count; i++)
        if (parts->part[i].is->tokenizer && !p->tokenizer && check_tokenizer(&parts->part[i], index, e)) return -1;
    return component_class(index, "scheduler") ? 0 : no_component("scheduler", e);
}

/* The classes that decide how the scheduler's file is read. */
static void keep_classes(Parts *parts, Config *index, const char *class)
{
    const char *scheduler = component_class(index, "scheduler");
    parts->pipeline = mem_strdup(class);
    if (strcmp(class, "RectifiedFlowPipeline") == 0) scheduler = SCHEDULER_RECTIFIED;
    parts->scheduler_class = scheduler ? mem_strdup(scheduler) : NULL;
}

/* What else a pipeline of its own kind has. */
static void note_further(Parts *parts, Config *index, const char *class)
{
    Str names = { 0 };
    const char *key;
    for (int i = 0; (key = config_key(index, i)); i++) {
        char buf[SHOWN_MAX];
        bool known = *key == '_' || !component_class(index, key) || one_of(key, needless) || !strcmp(key, "scheduler");
        for (const Component *c = components; c->name; c++)
            known = known || !strcmp(key, c->name) || (c->tokenizer && !strcmp(key, c->tokenizer));
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
    } else if (check_components(parts, index, p, e)) {
        Err why = *e;
        if (!one_of(class, pipelines)) err_set(e, "a %.60s, which limn cannot run: %s", class, why.text);
    } else {
        note_further(parts, index, class);
        keep_classes(parts, index, class);
        parts->zero_negative = config_bool(index, "force_zeros_for_empty_prompt", false);
        parts->scaled_beside = config_bool(index, "is_cosxl_edit", false);
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
static int rename_part(Parts *parts, Part *part, Err *e)
{
    Weights *renamed = names_convert(part->weights, "", part->class->names, (NameShape){ 0 }, e);
    if (!renamed) return err_in(e, part->where);
    parts_note_rest(parts, part->weights, part->where);
    weights_free(part->weights);
    part->weights = renamed;
    return 0;
}

/* As config.json names it; NULL: not at all, or as one that limn does not know. */
static const PartClass *class_of_config(const Part *part)
{
    Err ignored;
    Config *c = config_parse((Bytes){ (const unsigned char *)str_text(&part->config), part->config.len },
                             part->config_where, &ignored);
    const PartClass *named = c ? part_class_find(config_str(c, "_class_name", NULL), part->is->role) : NULL;
    config_free(c);
    return named;
}

/*
 * The index and the component's own config must agree; a text encoder is what the index says, as transformers has it. A class that limn
 * does not know is refused when the role's first is bound.
 */
static int choose_class(Part *part, Err *e)
{
    const PartClass *own = class_of_config(part);
    if (part->class && own && own != part->class && part->is->role != ROLE_TEXT)
        return err_set(e, "model_index.json says %s, %s says %s", part->class->name, part->config_where, own->name);
    if (!part->class) part->class = own ? own : part_class_find(NULL, part->is->role);
    return 0;
}

int parts_read_component(Parts *parts, Source *s, const char *folder, Part *part, Err *e)
{
    Str file = { 0 }, config = { 0 };
    int failed = -1;

    str_addf(&config, "%s%sconfig.json", folder, *folder ? "/" : "");
    if (parts_read_text(s, config.s, &part->config, &part->config_where, e)) goto done;
    if (choose_class(part, e)) goto done;
    if (component_find(s, folder, &file, e)) goto done;
    part->where = file_in(s, file.s);
    if (strstr(file.s, ".non_ema."))
        parts_note(parts, "%s: the weights without their training's average: no others are there", part->where);
    part->weights = weights_new();
    if (component_read(s, file.s, part->weights, e)) goto done;
    if (part->is->role == ROLE_NETWORK) {
        if (source_get(s, file.s, &parts->hashed, e)) goto done;
        FileId id;
        if (source_id(s, file.s, &id)) parts_hash_by(parts, &(PartFile){ part->where, parts->hashed, id });
    }
    failed = rename_part(parts, part, e);

done:
    str_release(&file);
    str_release(&config);
    return failed;
}

/* --unet: a file that brings no config has the folder's. */
static int open_unet(Parts *parts, Source *s, const char *path, Err *e)
{
    Part *part = parts_named(parts, "unet");
    if (parts_open_alone(parts, part, path, "--unet", e)) return -1;
    if (part->config.len) return 0;
    free(part->config_where);
    return parts_read_text(s, "unet/config.json", &part->config, &part->config_where, e);
}

int parts_open_folder(Parts *parts, Source *s, const ModelPaths *p, Err *e)
{
    Bytes text;
    if (read_index(parts, s, p, e)) return -1;
    for (int i = 0; i < parts->count; i++) {
        Part *part = &parts->part[i]; /* one that the index does not name has no class */
        if (part->class && parts_read_component(parts, s, part->is->name, part, e)) return -1;
    }
    if (p->unet && open_unet(parts, s, p->unet, e)) return -1;
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
    for (Part *part = NULL; (part = parts_next(parts, ROLE_TEXT, part));)
        if (p->tokenizer ? parts_keep_padding(part, s, e) : parts_read_tokenizer_of(part, s, e)) return -1;
    return 0;
}
