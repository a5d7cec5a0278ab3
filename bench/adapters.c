/*
 * adapters.c - what LoRAs cost: a step of Stable Diffusion 1.5's UNet, made up in memory, bare and through one of rank 16 and
 * three of rank 64 over every layer, turn by turn in one run, in processor seconds; and how long opening one takes, and what it
 * holds. OMP_WAIT_POLICY=passive: waiting threads do not count.
 *
 *     adapters [SIDE [ROUNDS [f32|bf16]]]         pixels on a side: 512
 */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adapter/adapter.h"
#include "base/clock.h"
#include "pipeline/bench.h"
#include "pipeline/synthetic.h"
#include "scheduler/rng.h"
#include "unet/unet.h"
#include "weights/config.h"

enum { BATCH = 2, TOKENS = 77, MOST = 3, ARENA_STEP = 256 << 20 };

static void stop(const char *what, const Err *e)
{
    fprintf(stderr, "%s: %s\n", what, e->text);
    exit(1);
}

static size_t resident(void)
{
    long pages = 0, all;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &all, &pages) != 2) pages = 0;
    if (f) fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A LoRA of every matrix, in kohya's names and float16, its values small. Returns its bytes. */
static size_t write_lora(const char *path, const BoundMemory *b, size_t rank)
{
    Str head = { 0 };
    size_t at = 0;
    str_add(&head, "{");
    for (size_t i = 0; i < b->matrix_count; i++) {
        const BoundMatrix *m = &b->matrices[i];
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)(strlen(m->name) - strlen(".weight")), m->name);
        for (char *p = name; *p; p++) *p = *p == '.' ? '_' : *p;
        size_t down = rank * (size_t)m->w->k * 2, up = m->rows * rank * 2;
        str_addf(
            &head,
            "%s\"lora_unet_%s.lora_down.weight\":{\"dtype\":\"F16\",\"shape\":[%zu,%d],\"data_offsets\":[%zu,%zu]}",
            i ? "," : "", name, rank, m->w->k, at, at + down);
        str_addf(&head,
                 ",\"lora_unet_%s.lora_up.weight\":{\"dtype\":\"F16\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]}",
                 name, m->rows, rank, at + down, at + down + up);
        at += down + up;
    }
    str_add(&head, "}");
    FILE *f = fopen(path, "wb");
    uint64_t len = head.len;
    if (!f) exit(1);
    fwrite(&len, sizeof len, 1, f);
    fwrite(head.s, 1, head.len, f);
    for (size_t i = 0; i < at / 2; i++) {
        uint16_t half = (uint16_t)((i * 2654435761u >> 8 & 0x83ff) | 0x1000); /* some 5e-4 */
        fwrite(&half, sizeof half, 1, f);
    }
    fclose(f);
    str_release(&head);
    return at;
}

typedef struct {
    UNet *unet;
    Nn nn;
    Tensor kv;
    int side;
    const char *path[2]; /* of ranks 16 and 64 */
} Bench;

static Tensor normals(Nn *nn, int n, int h, int w, int c)
{
    Tensor t = tensor_new(nn->arena, n, h, w, c);
    Rng rng;
    rng_init(&rng, RNG_TORCH, (uint64_t)c);
    if (t.data) rng_randn(&rng, t.data, tensor_len(t));
    return t;
}

static void step(Bench *b)
{
    size_t mark = b->nn.arena->used;
    Tensor x = normals(&b->nn, BATCH, b->side, b->side, unet_in_channels(b->unet));
    unet_forward(&b->nn, b->unet, x, 500, &(UNetInputs){ .kv = b->kv });
    arena_reset(b->nn.arena, mark);
}

/* Of all threads: another running program makes a step longer, but hardly changes this. */
static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Processor seconds of a step through `count` LoRAs of that file; *open: of the last one's opening. */
static double through(Bench *b, const char *path, int count, double *open)
{
    Adapter *laid[MOST];
    Err e;
    AdapterTarget unet = { NETWORK_UNET, unet_bound(b->unet), unet_layers(b->unet), 0.5f };
    AdapterTargets to = {
        .target = &unet, .count = 1, .rounded = b->nn.precision.linear != FACTORS_F32, .family = "SD 1.x"
    };
    for (int i = 0; i < count; i++) {
        Str notes = { 0 };
        double start = clock_now();
        laid[i] = adapter_lay(path, &to, &notes, &e);
        *open = clock_now() - start;
        if (!laid[i]) stop("laying", &e);
    }
    double start = processor_seconds();
    step(b);
    double took = processor_seconds() - start;
    while (count > 0) adapter_free(laid[--count]);
    return took;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static void measure(Bench *b, int rounds)
{
    double one[64] = { 0 }, three[64] = { 0 }, bare = INFINITY, open16 = INFINITY, open64 = INFINITY, t;
    if (rounds > 64) rounds = 64;
    step(b); /* the pages are there */
    for (int i = 0; i < rounds; i++) {
        double before = through(b, NULL, 0, &t), a = through(b, b->path[0], 1, &t);
        if (t < open16) open16 = t;
        double c = through(b, b->path[1], 3, &t);
        if (t < open64) open64 = t;
        double after = through(b, NULL, 0, &t), mean = (before + after) / 2;
        one[i] = a / mean;
        three[i] = c / mean;
        if (before < bare) bare = before;
        printf("round %d: bare %.3f s, %.3f s; one of rank 16 x %.3f, three of rank 64 x %.3f\n", i + 1, before, after,
               one[i], three[i]);
        fflush(stdout);
    }
    printf("a step of %d x %d pixels, batch %d, %s, %s, %d threads: %.3f s bare\n", 8 * b->side, 8 * b->side, BATCH,
           b->nn.k->name, b->nn.precision.linear ? "bf16" : "f32", b->nn.threads, bare);
    printf("one LoRA of rank 16: x %.3f, opened in %.3f s\n", median(one, rounds), open16);
    printf("three of rank 64:    x %.3f, each opened in %.3f s\n", median(three, rounds), open64);
}

static void tell_memory(Bench *b, size_t bytes)
{
    size_t before = resident();
    Err e;
    AdapterTarget unet = { NETWORK_UNET, unet_bound(b->unet), unet_layers(b->unet), 0.5f };
    AdapterTargets to = {
        .target = &unet, .count = 1, .rounded = b->nn.precision.linear != FACTORS_F32, .family = "SD 1.x"
    };
    Str notes = { 0 };
    Adapter *a = adapter_lay(b->path[0], &to, &notes, &e);
    if (!a) stop("laying", &e);
    printf("rank 16: a file of %.1f MB takes %.1f MB\n", (double)bytes * 1e-6, (double)(resident() - before) * 1e-6);
    adapter_free(a);
}

static void reserve(Bench *b, Arena *arena)
{
    Err e;
    Arena dry;
    arena_init_dry(&dry);
    b->nn.arena = &dry;
    b->kv = tensor_new(&dry, BATCH, TOKENS, 1, unet_context_columns(b->unet));
    unet_context(&b->nn, b->unet, tensor_new(&dry, BATCH, TOKENS, 1, unet_context_width(b->unet)), b->kv);
    step(b);
    if (arena_init(arena, dry.peak + (ARENA_STEP >> 4), &e)) stop("memory", &e);
    b->nn.arena = arena;
    b->kv = tensor_new(arena, BATCH, TOKENS, 1, unet_context_columns(b->unet));
    size_t mark = arena->used;
    unet_context(&b->nn, b->unet, normals(&b->nn, BATCH, TOKENS, 1, unet_context_width(b->unet)), b->kv);
    arena_reset(arena, mark);
}

int main(int argc, char **argv)
{
    Err e;
    Arena arena;
    const BenchShape *shape = bench_shapes;
    while (strcmp(shape->name, "sd15") != 0) shape++;
    Bench b = { .side = (argc > 1 ? atoi(argv[1]) : 512) / 8 };
    Synthetic *weights = synthetic_new(DT_F16, false, omp_get_num_procs());
    Config *c =
        config_parse((Bytes){ (const unsigned char *)shape->unet, strlen(shape->unet) }, "unet/config.json", &e);
    b.unet = c ? unet_new(c, synthetic_weights(weights), &e) : NULL;
    if (!b.unet) stop("sd15", &e);
    const char *why = NULL;
    b.nn = (Nn){ .k = kernels_select(&why), .threads = omp_get_num_procs() };
    if (argc > 3 ? strcmp(argv[3], "bf16") == 0 : b.nn.k->gemm_bf16 != NULL)
        b.nn.precision = (Precision){ FACTORS_I16, FACTORS_BF16, FACTORS_BF16 };
    reserve(&b, &arena);
    char path[2][64];
    size_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "/tmp/limn-bench-lora-%d-%ld.safetensors", i, (long)getpid());
        size_t n = write_lora(path[i], unet_bound(b.unet), i ? 64 : 16);
        if (!i) bytes = n;
        b.path[i] = path[i];
    }
    tell_memory(&b, bytes);
    measure(&b, argc > 2 ? atoi(argv[2]) : 5);
    for (int i = 0; i < 2; i++) unlink(path[i]);
    config_free(c);
    unet_free(b.unet);
    synthetic_free(weights);
    arena_release(&arena);
    return 0;
}
