/* bench.c - see bench.h. */
#include "pipeline/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "nn/gemm.h"
#include "pipeline/model.h"
#include "pipeline/synthetic.h"
#include "pipeline/precision.h"
#include "scheduler/rng.h"
#include "unet/unet.h"
#include "vae/vae.h"
#include "weights/config.h"
#include "weights/source.h"

enum { TOKENS = 77, PASSES = 8, XL_IDS = 6 };
static const double ENOUGH = 4; /* seconds of passes */

/* ---- the networks: the published configs, without what is everybody's default ---------------------------------------- */

#define TEXT(...) #__VA_ARGS__

/* clang-format off */
#define SD_BLOCKS                                                                                                      \
    "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,                                               \
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],       \
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
#define SD_VAE(SIZE, SCALING)                                                                                          \
    TEXT({ "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4,                    \
           "sample_size": SIZE, "scaling_factor": SCALING,                                                             \
           "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D",                      \
                                "DownEncoderBlock2D"],                                                                 \
           "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"] })

#define EXPANDED(...) TEXT(__VA_ARGS__)

const BenchShape bench_shapes[] = {
    { "sd15",
      EXPANDED({ SD_BLOCKS, "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8 }),
      SD_VAE(512, 0.18215) },
    { "sd21",
      EXPANDED({ SD_BLOCKS, "sample_size": 96, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20],
                 "use_linear_projection": true }),
      SD_VAE(768, 0.18215) },
    { "sdxl",
      TEXT({ "block_out_channels": [320, 640, 1280], "layers_per_block": 2, "sample_size": 128,
             "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
             "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
             "cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20], "transformer_layers_per_block": [1, 2, 10],
             "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
             "projection_class_embeddings_input_dim": 2816, "use_linear_projection": true }),
      SD_VAE(1024, 0.13025) },
    { "sprites", NULL, NULL },
    { NULL, NULL, NULL },
};
/* clang-format on */

/* ---- the networks, bound ---------------------------------------------------------------------------------------------- */

typedef struct {
    Synthetic *unet_weights, *vae_weights;
    UNet *unet;
    Vae *vae;
} Networks;

static void networks_release(Networks *n)
{
    unet_free(n->unet);
    vae_free(n->vae);
    synthetic_free(n->unet_weights);
    synthetic_free(n->vae_weights);
    *n = (Networks){ 0 };
}

/* A config's text: the shape's own, or out of the program. */
static int config_text(const BenchShape *s, const char *own, const char *file, Str *out, Err *e)
{
    if (own) {
        str_add(out, own);
        return 0;
    }
    Bytes text;
    Source *from = source_open_builtin(s->name, e);
    if (!from) return -1;
    int failed = source_get(from, file, &text, e);
    if (!failed) str_addn(out, (const char *)text.data, text.len);
    source_free(from);
    return failed;
}

static Config *config_of(const BenchShape *s, const char *own, const char *file, Err *e)
{
    Str text = { 0 };
    Config *c = NULL;
    if (!config_text(s, own, file, &text, e))
        c = config_parse((Bytes){ (const unsigned char *)str_text(&text), text.len }, file, e);
    str_release(&text);
    return c;
}

static int networks_make(Networks *n, const BenchShape *s, DType type, bool dry, int threads, Err *e)
{
    *n = (Networks){ .unet_weights = synthetic_new(type, dry, threads),
                     .vae_weights = synthetic_new(DT_F16, dry, threads) };
    Config *c = config_of(s, s->unet, "unet/config.json", e);
    if (c) n->unet = unet_new(c, synthetic_weights(n->unet_weights), e);
    config_free(c);
    c = n->unet ? config_of(s, s->vae, "vae/config.json", e) : NULL;
    if (c) n->vae = vae_new(c, synthetic_weights(n->vae_weights), false, e);
    config_free(c);
    if (n->vae) return 0;
    networks_release(n);
    return -1;
}

/* ---- one pass of each --------------------------------------------------------------------------------------------------- */

typedef struct {
    const BenchJob *job;
    Nn nn;
    const Networks *networks;
    Precision precision;
    bool large; /* pages of weights are evicted as `limn generate` does */
    int side;   /* of the latent */
    Tensor kv;  /* the UNet's, of a prompt */
} Bench;

/* Normal numbers in the arena; the same for every run. */
static Tensor normals(Nn *nn, int n, int h, int w, int c)
{
    Tensor t = tensor_new(nn->arena, n, h, w, c);
    Rng rng;
    rng_init(&rng, RNG_TORCH, (uint64_t)c);
    if (t.data) rng_randn(&rng, t.data, tensor_len(t));
    return t;
}

static Nn network_nn(const Bench *b)
{
    Nn nn = b->nn;
    nn.precision = b->precision;
    nn.evict_rows = b->large ? MODEL_CHEAP_ROWS : 0;
    return nn;
}

/* Once a prompt, so no part of a step. */
static void prompt(Bench *b)
{
    const UNet *u = b->networks->unet;
    Nn nn = network_nn(b);
    b->kv = tensor_new(nn.arena, b->job->batch, TOKENS, 1, unet_context_columns(u));
    size_t mark = nn.arena->used;
    unet_context(&nn, u, normals(&nn, b->job->batch, TOKENS, 1, unet_context_width(u)), b->kv);
    arena_reset(nn.arena, mark);
}

static Tensor step(Bench *b)
{
    const UNet *u = b->networks->unet;
    int n = b->job->batch, ids = unet_added_width(u) ? XL_IDS : 0;
    Tensor x = normals(&b->nn, n, b->side, b->side, unet_in_channels(u));
    Tensor pooled = normals(&b->nn, n, 1, 1, ids ? unet_added_width(u) - ids * unet_added_id_width(u) : 1);
    Tensor sizes = normals(&b->nn, n, 1, 1, XL_IDS);
    const UNetInputs in = { .kv = b->kv, .pooled = ids ? pooled : (Tensor){ 0 }, .ids = sizes.data, .id_count = ids };
    Nn nn = network_nn(b);
    return unet_forward(&nn, u, x, 500, &in);
}

static Tensor decode(Bench *b)
{
    const Vae *v = b->networks->vae;
    Nn nn = network_nn(b);
    nn.evict_rows = b->large;
    nn.precision = precision_beside(nn.precision);
    return vae_decode(&nn, v, normals(&b->nn, 1, b->side, b->side, vae_latent_channels(v)));
}

static int told(const Bench *b, int done, Err *e)
{
    const Watch *w = b->job->watch;
    if (w && w->step) w->step(w->ctx, done, 2 * PASSES);
    if (!w || !w->cancelled || !w->cancelled(w->ctx)) return 0;
    err_set(e, "interrupted");
    e->code = ERR_INTERRUPTED;
    return -1;
}

/* Runs `pass` until it is known: once to warm up, then a few times, the fastest counts. */
static int measure(Bench *b, Tensor (*pass)(Bench *), const char *name, BenchPass *out, Err *e)
{
    double all = 0;
    size_t mark = b->nn.arena->used;
    out->seconds = 1e30;
    for (int i = 0; i <= PASSES && (i < 2 || all < ENOUGH); i++) {
        Profile p = { 0 };
        if (told(b, i, e)) return -1;
        b->nn.profile = &p;
        double start = clock_now();
        Tensor y = pass(b);
        double seconds = clock_now() - start;
        bool finite = b->nn.k->find_bad(y.data, tensor_len(y)) == tensor_len(y);
        arena_reset(b->nn.arena, mark);
        b->nn.profile = NULL;
        if (i > 0) all += seconds;
        if (i > 0 && seconds < out->seconds) {
            profile_release(&out->profile);
            out->profile = p;
            out->seconds = seconds;
        } else {
            profile_release(&p);
        }
        if (!finite) return err_set(e, "the %s gave NaN or infinity: a defect of the %s kernels", name, b->nn.k->name);
    }
    out->flops = 0;
    for (size_t i = 0; i < out->profile.count; i++)
        out->flops += out->profile.layers[i].count * layer_flops(&out->profile.layers[i].shape);
    return 0;
}

/* ---- putting it together -------------------------------------------------------------------------------------------------- */

/* What the networks and their activations take, counted without making them. Also checks shape and size. */
static int weigh(Bench *b, const BenchShape *s, BenchResult *out, size_t *arena, Err *e)
{
    Networks dry;
    if (networks_make(&dry, s, b->job->type, true, 1, e)) return -1;
    int factor = vae_factor(dry.vae), trained = unet_sample_size(dry.unet) * factor;
    const char *asked = b->job->precision ? b->job->precision : "auto";
    int failed = precision_choose(&b->precision, asked, b->nn.k, unet_weight_bytes(dry.unet), e);
    precision_text(b->precision, out->precision);
    out->size = b->job->size ? b->job->size : trained;
    b->side = out->size / factor;
    if (!failed && (out->size % factor || !b->side))
        failed = err_usage(e, "size %d: %s draws multiples of %d", out->size, s->name, factor);
    if (!failed) {
        Arena counts;
        arena_init_dry(&counts);
        Bench counting = { .job = b->job, .nn = b->nn, .networks = &dry, .precision = b->precision, .side = b->side };
        counting.nn.arena = &counts;
        prompt(&counting);
        step(&counting);
        arena_reset(&counts, 0);
        decode(&counting);
        *arena = counts.peak;
        size_t weights = synthetic_bytes(dry.unet_weights) + synthetic_bytes(dry.vae_weights);
        b->large = weights > MODEL_SMALL;
        size_t need = counts.peak + unet_bytes(dry.unet) + vae_bytes(dry.vae) + weights;
        char free_text[MEM_FREE_TEXT];
        size_t left = mem_available((size_t)b->nn.threads * GEMM_MAPPED, free_text);
        if (need > left)
            failed = err_set(e, "%s at %dx%d needs %.0f MB of memory, %s: choose a smaller --size or --batch", s->name,
                             out->size, out->size, (double)need * 1e-6, free_text);
    }
    networks_release(&dry);
    return failed;
}

static size_t peak_bytes(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (size_t)use.ru_maxrss * 1024;
}

static const BenchShape *find(const char *name)
{
    const BenchShape *s = bench_shapes;
    while (s->name && strcmp(s->name, name) != 0) s++;
    return s->name ? s : NULL;
}

int bench_run(const BenchJob *j, BenchResult *out, Err *e)
{
    const char *why = NULL;
    const BenchShape *s = find(j->shape);
    Bench b = { .job = j, .nn = { .k = kernels_select(&why), .threads = j->threads } };
    size_t room = 0;
    *out = (BenchResult){ .precision = "f32" };
    if (!s) return err_usage(e, "\"%.60s\" is no shape that is known here", j->shape);
    if (!b.nn.k) return err_usage(e, "%s", why);
    out->row = b.nn.k->name;
    if (weigh(&b, s, out, &room, e)) return -1;

    Arena arena;
    Networks networks;
    double start = clock_now();
    if (arena_init(&arena, room, e)) return -1;
    int failed = networks_make(&networks, s, j->type, false, j->threads, e);
    out->make_seconds = clock_now() - start;
    b.nn.arena = &arena;
    b.networks = &networks;
    if (!failed) prompt(&b);
    failed = failed || measure(&b, step, "UNet", &out->step, e);
    arena_reset(&arena, 0);
    if (b.large) weights_evict(synthetic_weights(networks.unet_weights));
    failed = failed || measure(&b, decode, "VAE", &out->vae, e);
    out->peak_bytes = peak_bytes();
    out->unet_bytes = synthetic_bytes(networks.unet_weights);
    out->weights_bytes = synthetic_bytes(networks.unet_weights) + synthetic_bytes(networks.vae_weights);
    networks_release(&networks);
    arena_release(&arena);
    if (!failed) out->peak = peak_measure(j->threads);
    out->speeds = speeds_of(b.nn.k);
    return failed ? -1 : 0;
}

void bench_release(BenchResult *r)
{
    profile_release(&r->step.profile);
    profile_release(&r->vae.profile);
}
