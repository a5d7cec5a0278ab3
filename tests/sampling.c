/* sampling.c - see sampling.h. */
#include "tests/sampling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/png_chunk.h"
#include "scheduler/config.h"

bool golden_given(void) { return getenv("LIMN_GOLDEN") != NULL; }

/* A file of gzip's, without its header's optional fields: what it holds, ended by 0. Room for its length is its last four bytes. */
static char *unpacked(Bytes file, const char *path)
{
    enum { HEADER = 10, FOOTER = 8 };
    if (file.len <= HEADER + FOOTER || memcmp(file.data, "\x1f\x8b\b\0", 4) != 0) fail_msg("%s is not gzip's", path);
    const unsigned char *end = file.data + file.len;
    size_t size = end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
    size_t packed = file.len - HEADER; /* with the footer, since stb reads on a little */
    unsigned char *zlib = mem_alloc(packed + 2);
    memcpy(zlib, "\x78\x01", 2); /* zlib's header */
    memcpy(zlib + 2, file.data + HEADER, packed);
    char *text = mem_alloc(size + 1);
    if (png_inflate((Bytes){ zlib, packed + 2 }, text, size) != (int64_t)size) fail_msg("%s is damaged", path);
    free(zlib);
    return text;
}

cJSON *golden_open(const char *name)
{
    char path[1024];
    const char *dir = getenv("LIMN_GOLDEN");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : GOLDEN "/scheduler", name);
    if (dir && !file_exists(path)) snprintf(path, sizeof path, GOLDEN "/scheduler/%s", name);
    bool packed = !file_exists(path);
    if (packed) snprintf(path, sizeof path, GOLDEN "/scheduler/%s.gz", name);

    Bytes file;
    Err e = { 0 };
    if (file_map(&file, path, &e)) fail_msg("%s", e.text);
    char *text = packed ? unpacked(file, path) : mem_strndup((const char *)file.data, file.len);
    for (char *nan = text; (nan = strstr(nan, "NaN"));) memcpy(nan, "\"\" ", 3); /* Python's: no number */
    cJSON *json = cJSON_Parse(text);
    if (!json) fail_msg("%s is no JSON", path);
    free(text);
    file_unmap(&file);
    return json;
}

double number_at(const cJSON *list, int i)
{
    const cJSON *item = cJSON_GetArrayItem(list, i);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

double number_of(const cJSON *object, const char *key, double missing)
{
    const cJSON *item = cJSON_GetObjectItem(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : missing;
}

double relative(double a, double b) { return fabs(a - b) / fmax(fabs(b), 1e-30); }

void noise_of(Noise *n, const char *class_name, const char *config)
{
    Str json = { 0 };
    Err e = { 0 };
    str_addf(&json, "{\"_class_name\":\"%s\"%s%s", class_name, strlen(config) > 2 ? "," : "", config + 1);
    SchedulerFile f = { .json = { (const unsigned char *)json.s, json.len }, .where = "scheduler_config.json" };
    if (scheduler_read(n, &f, NULL, &e) || noise_build(n, &e)) fail_msg("%s: %s", config, e.text);
    str_release(&json);
}

static int record(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    (void)e;
    Run *r = ctx;
    assert_int_equal(tensor_len(x), tensor_len(x0));
    double scale = timeline_shown(&r->tl, i + 1), *sums = r->sums[r->reports];
    sums[0] = sums[1] = 0;
    for (size_t k = 0; k < tensor_len(x); k++) {
        double v = scale * (double)x.data[k];
        sums[0] += v;
        sums[1] += fabs(v);
    }
    r->index[r->reports++] = i;
    return 0;
}

static bool own_network(const Run *r) { return r->net[0] != 0 || r->net[1] != 0; }

/* diffusers' dummy_model(), or net[0] x + net[1] tanh(net[2] x + net[3] t / 1000). */
int dummy_network(void *ctx, Tensor out, const Evaluation *ev, Err *e)
{
    (void)e;
    const Run *r = ctx;
    Tensor x = ev->x;
    float t = ev->t;
    for (size_t k = 0; k < tensor_len(x) && x.data; k++) {
        double v = (double)x.data[k];
        out.data[k] = own_network(r)
                          ? (float)(r->net[0] * v + r->net[1] * tanh(r->net[2] * v + r->net[3] * (double)t / 1000))
                          : x.data[k] * t / (t + 1);
    }
    return 0;
}

/*
 * k-diffusion's denoiser of the reference: x / (1 + sigma^2) + 0.3 tanh(x / (1 + sigma)); or with net in the places of
 * 1, 0.3, ...
 */
int kdiffusion_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)e;
    const Run *r = ctx;
    static const double usual[] = { 1, 0.3, 1, 0 };
    const double *net = own_network(r) ? r->net : usual;
    for (size_t k = 0; k < tensor_len(x); k++) {
        double v = (double)x.data[k];
        x0.data[k] = (float)(net[0] * v / (1 + sigma * sigma) + net[1] * tanh(net[2] * v / (1 + sigma) + net[3]));
    }
    return 0;
}

int gaussian_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx;
    (void)e;
    for (size_t k = 0; k < tensor_len(x); k++) x0.data[k] = (float)((double)x.data[k] / (1 + sigma * sigma));
    return 0;
}

/* diffusers' dummy_sample_deter, [4, 3, 8, 8] = arange(768) / 768 with the batch innermost; reversed: dummy_noise_deter. */
static double dummy_sample(int index, bool reversed)
{
    int batch = index / 192, rest = index % 192, at = rest * 4 + batch;
    return (reversed ? LATENT - 1 - at : at) / (double)LATENT;
}

Tensor dummy_latent(Arena *a, double scale, double noise_scale)
{
    float nchw[LATENT];
    Tensor x = tensor_new(a, 1, 8, 8, CHANNELS);
    for (int k = 0; k < LATENT; k++)
        nchw[k] = (float)(scale * dummy_sample(k, false) + noise_scale * dummy_sample(k, true));
    tensor_from_nchw(x, nchw);
    return x;
}

Run *run_new(double eta)
{
    Run *r = mem_alloc(sizeof *r);
    Err e = { 0 };
    if (arena_init(&r->arena, 1 << 22, &e)) fail_msg("%s", e.text);
    r->d = (Denoiser){
        .noise = &r->noise, .network = dummy_network, .ctx = r, .guidance = { .scale = 1 }, .arena = &r->arena
    };
    r->eta = eta;
    rng_init(&r->rng, RNG_TORCH, 0);
    return r;
}

void run_free(Run *r)
{
    timeline_release(&r->tl);
    noise_release(&r->noise);
    arena_release(&r->arena);
    free(r);
}

void run_sampler(Run *r, const Sampler *s)
{
    Err e = { 0 };
    const uint64_t *seed = r->noise.has_tree_seed ? &r->noise.tree_seed : NULL;
    Sampling sampling = { .d = &r->d,
                          .x = r->x,
                          .tl = &r->tl,
                          .rng = &r->rng,
                          .seeds = seed,
                          .eta = r->eta,
                          .tuning = r->tuning,
                          .arena = &r->arena,
                          .after_step = record,
                          .ctx = r };
    if (sampler_run(s, &sampling, &e)) fail_msg("%s: %s", s->name, e.text);
}

Timeline timeline_of(const double *sigma, int steps, Family family)
{
    size_t n = (size_t)steps;
    Timeline tl = { .steps = steps, .family = family };
    tl.sigma = mem_array(n + 1, sizeof *tl.sigma);
    tl.t = mem_array(n + 1, sizeof *tl.t);
    tl.to = mem_array(n, sizeof *tl.to);
    memcpy(tl.sigma, sigma, (n + 1) * sizeof *sigma);
    memcpy(tl.to, sigma + 1, n * sizeof *sigma);
    return tl;
}
