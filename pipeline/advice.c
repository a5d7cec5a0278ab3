/* advice.c - see advice.h. */
#include "pipeline/advice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clip/syntax.h"
#include "pipeline/parts.h"
#include "scheduler/heeds.h"

/* ---- words ---- */

static void advise_text(const Model *m, const char *text, const Watch *w)
{
    Str found = { 0 }, line = { 0 };
    char *words = syntax_words(text);
    if (words_unknown(m->words, words, &found)) {
        bool inside = !m->files->hashed_path;
        if (inside) str_add(&line, "the model inside");
        else str_addf(&line, "the model %s", m->name);
        str_addf(&line, " does not know %s; limn list words%s%s", str_text(&found), inside ? "" : " -m ",
                 inside ? "" : m->path);
        watch_note(w, str_text(&line));
    }
    free(words);
    str_release(&found);
    str_release(&line);
}

void advise_prompts(const Model *m, const Prompts *p, bool guided, const Watch *w)
{
    int count = p->count - p->negatives;
    for (int i = 0; m->words && w->note && i < count; i++) advise_text(m, p->text[p->negatives + i].words, w);
    for (int i = 0; m->words && w->note && guided && i < p->negatives; i++) advise_text(m, p->text[i].words, w);
}

void advise_texts(const Model *m, const Job *j, const Watch *w)
{
    PromptTexts texts = recipe_texts(j);
    PromptReader r = recipe_job_reader(j, m, &(Watch){ .ctx = NULL });
    Prompts p;
    Err e;
    if (prompts_read(&r, &texts, &p, &e)) return; /* which is told when it is drawn */
    advise_prompts(m, &p, j->cfg_scale < 0 || j->cfg_scale > 1, w);
    prompts_release(&p);
}

/* ---- size ---- */

/*
 * How far from its own size a model still draws: a small one that was trained at one size hardly at all (tried: limn's at 112 and 144
 * of its 128), Stable Diffusion from half of its own pixels to three times as many.
 */
static bool is_far(const Model *m, int w, int h)
{
    double own_w = m->defaults.width, own_h = m->defaults.height, pixels = w * (double)h / (own_w * own_h);
    if (strcmp(m->family, "custom") != 0) return pixels < .5 || pixels > 3 || 2 * w <= own_w || 2 * h <= own_h;
    return w < .87 * own_w || w > 1.07 * own_w || h < .87 * own_h || h > 1.07 * own_h;
}

static void advise_size(const Model *m, const Job *j, const Watch *w)
{
    char text[200];
    int own_w = m->defaults.width, own_h = m->defaults.height;
    bool larger = recipe_beside(m) == BESIDE_SMALL; /* the picture is there already */
    if (larger || !own_w || !own_h || !is_far(m, j->width, j->height)) return;
    bool smaller = j->width <= own_w && j->height <= own_h;
    snprintf(text, sizeof text, "the model was trained at %dx%d; at %dx%d things repeat or fall to pieces%s", own_w,
             own_h, j->width, j->height, smaller ? " (--resize makes smaller ones of whole pictures)" : "");
    watch_note(w, text);
}

/* ---- models for few steps ---- */

static void advise_few(const Recipe *r, const Job *asked, const Watch *w)
{
    const FewSteps *f = &r->few;
    Str line = { 0 }, text = { 0 };
    if (!f->what) return;
    few_steps_line(f, &line);
    if (!asked->sampler || !asked->schedule || !asked->steps || asked->cfg_scale < 0) {
        str_addf(&text, "%s (what is given as an option comes before that)", str_text(&line));
        watch_note(w, str_text(&text));
    }
    str_clear(&text);
    if (f->exact && asked->steps && asked->steps != f->steps)
        str_addf(&text, "%s was made for %d step%s, and --steps is %d", f->what, f->steps, f->steps == 1 ? "" : "s",
                 asked->steps);
    else if (f->cfg_scale <= 1 && asked->cfg_scale > 1)
        str_addf(&text, "%s was made to draw without guidance, and --cfg-scale is %g", f->what, asked->cfg_scale);
    if (text.len) watch_note(w, str_text(&text));
    str_release(&line);
    str_release(&text);
}

/* ---- options without effect ---- */

typedef struct {
    const Model *m;
    const Recipe *r;
    const Job *asked; /* what was not given is open, or at its default */
} Situation;

/* Each says why its option has no effect; NULL: it has one. */

static const char *no_guidance(const Situation *s)
{
    const Guidance *g = &s->r->guidance;
    if (unet_cond_width(s->m->unet)) return "the model has its guidance built in";
    if (!guidance_wants(g, BRANCH_NEGATIVE)) return "guidance is off (--cfg-scale 1)";
    return g->limited && g->from >= g->end ? "guidance is off in all steps (--guidance-interval)" : NULL;
}

static const char *no_interval(const Situation *s)
{
    return guidance_wants(&s->r->guidance, BRANCH_NEGATIVE) || unet_cond_width(s->m->unet) ? NULL : no_guidance(s);
}

/* Whether the run would end elsewhere with other settings. */
static bool heeds(const Situation *s, const Tuning *other)
{
    return sampler_heeds(s->r->sampler, s->r->timeline.steps, s->r->eta, &s->r->tuning, other);
}

static const char *no_churn(const Situation *s)
{
    Tuning without = s->r->tuning;
    without.churn = 0;
    if (s->asked->s_churn == 0 || heeds(s, &without)) return NULL;
    return "the sampler does no churn; euler, heun, dpm_2 and heunpp2 do";
}

static const char *no_churn_range(const Situation *s)
{
    return s->r->tuning.churn > 0 ? no_churn(s) : "--s-churn is not given";
}

static bool draws_noise(const Situation *s)
{
    Tuning less = s->r->tuning;
    less.noise_less = less.noise_less == .5 ? 0 : .5;
    return heeds(s, &less);
}

static const char *no_fresh_noise(const Situation *s)
{
    return draws_noise(s) ? NULL : "the sampler draws no fresh noise";
}

static const char *no_ensd(const Situation *s)
{
    if (s->r->compat != COMPAT_A1111) return "it is A1111's: --compat a1111";
    return s->r->sampler->ensd ? NULL : "it does not count for this sampler";
}

static const char *no_emphasis(const Situation *s)
{
    return s->r->language->emphasis == EMPHASIS_A1111 ? NULL : "the prompt's syntax has no weights of A1111's";
}

static const char *no_order(const Situation *s)
{
    for (int order = 1; order <= 3; order++) {
        Tuning other = s->r->tuning;
        other.solver.order = order;
        if (heeds(s, &other)) return NULL;
    }
    return "the sampler has one order only";
}

static const char *no_steps(const Situation *s)
{
    return s->r->sampler->adaptive ? "the sampler chooses its own steps" : NULL;
}

static const char *given_noise(const Situation *s)
{
    return s->asked->latents && !draws_noise(s) ? "all noise is that of --latents" : NULL;
}

static const char *no_long_prompt(const Situation *s)
{
    return s->r->language->all_counts ? "with --compat a1111 and comfyui all of a prompt counts" : NULL;
}

static const char *no_tile(const Situation *s)
{
    int pixels = atoi(s->asked->vae_tile);
    bool whole = pixels >= s->r->said.width && pixels >= s->r->said.height;
    return pixels && whole ? "the picture is no larger than a tile" : NULL;
}

static const char *no_second_text(const Situation *s)
{
    return s->m->texts > 1 ? NULL : "the model has one text encoder";
}

static const char *no_second_negative(const Situation *s)
{
    const char *why = no_second_text(s);
    return why ? why : no_guidance(s);
}

static const char *no_preview(const Situation *s)
{
    return s->asked->preview >= s->r->timeline.steps ? "the run has no more steps than that" : NULL;
}

static const char *no_preview_vae(const Situation *s) { return s->asked->preview ? NULL : "there is no --preview"; }

static const char *no_sizes(const Situation *s) { return s->m->ids ? NULL : "the model is not told sizes (SDXL is)"; }

static const char *no_fill(const Situation *s)
{
    return s->r->pure_noise ? "with --strength 1 all that is drawn anew starts from noise" : NULL;
}

static const char *no_variation(const Situation *s)
{
    return s->asked->variation_strength > 0 ? NULL : "there is no --variation-strength, such as 0.2";
}

static const char *no_background(const Situation *s) { return s->r->from_picture ? NULL : "there is no --init-image"; }

static const struct {
    const char *option;
    const char *(*why)(const Situation *s);
} idle[] = {
    { "fill", no_fill },
    { "init-background", no_background },
    { "variation-seed", no_variation },
    { "init-image-sha256", no_background },
    { "negative-prompt", no_guidance },
    { "prompt-2", no_second_text },
    { "negative-prompt-2", no_second_negative },
    { "negative-crop", no_sizes },
    { "cfg-rescale", no_guidance },
    { "guidance-interval", no_interval },
    { "cfg-zero-star", no_guidance },
    { "apg", no_guidance },
    { "apg-threshold", no_guidance },
    { "apg-momentum", no_guidance },
    { "perp-neg", no_guidance },
    { "mimic-scale", no_guidance },
    { "ngms", no_guidance },
    { "skip-early", no_guidance },
    { "reuse-negative", no_guidance },
    { "s-churn", no_churn },
    { "s-tmin", no_churn_range },
    { "s-tmax", no_churn_range },
    { "s-noise", no_fresh_noise },
    { "ensd", no_ensd },
    { "emphasis", no_emphasis },
    { "solver-order", no_order },
    { "steps", no_steps },
    { "seed", given_noise },
    { "rng", given_noise },
    { "count", given_noise },
    { "long-prompt", no_long_prompt },
    { "vae-tile", no_tile },
    { "preview", no_preview },
    { "preview-vae", no_preview_vae },
};

/* Whether an option was given, and not as what it is anyway. */
static bool is_given(const Job *j, const Option *o)
{
    Str value = { 0 };
    bool given = job_get(j, o, &value) && !(o->dflt && strcmp(str_text(&value), o->dflt) == 0);
    str_release(&value);
    return given;
}

static const Option *option(const char *name) { return option_find(name, strlen(name)); }

static void tell_idle(const char *name, const char *why, const Watch *w)
{
    char text[200];
    snprintf(text, sizeof text, "--%s has no effect: %s", name, why);
    watch_note(w, text);
}

void advise_job(const Model *m, const Recipe *r, const Job *asked, const Watch *w)
{
    Situation s = { m, r, asked };
    if (!w->note) return;
    advise_size(m, &r->said, w);
    advise_few(r, asked, w);
    if (asked->refiner && r->said.lora_sha256)
        watch_note(w, "the model that takes over (--refiner) draws without the LoRAs, which are the first one's");
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++) {
        const char *why = is_given(asked, option(idle[i].option)) ? idle[i].why(&s) : NULL;
        if (why) tell_idle(idle[i].option, why, w);
    }
}

/* -n4: in A1111's and old InvokeAI's scripts -n is a count. */
static void advise_count(const Job *j, const Watch *w)
{
    char text[160];
    const char *negative = j->negative_prompt;
    if (!negative || !*negative || strlen(negative) > 4 || negative[strspn(negative, "0123456789")]) return;
    snprintf(text, sizeof text,
             "the negative prompt is \"%s\": -n is --negative-prompt; --count %s draws so many pictures", negative,
             negative);
    watch_note(w, text);
}

void advise_run(const Job *j, const Watch *w)
{
    advise_count(j, w);
    static const char *const of_atlas[] = { "atlas-size", "atlas-padding", "atlas-pot" };
    for (size_t i = 0; i < sizeof of_atlas / sizeof *of_atlas && !j->atlas; i++)
        if (is_given(j, option(of_atlas[i]))) tell_idle(of_atlas[i], "there is no --atlas", w);
    bool off = strcmp(j->expand, "off") == 0;
    if (off && is_given(j, option("wildcards"))) tell_idle("wildcards", "--expand is off", w);
    if (j->merge && j->retry_failed) tell_idle("retry-failed", "--merge draws nothing", w);
    if (j->merge && is_given(j, option("batch-size"))) tell_idle("batch-size", "--merge draws nothing", w);
}
