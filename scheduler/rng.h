/*
 * rng.h - the noise that torch draws. Source: ATen MT19937RNGEngine.h, TransformationHelper.h, DistributionTemplates.h
 * (CPU); PhiloxRNGEngine.h, DistributionTemplates.h (CUDA).
 */
#ifndef LIMN_SCHEDULER_RNG_H
#define LIMN_SCHEDULER_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { RNG_TORCH, RNG_PHILOX } RngKind; /* torch.Generator("cpu") | CUDA's */

typedef struct {
    RngKind kind;
    uint64_t seed;
    uint32_t state[624]; /* MT19937 */
    int next;
    double cached; /* the second normal of a scalar pair; survives a bulk draw */
    bool has_cached;
    uint64_t offset; /* Philox: number of draws so far */
} Rng;

/* torch.Generator(device).manual_seed(seed). */
void rng_init(Rng *r, RngKind kind, uint64_t seed);

/*
 * torch.randn(n, generator=r), float32, in the order of the tensor's memory (NCHW for a latent); the bits are those of torch 2
 * on x86-64. n is one draw: torch's rule depends on it (n < 16 and n % 16), so draw a whole latent at once. RNG_PHILOX: one
 * element per thread, as A1111's "NV"; a card does so while it has as many threads as there are elements.
 */
void rng_randn(Rng *r, float *out, size_t n);

/* torch.rand(n); RNG_TORCH only. */
void rng_rand(Rng *r, float *out, size_t n);

#endif
