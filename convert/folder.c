/* folder.c - a model as a diffusers folder. See layouts.h. Source: diffusers' save_pretrained(). */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "convert/layouts.h"
#include "pipeline/parts_internal.h"
#include "weights/shapes.h"

/* What the index names; a class of NULL is [null, null]. */
static void add_entry(cJSON *index, const char *name, const char *library, const char *class)
{
    cJSON *pair = cJSON_AddArrayToObject(index, name);
    cJSON_AddItemToArray(pair, class ? cJSON_CreateString(library) : cJSON_CreateNull());
    cJSON_AddItemToArray(pair, class ? cJSON_CreateString(class) : cJSON_CreateNull());
}

/* As a folder names it, or by what the networks take. */
static const char *pipeline_of(const Parts *parts)
{
    const Weights *unet = parts_next(parts, ROLE_NETWORK, NULL)->weights;
    const bool xl = shapes_pooled(unet), refiner = xl && !part_present(parts_named(parts, "text_encoder"));
    int in = shapes_dim(unet, 1, "conv_in.weight");
    if (parts->pipeline) return parts->pipeline;
    if (refiner) return "StableDiffusionXLImg2ImgPipeline";
    if (in == 9) return xl ? "StableDiffusionXLInpaintPipeline" : "StableDiffusionInpaintPipeline";
    if (in == 8) return xl ? "StableDiffusionXLInstructPix2PixPipeline" : "StableDiffusionInstructPix2PixPipeline";
    return xl ? "StableDiffusionXLPipeline" : "StableDiffusionPipeline";
}

static char *scheduler_class(const Parts *parts)
{
    Err ignored;
    cJSON *c =
        json_parse((Bytes){ (const unsigned char *)str_text(&parts->scheduler), parts->scheduler.len }, &ignored);
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "_class_name"));
    Str out = { 0 };
    str_add(&out, parts->scheduler_class ? parts->scheduler_class : said ? said : "PNDMScheduler");
    cJSON_Delete(c);
    return out.s;
}

static int write_index(const Parts *parts, const Folder *f, Err *e)
{
    const bool xl = shapes_pooled(parts_next(parts, ROLE_NETWORK, NULL)->weights);
    cJSON *index = cJSON_CreateObject();
    char *scheduler = scheduler_class(parts);
    cJSON_AddStringToObject(index, "_class_name", pipeline_of(parts));
    cJSON_AddStringToObject(index, "_diffusers_version", "0.30.0");
    for (int i = 0; i < parts->count; i++) {
        const Part *p = &parts->part[i];
        const char *library = p->is->role == ROLE_TEXT ? "transformers" : "diffusers";
        const char *class = strcmp(p->is->name, "text_encoder_2") == 0 ? "CLIPTextModelWithProjection"
                            : p->class                                 ? p->class->name
                                                                       : NULL;
        bool needed = part_present(p) || xl; /* XL's pipelines have a place for both */
        if (needed) add_entry(index, p->is->name, library, part_present(p) ? class : NULL);
        if (needed && p->is->tokenizer)
            add_entry(index, p->is->tokenizer, library, part_present(p) ? "CLIPTokenizer" : NULL);
    }
    add_entry(index, "scheduler", "diffusers", scheduler);
    if (!xl) {
        add_entry(index, "safety_checker", "", NULL);
        add_entry(index, "feature_extractor", "", NULL);
        cJSON_AddFalseToObject(index, "requires_safety_checker");
    } else {
        cJSON_AddBoolToObject(index, "force_zeros_for_empty_prompt", parts->zero_negative);
        if (parts->scaled_beside) cJSON_AddTrueToObject(index, "is_cosxl_edit");
        if (!part_present(parts_named(parts, "text_encoder")))
            cJSON_AddTrueToObject(index, "requires_aesthetics_score");
    }
    int failed = layout_seen_index(parts, index, e);
    char *text = cJSON_Print(index);
    if (!failed) failed = folder_write_text(f, "model_index.json", text, e);
    cJSON_free(text);
    cJSON_Delete(index);
    free(scheduler);
    return failed;
}

/* ---- tokenizers ------------------------------------------------------------------------------------------------------ */

static int write_bytes(const Folder *f, const char *name, Bytes b, Err *e)
{
    return b.data ? folder_write(f, name, b, e) : 0;
}

/* What a single file's vocabulary lacks: padding and length as the encoder was trained with. */
static int write_settings(const Part *p, const Folder *f, Err *e)
{
    static const char begin[] = "<|startoftext|>", end[] = "<|endoftext|>";
    const AddedFiles *a = &p->tokenizer.files.added;
    if (!a->pad)
        return write_bytes(f, "tokenizer_config.json", a->config, e) ||
               write_bytes(f, "special_tokens_map.json", a->special_map, e) ||
               write_bytes(f, "added_tokens.json", a->added, e);
    cJSON *c = cJSON_CreateObject();
    cJSON_AddStringToObject(c, "tokenizer_class", "CLIPTokenizer");
    cJSON_AddNumberToObject(c, "model_max_length", p->tokenizer.files.max);
    cJSON_AddFalseToObject(c, "add_prefix_space");
    cJSON_AddTrueToObject(c, "do_lower_case");
    cJSON_AddStringToObject(c, "errors", "replace");
    cJSON_AddStringToObject(c, "bos_token", begin);
    cJSON_AddStringToObject(c, "eos_token", end);
    cJSON_AddStringToObject(c, "unk_token", end);
    cJSON_AddStringToObject(c, "pad_token", a->pad);
    char *text = cJSON_Print(c);
    int failed = folder_write_text(f, "tokenizer_config.json", text, e);
    cJSON_free(text);
    cJSON_Delete(c);
    return failed;
}

static int write_tokenizer(const Part *p, const Folder *in, Err *e)
{
    Folder f;
    const TokenizerFiles *t = &p->tokenizer.files;
    if (!p->tokenizer.where)
        return err_set(
            e, "no tokenizer was found, and a folder has one: give the folder of vocab.json and merges.txt with "
               "--tokenizer");
    if (folder_below(&f, in, p->is->tokenizer, true, e)) return -1;
    int failed = write_bytes(&f, "vocab.json", t->vocab, e) || write_bytes(&f, "merges.txt", t->merges, e) ||
                 write_settings(p, &f, e);
    folder_close(&f);
    return failed ? -1 : 0;
}

/* ---- networks -------------------------------------------------------------------------------------------------------- */

static int add_weights(Plan *plan, const Weights *w, Err *e)
{
    for (size_t i = 0; i < weights_count(w); i++) {
        const Weight *t = weights_at((Weights *)(size_t)w, i);
        if (!t->folded && plan_add(plan, t->name, t, e)) return -1;
    }
    return 0;
}

static int write_part(const ConvertJob *j, const Parts *parts, const Part *p, const Watch *w, const Folder *in,
                      Converted *made, Err *e)
{
    Folder f;
    Plan plan;
    Converted own = { .bytes = 0 };
    const bool text = p->is->role == ROLE_TEXT, network = p->is->role == ROLE_NETWORK;
    const char *name = text ? "model.safetensors" : "diffusion_pytorch_model.safetensors";
    if (folder_below(&f, in, p->is->name, true, e)) return -1;
    plan_init(&plan, j, w);
    plan_metadata(&plan, network ? parts->hashed : (Bytes){ 0 }, NULL);
    int failed = folder_write_text(&f, "config.json", str_text(&p->config), e) || add_weights(&plan, p->weights, e) ||
                 plan_write(&plan, &f, name, &own, e);
    made->bytes += own.bytes;
    made->tensors += own.tensors;
    if (network) memcpy(made->sha256, own.sha256, sizeof made->sha256);
    plan_release(&plan);
    folder_close(&f);
    return failed ? -1 : 0;
}

/* What limn alone has in a folder. */
static int write_own(const Parts *parts, const Folder *f, Err *e)
{
    static const char *const own[] = { "limn.json", "limn-words.json" };
    const bool wanted[] = { parts->defaults != NULL, parts->words != NULL };
    for (int i = 0; i < 2; i++) {
        for (int k = 0; wanted[i] && k < PARTS_SOURCES; k++) {
            Bytes bytes;
            if (!parts->sources[k] || !source_has(parts->sources[k], own[i])) continue;
            if (source_get(parts->sources[k], own[i], &bytes, e) || folder_write(f, own[i], bytes, e)) return -1;
            break;
        }
    }
    return 0;
}

int layout_folder(const ConvertJob *j, const Parts *parts, const Watch *w, const char *dir, Converted *made, Err *e)
{
    Folder f, scheduler;
    if (folder_open(&f, dir, e)) return -1;
    int failed =
        write_index(parts, &f, e) || write_own(parts, &f, e) || folder_below(&scheduler, &f, "scheduler", true, e);
    if (!failed) {
        failed = folder_write_text(&scheduler, "scheduler_config.json", str_text(&parts->scheduler), e);
        folder_close(&scheduler);
    }
    for (int i = 0; !failed && i < parts->count; i++) {
        const Part *p = &parts->part[i];
        if (!part_present(p)) continue;
        if (p->is->tokenizer) failed = write_tokenizer(p, &f, e);
        if (!failed) failed = write_part(j, parts, p, w, &f, made, e);
    }
    if (!failed) failed = layout_seen(j, parts, w, &f, made, e);
    folder_close(&f);
    return failed ? -1 : 0;
}
