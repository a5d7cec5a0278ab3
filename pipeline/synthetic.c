/* synthetic.c - see synthetic.h. */
#include "pipeline/synthetic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/str.h"
#include "scheduler/rng.h"
#include "weights/quantise.h"

/* Values are picked out of a table, by a hash of the tensor's name and the element: four 12-bit picks a 64-bit hash. */
enum { NORMALS = 4096, PICKS = 4, PIECE = 1 << 16 };

struct Synthetic {
    Weights *weights;
    DType type;
    bool dry;
    int threads;
    float normals[NORMALS];
    Bytes *maps;
    size_t count, bytes;
};

static uint64_t hash(uint64_t x) /* splitmix64; Steele, Lea & Flood 2014 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The values of a tensor: mean + deviation * normal. */
static void spread(const Weight *t, double *mean, double *deviation)
{
    bool scales = t->ndim == 1 && str_ends(t->name, ".weight");
    *mean = scales ? 1 : 0;
    *deviation = 0.1;
    if (t->ndim > 1) *deviation = sqrt((double)t->shape[0] / (double)weight_count(t));
}

static void fill(const Synthetic *s, const Weight *t, uint16_t *out)
{
    uint16_t table[NORMALS];
    double mean, deviation;
    spread(t, &mean, &deviation);
    for (int i = 0; i < NORMALS; i++) table[i] = half_of(mean + deviation * (double)s->normals[i]);
    uint64_t seed = 0;
    for (const char *p = t->name; *p; p++) seed = hash(seed ^ (unsigned char)*p);

    size_t n = weight_count(t);
#pragma omp parallel for schedule(static) num_threads(s->threads) if (n > PIECE)
    for (size_t from = 0; from < n; from += PIECE) {
        size_t to = n - from < PIECE ? n : from + PIECE;
        for (size_t i = from; i < to; i += PICKS) {
            uint64_t h = hash(seed + i);
            for (size_t k = i; k < i + PICKS && k < to; k++, h >>= 16) out[k] = table[h % NORMALS];
        }
    }
}

/* Blocks of normal numbers, picked likewise. */
static void fill_blocks(const Synthetic *s, const Weight *t, unsigned char *out)
{
    float values[NORMALS];
    unsigned char table[NORMALS * sizeof(float)];
    double mean, deviation;
    spread(t, &mean, &deviation);
    for (int i = 0; i < NORMALS; i++) values[i] = (float)(mean + deviation * (double)s->normals[i]);
    quantise(t->dtype, values, NORMALS, table);
    uint64_t seed = 0;
    for (const char *p = t->name; *p; p++) seed = hash(seed ^ (unsigned char)*p);

    size_t size = dtype_size(t->dtype), there = NORMALS / dtype_block(t->dtype), n = t->bytes / size;
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (size_t i = 0; i < n; i++) memcpy(out + i * size, table + hash(seed + i) % there * size, size);
}

static int make(void *ctx, Weight *t, bool described, Err *e)
{
    Synthetic *s = ctx;
    t->dtype = s->type == DT_F16 || t->ndim < 2 ? DT_F16 : quantise_choice(t, s->type);
    t->bytes = dtype_bytes(t->dtype, weight_count(t));
    if (described) return 0;
    s->bytes += t->bytes;
    if (s->dry) return 0;

    /* shared: evicted pages keep their values, as a file's do */
    void *p = mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return err_set(e, "cannot get %.1f MB for %s: %s", (double)t->bytes * 1e-6, t->name, strerror(errno));
    t->data = p;
    s->maps = mem_grow(s->maps, (s->count + 1) * sizeof *s->maps);
    s->maps[s->count++] = (Bytes){ p, t->bytes };
    if (t->dtype == DT_F16) fill(s, t, p);
    else fill_blocks(s, t, p);
    file_evict((Bytes){ p, t->bytes });
    return 0;
}

Synthetic *synthetic_new(DType type, bool dry, int threads)
{
    Synthetic *s = mem_alloc(sizeof *s);
    *s = (Synthetic){ .weights = weights_new(), .type = type, .dry = dry, .threads = threads };
    weights_set_maker(s->weights, (WeightMaker){ s, make });
    weights_set_mapped(s->weights);
    weights_defer_check(s->weights); /* there is nothing to find */
    if (dry) weights_set_dry(s->weights);
    Rng rng;
    rng_init(&rng, RNG_TORCH, 0);
    rng_randn(&rng, s->normals, NORMALS);
    return s;
}

void synthetic_free(Synthetic *s)
{
    if (!s) return;
    weights_free(s->weights);
    for (size_t i = 0; i < s->count; i++) file_unmap(&s->maps[i]);
    free(s->maps);
    free(s);
}

Weights *synthetic_weights(Synthetic *s) { return s->weights; }
size_t synthetic_bytes(const Synthetic *s) { return s->bytes; }
