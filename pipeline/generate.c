/*
 * generate.c - prompt to picture, in numbered steps. See generate.h and docs/architecture.md.
 */
#include "pipeline/generate.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "nn/gemm.h"
#include "pipeline/checking.h"
#include "pipeline/finish.h"
#include "pipeline/latents.h"
#include "pipeline/prompts.h"
#include "pipeline/precision.h"
#include "pipeline/trace.h"
#include "scheduler/denoiser.h"
#include "scheduler/rng.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

enum {
    LOW_TILE = 48,       /* latents, with --memory low */
    VAE_WHOLE = 0,       /* tile: decode without tiles */
    LOST_SHOWN = 600,    /* bytes of the words that did not fit into the prompt */
    OWN_TEXTS = 8 << 20, /* bytes of embeddings that a generator keeps where none are shared */
};

struct Generator {
    Model *m;
    const Job *j;
    Watch watch;
    Timing time;

    const Sampler *sampler;
    Noise noise; /* the model's, with the job's prediction type; borrows its tables */
    Timeline tl;
    bool guided;
    Compat compat;
    Tuning tuning;
    RngKind rng;
    double eta;
    int h, w;     /* of the latent */
    int tile;     /* of the VAE, in latents; VAE_WHOLE */
    float *given; /* --latents: [1, h, w, c], or NULL */

    int batch;    /* pictures that there is room for */
    bool latents; /* wanted */
    float *x0;    /* [batch, steps, h, w, c] the estimates of a run, or NULL: not wanted */
    bool wants_x0;
    const Timeline *own_timeline; /* or NULL */
    TextCache *texts;             /* embeddings; own_texts: made here */
    bool own_texts;
    bool ran;              /* once, at least */
    Memo *memo;            /* or NULL */
    Prompts given_prompts; /* the job's */

    Nn nn;
    bool bf16;      /* the UNet's products */
    Arena arena;    /* activations of a run */
    Tensor context; /* of a run: [2 n or n, tokens, 1, width]: negative, then positive */
    Tensor kv;      /* of a run: [2 n or n, tokens, 1, columns]: unet_context() of it */
    float *cond;    /* [batch, cond_width]: LCM's guidance embedding, or NULL */
    int calls;      /* of the network in this run */
    Trace trace;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void warn(const Generator *g, const char *text)
{
    if (g->watch.warn) g->watch.warn(g->watch.ctx, text);
}

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = mem_strdup(text);
}

/* ---- 1. what is asked for, completed and checked --------------------------------------------------------------------- */

static Compat compat_of(const Job *j)
{
    if (!j->compat || strcmp(j->compat, "diffusers") == 0) return COMPAT_DIFFUSERS;
    return strcmp(j->compat, "a1111") == 0 ? COMPAT_A1111 : COMPAT_COMFYUI;
}

/* The model's own sampler, but for those that want many more steps than people take today. */
static const char *usual_sampler(const Model *m)
{
    const Sampler *own = m->noise.sampler[0] ? sampler_find(m->noise.sampler) : NULL;
    bool slow =
        own && (strcmp(own->name, "plms") == 0 || strcmp(own->name, "pndm") == 0 || strcmp(own->name, "ddpm") == 0);
    return own && !slow ? own->name : "dpmpp_2m";
}

/* Open options take what suits the model, or else what its kind is used with. */
static void fill_defaults(const Model *m, Job *j)
{
    const ModelDefaults *d = &m->defaults;
    int size = unet_sample_size(m->unet) * vae_factor(m->vae);
    if (!j->width) j->width = d->width ? d->width : size ? size : 512;
    if (!j->height) j->height = d->height ? d->height : size ? size : 512;
    if (!j->steps) j->steps = d->steps ? d->steps : 20;
    if (j->cfg_scale < 0) j->cfg_scale = d->cfg_scale > 0 ? d->cfg_scale : 7.5;
    if (!j->sampler) {
        set_text(&j->sampler, d->sampler ? d->sampler : usual_sampler(m));
    }
    const char *named; /* "DPM++ 2M Karras" */
    const Sampler *s = sampler_split(j->sampler, &named);
    Compat compat = compat_of(j);
    const char *own = d->schedule ? d->schedule : m->noise.schedule ? m->noise.schedule : "model";
    if (compat != COMPAT_DIFFUSERS) own = s && s->automatic && compat == COMPAT_A1111 ? s->automatic : "normal";
    if (!j->schedule) set_text(&j->schedule, named ? named : own);
    if (!j->rng) set_text(&j->rng, compat == COMPAT_A1111 ? "philox" : "torch");
    if (j->eta < 0 && s && s->takes_eta) j->eta = s->eta;
}

static int check_side(const char *name, int side, int factor, Err *e)
{
    if (side % factor == 0 && side > 0) return 0;
    int below = side / factor * factor;
    if (below == 0)
        return err_usage(e, "%s %d: this model draws multiples of %d; the nearest is %d", name, side, factor, factor);
    return err_usage(e, "%s %d: this model draws multiples of %d; the nearest are %d and %d", name, side, factor, below,
                     below + factor);
}

int generator_check_size(const Model *m, int width, int height, Err *e)
{
    int factor = vae_factor(m->vae);
    return check_side("width", width, factor, e) || check_side("height", height, factor, e) ? -1 : 0;
}

static int check_model(const Model *m, const Job *j, Err *e)
{
    int latent = vae_latent_channels(m->vae), in = unet_in_channels(m->unet), out = unet_out_channels(m->unet);
    if (in != latent || out != latent)
        return err_set(e, "the UNet takes %d channels and gives %d, the VAE has %d: %s", in, out, latent,
                       in > latent ? "this model edits pictures (inpainting, pix2pix); limn draws from text only"
                                   : "they do not belong together");
    if (text_encoder_width(m->text) != unet_context_width(m->unet))
        return err_set(e, "the text encoder gives embeddings of %d, the UNet takes %d: they do not belong together",
                       text_encoder_width(m->text), unet_context_width(m->unet));
    if (unet_added_width(m->unet))
        return err_set(e, "the UNet wants pooled text and sizes (SD XL): limn does not draw with SD XL yet");
    if (tokenizer_size(m->tokenizer) > text_encoder_vocab(m->text))
        return err_set(e, "the tokenizer has ids up to %d, the text encoder %d embeddings: they do not belong together",
                       tokenizer_size(m->tokenizer) - 1, text_encoder_vocab(m->text));
    if (tokenizer_max(m->tokenizer) != text_encoder_tokens(m->text))
        return err_set(e, "the tokenizer makes rows of %d ids, the text encoder takes %d: they do not belong together",
                       tokenizer_max(m->tokenizer), text_encoder_tokens(m->text));
    if (j->clip_skip < 1 || j->clip_skip > text_encoder_layers(m->text))
        return err_usage(e, "clip-skip %d: the text encoder has %d layers", j->clip_skip, text_encoder_layers(m->text));
    return 0;
}

/* A level of odd size would be halved and doubled with its ends apart: a tiled axis must halve evenly all the way. */
static int check_tiled_side(const Generator *g, const char *name, int side, Err *e)
{
    int factor = vae_factor(g->m->vae) * unet_factor(g->m->unet), below = side / factor * factor;
    if (side % factor == 0) return 0;
    return err_usage(e, "%s %d: with --tile along it this model draws multiples of %d, such as %d", name, side, factor,
                     below ? below : factor);
}

/* The sampler's settings. diffusers' solver options are the model's as long as its own sampler is taken. */
static void tune(Generator *g)
{
    const Job *j = g->j;
    const Noise *n = &g->noise;
    g->tuning = (Tuning){ .compat = g->compat, .order = j->solver_order };
    if (g->compat == COMPAT_DIFFUSERS && n->sampler[0] && sampler_find(n->sampler) == g->sampler) {
        if (!j->solver_order) g->tuning.order = n->order;
        g->tuning.heun = n->heun;
        g->tuning.keep_order = n->keep_order;
    }
    g->tuning.churn = fmax(j->s_churn, 0);
    g->tuning.tmin = fmax(j->s_tmin, 0);
    g->tuning.tmax = fmax(j->s_tmax, 0);
    g->tuning.noise_less = j->s_noise < 0 ? 0 : 1 - j->s_noise;
}

static int resolve(Generator *g, Job *j, Err *e)
{
    const Model *m = g->m;
    fill_defaults(m, j);
    if (j->trace && j->count > 1) return err_usage(e, "trace: one picture at a time, not %d", j->count);
    if (check_model(m, j, e)) return -1;
    if (generator_check_size(m, j->width, j->height, e) || finish_check(j, e)) return -1;
    g->nn.wrap_x = job_tiles(j, 'x');
    g->nn.wrap_y = job_tiles(j, 'y');
    if (g->nn.wrap_x && check_tiled_side(g, "width", j->width, e)) return -1;
    if (g->nn.wrap_y && check_tiled_side(g, "height", j->height, e)) return -1;
    g->w = j->width / vae_factor(m->vae);
    g->h = j->height / vae_factor(m->vae);

    g->sampler = sampler_find(j->sampler);
    if (!g->sampler)
        return err_usage(e, "sampler %s: there is none of that name (see: limn list samplers)", j->sampler);
    set_text(&j->sampler, g->sampler->name);
    g->compat = compat_of(j);
    const Schedule *schedule = schedule_find(j->schedule);
    if (schedule) schedule = schedule_for(schedule, g->compat);
    if (!schedule)
        return err_usage(e, "schedule %s: there is none of that name (see: limn list schedules)", j->schedule);
    set_text(&j->schedule, schedule->name);
    if (j->eta >= 0 && !g->sampler->takes_eta)
        return err_usage(e, "eta %g: the sampler %s has no eta", j->eta, g->sampler->name);
    g->eta = j->eta >= 0 ? j->eta : g->sampler->eta;
    if (g->sampler->adaptive) g->batch = 1; /* each picture has steps of its own */

    g->noise = m->noise;
    if (j->prediction && prediction_parse(&g->noise.prediction, j->prediction, e)) return -1;
    if (g->own_timeline) timeline_copy(&g->tl, g->own_timeline);
    else if (timeline_plan(
                 &g->tl,
                 &(TimelinePlan){ schedule, g->sampler->family, j->steps, g->compat, g->sampler->drops[g->compat] },
                 &g->noise, e))
        return -1;
    tune(g);

    if (precision_choose(&g->bf16, j->precision, g->nn.k, unet_weight_bytes(m->unet), e)) return -1;
    set_text(&j->precision, precision_name(g->bf16)); /* what made the picture, so that it can be made again */
    /* A guidance-distilled model (LCM) is told the scale instead: diffusers' do_classifier_free_guidance. */
    g->guided = (j->cfg_scale > 1 || g->sampler->cfg_pp) && !unet_cond_width(m->unet);
    g->rng = strcmp(j->rng, "philox") == 0 ? RNG_PHILOX : RNG_TORCH;
    return 0;
}

/* ---- 2. the prompts, as ids ------------------------------------------------------------------------------------------ */

static Emphasis emphasis_of(const Job *j)
{
    static const Emphasis of[] = {
        [COMPAT_DIFFUSERS] = EMPHASIS_NONE, [COMPAT_A1111] = EMPHASIS_A1111, [COMPAT_COMFYUI] = EMPHASIS_COMFYUI
    };
    return of[compat_of(j)];
}

static PromptReader reader_of(const Model *m, const Job *j)
{
    return (PromptReader){ .tokenizer = m->tokenizer,
                           .chunk = strcmp(j->long_prompt, "chunk") == 0,
                           .emphasis = emphasis_of(j) };
}

static int read_prompts(const Generator *g, const char *prompt, const char *negative, Prompts *out, Err *e)
{
    PromptReader r = reader_of(g->m, g->j);
    r.ctx = g->watch.ctx;
    r.warn = g->watch.warn;
    return prompts_read(&r, prompt, negative, out, e);
}

int generator_rows(const Model *m, const Job *j)
{
    PromptReader r = reader_of(m, j);
    if (!r.chunk && r.emphasis == EMPHASIS_NONE) return 1;
    Prompts p;
    Err e;
    if (prompts_read(&r, j->prompt, j->negative_prompt, &p, &e)) return 0;
    int rows = p.positive.rows;
    prompts_release(&p);
    return rows;
}

/* ---- 3. the embeddings ----------------------------------------------------------------------------------------------- */

/* The arithmetic of all networks. A large model's weights are let go of where that is cheap, or memory is short. */
static Nn network_nn(const Generator *g)
{
    Nn nn = g->nn;
    nn.bf16 = g->bf16;
    if (g->m->large && strcmp(g->j->memory, "high") != 0)
        nn.forget = strcmp(g->j->memory, "low") == 0 ? 1 : MODEL_CHEAP_ROWS;
    return nn;
}

/* One row of ids, on its own, so that it has the same bits in whatever company. out [1, max, 1, width]. */
static void embed_row(Generator *g, Tensor out, const int *row)
{
    int max = tokenizer_max(g->m->tokenizer), way = 2 * g->j->clip_skip + g->bf16;
    if (out.data && text_cache_get(g->texts, row, max, way, out)) return;
    size_t mark = g->nn.arena->used;
    Nn nn = network_nn(g);
    tensor_copy(out, text_encoder_forward(&nn, g->m->text, row, 1, g->j->clip_skip, true, NULL));
    arena_reset(g->nn.arena, mark);
    if (out.data) text_cache_put(g->texts, row, max, way, out);
}

/* What the cache keeps has no weights yet, and serves every way of weighting. empty: the empty prompt's, as out. */
static void weigh_row(const Generator *g, Tensor out, Tensor empty, const float *weight)
{
    size_t tokens = (size_t)out.h, width = (size_t)out.c;
    if (emphasis_of(g->j) == EMPHASIS_A1111) emphasis_scale(out.data, weight, tokens, width);
    else emphasis_blend(out.data, empty.data, weight, tokens, width);
}

/* The rows, weighted, stand one after the other in `to`: [1, rows * max, 1, width]. */
static void embed(Generator *g, Tensor to, const Ids *ids)
{
    int max = tokenizer_max(g->m->tokenizer), n;
    Tensor rows = tensor_view(to, ids->rows, max, 1, to.c), empty = { 0 };
    size_t mark = g->nn.arena->used;
    bool blend = emphasis_of(g->j) == EMPHASIS_COMFYUI;
    if (blend)
        empty = tensor_new(g->nn.arena, 1, max, 1, to.c); /* also without weights: another request may have some */
    if (blend && ids->weight) {
        const char *lost;
        int *none = tokenizer_rows(g->m->tokenizer, "", false, &n, &lost);
        embed_row(g, empty, none);
        free(none);
    }
    for (int i = 0; i < ids->rows; i++) {
        Tensor out = tensor_slice(rows, i, 1);
        embed_row(g, out, ids->ids + i * max);
        if (ids->weight && out.data) weigh_row(g, out, empty, ids->weight + i * max);
    }
    arena_reset(g->nn.arena, mark);
}

/* The context of the UNet for n pictures, in the arena: their negative halves first. */
static Tensor embed_all(Generator *g, const Prompts *const *prompts, int n)
{
    int tokens = prompts[0]->positive.rows * tokenizer_max(g->m->tokenizer), width = text_encoder_width(g->m->text);
    Tensor all = tensor_new(g->nn.arena, g->guided ? 2 * n : n, tokens, 1, width);
    for (int i = 0; i < n; i++) {
        if (g->guided) embed(g, tensor_slice(all, i, 1), &prompts[i]->negative);
        embed(g, tensor_slice(all, all.n - n + i, 1), &prompts[i]->positive);
    }
    return all;
}

/* What all steps share of the UNet's work on the prompts. */
static void prepare_kv(Generator *g)
{
    double start = now();
    Nn nn = network_nn(g);
    g->kv = tensor_new(nn.arena, g->context.n, g->context.h, 1, unet_context_columns(g->m->unet));
    unet_context(&nn, g->m->unet, g->context, g->kv);
    g->time.text += now() - start;
}

/* ---- 4. the network, as the denoiser calls it ------------------------------------------------------------------------ */

static int check_cancelled(const Generator *g, Err *e)
{
    if (arena_dry(&g->arena)) return 0; /* half a measurement would reserve too little */
    if (!g->watch.cancelled || !g->watch.cancelled(g->watch.ctx)) return 0;
    err_set(e, "interrupted");
    e->code = ERR_INTERRUPTED;
    return -1;
}

/*
 * All pictures in one batch; layers give each sample the bits that it has alone. x, out: [halves * n, h, w, c]; outside of
 * --guidance-interval the prompts' half, which comes last.
 */
static void evaluate(Generator *g, Tensor out, Tensor x, float t)
{
    size_t mark = g->nn.arena->used;
    Nn nn = network_nn(g);
    UNetInputs in = { .kv = tensor_slice(g->kv, g->kv.n - x.n, x.n), .cond = g->cond };
    tensor_copy(out, unet_forward(&nn, g->m->unet, x, t, &in));
    arena_reset(g->nn.arena, mark);
}

/* The first call need not wait until all weights are looked over. */
static int begin_call(Generator *g, Err *e)
{
    if (g->time.first == 0) g->time.first = now();
    if (g->calls) return model_check(g->m, e);
    model_check_begin(g->m);
    return 0;
}

static int network(void *ctx, Tensor out, Tensor x, float t, Err *e)
{
    Generator *g = ctx;
    if (check_cancelled(g, e)) return -1;
    if (!arena_dry(&g->arena) && begin_call(g, e)) return -1;
    bool shared = g->calls++ == 0 && g->memo && out.data;
    MemoKey key;
    if (shared) {
        size_t cond = g->cond ? (size_t)x.n * (size_t)unet_cond_width(g->m->unet) : 0;
        key = memo_key(x, t, g->context, g->cond, cond,
                       (unsigned)g->nn.wrap_x << 1 | (unsigned)g->nn.wrap_y << 2 | g->bf16);
        if (memo_get(g->memo, &key, out)) return 0;
    }
    evaluate(g, out, x, t);
    size_t len = out.data ? tensor_len(out) : 0;
    if (g->nn.k->find_bad(out.data, len) < len && model_check(g->m, e)) return -1; /* that says which tensor */
    if (shared) memo_put(g->memo, &key, out);
    return 0;
}

static int after_step(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    Generator *g = ctx;
    size_t each = tensor_len(x0) / (size_t)x0.n, steps = (size_t)g->tl.steps;
    (void)e;
    for (int k = 0; g->x0 && k < x0.n; k++)
        memcpy(g->x0 + ((size_t)k * steps + (size_t)i) * each, tensor_slice(x0, k, 1).data, each * sizeof *g->x0);
    if (g->j->trace && x.data) trace_image(&g->trace, "latents", i, x, timeline_shown(&g->tl, i + 1));
    if (g->watch.step) g->watch.step(g->watch.ctx, i + 1, g->tl.steps);
    return 0;
}

/* ---- 5. noise to latent to image: the same code measures (dry arena) and works ---------------------------------------- */

/* x [n, h, w, c]: each picture from its own generator, whatever the others are. */
static void initial_noise(Generator *g, Tensor x, Rng *rng)
{
    size_t each = tensor_len(x) / (size_t)x.n;
    if (!g->given) fresh_noise(x, rng, g->nn.arena);
    for (int i = 0; g->given && x.data && i < x.n; i++)
        memcpy(tensor_slice(x, i, 1).data, g->given, each * sizeof(float));
    if (!x.data) return;
    if (g->j->trace) trace_image(&g->trace, "noise", -1, x, 1);
    for (size_t i = 0; i < tensor_len(x); i++) x.data[i] = (float)(x.data[i] * g->tl.scale);
}

/*
 * After the first noise. diffusers and A1111 go on with its generator, A1111 with ENSD with that of another seed; ComfyUI draws the
 * first noise on the CPU, and the rest with a generator on the device, on the CPU of the next seed. diffusers' SDE scheduler may
 * have a tree's seed of its own.
 */
static void restart_noise(const Generator *g, Rng *rng, uint64_t *seed)
{
    if (g->compat == COMPAT_COMFYUI) rng_init(rng, g->rng, *seed + (g->rng == RNG_TORCH));
    if (g->compat == COMPAT_A1111 && g->j->ensd) rng_init(rng, g->rng, *seed + (uint64_t)g->j->ensd);
    if (g->compat == COMPAT_DIFFUSERS && g->noise.has_tree_seed) *seed = g->noise.tree_seed;
}

/* rng: of fresh noise; seeds: of Brownian trees. */
static int sample(Generator *g, Tensor x, Rng *rng, const uint64_t *seeds, Err *e)
{
    Denoiser d = { .noise = &g->noise,
                   .network = network,
                   .ctx = g,
                   .arena = g->nn.arena,
                   .cfg_scale = g->guided ? (float)g->j->cfg_scale : 1,
                   .both = g->guided && g->sampler->cfg_pp,
                   .rescale = (float)fmax(g->j->cfg_rescale, 0),
                   .rescale_v = g->compat == COMPAT_COMFYUI,
                   .limited = g->j->guidance_interval != NULL,
                   .round_timestep = g->compat == COMPAT_COMFYUI };
    job_interval(g->j->guidance_interval, g->tl.steps, &d.guide_from, &d.guide_end);
    Sampling s = { .d = &d,
                   .x = x,
                   .tl = &g->tl,
                   .rng = rng,
                   .seeds = seeds,
                   .eta = g->eta,
                   .tuning = g->tuning,
                   .arena = g->nn.arena,
                   .after_step = arena_dry(g->nn.arena) ? NULL : after_step,
                   .ctx = g };
    g->calls = 0;
    if (sampler_run(g->sampler, &s, e)) return -1;
    g->time.evals = d.evals;
    return 0;
}

static Tensor decode(Generator *g, Tensor x)
{
    Nn nn = network_nn(g);
    Tensor z = tensor_like(nn.arena, x);
    if (g->m->large) nn.forget = 1; /* each layer has its turn once */
    float scaling = vae_scaling_factor(g->m->vae);
    for (size_t i = 0; z.data && i < tensor_len(z); i++) z.data[i] = x.data[i] / scaling;
    return g->tile == VAE_WHOLE ? vae_decode(&nn, g->m->vae, z) : vae_decode_tiled(&nn, g->m->vae, z, g->tile);
}

static void cut_out(const Generator *g, Image *im)
{
    double plain;
    if (finish_image(g->j, im, &plain)) return;
    char text[160];
    snprintf(text, sizeof text,
             "--transparent: the background is not plain (only %.0f %% of the border has one colour); all stays opaque",
             100 * plain);
    warn(g, text);
}

/* x [1, h, w, c] to pixels. The VAE takes pictures one by one: they are large, and together they are no faster. */
static int finish(Generator *g, Tensor x, Picture *out, Err *e)
{
    size_t mark = g->nn.arena->used;
    Tensor image = decode(g, x);
    int failed = 0;
    if (!out) goto done;

    if (g->j->trace) {
        trace_image(&g->trace, "latents", -1, x, timeline_shown(&g->tl, g->tl.steps));
        trace_image(&g->trace, "image", -1, image, 1);
    }
    if (g->nn.k->find_bad(image.data, tensor_len(image)) < tensor_len(image)) {
        failed = err_set(e, "the VAE gave NaN or infinity: the latent is out of its range (guidance too high?) or its "
                            "weights are damaged");
        goto done;
    }
    image_from_tensor(&out->image, image);
    cut_out(g, &out->image);
    if (g->latents) {
        out->latent = mem_array(tensor_len(x), sizeof *out->latent);
        memcpy(out->latent, x.data, tensor_len(x) * sizeof *out->latent);
    }
done:
    arena_reset(g->nn.arena, mark);
    return failed;
}

/* What each step of picture k predicted, as pictures. They need no more memory than the last one. */
static int finish_steps(Generator *g, int k, Picture *out, Err *e)
{
    int c = vae_latent_channels(g->m->vae);
    size_t each = (size_t)g->h * (size_t)g->w * (size_t)c, steps = (size_t)g->tl.steps;
    out->steps = mem_array(steps, sizeof *out->steps);
    for (; out->step_count < g->tl.steps; out->step_count++) {
        if (check_cancelled(g, e)) return -1;
        size_t mark = g->nn.arena->used;
        float *x0 = g->x0 + ((size_t)k * steps + (size_t)out->step_count) * each;
        Tensor image = decode(g, (Tensor){ x0, 1, g->h, g->w, c });
        image_from_tensor(&out->steps[out->step_count], image);
        arena_reset(g->nn.arena, mark);
    }
    return 0;
}

/* n pictures, their latents side by side. requests and out are NULL in a dry arena. */
static int draw(Generator *g, const Request *requests, int n, Picture *out, Err *e)
{
    Tensor x = tensor_new(g->nn.arena, n, g->h, g->w, vae_latent_channels(g->m->vae));
    Rng *rng = mem_array((size_t)n, sizeof *rng);
    uint64_t *seeds = mem_array((size_t)n, sizeof *seeds);
    for (int i = 0; i < n; i++) {
        seeds[i] = requests ? requests[i].seed : 0;
        rng_init(&rng[i], g->compat == COMPAT_COMFYUI ? RNG_TORCH : g->rng, seeds[i]);
    }
    double start = now();
    initial_noise(g, x, rng);
    for (int i = 0; i < n; i++) restart_noise(g, &rng[i], &seeds[i]);
    int failed = sample(g, x, rng, seeds, e);
    free(seeds);
    free(rng);
    g->time.sample = now() - start;
    if (out && !failed) failed = model_check(g->m, e);
    if (out) model_rest(g->m, PART_UNET);
    start = now();
    for (int i = 0; i < (out ? n : 1) && !failed;
         i++) /* decoding takes as long as steps do: Ctrl-C is asked for before it */
        failed = check_cancelled(g, e) || finish(g, tensor_slice(x, i, 1), out ? &out[i] : NULL, e) ||
                 (out && g->x0 && finish_steps(g, i, &out[i], e));
    g->time.decode = now() - start;
    return failed ? -1 : 0;
}

/* ---- 6. memory ------------------------------------------------------------------------------------------------------- */

/* Bytes of activations for the embeddings and n pictures at once, from a walk over the same code. */
static size_t measure(Generator *g, int n)
{
    Arena real = g->arena;
    Err e;
    const Prompts **same = mem_array((size_t)n, sizeof *same);
    for (int i = 0; i < n; i++) same[i] = &g->given_prompts;
    arena_init_dry(&g->arena);
    g->context = embed_all(g, same, n);
    prepare_kv(g);
    draw(g, NULL, n, NULL, &e);
    size_t need = g->arena.peak;
    g->arena = real;
    free(same);
    return need;
}

/* The VAE's tile: as asked for, or the whole picture, or the largest that fits into what memory is left. */
static int choose_tile(Generator *g, Job *j, size_t available, Err *e)
{
    int least = vae_min_tile(g->m->vae), sizes[] = { VAE_WHOLE, 256, 128, 96, 64, 48, least };
    const char *asked = j->vae_tile;
    int factor = vae_factor(g->m->vae), pixels = atoi(asked);
    g->tile = VAE_WHOLE;
    if (strcmp(asked, "off") == 0) return 0;
    if (strcmp(asked, "auto") != 0) {
        g->tile = pixels / factor;
        if (g->tile < least)
            return err_usage(e, "vae-tile %s: a tile of this model has at least %d pixels", asked, least * factor);
        return 0;
    }
    bool low = strcmp(j->memory, "low") == 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        g->tile = sizes[i];
        if (low && (!g->tile || g->tile > LOW_TILE) && i + 1 < sizeof sizes / sizeof *sizes) continue;
        if (measure(g, 1) < available / 10 * 9) break;
    }
    /* what was chosen is what made the picture: another machine may have other memory */
    char chosen[16] = "off";
    if (g->tile != VAE_WHOLE) snprintf(chosen, sizeof chosen, "%d", g->tile * factor);
    set_text(&j->vae_tile, chosen);
    return 0;
}

static int reserve(Generator *g, Job *j, bool shrink, Err *e)
{
    size_t available = mem_available((size_t)g->nn.threads * GEMM_MAPPED);
    if (choose_tile(g, j, available, e)) return -1; /* for one: a picture is the same in whatever company */
    size_t need = measure(g, g->batch);
    while (need > available && g->batch > 1 && shrink) need = measure(g, g->batch /= 2);
    g->time.memory = need;
    if (need > available && g->batch > 1)
        return err_set(
            e, "%d pictures of %dx%d at once need %.0f MB beside the model, %.0f MB are free: draw fewer at once",
            g->batch, g->j->width, g->j->height, (double)need * 1e-6, (double)available * 1e-6);
    if (need > available)
        return err_set(e,
                       "a picture of %dx%d needs %.0f MB beside the model, %.0f MB are free: choose a smaller size%s",
                       g->j->width, g->j->height, (double)need * 1e-6, (double)available * 1e-6,
                       g->tile == VAE_WHOLE ? ", or --vae-tile auto" : "");
    return arena_init(&g->arena, need, e);
}

/* ---- 7. putting it together ------------------------------------------------------------------------------------------ */

/* diffusers' get_guidance_scale_embedding: the sinusoidal embedding of (scale - 1) * 1000. */
static void embed_guidance(Generator *g)
{
    int width = unet_cond_width(g->m->unet);
    float w = (float)((g->j->cfg_scale - 1) * 1000);
    if (!width) return;
    Arena a;
    Err e;
    g->cond = mem_array((size_t)g->batch * (size_t)width, sizeof *g->cond);
    if (arena_init(&a, (size_t)width * sizeof *g->cond + 64, &e)) return;
    Nn nn = { .arena = &a, .k = g->nn.k, .threads = 1 };
    Tensor one = nn_timestep_embedding(&nn, &w, 1, width, false, 1);
    for (int i = 0; i < g->batch; i++) memcpy(g->cond + i * width, one.data, (size_t)width * sizeof *g->cond);
    arena_release(&a);
}

static int given_latents(Generator *g, Err *e)
{
    if (!g->j->latents) return 0;
    Tensor shape = { .n = 1, .h = g->h, .w = g->w, .c = vae_latent_channels(g->m->vae) };
    g->given = latents_read(g->j->latents, shape, e);
    return g->given ? 0 : -1;
}

static int threads_for(const Job *j)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return j->threads > 0 ? j->threads : cores > 0 ? (int)cores : 1;
}

static bool weighted(const Prompts *const *prompts, int n)
{
    for (int i = 0; i < n; i++)
        if (prompts[i]->positive.weight || prompts[i]->negative.weight) return true;
    return false;
}

/* The embeddings of a run, checked. */
static int encode(Generator *g, const Prompts *const *prompts, int n, Err *e)
{
    double start = now();
    g->context = embed_all(g, prompts, n);
    model_rest(g->m, PART_TEXT);
    g->time.text += now() - start;
    size_t len = tensor_len(g->context);
    if (g->nn.k->find_bad(g->context.data, len) == len) return 0;
    if (model_check(g->m, e)) return -1;
    return err_set(e, "the text encoder gave NaN or infinity: its weights are damaged%s",
                   weighted(prompts, n) ? ", or those in the prompt are too large" : "");
}

static void trace_start(Generator *g, const Prompts *p)
{
    int max = tokenizer_max(g->m->tokenizer);
    trace_clear(&g->trace);
    trace_ids(&g->trace, "tokens", p->positive.ids, p->positive.rows, max);
    trace_ids(&g->trace, "negative_tokens", p->negative.ids, p->negative.rows, max);
    trace_tokens(&g->trace, "prompt_embeds", tensor_slice(g->context, g->context.n - 1, 1));
    if (g->guided) trace_tokens(&g->trace, "negative_prompt_embeds", tensor_slice(g->context, 0, 1));
    trace_numbers(&g->trace, "sigmas", g->tl.sigma, g->tl.steps + 1);
    trace_numbers(&g->trace, "timesteps", g->tl.t, g->tl.steps);
}

/* What generator_new() and generator_memory() begin with. */
static Generator *start(const Model *m, Job *j, const Share *share)
{
    Generator *g = mem_alloc(sizeof *g);
    const char *why = NULL;
    g->m = (Model *)(size_t)m;
    g->j = j;
    g->batch = share && share->batch > 1 ? share->batch : 1;
    g->latents = share && share->latents;
    g->wants_x0 = share && share->steps;
    g->own_timeline = share ? share->timeline : NULL;
    g->memo = share ? share->memo : NULL;
    g->texts = share ? share->texts : NULL;
    g->own_texts = !g->texts;
    if (g->own_texts) g->texts = text_cache_new(OWN_TEXTS);
    g->nn = (Nn){ .arena = &g->arena, .k = kernels_select(&why), .threads = threads_for(j) };
    return g;
}

Generator *generator_new(Model *m, Job *j, const Share *share, const Watch *w, Err *e)
{
    Generator *g = start(m, j, share);
    const char *why = NULL;
    if (w) g->watch = *w;
    if (!kernels_select(&why)) err_usage(e, "%s", why);
    if (!g->nn.k || resolve(g, j, e) || given_latents(g, e)) goto fail;
    if (m->note && !j->prediction) warn(g, m->note);
    if (m->warning[0]) warn(g, m->warning);
    embed_guidance(g);
    if (read_prompts(g, j->prompt, j->negative_prompt, &g->given_prompts, e)) goto fail;
    if (reserve(g, j, share && share->shrink, e)) goto fail;
    const Prompts *own = &g->given_prompts;
    if (encode(g, &own, 1, e)) goto fail;
    arena_reset(&g->arena, 0);
    size_t latent = (size_t)g->h * (size_t)g->w * (size_t)vae_latent_channels(m->vae);
    if (g->wants_x0) g->x0 = mem_array((size_t)g->batch * (size_t)g->tl.steps * latent, sizeof *g->x0);
    return g;
fail:
    generator_free(g);
    return NULL;
}

void generator_free(Generator *g)
{
    if (!g) return;
    trace_clear(&g->trace);
    timeline_release(&g->tl);
    arena_release(&g->arena);
    prompts_release(&g->given_prompts);
    if (g->own_texts) text_cache_free(g->texts);
    free(g->given);
    free(g->cond);
    free(g->x0);
    free(g);
}

/* The prompts of each request; own holds those that are not the job's. */
static int prompts_of(Generator *g, const Request *requests, int n, const Prompts **prompts, Prompts *own, Err *e)
{
    for (int i = 0; i < n; i++) {
        const Request *r = &requests[i];
        prompts[i] = &g->given_prompts;
        if (r->prompt || r->negative_prompt) {
            if (read_prompts(g, r->prompt ? r->prompt : g->j->prompt,
                             r->negative_prompt ? r->negative_prompt : g->j->negative_prompt, &own[i], e))
                return -1;
            prompts[i] = &own[i];
        }
        if (prompts[i]->positive.rows != g->given_prompts.positive.rows)
            return err_set(e, "a prompt of %d rows of tokens in a run of prompts of %d: those are drawn apart",
                           prompts[i]->positive.rows, g->given_prompts.positive.rows);
    }
    return 0;
}

void picture_release(Picture *p)
{
    image_release(&p->image);
    free(p->latent);
    for (int i = 0; i < p->step_count; i++) image_release(&p->steps[i]);
    free(p->steps);
    *p = (Picture){ 0 };
}

int generator_run(Generator *g, const Request *requests, int n, Picture *out, Err *e)
{
    assert(n >= 1 && n <= g->batch && (n == 1 || !g->j->trace));
    const Prompts **prompts = mem_array((size_t)n, sizeof *prompts);
    Prompts *own = mem_array((size_t)n, sizeof *own);
    memset(out, 0, (size_t)n * sizeof *out);
    if (g->watch.step) g->watch.step(g->watch.ctx, 0, g->tl.steps);
    if (g->ran) g->time.text = 0; /* the first run's is what generator_new() took, too */
    g->ran = true;

    int failed = prompts_of(g, requests, n, prompts, own, e) || encode(g, prompts, n, e);
    if (!failed) prepare_kv(g);
    if (!failed && g->j->trace) trace_start(g, prompts[0]);
    if (!failed) failed = draw(g, requests, n, out, e);
    if (!failed && g->j->trace) failed = trace_write(&g->trace, g->j->trace, e);

    arena_reset(&g->arena, 0);
    if (g->m->large) arena_rest(&g->arena); /* decoding needs the most */
    for (int i = 0; i < n; i++) prompts_release(&own[i]);
    for (int i = 0; i < n && failed; i++) picture_release(&out[i]);
    free(own);
    free(prompts);
    return failed ? -1 : 0;
}

const Timing *generator_timing(const Generator *g) { return &g->time; }
int generator_batch(const Generator *g) { return g->batch; }

size_t generator_memory(const Model *m, const Job *j, int batch)
{
    size_t weights = unet_bytes(m->unet) + vae_bytes(m->vae) + text_encoder_bytes(m->text), need = 0;
    if (!m->large) weights += unet_borrowed(m->unet) + vae_borrowed(m->vae) + text_encoder_borrowed(m->text);
    Job job;
    Err e;
    job_copy(&job, j);
    Generator *g = start(m, &job, &(Share){ .batch = batch });
    if (g->nn.k && !resolve(g, &job, &e) && !read_prompts(g, job.prompt, job.negative_prompt, &g->given_prompts, &e)) {
        int least = vae_min_tile(m->vae);
        embed_guidance(g);
        if (strcmp(job.memory, "low") == 0) g->tile = least < LOW_TILE ? LOW_TILE : least;
        need = weights + measure(g, g->batch);
    }
    generator_free(g);
    job_release(&job);
    return need;
}

int generator_timeline(const Model *m, const Job *j, Timeline *out, Err *e)
{
    Job job;
    job_copy(&job, j);
    Generator *g = start(m, &job, NULL);
    int failed = resolve(g, &job, e);
    if (!failed) timeline_copy(out, &g->tl);
    generator_free(g);
    job_release(&job);
    return failed ? -1 : 0;
}

int generator_evals(const Model *m, const Job *j, int *evals, Err *e)
{
    Job job;
    job_copy(&job, j);
    Generator *g = start(m, &job, NULL);
    int failed = resolve(g, &job, e);
    if (!failed) *evals = sampler_evals(g->sampler, &g->tl);
    generator_free(g);
    job_release(&job);
    return failed ? -1 : 0;
}
