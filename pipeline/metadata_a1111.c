/*
 * metadata_a1111.c - a picture's settings as A1111 writes them, which most tools read; see metadata.h. Source: its
 * modules/processing.py, create_infotext(): keys in its order, joined by ", ", a value with ',', ':' or a newline quoted as JSON,
 * the whole stripped.
 */
#include "pipeline/metadata.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/version.h"
#include "pipeline/control_unit.h"
#include "pipeline/language.h"
#include "pipeline/ways.h"
#include "scheduler/samplers.h"

/* Text of an option; "" when it is open. */
static void add_option(const Job *j, const char *name, Str *out) { job_get(j, option_find(name, strlen(name)), out); }

/* A file's name without its folders and the last extension. */
static void add_stem(Str *out, const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    size_t start = len;
    while (start && path[start - 1] != '/') start--;
    size_t end = len;
    for (size_t i = len; i > start + 1; i--) {
        if (path[i - 1] != '.') continue;
        end = i - 1;
        break;
    }
    utf8_add(out, path + start, end - start);
}

static void add_pair(Str *out, const char *key, const char *value)
{
    if (!*value) return;
    str_addf(out, "%s%s: ", out->len && out->s[out->len - 1] != '\n' ? ", " : "", key);
    if (!strpbrk(value, ",:\n")) {
        str_add(out, value);
        return;
    }
    cJSON *quoted = cJSON_CreateString(value);
    char *text = cJSON_PrintUnformatted(quoted);
    str_add(out, text);
    cJSON_free(text);
    cJSON_Delete(quoted);
}

static void add_pair_option(Str *out, const char *key, const Job *j, const char *option)
{
    Str value = { 0 };
    add_option(j, option, &value);
    add_pair(out, key, str_text(&value));
    str_release(&value);
}

/* A1111's labels of schedules (modules/sd_schedulers.py). */
static const char *schedule_label(const char *name)
{
    const Schedule *s = schedule_find(name);
    if (s && strcmp(s->name, "model") == 0) return "Automatic";
    return s ? s->a1111 : name;
}

/* Python's str.strip(), of ASCII white space. */
static void add_stripped(Str *out, const char *s, size_t len)
{
    static const char space[] = " \t\n\r\v\f";
    while (len && memchr(space, s[len - 1], sizeof space - 1)) len--;
    while (len && memchr(space, *s, sizeof space - 1)) s++, len--;
    str_addn(out, s, len);
}

/* "ink: 0123456789ab, pen: ..." from "SHA256:A1111's hash:name" in each line. */
static void add_hashes(Str *out, const char *key, const char *facts)
{
    Str all = { 0 };
    for (const char *p = facts; p && *p; p += *p == '\n') {
        size_t n = strcspn(p, "\n"), hex = strcspn(p, ":\n"), hash = hex < n ? strcspn(p + hex + 1, ":\n") : 0;
        size_t name = hex + hash + 2;
        if (hex < n && name <= n) {
            str_addf(&all, "%s", all.len ? ", " : "");
            str_addn(&all, p + name, n - name);
            str_add(&all, ": ");
            str_addn(&all, p + hex + 1, hash);
        }
        p += n;
    }
    add_pair(out, key, str_text(&all));
    str_release(&all);
}

/* A1111 calls a model "name [hash]". */
static void add_refiner(Str *out, const Job *j)
{
    Str value = { 0 };
    if (!j->refiner) return;
    add_stem(&value, j->refiner);
    if (j->refiner_sha256) str_addf(&value, " [%.10s]", j->refiner_sha256);
    add_pair(out, "Refiner", str_text(&value));
    add_pair_option(out, "Refiner switch at", j, "refiner-at");
    str_release(&value);
}

/* Each network and its picture, as A1111's ControlNet extension writes a unit. */
static void add_controls(Str *out, const Job *j, const Model *m)
{
    Str value = { 0 };
    for (int i = 0; control_unit_text(j, m, i, &value); i++) {
        char key[24];
        snprintf(key, sizeof key, "ControlNet %d", i);
        add_pair(out, key, str_text(&value));
        str_clear(&value);
    }
    str_release(&value);
}

/* What it started from, and its second pass. */
static void add_picture(Str *out, const Job *j)
{
    const Way *way = j->hires_with ? way_find(j->hires_with) : NULL;
    Str value = { 0 };
    if (j->variation_strength > 0) {
        add_pair_option(out, "Variation seed", j, "variation-seed");
        add_pair_option(out, "Variation seed strength", j, "variation-strength");
    }
    if (j->blend_prompt) {
        add_pair_option(out, "Blend prompt", j, "blend-prompt");
        add_pair_option(out, "Blend", j, "blend");
    }
    if (j->init_image) add_pair_option(out, "Denoising strength", j, "strength");
    if (j->mask_blur) add_pair_option(out, "Mask blur", j, "mask-blur");
    if (j->hires > 1) {
        add_pair_option(out, j->init_image ? "Hires denoising strength" : "Denoising strength", j, "hires-strength");
        add_pair_option(out, "Hires upscale", j, "hires");
        if (j->hires_steps != j->steps) add_pair_option(out, "Hires steps", j, "hires-steps");
        if (!way && j->hires_with) add_stem(&value, j->hires_with);
        add_pair(out, "Hires upscaler", way ? way->a1111 : str_text(&value));
        add_pair_option(out, "Hires sampler", j, "hires-sampler");
        add_pair(out, "Hires schedule type", j->hires_schedule ? schedule_label(j->hires_schedule) : "");
        add_pair_option(out, "Hires prompt", j, "hires-prompt");
        add_pair_option(out, "Hires negative prompt", j, "hires-negative-prompt");
        add_pair_option(out, "Hires CFG Scale", j, "hires-cfg-scale");
    }
    str_release(&value);
}

/* Where it is not what goes without saying. */
static void add_syntax(Str *out, const Job *j)
{
    Job usual = *j;
    usual.prompt_syntax = NULL;
    const Language *own = language_of(j);
    static const char *const modes[] = {
        [WEIGH_ORIGINAL] = "", [WEIGH_NO_NORM] = "No norm", [WEIGH_IGNORE] = "Ignore", [WEIGH_NONE] = "None"
    };
    if (own != language_of(&usual)) add_pair(out, "Prompt syntax", own->name);
    add_pair(out, "Emphasis", modes[weighing_of(j)]);
    if (j->region) add_pair_option(out, "Regions", j, "region");
}

/* Guidance other than the scale, by A1111's and Forge's names if they have it. */
static void add_guides(Str *out, const Job *j)
{
    static const char *const names[][2] = {
        { "PAG scale", "pag" },
        { "PAG adaptive scale", "pag-adaptive" },
        { "PAG layers", "pag-layers" },
        { "SEG scale", "seg" },
        { "SEG blur sigma", "seg-sigma" },
        { "SEG layers", "seg-layers" },
        { "SAG scale", "sag" },
        { "APG", "apg" },
        { "APG threshold", "apg-threshold" },
        { "APG momentum", "apg-momentum" },
        { "Perp-Neg", "perp-neg" },
        { "dynthres_mimic_scale", "mimic-scale" },
        { "dynthres_threshold_percentile", "mimic-percentile" },
        { "NGMS", "ngms" },
        { "Skip Early CFG", "skip-early" },
        { "Reuse negative", "reuse-negative" },
        { "freeu_version", "freeu" },
        { "freeu_b1", "freeu-b1" },
        { "freeu_b2", "freeu-b2" },
        { "freeu_s1", "freeu-s1" },
        { "freeu_s2", "freeu-s2" },
        { "DeepCache interval", "deepcache" },
        { "Token merging ratio", "tome" },
        { "Hypertile U-Net max tile size", "hypertile" },
        { "Hypertile U-Net max depth", "hypertile-depth" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) add_pair_option(out, names[i][0], j, names[i][1]);
    if (j->cfg_zero_star) add_pair(out, "CFG-Zero*", "True");
    if (j->ngms_all) add_pair(out, "NGMS all steps", "True");
}

void metadata_a1111(const Job *j, const Model *m, uint64_t seed, Str *out)
{
    Str text = { 0 }, value = { 0 };
    str_addf(&text, "%s\n", j->prompt);
    if (*j->negative_prompt) str_addf(&text, "Negative prompt: %s\n", j->negative_prompt);

    const Sampler *sampler = j->sampler ? sampler_find(j->sampler) : NULL;
    add_pair_option(&text, "Steps", j, "steps");
    add_pair(&text, "Sampler", sampler ? sampler->a1111 : "");
    add_pair(&text, "Schedule type", j->schedule ? schedule_label(j->schedule) : "");
    add_pair_option(&text, "CFG scale", j, "cfg-scale");
    str_addf(&value, "%llu", (unsigned long long)seed);
    add_pair(&text, "Seed", str_text(&value));
    str_clear(&value);
    str_addf(&value, "%dx%d", j->width, j->height);
    add_pair(&text, "Size", str_text(&value));
    str_clear(&value);
    str_addn(&value, m->sha256, strnlen(m->sha256, 10));
    add_pair(&text, "Model hash", str_text(&value));
    str_clear(&value);
    utf8_add(&value, m->name, strlen(m->name));
    add_pair(&text, "Model", str_text(&value));
    str_clear(&value);
    if (j->vae) add_stem(&value, j->vae);
    add_pair(&text, "VAE", str_text(&value));
    add_hashes(&text, "Lora hashes", j->lora_sha256);
    add_hashes(&text, "TI hashes", j->embedding_sha256);
    add_picture(&text, j);
    if (j->clip_skip > 1) add_pair_option(&text, "Clip skip", j, "clip-skip");
    add_pair(&text, "RNG",
             j->rng && strcmp(j->rng, "philox") == 0 ? "NV" : "CPU"); /* A1111's NV is CUDA's Philox, on any machine */
    add_refiner(&text, j);
    add_controls(&text, j, m);
    if (sampler && j->eta >= 0 && j->eta != sampler->eta) add_pair_option(&text, "Eta", j, "eta");
    add_pair(&text, "Tiling", job_tiles(j, 'x') && job_tiles(j, 'y') ? "True" : ""); /* A1111 has no other */
    if (sampler && sampler->ensd && j->ensd) add_pair_option(&text, "ENSD", j, "ensd");
    add_pair_option(&text, "Sigma churn", j, "s-churn");
    add_pair_option(&text, "Sigma tmin", j, "s-tmin");
    add_pair_option(&text, "Sigma tmax", j, "s-tmax");
    add_pair_option(&text, "Sigma noise", j, "s-noise");
    add_pair_option(&text, "CFG Rescale", j, "cfg-rescale");
    add_pair_option(&text, "Guidance interval", j, "guidance-interval");
    add_guides(&text, j);
    add_pair_option(&text, "Solver order", j, "solver-order");
    add_pair_option(&text, "Compat", j, "compat");
    add_syntax(&text, j);
    add_pair(&text, "Version", "limn " LIMN_VERSION);

    add_stripped(out, str_text(&text), text.len);
    str_release(&text);
    str_release(&value);
}
