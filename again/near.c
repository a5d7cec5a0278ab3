/* near.c - see near.h. */
#include "again/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/measure.h"

/* How large FLIP may be for a verdict; a decibel less than which a change is no gain. */
static const double hardly = 0.01, differs = 0.05, gain_db = 1;

int nearness_take(Nearness *n, const Image *drawn, const Image *original, Err *e)
{
    *n = (Nearness){ NAN, NAN, NAN };
    if (measure_check(drawn, original, e)) return -1;
    n->psnr = measure_psnr(drawn, original);
    n->ssim = measure_ssim(drawn, original);
    n->flip = measure_flip(drawn, original);
    return 0;
}

const char *nearness_words(const Nearness *n)
{
    if (isinf(n->psnr)) return "the same pixels";
    if (n->flip < hardly) return "hardly a difference";
    return n->flip < differs ? "the same picture, with differences" : "far from it";
}

bool nearness_far(const Nearness *n) { return !isinf(n->psnr) && n->flip >= differs; }

void nearness_text(const Nearness *n, Str *out)
{
    if (isinf(n->psnr)) str_add(out, "PSNR infinite");
    else str_addf(out, "PSNR %.1f dB", n->psnr);
    if (!isnan(n->ssim)) str_addf(out, ", SSIM %.3f", n->ssim);
    str_addf(out, ", FLIP %.3f: %s", n->flip, nearness_words(n));
}

/* What people and tools most often leave unsaid, the likeliest first. */
static const struct {
    const char *option, *value;
} changes[] = {
    { "rng", "torch" },
    { "rng", "philox" },
    { "clip-skip", "2" },
    { "clip-skip", "1" },
    { "clip-skip", "3" },
    { "schedule", "karras" },
    { "schedule", "normal" },
    { "schedule", "exponential" },
    { "schedule", "sgm_uniform" },
    { "schedule", "simple" },
    { "schedule", "leading" },
    { "schedule", "trailing" },
    { "prompt-syntax", "a1111" },
    { "prompt-syntax", "comfyui" },
    { "prompt-syntax", "plain" },
    { "emphasis", "no-norm" },
    { "emphasis", "original" },
    { "compat", "a1111" },
    { "compat", "comfyui" },
    { "compat", "diffusers" },
    { "ensd", "31337" },
    { "ensd", "0" },
};

static void add(Trials *t, const char *option, const char *value)
{
    if (t->count < TRIALS_MAX) t->trial[t->count++] = (Trial){ .option = option, .value = mem_strdup(value) };
}

/* Whether the job has it so. */
static bool has(const Job *j, const Option *o, const char *value)
{
    Str now = { 0 };
    bool given = job_get(j, o, &now), same;
    same = given ? strcmp(str_text(&now), value) == 0 : strcmp(value, "0") == 0 || strcmp(value, "original") == 0;
    str_release(&now);
    return same;
}

static void list_trials(Trials *t, const Job *said, char *const *vaes)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const Option *o = option_find(changes[i].option, strlen(changes[i].option));
        if (o && o->picture && !has(said, o, changes[i].value)) add(t, o->name, changes[i].value);
    }
    for (int i = 0; vaes && vaes[i] && i < TRIAL_VAES; i++)
        if (!said->vae || strcmp(said->vae, vaes[i]) != 0) add(t, "vae", vaes[i]);
}

/* Draws it with one thing changed. 1: that cannot be drawn, and the trial says why; -1: interrupted. */
static int try_one(Trial *x, Engine *engine, const Job *job, const Image *original, Err *e)
{
    Job j;
    Picture picture = { 0 };
    Generator *g = NULL;
    Err why = { .code = ERR_FAILED };
    job_copy(&j, job);
    int failed = job_set(&j, option_find(x->option, strlen(x->option)), x->value, &why);
    if (!failed) {
        g = engine_generator(engine, &j, NULL, &why);
        failed = !g || generator_run(g, &(Request){ .seed = j.seed }, 1, &picture, &why) ||
                 nearness_take(&x->near, &picture.image, original, &why);
    }
    if (failed) x->error = mem_strdup(why.text);
    if (failed && why.code == ERR_INTERRUPTED) *e = why;
    picture_release(&picture);
    generator_free(g);
    job_release(&j);
    return !failed ? 0 : why.code == ERR_INTERRUPTED ? -1 : 1;
}

int trials_run(Trials *t, Engine *engine, const Job *job, const Image *original, const Nearness *first,
               char *const *vaes, const TrialWatch *w, Err *e)
{
    double best = first->psnr + gain_db;
    *t = (Trials){ .best = -1 };
    Generator *g = engine_generator(engine, job, NULL, e);
    if (!g) return -1;
    list_trials(t, generator_job(g), vaes); /* what was left open counts as what it became */
    generator_free(g);
    for (int i = 0; i < t->count; i++) {
        Trial *x = &t->trial[i];
        if (w && w->trying) w->trying(w->ctx, x, i, t->count);
        int failed = try_one(x, engine, job, original, e);
        if (failed < 0) return -1;
        if (failed || !(x->near.psnr > best)) continue;
        best = x->near.psnr;
        t->best = i;
        if (!isinf(best)) continue;
        for (int k = i + 1; k < t->count; k++) free(t->trial[k].value); /* nothing is nearer */
        t->count = i + 1;
    }
    return 0;
}

void trials_release(Trials *t)
{
    for (int i = 0; i < t->count; i++) {
        free(t->trial[i].value);
        free(t->trial[i].error);
    }
    *t = (Trials){ 0 };
}
