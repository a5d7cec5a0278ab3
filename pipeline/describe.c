/* describe.c - `limn info MODEL`: what a model is, from the headers of its files; no weight is read but for the hash. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/wrap.h"
#include "pipeline/describe_few.h"
#include "pipeline/describe_control.h"
#include "pipeline/describe_file.h"
#include "pipeline/generate.h"
#include "pipeline/parts.h"
#include "pipeline/parts_name.h"
#include "pipeline/precision.h"
#include "pipeline/recipe.h"
#include "pipeline/refine.h"

/* In addition to the model itself. */
typedef struct {
    int width, height;
    size_t weights, memory; /* bytes; memory 0: cannot be said */
    size_t cached;          /* of the weights: not in memory, but in the system's page cache */
    size_t choice[3];       /* the same memory for each of --memory's choices */
    const char *refiner;    /* --refiner; NULL */
    size_t pair[3];         /* what both take: one rests while the other works, so it is the larger */
} Needs;

static const char *const memory_choices[] = { "low", "normal", "high" };

static Needs needs_of(const Model *m, int width, int height)
{
    size_t in_file = model_texts(m, text_encoder_borrowed) + unet_borrowed(m->unet) + vae_borrowed(m->vae);
    Needs n = { .weights = in_file + model_texts(m, text_encoder_bytes) + unet_bytes(m->unet) + vae_bytes(m->vae) };
    if (m->large) n.cached = in_file;
    Job j;
    n.width = width ? width : m->defaults.width;
    n.height = height ? height : m->defaults.height;
    job_init(&j);
    j.width = n.width;
    j.height = n.height;
    Precision precision = { 0 }; /* as auto chooses */
    const char *why;
    Err e;
    const Kernels *k = kernels_select(&why);
    if (k) precision_choose(&precision, "auto", k, unet_weight_bytes(m->unet), &e);
    for (int i = 0; m->text[0].tokenizer && i < 3; i++) {
        free(j.memory);
        j.memory = mem_strdup(memory_choices[i]);
        size_t need = generator_memory(m, &j, 1),
               transformed = unet_transformed_bytes(m->unet, precision_rounds_convs(precision));
        bool kept = i == 2 || (i == 1 && transformed <= MODEL_SMALL);
        n.choice[i] = need ? need + (kept ? transformed : 0) : 0;
    }
    n.memory = n.choice[1];
    job_release(&j);
    return n;
}

/* Error: the two models cannot be paired. */
static int add_refiner(Needs *n, const Model *m, const ModelPaths *p, Err *e)
{
    Model *to = model_open(
        &(ModelPaths){ .path = p->refiner, .vae = p->vae, .tokenizer = p->tokenizer, .no_weights = true }, e);
    int failed = !to || refine_fits(m, to, e) || recipe_check_size(to, n->width, n->height, e);
    if (!failed) {
        Needs its = needs_of(to, n->width, n->height);
        if (n->memory && its.memory) n->refiner = p->refiner;
        for (int i = 0; i < 3; i++) n->pair[i] = its.choice[i] > n->choice[i] ? its.choice[i] : n->choice[i];
    }
    model_free(to);
    return failed ? err_in(e, "--refiner") : 0;
}

static const char *prediction_name(const Noise *n)
{
    static const char *const names[] = { "epsilon", "v_prediction", "sample" };
    return n->kind == NETWORK_FLOW ? "flow" : names[n->prediction];
}

/* What the UNet takes in addition to noise, from its number of channels. */
static const char *task_of(const Model *m)
{
    int latent = vae_latent_channels(m->vae), extra = unet_in_channels(m->unet) - latent;
    if (unet_label_width(m->unet)) return "variations of a picture (unCLIP: --init-image, --noise-level)";
    if (extra == 3 && unet_labels(m->unet)) return "a picture, larger (--init-image, --noise-level)";
    return extra == 0            ? "text to picture"
           : extra == 1          ? "pictures by a map of depths (--depth)"
           : extra == latent + 1 ? "inpainting"
           : extra == latent     ? "editing by instruction (pix2pix)"
                                 : "needs more than a text";
}

/* The first tokenizer's folder; NULL: none was found. */
static const char *tokenizer_of(const Model *m)
{
    const Part *p = NULL;
    while ((p = parts_next(m->files, ROLE_TEXT, p)) && !p->tokenizer.where) continue;
    return p ? p->tokenizer.where : NULL;
}

/* The line at *at, without its newline; false behind the last. */
static bool next_line(const char **at, Str *line)
{
    const char *end = strchr(*at, '\n');
    if (!end) return false;
    str_clear(line);
    str_addn(line, *at, (size_t)(end - *at));
    *at = end + 1;
    return true;
}

/* A category of the words that the model knows. */
static void add_words(const Category *c, Str *out)
{
    enum { LEFT = 17, WIDTH = 79 };
    Str line = { 0 };
    words_line(c, false, &line);
    str_addf(out, "  %-14s ", c->name);
    wrap_add(out, str_text(&line), LEFT, WIDTH);
    str_release(&line);
}

/* The same for a program: {"things": ["potion", ...]}. */
static void add_words_json(const Words *w, cJSON *root)
{
    cJSON *all = cJSON_AddObjectToObject(root, "words");
    for (int i = 0; i < w->count; i++) {
        cJSON *list = cJSON_AddArrayToObject(all, w->categories[i].name);
        for (int k = 0; k < w->categories[i].count; k++)
            cJSON_AddItemToArray(list, cJSON_CreateString(w->categories[i].meanings[k].label));
    }
}

static void describe_json(const Model *m, const Needs *n, Str *out)
{
    cJSON *root = cJSON_CreateObject(), *parts, *defaults;
    json_add_text(root, "path", m->path);
    json_add_text(root, "name", m->name);
    cJSON_AddStringToObject(root, "family", m->family);
    cJSON_AddStringToObject(root, "task", task_of(m));
    cJSON_AddStringToObject(root, "prediction", prediction_name(&m->noise));
    cJSON_AddStringToObject(root, "sha256", m->sha256);
    parts = cJSON_AddObjectToObject(root, "parts");
    for (int i = 0; i < m->files->count; i++) {
        const Part *p = &m->files->part[i];
        if (!part_present(p)) continue;
        cJSON *part = cJSON_AddObjectToObject(parts, p->is->name);
        Sum s = describe_sum(p->weights);
        json_add_text(part, "file", p->where);
        describe_add_sum(part, &s);
    }
    if (tokenizer_of(m)) json_add_text(root, "tokenizer", tokenizer_of(m));
    defaults = cJSON_AddObjectToObject(root, "defaults");
    cJSON_AddNumberToObject(defaults, "width", m->defaults.width);
    cJSON_AddNumberToObject(defaults, "height", m->defaults.height);
    if (m->defaults.steps) cJSON_AddNumberToObject(defaults, "steps", m->defaults.steps);
    if (m->defaults.cfg_scale > 0) cJSON_AddNumberToObject(defaults, "cfg_scale", m->defaults.cfg_scale);
    if (m->defaults.sampler) cJSON_AddStringToObject(defaults, "sampler", m->defaults.sampler);
    if (m->defaults.schedule) cJSON_AddStringToObject(defaults, "schedule", m->defaults.schedule);
    describe_few_json(&m->few, root);
    cJSON_AddNumberToObject(root, "width", n->width);
    cJSON_AddNumberToObject(root, "height", n->height);
    cJSON_AddNumberToObject(root, "weights_bytes", (double)n->weights);
    if (n->memory) cJSON_AddNumberToObject(root, "memory_bytes", (double)n->memory);
    cJSON_AddNumberToObject(root, "cached_bytes", (double)n->cached);
    cJSON *choices = n->memory ? cJSON_AddObjectToObject(root, "memory_choices_bytes") : NULL;
    for (int i = 0; choices && i < 3; i++) cJSON_AddNumberToObject(choices, memory_choices[i], (double)n->choice[i]);
    cJSON *pair = n->refiner ? cJSON_AddObjectToObject(root, "with_refiner") : NULL;
    if (pair) json_add_text(pair, "path", n->refiner);
    if (pair) cJSON_AddNumberToObject(pair, "memory_bytes", (double)n->pair[1]);
    cJSON *both = pair ? cJSON_AddObjectToObject(pair, "memory_choices_bytes") : NULL;
    for (int i = 0; both && i < 3; i++) cJSON_AddNumberToObject(both, memory_choices[i], (double)n->pair[i]);
    if (m->files->config_from) json_add_text(root, "configuration", m->files->config_from);
    if (m->note) cJSON_AddStringToObject(root, "note", m->note);
    cJSON *notes = *m->notes ? cJSON_AddArrayToObject(root, "notes") : NULL;
    Str line = { 0 };
    for (const char *at = m->notes; next_line(&at, &line);)
        cJSON_AddItemToArray(notes, cJSON_CreateString(str_text(&line)));
    str_release(&line);
    if (m->words) add_words_json(m->words, root);
    describe_print(root, out);
}

static void describe_text(const Model *m, const Needs *n, Str *out)
{
    Str types = { 0 };
    bool custom = strcmp(m->family, "custom") == 0;
    str_addf(out, "%s: %s, %s\n", m->path, custom ? "networks of its own shape" : m->family, task_of(m));
    for (int i = 0; i < m->files->count; i++) {
        const Part *p = &m->files->part[i];
        if (!part_present(p)) continue;
        Sum s = describe_sum(p->weights);
        str_addf(out, "  %-14s %.1f M parameters, %s, %zu tensors, %s\n", p->is->name, (double)s.parameters * 1e-6,
                 describe_types(&s, &types), s.tensors, p->where);
    }
    str_addf(out, "  %-14s %s\n", "tokenizer", tokenizer_of(m) ? tokenizer_of(m) : "none found (--tokenizer)");
    str_addf(out, "  %-14s %s\n", "prediction", prediction_name(&m->noise));
    str_addf(out, "  %-14s %d x %d\n", "own size", m->defaults.width, m->defaults.height);
    describe_few(&m->few, out);
    if (n->memory)
        str_addf(out, "  %-14s %.2f GB at %d x %d, %.2f GB of it weights\n", "memory", (double)n->memory * 1e-9,
                 n->width, n->height, (double)(n->weights - n->cached) * 1e-9);
    else str_addf(out, "  %-14s %.2f GB for weights\n", "memory", (double)n->weights * 1e-9);
    if (n->memory)
        str_addf(out, "  %-14s %.2f GB with --memory low, %.2f GB with high\n", "", (double)n->choice[0] * 1e-9,
                 (double)n->choice[2] * 1e-9);
    if (n->cached)
        str_addf(out, "  %-14s %.2f GB of weights more, in the system's cache of files\n", "",
                 (double)n->cached * 1e-9);
    if (n->refiner)
        str_addf(out, "  %-14s %.2f GB (low %.2f, high %.2f): one model rests while the other works\n",
                 "with --refiner", (double)n->pair[1] * 1e-9, (double)n->pair[0] * 1e-9, (double)n->pair[2] * 1e-9);
    str_addf(out, "  %-14s %s\n", "sha256", m->sha256);
    if (m->files->config_from) str_addf(out, "  %-14s %s\n", "configuration", m->files->config_from);
    if (m->note) str_addf(out, "  %-14s %s\n", "note", m->note);
    Str line = { 0 };
    for (const char *at = m->notes; next_line(&at, &line);) str_addf(out, "  %-14s %s\n", "note", str_text(&line));
    str_release(&line);
    for (int i = 0; m->words && i < m->words->count; i++) add_words(&m->words->categories[i], out);
    str_release(&types);
}

int model_describe(const ModelPaths *p, bool json, int width, int height, Str *out, Err *e)
{
    ModelPaths paths = *p;
    bool done = false;
    paths.no_weights = true;
    ControlKind control = p->path ? describe_control_folder(p->path) : CONTROL_KINDS;
    if (control != CONTROL_KINDS) return describe_control(p->path, control, json, out, e);
    if (p->path) {
        NameKind kind;
        char *path;
        int failed = parts_name_find(p->path, &kind, &path, e);
        if (!failed && kind == NAME_FILE) failed = describe_file(path, json, out, &done, e);
        free(path);
        if (failed || done) return failed;
    }
    Model *m = model_open(&paths, e);
    if (!m) return -1;
    int failed = model_hash(m, e);
    if (!failed && (width || height))
        failed = recipe_check_size(m, width ? width : m->defaults.width, height ? height : m->defaults.height, e);
    if (!failed) {
        Needs n = needs_of(m, width, height);
        if (p->refiner) failed = add_refiner(&n, m, p, e);
        if (!failed) (json ? describe_json : describe_text)(m, &n, out);
    }
    model_free(m);
    return failed;
}
