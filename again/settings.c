/*
 * settings.c - tools that write their settings as one JSON object: readers.h. The tables of their fields are settings_fields.c's.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "again/readers.h"
#include "again/settings.h"
#include "base/mem.h"
#include "clip/syntax.h"

enum { DEPTH = 3, PATH = 120 };

/* ---- values that want a look ---- */

static void put_rand_device(Reading *r, const char *value)
{
    if (strcmp(value, "cpu") == 0) reading_set(r, "rng", "torch");
    else if (strcmp(value, "cuda") == 0) reading_set(r, "rng", "philox");
    else reading_remark(r, MATTERS_WHOLLY, "rand_device %.40s: its noise is its maker's", value);
}

static void put_seed_mode(Reading *r, const char *value)
{
    if (strcasecmp(value, "Torch CPU Compatible") == 0) reading_set(r, "rng", "torch");
    else if (strcasecmp(value, "NVIDIA GPU Compatible") == 0) reading_set(r, "rng", "philox");
    else
        reading_remark(r, MATTERS_WHOLLY,
                       "seed_mode %.40s: Draw Things' own noise, which limn has not; its Torch CPU "
                       "Compatible and NVIDIA GPU Compatible it has",
                       value);
}

static void put_strength(Reading *r, const char *value)
{
    r->from_picture = true;
    reading_set(r, "strength", value);
}

static void put_clip_layer(Reading *r, const char *value)
{
    if (atoi(value) < -1) reading_setf(r, "clip-skip", "%d", -atoi(value));
}

static void put_clip_skip_on(Reading *r, const char *value)
{
    if (strcasecmp(value, "true") == 0) reading_set(r, "clip-skip", "2");
}

static void put_tiling(Reading *r, const char *value)
{
    reading_set(r, "tile", strcmp(value, "xy") == 0 ? "both" : value);
}

/* Targets of these tools alone. */
static const struct {
    const char *to;
    void (*put)(Reading *r, const char *value);
} own_targets[] = {
    { "@rand-device", put_rand_device }, { "@seed-mode", put_seed_mode },       { "@strength", put_strength },
    { "@clip-layer", put_clip_layer },   { "@clip-skip-on", put_clip_skip_on }, { "@tiling", put_tiling },
};

static void read_leaf(const Field *table, Reading *r, const char *key, const char *value)
{
    const Field *f = fields_find(table, key);
    fields_read(table, r, key, value);
    for (size_t i = 0; f && f->to && i < sizeof own_targets / sizeof *own_targets; i++)
        if (strcmp(own_targets[i].to, f->to) == 0 && !fields_neutral(f, value)) own_targets[i].put(r, value);
}

/* An object that is being read. */
typedef struct {
    const char *above; /* "outer", or "" */
    int depth;
    bool known; /* it has a row itself: what of it has none is not told */
} Inside;

/* Every value of an object, and of objects in it by "outer.inner". */
static void read_object(const Field *table, Reading *r, const cJSON *object, Inside in)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        char path[PATH];
        Str value = { 0 };
        snprintf(path, sizeof path, "%s%s%s", in.above, *in.above ? "." : "", item->string ? item->string : "");
        const Field *f = fields_find(table, path);
        bool list = cJSON_IsArray(item) && cJSON_GetArraySize(item) > 0;
        if (cJSON_IsObject(item) && in.depth < DEPTH)
            read_object(table, r, item, (Inside){ path, in.depth + 1, in.known || f });
        else if (loose_text(item, &value) && (f || !in.known)) read_leaf(table, r, path, str_text(&value));
        else if (list && !f && !in.known) fields_read(table, r, path, ""); /* it is unknown */
        str_release(&value);
    }
}

/* ---- what is more than a value ---- */

static const char *text_of(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static double number_of(const cJSON *object, const char *key, double usual)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsString(item)) return strtod(item->valuestring, NULL);
    return cJSON_IsNumber(item) ? item->valuedouble : usual;
}

static void add_lora(Reading *r, const char *name, const char *hash, double weight)
{
    ReadLora *l = name ? reading_lora(r, name) : NULL;
    if (!l) return;
    l->apply = true;
    l->weight = l->text_weight = weight;
    if (hash && str_starts(hash, "0x")) hash += 2;
    if (hash && !l->hash) l->hash = mem_strndup(hash, strnlen(hash, 64));
}

/* "a red [blurry] cat": what stands in brackets is the negative prompt, in InvokeAI of 2022. */
static void put_bracketed(Reading *r, const char *text)
{
    Str prompt = { 0 }, negative = { 0 };
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "[");
        str_addn(&prompt, p, n);
        p += n;
        const char *end = *p ? strchr(p, ']') : NULL;
        if (!end) {
            str_add(&prompt, p);
            break;
        }
        str_addf(&negative, "%s%.*s", negative.len ? " " : "", (int)(end - p - 1), p + 1);
        p = end + 1;
    }
    while (prompt.len && prompt.s[prompt.len - 1] == ' ') prompt.s[--prompt.len] = '\0';
    reading_set(r, "prompt", str_text(&prompt));
    reading_set(r, "negative-prompt", str_text(&negative));
    str_release(&prompt);
    str_release(&negative);
}

static void more_invokeai(Reading *r, const cJSON *s)
{
    const cJSON *item, *image = cJSON_GetObjectItemCaseSensitive(s, "image"),
                       *prompt = cJSON_GetObjectItemCaseSensitive(image, "prompt");
    if (cJSON_IsArray(prompt)) prompt = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(prompt, 0), "prompt");
    if (cJSON_IsString(prompt)) put_bracketed(r, prompt->valuestring);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(s, "loras"))
    {
        const cJSON *model = cJSON_GetObjectItemCaseSensitive(item, "model");
        if (!model) model = cJSON_GetObjectItemCaseSensitive(item, "lora");
        const char *name = text_of(model, "name");
        add_lora(r, name ? name : text_of(model, "model_name"), NULL, number_of(item, "weight", 1));
    }
    static const char *const steered[] = { "controlnets", "ipAdapters", "t2iAdapters" };
    for (size_t i = 0; i < sizeof steered / sizeof *steered; i++)
        if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(s, steered[i])) > 0)
            reading_remark(r, MATTERS_WHOLLY, "%s: their pictures are not in here: --control, --ip-adapter, --adapter",
                           steered[i]);
    SyntaxSpan found[SYNTAX_COUNT];
    syntax_find(r->job.prompt ? r->job.prompt : "", found);
    if (found[SYNTAX_COMPEL].to)
        reading_remark(r, MATTERS_SEEN,
                       "the prompt has weights of compel's (word+, (words)1.2): limn takes them as text");
}

static void more_fastsdcpu(Reading *r, const cJSON *s)
{
    const cJSON *lcm = cJSON_GetObjectItemCaseSensitive(s, "lcm_lora"),
                *lora = cJSON_GetObjectItemCaseSensitive(s, "lora"),
                *gguf = cJSON_GetObjectItemCaseSensitive(s, "gguf_model");
    bool by_lora = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(s, "use_lcm_lora")),
         openvino = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(s, "use_openvino")),
         packed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(s, "use_gguf_model"));
    const char *model = openvino ? text_of(s, "openvino_lcm_model_id") : text_of(s, "lcm_model_id");
    if (by_lora && text_of(lcm, "base_model_id")) model = text_of(lcm, "base_model_id");
    if (packed && text_of(gguf, "diffusion_path")) model = text_of(gguf, "diffusion_path");
    if (by_lora) add_lora(r, text_of(lcm, "lcm_lora_id"), NULL, 1);
    if (model && !packed && strlen(model) < 200) free(r->model), r->model = mem_strdup(model); /* a hub's name, whole */
    else if (model) reading_name(&r->model, model);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(lora, "enabled")))
        reading_remark(r, MATTERS_WHOLLY, "a LoRA of weight %g, whose file is not told: --lora FILE",
                       number_of(lora, "weight", .5));
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(s, "use_seed"))) {
        Str seed = { 0 };
        if (loose_text(cJSON_GetObjectItemCaseSensitive(s, "seed"), &seed)) reading_set(r, "seed", str_text(&seed));
        str_release(&seed);
    } else {
        reading_remark(r, MATTERS_WHOLLY, "the seed was random, and is not told");
    }
    reading_set(r, "sampler", "lcm");
    const char *task = text_of(s, "diffusion_task");
    r->from_picture = task && strcmp(task, "image_to_image") == 0;
    if (!r->from_picture) job_reset(&r->job, option_find("strength", 8));
}

static void more_draw_things(Reading *r, const cJSON *s)
{
    const cJSON *item, *v2 = cJSON_GetObjectItemCaseSensitive(s, "v2");
    const cJSON *loras = cJSON_GetObjectItemCaseSensitive(s, "lora");
    cJSON_ArrayForEach(item, loras) { add_lora(r, text_of(item, "model"), NULL, number_of(item, "weight", 1)); }
    if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(v2, "controls")) > 0)
        reading_remark(r, MATTERS_WHOLLY, "controls: their pictures are not in here: --control model=FILE,image=FILE");
    if (!text_of(s, "seed_mode")) put_seed_mode(r, "not told");
    reading_remark(r, MATTERS_LITTLE, "Draw Things: its models are files of its own; limn draws as A1111 does");
}

static void more_novelai(Reading *r, const cJSON *s)
{
    (void)s;
    reading_remark(r, MATTERS_WHOLLY, "NovelAI's models can be had by nobody: -m names another");
    if (r->job.prompt && strpbrk(r->job.prompt, "{}"))
        reading_remark(r, MATTERS_SEEN, "{word} is NovelAI's weight of 1.05: limn takes it as text");
}

/* Texts joined; Fooocus encodes each of them and puts them one behind the other. */
static void put_joined(Reading *r, const cJSON *list, const char *option)
{
    const cJSON *item;
    Str all = { 0 };
    cJSON_ArrayForEach(item, list) if (cJSON_IsString(item))
        str_addf(&all, "%s%s", all.len ? ", " : "", item->valuestring);
    if (all.len) reading_set(r, option, str_text(&all));
    if (cJSON_GetArraySize(list) > 1)
        reading_remark(r, MATTERS_SEEN, "%s: Fooocus' %d texts are joined by commas", option, cJSON_GetArraySize(list));
    str_release(&all);
}

static void more_fooocus(Reading *r, const cJSON *s)
{
    const cJSON *item, *size = cJSON_GetObjectItemCaseSensitive(s, "resolution");
    int w = 0, h = 0;
    if (cJSON_IsString(size)) sscanf(size->valuestring, "(%6d, %6d)", &w, &h);
    if (cJSON_GetArraySize(size) == 2)
        w = (int)cJSON_GetNumberValue(cJSON_GetArrayItem(size, 0)),
        h = (int)cJSON_GetNumberValue(cJSON_GetArrayItem(size, 1));
    if (w > 0 && h > 0) {
        reading_setf(r, "width", "%d", w);
        reading_setf(r, "height", "%d", h);
    }
    put_joined(r, cJSON_GetObjectItemCaseSensitive(s, "full_prompt"), "prompt");
    put_joined(r, cJSON_GetObjectItemCaseSensitive(s, "full_negative_prompt"), "negative-prompt");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(s, "loras"))
    {
        const cJSON *weight = cJSON_GetArrayItem(item, 1);
        add_lora(r, cJSON_GetStringValue(cJSON_GetArrayItem(item, 0)),
                 cJSON_GetStringValue(cJSON_GetArrayItem(item, 2)), cJSON_IsNumber(weight) ? weight->valuedouble : 1);
    }
}

static void more_swarmui(Reading *r, const cJSON *s)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(s, "loras"),
                *weights = cJSON_GetObjectItemCaseSensitive(s, "loraweights");
    for (int i = 0; i < cJSON_GetArraySize(names) && i < READING_LORAS; i++) {
        const cJSON *weight = cJSON_GetArrayItem(weights, i);
        double w = cJSON_IsString(weight)   ? strtod(weight->valuestring, NULL)
                   : cJSON_IsNumber(weight) ? weight->valuedouble
                                            : 1;
        add_lora(r, cJSON_GetStringValue(cJSON_GetArrayItem(names, i)), NULL, w);
    }
    if (!r->job.sampler) reading_set(r, "sampler", "euler");
    if (!r->job.schedule) reading_set(r, "schedule", "normal");
}

static void more_easy_diffusion(Reading *r, const cJSON *s)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(s, "use_lora_model"),
                *weights = cJSON_GetObjectItemCaseSensitive(s, "lora_alpha");
    if (cJSON_IsString(names)) add_lora(r, names->valuestring, NULL, number_of(s, "lora_alpha", 1));
    for (int i = 0; cJSON_IsArray(names) && i < cJSON_GetArraySize(names) && i < READING_LORAS; i++) {
        const cJSON *w = cJSON_GetArrayItem(weights, i);
        add_lora(r, cJSON_GetStringValue(cJSON_GetArrayItem(names, i)), NULL, cJSON_IsNumber(w) ? w->valuedouble : 1);
    }
}

/* ---- whose it is ---- */

static const struct {
    const char *tool, *keys; /* all of which, parted by '|', its object has */
    const char *compat;
    const Field *table;
    void (*more)(Reading *r, const cJSON *s);
} tools[] = {
    { "InvokeAI", "generation_mode|positive_prompt", "diffusers", settings_invokeai, more_invokeai },
    { "InvokeAI", "positive_prompt|scheduler|cfg_scale", "diffusers", settings_invokeai, more_invokeai },
    { "InvokeAI", "app_id|image", "diffusers", settings_invokeai, more_invokeai },
    { "fastsdcpu", "lcm_model_id|inference_steps", "diffusers", settings_fastsdcpu, more_fastsdcpu },
    { "Draw Things", "c|uc|scale", "a1111", settings_draw_things, more_draw_things },
    { "NovelAI", "uc|scale|sampler", "a1111", settings_novelai, more_novelai },
    { "Fooocus", "base_model|performance", "comfyui", settings_fooocus, more_fooocus },
    { "Fooocus", "base_model|metadata_scheme", "comfyui", settings_fooocus, more_fooocus },
    { "SwarmUI", "prompt|cfgscale", "comfyui", settings_swarmui, more_swarmui },
    { "SwarmUI", "prompt|aspectratio", "comfyui", settings_swarmui, more_swarmui },
    { "Easy Diffusion", "num_inference_steps|guidance_scale", "diffusers", settings_easy_diffusion,
      more_easy_diffusion },
    { "Easy Diffusion", "Stable Diffusion model|Guidance Scale", "diffusers", settings_easy_diffusion,
      more_easy_diffusion },
};

static bool has_all(const cJSON *s, const char *keys)
{
    for (const char *p = keys; *p; p += *p == '|') {
        size_t n = strcspn(p, "|");
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)n, p);
        if (!cJSON_GetObjectItemCaseSensitive(s, key)) return false;
        p += n;
    }
    return true;
}

/* SwarmUI's object, and the models' hashes next to it. */
static void read_swarm_models(Reading *r, const cJSON *models)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, models)
    {
        const char *param = text_of(item, "param"), *hash = text_of(item, "hash"), *name = text_of(item, "name");
        if (!param || !hash || !name) continue;
        if (str_starts(hash, "0x")) hash += 2;
        char **to = strcmp(param, "model") == 0 ? &r->model_hash : strcmp(param, "vae") == 0 ? &r->vae_hash : NULL;
        ReadLora *l = strcmp(param, "loras") == 0 ? reading_lora(r, name) : NULL;
        if (l) to = &l->hash;
        if (to && !*to) *to = mem_strndup(hash, strnlen(hash, 64));
    }
}

bool read_settings(Reading *r, const cJSON *s)
{
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(s, "sui_image_params");
    if (cJSON_IsObject(inner)) {
        bool is = read_settings(r, inner);
        if (is) read_swarm_models(r, cJSON_GetObjectItemCaseSensitive(s, "sui_models"));
        return is;
    }
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        if (!has_all(s, tools[i].keys)) continue;
        r->tool = tools[i].tool;
        reading_set(r, "compat", tools[i].compat);
        read_object(tools[i].table, r, s, (Inside){ "", 0, false });
        tools[i].more(r, s);
        return true;
    }
    return false;
}

/* ---- InvokeAI of 2022 ---- */

bool read_dream(Reading *r, const char *text)
{
    static const struct {
        const char *letter, *option;
    } letters[] = { { "s", "steps" },     { "S", "seed" },    { "W", "width" },   { "H", "height" },
                    { "C", "cfg-scale" }, { "A", "sampler" }, { "f", "strength" } };
    const char *end = *text == '"' ? strrchr(text, '"') : NULL;
    if (!end || end == text) return false;
    r->tool = "InvokeAI";
    reading_set(r, "compat", "diffusers");
    char *prompt = mem_strndup(text + 1, (size_t)(end - text - 1));
    put_bracketed(r, prompt);
    free(prompt);
    for (const char *p = strstr(end, " -"); p; p = strstr(p + 1, " -")) {
        char letter[16], value[64];
        if (sscanf(p, " -%15[A-Za-z] %63s", letter, value) != 2) continue;
        const char *option = NULL;
        for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
            if (strcmp(letters[i].letter, letter) == 0) option = letters[i].option;
        if (!option) reading_remark(r, MATTERS_SEEN, "-%.15s %.63s: limn does not know it", letter, value);
        else if (strcmp(option, "sampler") == 0) reading_sampler(r, value);
        else reading_set(r, option, value);
    }
    return true;
}
