/*
 * speeds.c - see speeds.h.
 *
 * The file is a JSON object of {"CPU; kernels; limn's version": {"precision": "bf16", "gops": {"conv:f32": 150.2, ..}}}. An entry that
 * does not read as one, or names a precision that the kernels lack, is measured anew. A rounded form must be faster than f32 by
 * MARGIN: a close call stays exact.
 */
#include "pipeline/speeds.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef LIMN_X86
#include <cpuid.h>
#endif

#include "base/str.h"
#include "base/version.h"
#include "pipeline/own_cache.h"

enum { RUNS = 4, ENTRIES_MAX = 64, ROOM = 48 << 20 };

static const double MARGIN = 1.15;
static const char file_name[] = "speeds.json";

/* ---- measuring ---------------------------------------------------------------------------------------------------------- */

/* The layers that are timed, of a size between a UNet's largest and smallest. */
enum { SIDE = 32, CHANNELS = 256, WIDE = 640, HEADS = 4, HEAD = 40 };

typedef struct {
    Nn nn;
    Conv conv;
    Linear linear;
    Tensor pixels, rows, qkv;
} Trial;

static void run_conv(Trial *t) { nn_conv2d(&t->nn, &t->conv, t->pixels); }
static void run_linear(Trial *t) { nn_linear(&t->nn, &t->linear, t->rows); }
static void run_attention(Trial *t) { nn_attention_joined(&t->nn, t->qkv, HEADS, false); }

static const struct {
    const char *kind;
    void (*run)(Trial *t);
    double ops;
} layers[] = {
    { "conv", run_conv, 18.0 * SIDE *SIDE *CHANNELS *CHANNELS },
    { "linear", run_linear, 2.0 * SIDE *SIDE *WIDE *WIDE },
    { "attention", run_attention, 4.0 * SIDE *SIDE *SIDE *SIDE *HEADS *HEAD },
};
enum { LAYERS = sizeof layers / sizeof *layers };

static Tensor numbers(Arena *a, int c)
{
    Tensor t = tensor_new(a, 1, SIDE, SIDE, c);
    uint32_t state = 1;
    for (size_t i = 0; i < tensor_len(t); i++) {
        state = state * 1664525 + 1013904223;
        t.data[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return t;
}

/* A matrix in half precision; any bits below 1 will do. */
static Panels matrix(Arena *a, int k, int n)
{
    size_t count = (size_t)k * (size_t)n;
    uint16_t *w = arena_alloc(a, count * sizeof *w);
    for (size_t i = 0; i < count; i++) w[i] = (uint16_t)(i * 40503 >> 3 & 0x2bff);
    return (Panels){ .data = { (unsigned char *)w }, .type = { DT_F16 }, .k = k, .n = n };
}

/* The processor's time of this thread, which other work on the machine does not lengthen. */
static double thread_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The fastest of some runs, after one to warm up. */
static double rate(Trial *t, int layer)
{
    size_t mark = t->nn.arena->used;
    double least = 1e30;
    for (int i = 0; i <= RUNS; i++) {
        double start = thread_time();
        layers[layer].run(t);
        double took = thread_time() - start;
        if (i > 0 && took < least) least = took;
        arena_reset(t->nn.arena, mark);
    }
    return layers[layer].ops / least * 1e-9;
}

static int measure(const Kernels *k, Speeds *s)
{
    Arena arena;
    Err ignored;
    if (arena_init(&arena, ROOM, &ignored)) return -1;
    Trial t = { .nn = { .arena = &arena, .k = k, .threads = 1 } };
    t.conv = (Conv){ .w = matrix(&arena, 9 * CHANNELS, CHANNELS), .in = CHANNELS, .out = CHANNELS, .k = 3 };
    t.linear = (Linear){ .w = matrix(&arena, WIDE, WIDE), .in = WIDE, .out = WIDE };
    t.pixels = numbers(&arena, CHANNELS);
    t.rows = numbers(&arena, WIDE);
    t.qkv = numbers(&arena, 3 * HEADS * HEAD);
    for (int i = 0; i < PRECISION_WAYS; i++) {
        const PrecisionWay *way = &precision_ways[i];
        t.nn.precision = (Precision){ 0 };
        *precision_of_kind(&t.nn.precision, way->kind) = way->factors;
        for (int j = 0; j < LAYERS && !precision_lacks(k, t.nn.precision); j++)
            if (strcmp(layers[j].kind, way->kind) == 0) s->gops[i] = rate(&t, j);
    }
    arena_release(&arena);
    return 0;
}

/* For each kind the fastest, but 8 bits: how near those are depends on the model (fidelity.h). */
static void choose(Speeds *s)
{
    double best[PRECISION_WAYS] = { 0 };
    s->chosen = (Precision){ 0 };
    for (int i = 0, of = 0; i < PRECISION_WAYS; i++) {
        const PrecisionWay *way = &precision_ways[i];
        if (way->factors == FACTORS_F32) of = i; /* each kind's first */
        if (way->factors == FACTORS_I8 || s->gops[i] <= best[of] * MARGIN) continue;
        best[of] = s->gops[i];
        *precision_of_kind(&s->chosen, way->kind) = way->factors;
    }
}

/* ---- remembering -------------------------------------------------------------------------------------------------------- */

void speeds_name(const Kernels *k, char buf[SPEEDS_NAME])
{
    char cpu[49] = "";
    unsigned a = 0;
#ifdef LIMN_X86
    unsigned r[12] = { 0 }, b, c, d;
    bool named = true;
    for (unsigned i = 0; i < 3; i++)
        named = named && __get_cpuid(0x80000002 + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    if (named) memcpy(cpu, r, 48);
    __get_cpuid(1, &a, &b, &c, &d);
#endif
    for (char *p = cpu; *p; p++)
        if (*p < ' ' || *p > '~') *p = ' ';
    for (size_t n = strlen(cpu); n && cpu[n - 1] == ' '; n--) cpu[n - 1] = 0;
    unsigned family = (a >> 8 & 15) + (a >> 20 & 255), model = (a >> 4 & 15) | (a >> 12 & 0xf0);
    snprintf(buf, SPEEDS_NAME, "%s %u/%u/%u; %s; " LIMN_VERSION, cpu, family, model, a & 15, k->name);
}

static void way_name(int i, char buf[32])
{
    snprintf(buf, 32, "%s:%s", precision_ways[i].kind, precision_ways[i].name);
}

static bool recall(const cJSON *root, const char *name, const Kernels *k, Speeds *s)
{
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(root, name);
    const cJSON *gops = cJSON_GetObjectItemCaseSensitive(entry, "gops");
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "precision"));
    Err ignored;
    if (!text || precision_parse(text, &s->chosen, &ignored) || precision_lacks(k, s->chosen) ||
        s->chosen.linear == FACTORS_I8)
        return false;
    for (int i = 0; i < PRECISION_WAYS; i++) {
        char way[32];
        way_name(i, way);
        const cJSON *n = cJSON_GetObjectItemCaseSensitive(gops, way);
        if (!cJSON_IsNumber(n) || !(n->valuedouble >= 0 && n->valuedouble < 1e9)) return false;
        s->gops[i] = n->valuedouble;
    }
    return true;
}

static void remember(cJSON *root, const char *name, const Speeds *s)
{
    char text[PRECISION_TEXT];
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "precision", precision_text(s->chosen, text));
    cJSON *gops = cJSON_AddObjectToObject(entry, "gops");
    for (int i = 0; i < PRECISION_WAYS; i++) {
        char way[32];
        way_name(i, way);
        cJSON_AddNumberToObject(gops, way, round(s->gops[i] * 10) / 10);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(root, name);
    cJSON_AddItemToObject(root, name, entry);
    while (cJSON_GetArraySize(root) > ENTRIES_MAX) cJSON_DeleteItemFromArray(root, 0);
}

static Speeds find(const Kernels *k)
{
    Speeds s = { 0 };
    char name[SPEEDS_NAME];
    Folder folder;
    bool there = own_cache_open(&folder) == 0;
    cJSON *root = there ? own_cache_read(&folder, file_name) : cJSON_CreateObject();
    speeds_name(k, name);
    if (!recall(root, name, k, &s)) {
        s = (Speeds){ 0 };
        if (measure(k, &s) == 0) {
            choose(&s);
            remember(root, name, &s);
            if (there) own_cache_write(&folder, file_name, root);
        }
    }
    cJSON_Delete(root);
    if (there) folder_close(&folder);
    return s;
}

Speeds speeds_of(const Kernels *k)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const Kernels *of;
    static Speeds known;
    if (!k->gemm_i16 && !k->gemm_bf16 && !k->attention_bf16) return (Speeds){ 0 };
    pthread_mutex_lock(&lock);
    if (of != k) known = find(k);
    of = k;
    Speeds s = known;
    pthread_mutex_unlock(&lock);
    return s;
}
