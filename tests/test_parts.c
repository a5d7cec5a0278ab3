/*
 * test_parts.c - what is found in folders and single files, before anything is bound.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "pipeline/parts.h"
#include "tests/checkpoint.h"
#include "tests/files.h"
#include "tests/support.h"
#include "weights/kind.h"

/* ---- single files ---- */

/* Every tensor is where diffusers' converter puts it, looks at the right bytes, and nothing else is there. */
static void check_names(const Parts *parts, const char *list)
{
    char golden[256], buf[64], last[160] = "";
    CheckpointLine l;
    Str want = { 0 };
    size_t offset = 0, next = 0, count, source_count, seen[8] = { 0 };
    const unsigned char *data = parts->file[0].bytes.data + 8;
    uint64_t header;
    memcpy(&header, parts->file[0].bytes.data, 8);
    data += header;

    snprintf(golden, sizeof golden, GOLDEN "/ldm/%s.tsv", list);
    FILE *f = fopen(golden, "r");
    while (checkpoint_line(f, &l)) {
        if (strcmp(last, l.name) != 0) {
            checkpoint_dims(l.shape, &want, &source_count);
            offset = next;
            next += 2 * source_count;
            strcpy(last, l.name);
        }
        if (l.part[0] == '-') continue;
        const Part *part = parts_named(parts, l.part);
        const Weight *t = weights_find(part->weights, l.diffusers);
        if (!t) {
            fail_msg("%s: %s is missing", l.part, l.diffusers);
            return;
        }
        checkpoint_dims(l.new_shape, &want, &count);
        weight_shape_text(t, buf, sizeof buf);
        size_t at = 0;
        for (char *p = buf; *p; p++) /* "[2, 3]" -> "2,3" */
            if (!strchr("[] ", *p)) buf[at++] = *p;
        buf[at] = 0;
        if (strcmp(buf, str_text(&want)) != 0) fail_msg("%s is %s, expected %s", l.diffusers, buf, str_text(&want));
        assert_int_equal(t->bytes, 2 * count);
        size_t rows = t->ndim ? (size_t)t->shape[0] : 1;
        if (strcmp(l.diffusers, "text_projection.weight") != 0) /* which OpenCLIP has transposed */
            assert_ptr_equal(t->data, data + offset + 2 * l.row * (count / rows));
        seen[part - parts->part]++;
    }
    fclose(f);
    str_release(&want);
    for (int i = 0; i < parts->count; i++)
        assert_int_equal(seen[i], part_present(&parts->part[i]) ? weights_count(parts->part[i].weights) : 0);
}

static void put_vocabulary(const char *dir)
{
    put_text(dir, "vocab.json", "{}");
    put_text(dir, "merges.txt", "#version: 0.2\n");
    put_text(dir, "tokenizer_config.json", "{\"pad_token\": \"other\"}");
}

static void assert_has(const Str *text, const char *part)
{
    if (!strstr(str_text(text), part)) fail_msg("%s lacks %s", str_text(text), part);
}

static void sd15_file(void **state)
{
    Err e = { 0 };
    Parts parts;
    char *path = checkpoint_put(*state, "sd15.safetensors", "sd15", NULL, NULL);
    put_vocabulary(*state);
    if (parts_open(&parts, &(ModelPaths){ .path = path }, &e)) fail_msg("%s", e.text);
    check_names(&parts, "sd15");
    assert_string_equal(parts.family, "SD 1.x");
    assert_string_equal(parts.name, "sd15");
    assert_null(parts.note);
    const Str *unet = &parts_named(&parts, "unet")->config, *vae = &parts_named(&parts, "vae")->config;
    assert_has(unet, "\"block_out_channels\": [320, 640, 1280, 1280]");
    assert_has(unet, "\"attention_head_dim\": [8, 8, 8, 8]");
    assert_has(unet, "\"cross_attention_dim\": 768");
    assert_has(unet, "\"layers_per_block\": 2");
    assert_has(unet, "\"use_linear_projection\": false");
    assert_has(unet, "\"sample_size\": 64");
    assert_has(unet, "[\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"DownBlock2D\"]");
    assert_has(unet, "[\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\"]");
    assert_has(vae, "\"block_out_channels\": [128, 256, 512, 512]");
    assert_has(vae, "\"layers_per_block\": 2");
    assert_has(vae, "\"latent_channels\": 4");
    assert_has(&parts_named(&parts, "text_encoder")->config, "\"num_hidden_layers\": 12");
    assert_has(&parts_named(&parts, "text_encoder")->config, "\"hidden_act\": \"quick_gelu\"");
    assert_has(&parts.scheduler, "\"prediction_type\": \"epsilon\"");
    assert_string_equal(parts_named(&parts, "text_encoder")->tokenizer.files.added.pad, "<|endoftext|>");
    assert_int_equal(parts_named(&parts, "text_encoder")->tokenizer.files.max, 77);
    assert_int_equal(parts_named(&parts, "text_encoder")->tokenizer.files.rows, 49408);
    parts_release(&parts);
    free(path);
}

static void sd21_file(void **state)
{
    Err e = { 0 };
    Parts parts;
    char *path = checkpoint_put(*state, "v2-1_768-ema-pruned.safetensors", "sd21", NULL, NULL);
    put_vocabulary(*state);
    if (parts_open(&parts, &(ModelPaths){ .path = path }, &e)) fail_msg("%s", e.text);
    check_names(&parts, "sd21");
    assert_string_equal(parts.family, "SD 2.x");
    const Str *unet = &parts_named(&parts, "unet")->config;
    assert_has(unet, "\"attention_head_dim\": [5, 10, 20, 20]");
    assert_has(unet, "\"use_linear_projection\": true");
    assert_has(unet, "\"cross_attention_dim\": 1024");
    assert_has(unet, "\"sample_size\": 96");
    assert_has(&parts_named(&parts, "text_encoder")->config, "\"num_hidden_layers\": 23");
    assert_has(&parts_named(&parts, "text_encoder")->config, "\"num_attention_heads\": 16");
    assert_has(&parts_named(&parts, "text_encoder")->config, "\"hidden_act\": \"gelu\"");
    assert_has(&parts.scheduler, "\"prediction_type\": \"v_prediction\"");
    assert_string_equal(parts_named(&parts, "text_encoder")->tokenizer.files.added.pad, "!");
    assert_null(parts.note);
    parts_release(&parts);
    free(path);
}

static void sdxl_file(void **state)
{
    Err e = { 0 };
    Parts parts;
    char *path = checkpoint_put(*state, "sd_xl_base_1.0.safetensors", "sdxl", NULL, NULL);
    put_vocabulary(*state);
    if (parts_open(&parts, &(ModelPaths){ .path = path }, &e)) fail_msg("%s", e.text);
    check_names(&parts, "sdxl");
    assert_string_equal(parts.family, "SD XL");
    assert_true(parts.zero_negative);
    assert_null(parts.note);
    const Str *unet = &parts_named(&parts, "unet")->config, *second = &parts_named(&parts, "text_encoder_2")->config;
    assert_has(unet, "\"attention_head_dim\": [5, 10, 20]");
    assert_has(unet, "\"transformer_layers_per_block\": [1, 2, 10]");
    assert_has(unet, "\"projection_class_embeddings_input_dim\": 2816");
    assert_has(unet, "\"cross_attention_dim\": 2048");
    assert_has(unet, "\"sample_size\": 128");
    assert_has(unet, "[\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"]");
    assert_has(&parts_named(&parts, "text_encoder")->config, "\"hidden_act\": \"quick_gelu\"");
    assert_has(second, "\"num_hidden_layers\": 32");
    assert_has(second, "\"num_attention_heads\": 20");
    assert_has(second, "\"hidden_act\": \"gelu\"");
    assert_has(second, "CLIPTextModelWithProjection");
    assert_has(&parts_named(&parts, "vae")->config, "\"scaling_factor\": 0.13025");
    assert_has(&parts.scheduler, "EulerDiscreteScheduler");
    assert_has(&parts.scheduler, "\"timestep_spacing\": \"leading\"");
    assert_has(&parts.scheduler, "\"prediction_type\": \"epsilon\"");
    assert_string_equal(parts_named(&parts, "text_encoder")->tokenizer.files.added.pad, "<|endoftext|>");
    assert_string_equal(parts_named(&parts, "text_encoder_2")->tokenizer.files.added.pad, "!");
    parts_release(&parts);
    free(path);
}

static void sdxl_refiner_file(void **state)
{
    Err e = { 0 };
    Parts parts;
    char *path = checkpoint_put(*state, "sd_xl_refiner_1.0.safetensors", "sdxl-refiner", NULL, NULL);
    put_vocabulary(*state);
    if (parts_open(&parts, &(ModelPaths){ .path = path }, &e)) fail_msg("%s", e.text);
    check_names(&parts, "sdxl-refiner");
    assert_string_equal(parts.family, "SD XL refiner");
    assert_false(parts.zero_negative);
    assert_false(part_present(parts_named(&parts, "text_encoder")));
    const Str *unet = &parts_named(&parts, "unet")->config;
    assert_has(unet, "\"attention_head_dim\": [6, 12, 24, 24]");
    assert_has(unet, "\"transformer_layers_per_block\": [1, 4, 4, 4]");
    assert_has(unet, "\"projection_class_embeddings_input_dim\": 2560");
    assert_has(unet, "[\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"]");
    parts_release(&parts);
    free(path);
}

/* Names and marks in a file tell what it predicts. */
static void predictions(void **state)
{
    static const struct {
        const char *name, *list, *extra, *predicts, *size;
        bool noted;
    } rows[] = {
        { "v2-1_512-ema-pruned.safetensors", "sd21", NULL, "epsilon", "64", false },
        { "512-base-ema.safetensors", "sd21", NULL, "epsilon", "64", false },
        { "merge.safetensors", "sd21", NULL, "v_prediction", "96", true },
        { "my-768.safetensors", "sd15", NULL, "epsilon", "64", false },
        { "my-vpred.safetensors", "sd15", NULL, "v_prediction", "64", false },
        { "marked.safetensors", "sd15", "v_pred", "v_prediction", "64", false },
        { "512-base-marked.safetensors", "sd21", "v_pred", "v_prediction", "96", false },
        { "an-xl.safetensors", "sdxl", NULL, "epsilon", "128", false },
        { "noob-vpred.safetensors", "sdxl", NULL, "v_prediction", "128", false },
        { "xl-marked.safetensors", "sdxl", "v_pred", "v_prediction", "128", false },
    };
    put_vocabulary(*state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Parts parts;
        char *path = checkpoint_put(*state, rows[i].name, rows[i].list, NULL, rows[i].extra), want[64];
        if (parts_open(&parts, &(ModelPaths){ .path = path }, &e)) fail_msg("%s: %s", rows[i].name, e.text);
        snprintf(want, sizeof want, "\"prediction_type\": \"%s\"", rows[i].predicts);
        assert_has(&parts.scheduler, want);
        snprintf(want, sizeof want, "\"sample_size\": %s,", rows[i].size);
        assert_has(&parts_named(&parts, "unet")->config, want);
        assert_int_equal(parts.note != NULL, rows[i].noted);
        parts_release(&parts);
        unlink(path);
        free(path);
    }
}

/* What is missing or too much in a checkpoint is named. */
static void incomplete_files(void **state)
{
    static const struct {
        const char *list, *without, *extra, *said;
    } rows[] = {
        { "sd15", "first_stage_model.", NULL, "give one with --vae" },
        { "sd15", "cond_stage_model.", NULL, "no text encoder" },
        { "sd15", "model.diffusion_model.", NULL, "without a UNet" },
        { "sd15", "model.diffusion_model.input_blocks.5.", NULL, "do not divide evenly" },
        { "sd15", NULL, "model.diffusion_model.input_blocks.1.2.weight", "input_blocks.1.2.weight" },
        { "sd15", NULL, "model.diffusion_model.input_blocks.99.0.op.weight", "input_blocks.99" },
        { "sd21", NULL, "cond_stage_model.model.transformer.other", "transformer.other" },
    };
    put_vocabulary(*state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Parts parts;
        char *path = checkpoint_put(*state, "broken.safetensors", rows[i].list, rows[i].without, rows[i].extra);
        int failed = parts_open(&parts, &(ModelPaths){ .path = path }, &e);
        assert_said(failed, &e, path);
        assert_said(failed, &e, rows[i].said);
        parts_release(&parts);
        unlink(path);
        free(path);
    }
}

/* What no network of a checkpoint has is left out and told, once and by name. */
static void left_over(void **state)
{
    static const struct {
        const char *extra, *noted;
    } rows[] = {
        { "something.else", "\"something.else\"" },
        { "control_model.a", "\"control_model.a\" (of a ControlNet)" },
        { "conditioner.embedders.1.model.ln_final.weight", "embedders.1" },
        { "ddim_sigmas", NULL },
        { "logvar", NULL },
    };
    put_vocabulary(*state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Parts parts;
        char *path = checkpoint_put(*state, "more.safetensors", "sd15", NULL, rows[i].extra);
        if (parts_open(&parts, &(ModelPaths){ .path = path }, &e)) fail_msg("%s", e.text);
        if (rows[i].noted) assert_has(&parts.notes, rows[i].noted);
        else assert_int_equal(parts.notes.len, 0);
        parts_release(&parts);
        unlink(path);
        free(path);
    }
}

/* in_proj that cannot be three matrices. */
static void uneven_projection(void **state)
{
    Err e = { 0 };
    Parts parts;
    Checkpoint l = { 0 };
    checkpoint_add(&l, "model.diffusion_model.input_blocks.0.0.weight", "4x4x3x3");
    checkpoint_add(&l, "model.diffusion_model.input_blocks.1.0.in_layers.2.weight", "4x4x3x3");
    checkpoint_add(&l, "cond_stage_model.model.transformer.resblocks.0.ln_1.weight", "4");
    checkpoint_add(&l, "cond_stage_model.model.transformer.resblocks.1.ln_1.weight", "4");
    checkpoint_add(&l, "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight", "10x4");
    char *path = checkpoint_finish(*state, "uneven.safetensors", &l);
    int failed = parts_open(&parts, &(ModelPaths){ .path = path }, &e);
    assert_said(failed, &e, "in_proj_weight: shape [10, 4]");
    parts_release(&parts);
    free(path);
}

/* ---- the tokenizer and the VAE of single files ---- */

static void tokenizer_places(void **state)
{
    Err e = { 0 };
    Parts parts;
    char *dir = path_in(*state, "alone"), *data = path_in(*state, "data"), *clip = path_in(*state, "data/limn/clip");
    put_text(dir, "x", "");
    setenv("XDG_DATA_HOME", data, 1);
    char *path = checkpoint_put(dir, "sd15.safetensors", "sd15", NULL, NULL);

    assert_said(parts_open(&parts, &(ModelPaths){ .path = path }, &e), &e, "data/limn/clip/ or next to");
    parts_release(&parts);
    assert_int_equal(parts_open(&parts, &(ModelPaths){ .path = path, .no_weights = true }, &e), 0);
    assert_null(parts_named(&parts, "text_encoder")->tokenizer.where);
    parts_release(&parts);

    static const char *const later_first[] = { "data/limn/clip", "alone/tokenizer", "alone" };
    for (int i = 0; i < 3; i++) {
        char *place = path_in(*state, later_first[i]);
        put_vocabulary(place);
        if (parts_open(&parts, &(ModelPaths){ .path = path }, &e)) fail_msg("%s", e.text);
        assert_string_equal(parts_named(&parts, "text_encoder")->tokenizer.where, place);
        parts_release(&parts);
        free(place);
    }
    if (parts_open(&parts, &(ModelPaths){ .path = path, .tokenizer = clip }, &e)) fail_msg("%s", e.text);
    assert_string_equal(parts_named(&parts, "text_encoder")->tokenizer.where, clip);
    parts_release(&parts);
    static const struct {
        const char *json, *said;
    } broken[] = {
        { "{\"model\": {\"vocab\": {}}}", "no \"vocab\" and" },
        { "{\"model\": {\"vocab\": {}, \"merges\": [[\"a\"]]}}", "the merge [\"a\"]" },
        { "{\"model\": {\"vocab\": {}, \"merges\": [\"a\\nb\"]}}", "the merge" },
        { "nothing", "tokenizer.json: not valid" },
    };
    assert_said(parts_open(&parts, &(ModelPaths){ .path = path, .tokenizer = data }, &e), &e, "data: no vocab.json");
    parts_release(&parts);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        put_text(data, "tokenizer.json", broken[i].json);
        assert_said(parts_open(&parts, &(ModelPaths){ .path = path, .tokenizer = data }, &e), &e, broken[i].said);
        parts_release(&parts);
    }
    put_text(data, "tokenizer.json", "{\"model\": {\"vocab\": {\"a\": 0}, \"merges\": [[\"a\", \"b</w>\"], \"c d\"]}}");
    if (parts_open(&parts, &(ModelPaths){ .path = path, .tokenizer = data }, &e)) fail_msg("%s", e.text);
    assert_string_equal((const char *)parts_named(&parts, "text_encoder")->tokenizer.files.vocab.data, "{\"a\":0}");
    assert_string_equal((const char *)parts_named(&parts, "text_encoder")->tokenizer.files.merges.data,
                        "#version: 0.2\na b</w>\nc d\n");
    parts_release(&parts);
    free(path), free(dir), free(data), free(clip);
}

static void other_vae(void **state)
{
    static const char *const files[] = { "vae-ldm.safetensors", "vae-bare.safetensors" };
    Err e = { 0 };
    Parts parts;
    put_vocabulary(*state);
    char *model = checkpoint_put(*state, "no-vae.safetensors", "sd15", "first_stage_model.", NULL);
    for (int i = 0; i < 2; i++) { /* LDM's names with their prefix and without */
        CheckpointLine l;
        Checkpoint layout = { 0 };
        FILE *f = fopen(GOLDEN "/ldm/sd15.tsv", "r");
        while (checkpoint_line(f, &l))
            if (str_starts(l.name, "first_stage_model."))
                checkpoint_add(&layout, l.name + (i ? strlen("first_stage_model.") : 0), l.shape);
        fclose(f);
        char *vae = checkpoint_finish(*state, files[i], &layout);
        if (parts_open(&parts, &(ModelPaths){ .path = model, .vae = vae }, &e)) fail_msg("%s", e.text);
        assert_int_equal(weights_count(parts_named(&parts, "vae")->weights), 248);
        assert_string_equal(parts_named(&parts, "vae")->where, vae);
        assert_has(&parts_named(&parts, "vae")->config, "[128, 256, 512, 512]");
        parts_release(&parts);
        assert_said(parts_open(&parts, &(ModelPaths){ .path = vae }, &e), &e, "give it as --vae");
        parts_release(&parts);
        free(vae);
    }
    /* a file and a folder in diffusers' naming: the built-in model's */
    static const char *const same[] = { "models/sprites/vae", "models/sprites",
                                        "models/sprites/vae/diffusion_pytorch_model.safetensors" };
    for (int i = 0; i < 3; i++) {
        if (parts_open(&parts, &(ModelPaths){ .path = model, .vae = same[i] }, &e)) fail_msg("%s", e.text);
        assert_non_null(
            weights_find(parts_named(&parts, "vae")->weights, "decoder.mid_block.attentions.0.to_q.weight"));
        assert_has(&parts_named(&parts, "vae")->config, "\"latent_channels\": 8");
        parts_release(&parts);
    }
    assert_said(parts_open(&parts, &(ModelPaths){ .path = model, .vae = "none" }, &e), &e, "--vae: none: No such file");
    parts_release(&parts);
    free(model);
}

/* ---- folders ---- */

static void builtin_model(void **state)
{
    (void)state;
    Err e = { 0 };
    Parts parts;
    unsetenv("LIMN_MODEL");
    if (parts_open(&parts, &(ModelPaths){ 0 }, &e)) fail_msg("%s", e.text);
    assert_string_equal(parts.name, "sprites");
    assert_string_equal(parts.family, "custom");
    assert_null(parts.hashed_path);
    for (int i = 0; i < parts.count; i++)
        assert_true(strcmp(parts.part[i].is->name, "text_encoder_2") == 0 ? !part_present(&parts.part[i])
                                                                          : weights_count(parts.part[i].weights) > 10);
    assert_true(parts_named(&parts, "text_encoder")->tokenizer.files.vocab.len &&
                parts_named(&parts, "text_encoder")->tokenizer.files.merges.len &&
                parts_named(&parts, "text_encoder")->tokenizer.files.added.special_map.len);
    parts_release(&parts);
    assert_said(parts_open(&parts, &(ModelPaths){ .path = "nothing" }, &e), &e, "built in: sprites");
    parts_release(&parts);
    assert_said(parts_open(&parts, &(ModelPaths){ .path = "./nothing" }, &e), &e, "./nothing: No such file");
    parts_release(&parts);
    setenv("LIMN_MODEL", "elsewhere", 1);
    assert_said(parts_open(&parts, &(ModelPaths){ 0 }, &e), &e, "elsewhere");
    parts_release(&parts);
    unsetenv("LIMN_MODEL");
}

#define COMPONENTS                                                                                                     \
    "\"text_encoder\":[\"transformers\",\"CLIPTextModel\"],\"tokenizer\":[\"transformers\",\"CLIPTokenizer\"],"        \
    "\"scheduler\":[\"diffusers\",\"DDIMScheduler\"],\"unet\":[\"diffusers\",\"UNet2DConditionModel\"]"
#define SD "{\"_class_name\":\"StableDiffusionPipeline\","

static void folders(void **state)
{
    static const struct {
        const char *index, *said;
    } rows[] = {
        { "[]", "an array" },
        { "{\"_class_name\":\"FluxPipeline\"}", "a FluxPipeline, which limn cannot run" },
        { "{\"_class_name\":\"StableDiffusionXLPipeline\"}", "text_encoder" },
        { SD COMPONENTS "}", "names no \"vae\"" },
        { SD COMPONENTS ",\"vae\":[null,null]}", "names no \"vae\"" },
        { SD COMPONENTS ",\"vae\":[\"diffusers\",\"AutoencoderKLWan\"]}", "the vae is of the class AutoencoderKLWan" },
        { SD COMPONENTS ",\"vae\":[\"diffusers\",\"AutoencoderKL\"],\"text_encoder_2\":[\"transformers\",\"T5\"]}",
          "text_encoder_2" },
        { SD COMPONENTS ",\"vae\":[\"diffusers\",\"AutoencoderKL\"]}", "text_encoder/config.json: No such file" },
    };
    Err e = { 0 };
    Parts parts;
    char *dir = path_in(*state, "model");
    put_text(dir, "config.json", "{}");
    assert_said(parts_open(&parts, &(ModelPaths){ .path = dir }, &e), &e, "give the folder above");
    parts_release(&parts);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_text(dir, "model_index.json", rows[i].index);
        int failed = parts_open(&parts, &(ModelPaths){ .path = dir }, &e);
        assert_said(failed, &e, dir);
        assert_said(failed, &e, rows[i].said);
        parts_release(&parts);
    }
    put_text(dir, "text_encoder/config.json", "{}");
    assert_said(parts_open(&parts, &(ModelPaths){ .path = dir }, &e), &e, "text_encoder/: no weights there");
    parts_release(&parts);
    put_text(dir, "text_encoder/model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    assert_said(parts_open(&parts, &(ModelPaths){ .path = dir }, &e), &e,
                "text_encoder/model.safetensors: a Git LFS pointer");
    parts_release(&parts);
    free(dir);
}

static void same_as_folder(void **state)
{
    (void)state;
    Err e = { 0 };
    Parts parts;
    if (parts_open(&parts, &(ModelPaths){ .path = "models/sprites/" }, &e)) fail_msg("%s", e.text);
    assert_string_equal(parts.name, "sprites");
    assert_string_equal(parts.hashed_path, "models/sprites/unet/diffusion_pytorch_model.safetensors");
    assert_string_equal(parts_named(&parts, "text_encoder")->tokenizer.where, "models/sprites/tokenizer");
    assert_non_null(parts.defaults);
    parts_release(&parts);
}

/* ---- kinds ---- */

static void kinds(void **state)
{
    (void)state;
    static const struct {
        const char *name, *what;
    } rows[] = {
        { "lora_unet_down_blocks_0_attentions_0_proj_in.alpha", "LoRA" },
        { "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight", "LoRA" },
        { "model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "Flux" },
        { "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "Diffusion 3" },
        { "down_blocks.0.resnets.0.conv1.weight", "UNet alone" },
        { "text_model.encoder.layers.0.mlp.fc1.weight", "text encoder alone" },
        { "decoder.up.0.block.0.conv1.weight", "VAE alone" },
        { "h.0.attn.c_attn.weight", "none of the kinds" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        Weights *w = weights_new();
        Weight t = { 0 };
        assert_int_equal(weights_add(w, rows[i].name, &t, &e), 0);
        assert_non_null(strstr(kind_of(w)->what, rows[i].what));
        weights_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sd15_file),        cmocka_unit_test(sd21_file),
        cmocka_unit_test(sdxl_file),        cmocka_unit_test(sdxl_refiner_file),
        cmocka_unit_test(predictions),      cmocka_unit_test(incomplete_files),
        cmocka_unit_test(left_over),        cmocka_unit_test(uneven_projection),
        cmocka_unit_test(tokenizer_places), cmocka_unit_test(other_vae),
        cmocka_unit_test(builtin_model),    cmocka_unit_test(folders),
        cmocka_unit_test(same_as_folder),   cmocka_unit_test(kinds),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
