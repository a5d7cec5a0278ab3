/* recipe.c - see recipe.h. */
#include "pipeline/recipe_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "pipeline/adapters.h"
#include "pipeline/embeddings.h"
#include "pipeline/fidelity.h"
#include "pipeline/parts.h"
#include "pipeline/seen.h"
#include "pipeline/ways.h"

static const double IMG2IMG_STRENGTH = 0.8, IMAGE_CFG_SCALE = 1.5; /* diffusers' */

/* ---- open options ------------------------------------------------------------------------------------------------------ */

static Compat compat_of(const Job *j)
{
    if (!j->compat || strcmp(j->compat, "diffusers") == 0) return COMPAT_DIFFUSERS;
    return strcmp(j->compat, "a1111") == 0 ? COMPAT_A1111 : COMPAT_COMFYUI;
}

static bool as_flow(const Job *j) { return j->prediction && strcmp(j->prediction, "flow") == 0; }

/* The model's noise for what is run; that of a network trained by flow matching where --prediction says so of one. */
static int noise_of(const Job *j, const Model *m, const SchedulerRun *run, Noise *n, Err *e)
{
    static const char json[] = "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\"}";
    SchedulerFile f = { .json = { (const unsigned char *)json, sizeof json - 1 }, .where = "--prediction flow" };
    bool flow = as_flow(j) && m->noise.kind != NETWORK_FLOW;
    if (flow && m->noise.kind != NETWORK_DISCRETE)
        return err_usage(e, "prediction flow: the scheduler of this model says that it is another kind (%s)",
                         m->files->scheduler_class ? m->files->scheduler_class : "EDM");
    if (flow ? scheduler_read(n, &f, run, e) : model_noise(m, run, n, e)) return -1;
    if (j->flow_shift < 0) return 0;
    if (n->kind != NETWORK_FLOW || n->flow_rectified)
        return err_usage(
            e, "flow-shift %g: it is for networks trained by flow matching (--prediction flow), and this one %s",
            j->flow_shift, n->flow_rectified ? "has steps at equal distances" : "is none");
    n->flow_shift = j->flow_shift;
    return 0;
}

/*
 * The model's own sampler, but for those that want many more steps than people take today. Error: its scheduler's file asks for
 * what limn does not have.
 */
static const char *usual_sampler(const Recipe *r, const Model *m, Err *e)
{
    if (as_flow(&r->said)) return "flow_euler";
    const Sampler *own = m->noise.sampler[0] ? sampler_find(m->noise.sampler) : NULL;
    Noise n;
    if (!own) {
        int failed = model_noise(m, NULL, &n, e);
        noise_release(&n);
        if (failed) return NULL;
    }
    bool slow =
        own && (strcmp(own->name, "plms") == 0 || strcmp(own->name, "pndm") == 0 || strcmp(own->name, "ddpm") == 0);
    return own && !slow ? own->name : "dpmpp_2m";
}

/*
 * The model's noise as the sampler's class has it. The name of a class of diffusers is the sampler that the file's keys make of it.
 * own: the sampler is the file's, with all that the file says.
 */
static int read_noise(Recipe *r, const Model *m, bool own, Err *e)
{
    Job *j = &r->said;
    SchedulerRun run = r->sampler->as;
    bool class_named = run.name && r->compat == COMPAT_DIFFUSERS && strcmp(j->sampler, run.name) == 0;
    if (!run.name) run.name = SCHEDULER_KDIFFUSION;
    if (own || class_named) run.named = false;
    if (r->compat != COMPAT_DIFFUSERS) run = (SchedulerRun){ .name = SCHEDULER_TRAINING };
    if (noise_of(j, m, &run, &r->noise, e)) return -1;
    if (r->noise.kind != NETWORK_DISCRETE && r->compat != COMPAT_DIFFUSERS)
        return err_usage(e, "compat %s: a network with noise of its own kind (%s) is drawn as diffusers does only",
                         j->compat, m->files->scheduler_class ? m->files->scheduler_class : "EDM");
    if (class_named) r->sampler = sampler_find(r->noise.sampler);
    /* What the file says of the order goes into the job, where the sampler's name says another. */
    if (r->sampler->as.named && !run.named && !j->solver_order && r->noise.solver.order == 1) j->solver_order = 1;
    if (j->prediction && !as_flow(j) && r->noise.kind == NETWORK_FLOW)
        return err_usage(e, "prediction %s: this network was trained by flow matching", j->prediction);
    if (j->prediction && !as_flow(j) && prediction_parse(&r->noise.prediction, j->prediction, e)) return -1;
    return noise_build(&r->noise, e) ? err_in(e, m->files->scheduler_where) : 0;
}

/* An adapter for few steps makes its model one; what limn.json says comes before what the model's name does. */
static void choose_few_steps(Recipe *r, const Model *m)
{
    r->few = adapters_few(m);
    if (r->few.what && unet_cond_width(m->unet)) r->few.cfg_scale = m->few.cfg_scale;
    if (r->few.what || !m->few.what) return;
    const ModelDefaults *d = &m->defaults;
    r->few = m->few;
    r->few.steps = d->steps;
    r->few.cfg_scale = d->cfg_scale;
    if (strcmp(r->few.sampler, d->sampler) != 0) {
        r->few.eta = 0;
        r->few.timesteps = NULL;
    }
    r->few.sampler = d->sampler;
    r->few.schedule = d->schedule;
}

/* The job's sampler, or else the model's. */
static int choose_sampler(Recipe *r, const Model *m, Err *e)
{
    Job *j = &r->said;
    const char *named; /* the schedule in "DPM++ 2M Karras" */
    bool own = false;
    if (!j->sampler) {
        const char *wanted = r->few.what ? r->few.sampler : m->defaults.sampler;
        const char *usual = wanted ? wanted : usual_sampler(r, m, e);
        if (!usual) return -1;
        own = (!wanted || r->few.what) && strcmp(usual, m->noise.sampler) == 0;
        if (r->few.eta > 0 && j->eta < 0) j->eta = r->few.eta;
        recipe_set_text(&j->sampler, usual);
    }
    r->sampler = sampler_split(j->sampler, &named);
    if (!r->sampler)
        return err_usage(e, "sampler %s: there is none of that name (see: limn list samplers)", j->sampler);
    if (read_noise(r, m, own, e)) return -1;
    recipe_set_text(&j->sampler, r->sampler->name);
    if (!j->schedule && named) recipe_set_text(&j->schedule, named);
    if (j->eta >= 0 && !r->sampler->takes_eta)
        return err_usage(e, "eta %g: the sampler %s has no eta", j->eta, r->sampler->name);
    return 0;
}

/* A network that was made for one step at a timestep of its own; a list of timesteps says how many steps there are. */
static void choose_timesteps(Recipe *r)
{
    Job *j = &r->said;
    bool open = !j->timesteps && !j->schedule && !j->init_image && !j->second_pass && j->steps <= 1;
    if (open && r->few.what && r->few.timesteps) recipe_set_text(&j->timesteps, r->few.timesteps);
    double *t;
    int count = job_timesteps(j->timesteps, &t);
    free(t);
    if (count && !j->steps) j->steps = count;
}

/* A run from a picture takes int(steps x strength) of them, which is to be one at least. */
static int usual_steps(const Recipe *r, const ModelDefaults *d)
{
    const Job *j = &r->said;
    int steps = r->few.what ? r->few.steps : d->steps ? d->steps : JOB_USUAL_STEPS;
    while (j->init_image && j->strength > 0 && (int)(steps * j->strength) < 1 && steps < 1000) steps++;
    return steps;
}

/* Open options take what suits the model, or else what its kind is used with. */
static int fill_defaults(Recipe *r, const Model *m, Err *e)
{
    Job *j = &r->said;
    const ModelDefaults *d = &m->defaults;
    if (recipe_size_of_picture(m, j, e)) return -1;
    bool all = r->masked || r->shown || r->beside == BESIDE_PICTURE || r->beside == BESIDE_SMALL;
    if (j->init_image && j->strength < 0) j->strength = all ? 1 : IMG2IMG_STRENGTH;
    if (r->beside == BESIDE_SMALL && j->noise_level < 0) j->noise_level = SEEN_SMALL_NOISE;
    if (r->shown && j->noise_level < 0) j->noise_level = 0;
    if (r->beside == BESIDE_PICTURE && j->image_cfg_scale < 0) j->image_cfg_scale = IMAGE_CFG_SCALE;
    if (!j->fill) recipe_set_text(&j->fill, j->extend ? "fill" : "original");
    if (!j->width) j->width = d->width ? d->width : 512;
    if (!j->height) j->height = d->height ? d->height : 512;
    choose_timesteps(r);
    if (!j->steps) j->steps = usual_steps(r, d);
    if (j->cfg_scale < 0) j->cfg_scale = r->few.what ? r->few.cfg_scale : d->cfg_scale > 0 ? d->cfg_scale : 7.5;
    const Sampler *s = r->sampler;
    const char *few = few_steps_schedule(&r->few, r->compat);
    const char *own = d->schedule && !r->few.what ? d->schedule : r->noise.schedule;
    if (j->timesteps && *j->timesteps) own = "model"; /* they stand in its place */
    else if (few) own = few;
    else if (r->compat != COMPAT_DIFFUSERS) own = s->automatic && r->compat == COMPAT_A1111 ? s->automatic : "normal";
    if (!j->schedule) recipe_set_text(&j->schedule, own);
    if (!j->rng) recipe_set_text(&j->rng, r->compat == COMPAT_A1111 ? "philox" : "torch");
    if (j->eta < 0 && s->takes_eta) j->eta = sampler_eta(s, r->compat);
    r->eta = s->takes_eta ? j->eta : s->eta;
    return 0;
}

/* ---- size ------------------------------------------------------------------------------------------------------------ */

/* ---- the rest ---------------------------------------------------------------------------------------------------------- */

/*
 * SD 1.x and 2.x take a layer's output through the final norm, the last one's by default. Networks with pooled text (XL) were
 * trained on the last layer but one, without it: --clip-skip 1. From there on diffusers counts down, while A1111 and ComfyUI call
 * that layer 2.
 */
static void choose_layer(Recipe *r, const Model *m)
{
    int skip = r->said.clip_skip;
    r->normed = !m->ids;
    for (int i = 0; i < TEXTS_MAX; i++) {
        bool kept = r->compat == COMPAT_A1111 && i == m->texts - 1; /* its "Clip skip SDXL" is of the first of two */
        if (r->normed) r->layer[i] = skip;
        else if (r->compat == COMPAT_DIFFUSERS) r->layer[i] = skip + 1;
        else r->layer[i] = skip < 2 || kept ? 2 : skip;
    }
}

/* Height first, in pixels; the last place is the refiner's score. diffusers: get_add_time_ids. */
static void fill_ids(float *ids, const Job *j, const char *original, const char *crop, const char *target)
{
    int w = j->width, h = j->height, x = 0, y = 0;
    job_pair(original, 'x', &w, &h);
    ids[0] = (float)h;
    ids[1] = (float)w;
    job_pair(crop, ',', &x, &y);
    ids[2] = (float)y;
    ids[3] = (float)x;
    w = j->width;
    h = j->height;
    job_pair(target, 'x', &w, &h);
    ids[4] = (float)h;
    ids[5] = (float)w;
}

/* The negative prompt's are the prompt's unless both of its sizes are given, as in diffusers. */
static int choose_ids(Recipe *r, const Model *m, Err *e)
{
    static const double SCORE = 6, NEGATIVE_SCORE = 2.5;
    const Job *j = &r->said;
    bool told = j->original_size || j->crop || j->target_size || j->negative_original_size || j->negative_target_size;
    bool scored = j->aesthetic_score >= 0 || j->negative_aesthetic_score >= 0;
    if (told && !m->ids)
        return err_usage(e, "original-size, crop, target-size: this model is not told sizes (SDXL is)");
    if (scored && m->ids != IDS_MAX - 1 && !j->refiner)
        return err_usage(e, "aesthetic-score: this model is not told one (SDXL's refiner is)");
    fill_ids(r->ids[1], j, j->original_size, j->crop, j->target_size);
    memcpy(r->ids[0], r->ids[1], sizeof r->ids[0]);
    if (j->negative_original_size && j->negative_target_size)
        fill_ids(r->ids[0], j, j->negative_original_size, j->negative_crop, j->negative_target_size);
    if (m->ids == IDS_MAX - 1) {
        r->ids[1][4] = (float)(j->aesthetic_score >= 0 ? j->aesthetic_score : SCORE);
        r->ids[0][4] = (float)(j->negative_aesthetic_score >= 0 ? j->negative_aesthetic_score : NEGATIVE_SCORE);
    }
    return 0;
}

static MemoryUse memory_of(const Job *j)
{
    if (strcmp(j->memory, "low") == 0) return MEMORY_LOW;
    return strcmp(j->memory, "high") == 0 ? MEMORY_HIGH : MEMORY_NORMAL;
}

static int threads_for(const Job *j) { return j->threads > 0 ? j->threads : cores_allowed(); }

static int choose_precision(Recipe *r, const Model *m, Err *e)
{
    const char *why = NULL;
    const Kernels *k = kernels_select(&why);
    if (!k) return err_usage(e, "%s", why);
    char text[PRECISION_TEXT];
    const FidelityModel of = { unet_weight_bytes(m->unet), m->sha256, !m->adapters && !m->controls };
    if (fidelity_choose(&r->precision, r->said.precision, k, &of, e)) return -1;
    recipe_set_text(&r->said.precision,
                    precision_text(r->precision, text)); /* what made the picture, to make it again */
    return 0;
}

int recipe_make(Recipe *r, const Model *m, const Job *j, const Timeline *given, Err *e)
{
    *r = (Recipe){ 0 };
    job_copy(&r->said, j);
    const Job *said = &r->said;
    if (!said->lora_sha256) r->said.lora_sha256 = adapters_facts(m);
    if (!said->embedding_sha256) r->said.embedding_sha256 = embeddings_facts(m);
    r->compat = compat_of(said);
    r->masked = said->mask || said->extend;
    r->beside = recipe_beside(m);
    r->shown = unet_label_width(m->unet) > 0;
    choose_few_steps(r, m);
    if (choose_sampler(r, m, e)) return -1;
    if (fill_defaults(r, m, e)) return -1;
    recipe_choose_language(r);
    r->memory = memory_of(said);
    r->threads = threads_for(said);
    r->rng = strcmp(said->rng, "philox") == 0 ? RNG_PHILOX : RNG_TORCH;
    r->from_picture = (said->init_image && !r->shown && r->beside != BESIDE_SMALL) || said->second_pass;
    if (said->trace && said->count > 1) return err_usage(e, "trace: one picture at a time, not %d", said->count);
    if (recipe_check_model(m, said, e) || recipe_choose_size(r, m, e) || recipe_choose_sigmas(r, given, e)) return -1;
    recipe_tune(r);
    if (recipe_choose_guidance(r, m, e)) return -1;
    choose_layer(r, m);
    if (choose_ids(r, m, e)) return -1;
    return choose_precision(r, m, e);
}

void recipe_release(Recipe *r)
{
    job_release(&r->said);
    timeline_release(&r->timeline);
    noise_release(&r->noise);
    for (int i = 0; i < SELF_KINDS; i++) free(r->self_at[i]);
    *r = (Recipe){ 0 };
}

/* ---- questions --------------------------------------------------------------------------------------------------------- */

int recipe_evals(const Recipe *r) { return sampler_evals(r->sampler, &r->timeline); }

bool recipe_encodes(const Job *j)
{
    const Way *way = j->hires_with ? way_find(j->hires_with) : &ways[0];
    return j->init_image || (j->hires > 1 && !(way && way->latent));
}
