/*
 * generate.c - prompt to picture, in numbered steps. See generate.h and docs/architecture.md.
 */
#include "pipeline/generate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "nn/gemm.h"
#include "pipeline/trace.h"
#include "scheduler/denoiser.h"
#include "scheduler/rng.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

enum {
    VAE_WHOLE = 0,    /* tile: decode without tiles */
    LOST_SHOWN = 600, /* bytes of the words that did not fit into the prompt */
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
    RngKind rng;
    double eta;
    int h, w;     /* of the latent */
    int tile;     /* of the VAE, in latents; VAE_WHOLE */
    float *given; /* --latents: [1, h, w, c], or NULL */

    Nn nn;
    Arena arena;    /* activations; first in it, the embeddings */
    Tensor context; /* [2 or 1, tokens, 1, width]: negative, then positive */
    float *cond;    /* [n, cond_width]: LCM's guidance embedding, or NULL */
    int steps_done;
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
        const Sampler *own = m->noise.sampler[0] ? sampler_find(m->noise.sampler) : NULL;
        set_text(&j->sampler, d->sampler ? d->sampler : own ? own->name : "dpmpp_2m");
    }
    if (!j->schedule)
        set_text(&j->schedule, d->schedule ? d->schedule : m->noise.schedule ? m->noise.schedule : "model");
    const Sampler *s = sampler_find(j->sampler);
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

static int resolve(Generator *g, Job *j, Err *e)
{
    const Model *m = g->m;
    fill_defaults(m, j);
    if (j->trace && j->count > 1) return err_usage(e, "trace: one picture at a time, not %d", j->count);
    if (check_model(m, j, e)) return -1;
    if (generator_check_size(m, j->width, j->height, e)) return -1;
    g->w = j->width / vae_factor(m->vae);
    g->h = j->height / vae_factor(m->vae);

    g->sampler = sampler_find(j->sampler);
    if (!g->sampler)
        return err_usage(e, "sampler %s: there is none of that name (see: limn list samplers)", j->sampler);
    set_text(&j->sampler, g->sampler->name);
    const Schedule *schedule = schedule_find(j->schedule);
    if (!schedule)
        return err_usage(e, "schedule %s: there is none of that name (see: limn list schedules)", j->schedule);
    set_text(&j->schedule, schedule->name);
    if (j->eta >= 0 && !g->sampler->takes_eta)
        return err_usage(e, "eta %g: the sampler %s has no eta", j->eta, g->sampler->name);
    g->eta = j->eta >= 0 ? j->eta : g->sampler->eta;

    g->noise = m->noise;
    if (j->prediction && prediction_parse(&g->noise.prediction, j->prediction, e)) return -1;
    if (timeline_init(&g->tl, schedule, &g->noise, g->sampler->family, j->steps, e)) return -1;

    /* A guidance-distilled model (LCM) is told the scale instead: diffusers' do_classifier_free_guidance. */
    g->guided = j->cfg_scale > 1 && !unet_cond_width(m->unet);
    g->rng = strcmp(j->rng, "philox") == 0 ? RNG_PHILOX : RNG_TORCH;
    return 0;
}

/* ---- 2. the prompt, as ids ------------------------------------------------------------------------------------------- */

typedef struct {
    int *ids; /* [rows, max] */
    int rows;
} Ids;

static Ids tokenize(Generator *g, const char *name, const char *text)
{
    Ids ids;
    const char *lost = NULL;
    ids.ids = tokenizer_rows(g->m->tokenizer, text, strcmp(g->j->long_prompt, "chunk") == 0, &ids.rows, &lost);
    if (lost) {
        Str s = { 0 };
        str_addf(&s, "%s is longer than %d tokens (--long-prompt chunk keeps it all); left out: \"", name,
                 tokenizer_max(g->m->tokenizer) - 2);
        size_t len = strlen(lost), shown = len < LOST_SHOWN ? len : LOST_SHOWN;
        while (shown < len && ((unsigned char)lost[shown] & 0xC0) == 0x80) shown--; /* no half character */
        str_addn(&s, lost, shown);
        str_add(&s, shown < len ? "...\"" : "\"");
        warn(g, str_text(&s));
        str_release(&s);
    }
    return ids;
}

/* Rows of an empty prompt until there are as many as the other prompt has: the two go through the UNet as one batch. */
static void pad_rows(Generator *g, Ids *ids, int rows)
{
    int n, max = tokenizer_max(g->m->tokenizer);
    const char *lost;
    int *empty = tokenizer_rows(g->m->tokenizer, "", false, &n, &lost);
    ids->ids = mem_grow(ids->ids, (size_t)(rows * max) * sizeof *ids->ids);
    for (; ids->rows < rows; ids->rows++) memcpy(ids->ids + ids->rows * max, empty, (size_t)max * sizeof *empty);
    free(empty);
}

/* ---- 3. the embeddings ----------------------------------------------------------------------------------------------- */

/* Rows of ids are encoded one by one and stand one after the other: [1, rows * max, 1, width]. */
static Tensor embed(Generator *g, Nn *nn, const Ids *ids)
{
    Tensor x = text_encoder_forward(nn, g->m->text, ids->ids, ids->rows, g->j->clip_skip, true, NULL);
    return tensor_view(x, 1, ids->rows * x.h, 1, x.c);
}

/* The context of the UNet in nn->arena: the negative half first. */
static Tensor embed_both(Generator *g, Nn *nn, const Ids *negative, const Ids *positive)
{
    int tokens = positive->rows * tokenizer_max(g->m->tokenizer), width = text_encoder_width(g->m->text);
    Tensor both = tensor_new(nn->arena, g->guided ? 2 : 1, tokens, 1, width);
    size_t mark = nn->arena->used;
    if (g->guided) {
        tensor_copy(tensor_slice(both, 0, 1), embed(g, nn, negative));
        arena_reset(nn->arena, mark);
    }
    tensor_copy(tensor_slice(both, both.n - 1, 1), embed(g, nn, positive));
    arena_reset(nn->arena, mark);
    return both;
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

static int network(void *ctx, Tensor out, Tensor x, float t, Err *e)
{
    Generator *g = ctx;
    if (check_cancelled(g, e)) return -1;
    size_t mark = g->nn.arena->used;
    UNetInputs in = { .context = g->context, .cond = g->cond };
    tensor_copy(out, unet_forward(&g->nn, g->m->unet, x, t, &in));
    arena_reset(g->nn.arena, mark);
    return 0;
}

static int after_step(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    Generator *g = ctx;
    (void)x0, (void)e;
    if (g->j->trace && x.data) trace_image(&g->trace, "latents", i, x, timeline_shown(&g->tl, i + 1));
    g->steps_done = i + 1;
    if (g->watch.step) g->watch.step(g->watch.ctx, i + 1, g->tl.steps);
    return 0;
}

/* ---- 5. noise to latent to image: the same code measures (dry arena) and works ---------------------------------------- */

static void initial_noise(Generator *g, Tensor x, Rng *rng)
{
    if (!g->given) fresh_noise(x, rng, g->nn.arena);
    else if (x.data) memcpy(x.data, g->given, tensor_len(x) * sizeof(float));
    if (!x.data) return;
    if (g->j->trace) trace_image(&g->trace, "noise", -1, x, 1);
    for (size_t i = 0; i < tensor_len(x); i++) x.data[i] = (float)(x.data[i] * g->tl.scale);
}

static int sample(Generator *g, Tensor x, Rng *rng, Err *e)
{
    Denoiser d = { .noise = &g->noise,
                   .network = network,
                   .ctx = g,
                   .arena = g->nn.arena,
                   .cfg_scale = g->guided ? (float)g->j->cfg_scale : 1 };
    Sampling s = { .d = &d,
                   .x = x,
                   .tl = &g->tl,
                   .rng = rng,
                   .eta = g->eta,
                   .arena = g->nn.arena,
                   .after_step = arena_dry(g->nn.arena) ? NULL : after_step,
                   .ctx = g };
    if (sampler_run(g->sampler, &s, e)) return -1;
    g->time.evals = d.evals;
    return 0;
}

static Tensor decode(Generator *g, Tensor x)
{
    Tensor z = tensor_like(g->nn.arena, x);
    float scaling = vae_scaling_factor(g->m->vae);
    for (size_t i = 0; z.data && i < tensor_len(z); i++) z.data[i] = x.data[i] / scaling;
    return g->tile == VAE_WHOLE ? vae_decode(&g->nn, g->m->vae, z) : vae_decode_tiled(&g->nn, g->m->vae, z, g->tile);
}

static int draw(Generator *g, uint64_t seed, Tensor *image, Err *e)
{
    Rng rng;
    rng_init(&rng, g->rng, seed);
    Tensor x = tensor_new(g->nn.arena, 1, g->h, g->w, vae_latent_channels(g->m->vae));
    double start = now();
    initial_noise(g, x, &rng);
    if (sample(g, x, &rng, e) || check_cancelled(g, e)) return -1; /* decoding takes as long as steps do */
    g->time.sample = now() - start;
    start = now();
    *image = decode(g, x);
    g->time.decode = now() - start;
    if (!x.data) return 0;

    if (g->j->trace) {
        trace_image(&g->trace, "latents", -1, x, timeline_shown(&g->tl, g->tl.steps));
        trace_image(&g->trace, "image", -1, *image, 1);
    }
    if (g->nn.k->find_bad(image->data, tensor_len(*image)) < tensor_len(*image))
        return err_set(e, "the VAE gave NaN or infinity: the latent is out of its range (guidance too high?) or its "
                          "weights are damaged");
    return 0;
}

/* ---- 6. memory ------------------------------------------------------------------------------------------------------- */

/* Bytes of activations for the embeddings and one picture, from a walk over the same code. */
static size_t measure(Generator *g, const Ids *negative, const Ids *positive)
{
    Arena real = g->arena;
    Err e;
    Tensor image;
    arena_init_dry(&g->arena);
    g->context = embed_both(g, &g->nn, negative, positive);
    draw(g, 0, &image, &e);
    size_t need = g->arena.peak;
    g->arena = real;
    return need;
}

/* The VAE's tile: as asked for, or the whole picture, or the largest that fits into what memory is left. */
static int choose_tile(Generator *g, Job *j, const Ids *negative, const Ids *positive, size_t available, Err *e)
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
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        g->tile = sizes[i];
        if (measure(g, negative, positive) < available / 10 * 9) break;
    }
    /* what was chosen is what made the picture: another machine may have other memory */
    char chosen[16] = "off";
    if (g->tile != VAE_WHOLE) snprintf(chosen, sizeof chosen, "%d", g->tile * factor);
    set_text(&j->vae_tile, chosen);
    return 0;
}

static int reserve(Generator *g, Job *j, const Ids *negative, const Ids *positive, Err *e)
{
    size_t available = mem_available((size_t)g->nn.threads * GEMM_MAPPED);
    if (choose_tile(g, j, negative, positive, available, e)) return -1;
    size_t need = measure(g, negative, positive);
    g->time.memory = need;
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
    g->cond = mem_array((size_t)width, sizeof *g->cond);
    if (arena_init(&a, (size_t)width * sizeof *g->cond + 64, &e)) return;
    Nn nn = { .arena = &a, .k = g->nn.k, .threads = 1 };
    memcpy(g->cond, nn_timestep_embedding(&nn, &w, 1, width, false, 1).data, (size_t)width * sizeof *g->cond);
    arena_release(&a);
}

/* --latents: unit noise as diffusers' `latents` argument takes it; a --trace file's `noise` is one. */
static int read_latents(Generator *g, Err *e)
{
    const char *path = g->j->latents;
    if (!path) return 0;
    Bytes file;
    if (file_map(&file, path, e)) return -1;
    Weights *w = weights_new();
    int c = vae_latent_channels(g->m->vae), failed = safetensors_read(w, file, e);
    if (!failed) {
        const Weight *t = weights_find(w, "noise");
        if (!t) t = weights_find(w, "latents");
        if (!t && weights_count(w) == 1) t = weights_at(w, 0);
        char found[128] = "none called noise or latents";
        if (t) weight_shape_text(t, found, sizeof found);
        if (!t || t->ndim != 4 || t->shape[0] != 1 || t->shape[1] != c || t->shape[2] != g->h || t->shape[3] != g->w) {
            failed = err_usage(e, "initial latents of shape [1, %d, %d, %d] expected, found %s", c, g->h, g->w, found);
        } else {
            float *nchw = mem_array(weight_count(t), sizeof *nchw);
            g->given = mem_array(weight_count(t), sizeof *g->given);
            failed = weight_to_f32(t, nchw, e);
            tensor_from_nchw((Tensor){ g->given, 1, g->h, g->w, c }, nchw);
            free(nchw);
        }
    }
    weights_free(w);
    file_unmap(&file);
    return failed ? err_in(e, path) : 0;
}

static int threads_for(const Job *j)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return j->threads > 0 ? j->threads : cores > 0 ? (int)cores : 1;
}

static int encode_prompts(Generator *g, Job *j, Err *e)
{
    Ids positive = tokenize(g, "the prompt", g->j->prompt);
    Ids negative = tokenize(g, "the negative prompt", g->j->negative_prompt);
    int rows = positive.rows > negative.rows ? positive.rows : negative.rows;
    pad_rows(g, &positive, rows);
    pad_rows(g, &negative, rows);

    int failed = reserve(g, j, &negative, &positive, e);
    if (!failed) {
        double start = now();
        g->context = embed_both(g, &g->nn, &negative, &positive);
        g->time.text = now() - start;
        size_t n = tensor_len(g->context);
        if (g->nn.k->find_bad(g->context.data, n) < n)
            failed = err_set(e, "the text encoder gave NaN or infinity: its weights are damaged");
    }
    if (!failed && g->j->trace) {
        int max = tokenizer_max(g->m->tokenizer);
        trace_ids(&g->trace, "tokens", positive.ids, rows, max);
        trace_ids(&g->trace, "negative_tokens", negative.ids, rows, max);
        trace_tokens(&g->trace, "prompt_embeds", tensor_slice(g->context, g->context.n - 1, 1));
        if (g->guided) trace_tokens(&g->trace, "negative_prompt_embeds", tensor_slice(g->context, 0, 1));
        trace_numbers(&g->trace, "sigmas", g->tl.sigma, g->tl.steps + 1);
        trace_numbers(&g->trace, "timesteps", g->tl.t, g->tl.steps);
    }
    free(positive.ids);
    free(negative.ids);
    return failed;
}

Generator *generator_new(Model *m, Job *j, const Watch *w, Err *e)
{
    Generator *g = mem_alloc(sizeof *g);
    g->m = m;
    g->j = j;
    if (w) g->watch = *w;
    const char *why = NULL;
    g->nn = (Nn){ .arena = &g->arena, .k = kernels_select(&why), .threads = threads_for(j) };
    if (!g->nn.k) err_usage(e, "%s", why);
    if (!g->nn.k || resolve(g, j, e) || read_latents(g, e)) goto fail;
    if (m->note && !j->prediction) warn(g, m->note);
    embed_guidance(g);
    if (encode_prompts(g, j, e)) goto fail;
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
    free(g->given);
    free(g->cond);
    free(g);
}

int generator_run(Generator *g, uint64_t seed, Image *out, Err *e)
{
    size_t mark = g->arena.used;
    Tensor image;
    if (g->watch.step) g->watch.step(g->watch.ctx, 0, g->tl.steps);
    int failed = draw(g, seed, &image, e);
    if (!failed) image_from_tensor(out, image);
    arena_reset(&g->arena, mark);
    if (!failed && g->j->trace && trace_write(&g->trace, g->j->trace, e)) {
        image_release(out);
        failed = -1;
    }
    return failed;
}

const Timing *generator_timing(const Generator *g) { return &g->time; }

size_t generator_memory(const Model *m, const Job *j)
{
    size_t weights = unet_bytes(m->unet) + vae_bytes(m->vae) + text_encoder_bytes(m->text), need = 0;
    Job job;
    Err e;
    const char *why = NULL;
    job_copy(&job, j);
    Generator *g = mem_alloc(sizeof *g);
    g->m = (Model *)(size_t)m;
    g->j = &job;
    g->nn = (Nn){ .arena = &g->arena, .k = kernels_select(&why), .threads = threads_for(&job) };
    if (g->nn.k && !resolve(g, &job, &e)) {
        embed_guidance(g);
        Ids positive = tokenize(g, "", job.prompt), negative = tokenize(g, "", job.negative_prompt);
        need = weights + measure(g, &negative, &positive);
        free(positive.ids);
        free(negative.ids);
    }
    generator_free(g);
    job_release(&job);
    return need;
}
