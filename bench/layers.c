/*
 * layers.c - GFLOP/s of the layers that a Stable Diffusion 1.5 step is made of, at 512x512 with guidance (batch 2).
 * Prints one line a layer: the best of several runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "nn/nn.h"

typedef struct {
    const char *name;
    enum { CONV3, CONV1, LINEAR, SELF_ATTENTION, CROSS_ATTENTION, GROUP_NORM } kind;
    int size, in, out; /* size: pixels on a side; attention: out is the number of heads */
} Case;

static const Case cases[] = {
    { "conv 3x3   320 ->  320, 64x64", CONV3, 64, 320, 320 },
    { "conv 3x3   960 ->  320, 64x64", CONV3, 64, 960, 320 },
    { "conv 3x3   640 ->  640, 32x32", CONV3, 32, 640, 640 },
    { "conv 3x3  1280 -> 1280, 16x16", CONV3, 16, 1280, 1280 },
    { "conv 3x3  1280 -> 1280, 8x8", CONV3, 8, 1280, 1280 },
    { "conv 1x1   960 ->  320, 64x64", CONV1, 64, 960, 320 },
    { "linear     320 -> 2560, 64x64", LINEAR, 64, 320, 2560 },
    { "linear    1280 -> 1280, 16x16", LINEAR, 16, 1280, 1280 },
    { "self-attention  8 x 40, 64x64", SELF_ATTENTION, 64, 320, 8 },
    { "self-attention  8 x 80, 32x32", SELF_ATTENTION, 32, 640, 8 },
    { "cross-attention 8 x 40, 64x64", CROSS_ATTENTION, 64, 320, 8 },
    { "group norm 320, 64x64 (GB/s)", GROUP_NORM, 64, 320, 0 },
};

static float *numbers(size_t n)
{
    float *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = (float)(i * 2654435761u >> 8 & 0xffff) / 65536 - 0.5f;
    return p;
}

static float *weights(size_t n)
{
    uint16_t *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = (uint16_t)((i * 2654435761u >> 8 & 0x83ff) | 0x2800);
    return (float *)(void *)p;
}

/* Random half-precision weights: any bits below 2 will do. */
static Panels panels(const void *w, int n, int channels, int taps)
{
    return (Panels){ .data = { w }, .type = { DT_F16 }, .k = channels * taps, .n = n };
}

/* Runs a case once; returns its operations (bytes for a norm). */
static double run(Nn *nn, const Case *c, Tensor x, const float *w, const float *b)
{
    double pixels = 2.0 * c->size * c->size, in = c->in, out = c->out;
    Tensor prompt = { x.data, 2, 77, 1, c->in };
    switch (c->kind) {
    case CONV3:
        nn_conv2d(nn, &(Conv){ .w = panels(w, c->out, c->in, 9), .b = b, .in = c->in, .out = c->out, .k = 3 }, x);
        return 2 * 9 * pixels * in * out;
    case CONV1:
        nn_conv2d(nn, &(Conv){ .w = panels(w, c->out, c->in, 1), .b = b, .in = c->in, .out = c->out, .k = 1 }, x);
        return 2 * pixels * in * out;
    case LINEAR:
        nn_linear(nn, &(Linear){ panels(w, c->out, c->in, 1), b, c->in, c->out }, x);
        return 2 * pixels * in * out;
    case SELF_ATTENTION: nn_attention(nn, x, x, x, c->out, false); return 4 * pixels * c->size * c->size * in;
    case CROSS_ATTENTION: nn_attention(nn, x, prompt, prompt, c->out, false); return 4 * pixels * 77 * in;
    case GROUP_NORM: nn_group_norm(nn, &(Norm){ b, b, c->in, 32, 1e-5f }, x, ACT_SILU); return 3 * 4 * pixels * in;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *why = NULL;
    Arena arena;
    Err e;
    Nn nn = { .arena = &arena,
              .k = kernels_select(&why),
              .threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN) };
    if (!nn.k || arena_init(&arena, 1ull << 30, &e)) return 1;
    if (argc > 2) nn.precision = (Precision){ FACTORS_I16, argc > 3 ? FACTORS_I8 : FACTORS_BF16, FACTORS_BF16 };
    printf("kernels %s, %d threads\n", nn.k->name, nn.threads);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Case *c = &cases[i];
        Tensor x = { numbers(2 * (size_t)c->size * (size_t)c->size * (size_t)c->in), 2, c->size, c->size, c->in };
        float *w = weights(9 * (size_t)c->in * ((size_t)c->out + PANEL)), *b = numbers((size_t)c->in + (size_t)c->out);
        double best = 1e9, work = 0;
        for (int k = 0; k < 7; k++) {
            double start = clock_now();
            work = run(&nn, c, x, w, b);
            double t = clock_now() - start;
            if (t < best) best = t;
            arena_reset(&arena, 0);
        }
        printf("%-32s %7.1f ms %7.0f GFLOP/s\n", c->name, best * 1e3, work / best * 1e-9);
        free(x.data);
        free(w);
        free(b);
    }
    arena_release(&arena);
    return 0;
}
