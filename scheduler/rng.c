/*
 * rng.c - see rng.h.
 *
 * torch's CPU normals, to the last bit: its AVX2 kernel computes the logarithm and the sine with Cephes' polynomials
 * (avx_mathfun.h), and GCC contracts some of the products and sums there. The same contractions are written out here with
 * fmaf(), so that the bits depend on neither the compiler nor the processor.
 */
#include "scheduler/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const double TWO_PI = 6.283185307179586476925;

/* MT19937. Matsumoto and Nishimura 1998; torch seeds it with the low 32 bits only. */
enum { MT_N = 624, MT_M = 397 };

static void mt_seed(Rng *r, uint32_t seed)
{
    r->state[0] = seed;
    for (uint32_t j = 1; j < MT_N; j++) r->state[j] = 1812433253u * (r->state[j - 1] ^ (r->state[j - 1] >> 30)) + j;
    r->next = MT_N;
}

static uint32_t mt_mix(uint32_t upper, uint32_t lower)
{
    uint32_t y = (upper & 0x80000000u) | (lower & 0x7fffffffu);
    return (y >> 1) ^ (lower & 1 ? 0x9908b0dfu : 0);
}

static uint32_t mt_next(Rng *r)
{
    if (r->next == MT_N) {
        uint32_t *s = r->state;
        for (int j = 0; j < MT_N; j++) s[j] = s[(j + MT_M) % MT_N] ^ mt_mix(s[j], s[(j + 1) % MT_N]);
        r->next = 0;
    }
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

static float uniform(Rng *r) { return (float)(mt_next(r) & 0xffffff) * 0x1p-24f; }

static double uniform_double(Rng *r)
{
    uint64_t high = mt_next(r);
    return (double)((high << 32 | mt_next(r)) & ((1ull << 53) - 1)) * 0x1p-53;
}

/* ln x for a normal x > 0: Cephes' logf. */
static float cephes_log(float x)
{
    static const float p[] = { 7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                               -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                               2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f };
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float e = (float)((int)(bits >> 23) - 127) + 1;
    bits = (bits & 0x007fffffu) | 0x3f000000u; /* the mantissa in [0.5, 1) */
    memcpy(&x, &bits, sizeof x);

    if (x < 0.707106781186547524f) {
        e -= 1;
        x = (x - 1) + x;
    } else {
        x -= 1;
    }
    float z = x * x, y = p[0];
    for (int i = 1; i < 9; i++) y = fmaf(y, x, p[i]);
    y = fmaf(y * x, z, e * -2.12194440e-4f);
    y = fmaf(-0.5f, z, y);
    return fmaf(e, 0.693359375f, x + y);
}

/* sin x and cos x for x >= 0: Cephes' sinf and cosf over a shared reduction to [-pi/4, pi/4]. */
static void cephes_sincos(float x, float *sine, float *cosine)
{
    int octant = ((int)(x * 1.27323954473516f) + 1) & ~1;
    float j = (float)octant;
    x = fmaf(j, -0.78515625f, x);
    x = fmaf(j, -2.4187564849853515625e-4f, x);
    x = fmaf(j, -3.77489497744594108e-8f, x);

    float z = x * x;
    float c = fmaf(fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f);
    c = fmaf(c * z, z, -(z * 0.5f)) + 1;
    float s = fmaf(fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f);
    s = fmaf(s * z, x, x);

    bool swapped = octant & 2;
    *sine = swapped ? c : s;
    *cosine = swapped ? s : c;
    if (octant & 4) *sine = -*sine;
    if (!((octant - 2) & 4)) *cosine = -*cosine;
}

/* Box and Muller over 16 uniforms: 8 pairs (d[j], d[j + 8]). */
static void box_muller_16(float *d)
{
    for (int j = 0; j < 8; j++) {
        float radius = sqrtf(-2.0f * cephes_log(1 - d[j])), s, c;
        cephes_sincos((float)TWO_PI * d[j + 8], &s, &c);
        d[j] = radius * c + 0.0f; /* no negative zero */
        d[j + 8] = radius * s + 0.0f;
    }
}

/* One normal in double precision; the pair's second is kept for the next call. */
static double normal_scalar(Rng *r)
{
    if (r->has_cached) {
        r->has_cached = false;
        return r->cached;
    }
    double theta = TWO_PI * uniform_double(r);
    double radius = sqrt(-2 * log1p(-uniform_double(r)));
    r->cached = radius * sin(theta);
    r->has_cached = true;
    return radius * cos(theta);
}

static void torch_randn(Rng *r, float *out, size_t n)
{
    if (n < 16) {
        for (size_t i = 0; i < n; i++) out[i] = (float)normal_scalar(r);
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = uniform(r);
    for (size_t i = 0; i + 16 <= n; i += 16) box_muller_16(out + i);
    if (n % 16) { /* the last 16 places are drawn anew */
        float *tail = out + n - 16;
        for (int i = 0; i < 16; i++) tail[i] = uniform(r);
        box_muller_16(tail);
    }
}

/* Philox4x32-10. Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". */
static void philox(uint32_t counter[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t a = 0xd2511f53ull * counter[0], b = 0xcd9e8d57ull * counter[2];
        uint32_t c1 = counter[1], c3 = counter[3];
        counter[0] = (uint32_t)(b >> 32) ^ c1 ^ key0;
        counter[1] = (uint32_t)b;
        counter[2] = (uint32_t)(a >> 32) ^ c3 ^ key1;
        counter[3] = (uint32_t)a;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
}

/* Thread i gives element i: the first of curand_normal4(). */
static void philox_randn(Rng *r, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t c[4] = { (uint32_t)r->offset, (uint32_t)(r->offset >> 32), (uint32_t)i,
                          (uint32_t)((uint64_t)i >> 32) };
        philox(c, (uint32_t)r->seed, (uint32_t)(r->seed >> 32));
        double u = c[0] * 0x1p-32 + 0x1p-33, v = (c[1] * 0x1p-32 + 0x1p-33) * TWO_PI;
        out[i] = (float)(sqrt(-2 * log(u)) * sin(v));
    }
    r->offset++;
}

void rng_init(Rng *r, RngKind kind, uint64_t seed)
{
    *r = (Rng){ .kind = kind, .seed = seed };
    mt_seed(r, (uint32_t)seed);
}

void rng_randn(Rng *r, float *out, size_t n)
{
    if (r->kind == RNG_PHILOX) philox_randn(r, out, n);
    else torch_randn(r, out, n);
}

void rng_rand(Rng *r, float *out, size_t n)
{
    assert(r->kind == RNG_TORCH);
    for (size_t i = 0; i < n; i++) out[i] = uniform(r);
}
