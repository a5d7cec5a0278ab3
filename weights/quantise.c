/*
 * quantise.c - see quantise.h. Rounding follows the reference word for word: half away from zero, or truncation after
 * adding a half.
 */
#include "weights/quantise.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "weights/blocks.h"

uint16_t half_of(double v)
{
    int exponent;
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    double size = fabs(v), m = frexp(size, &exponent); /* 0.5 <= m < 1 */
    if (m == 0) return sign;
    if (size >= 65520) return sign | 0x7bff;
    if (exponent < -13) return (uint16_t)(sign | (uint16_t)lrint(ldexp(size, 24))); /* subnormal */
    return (uint16_t)(sign + ((exponent + 14) << 10) + lrint(ldexp(m, 11)) - 1024);
}

static void put_half(unsigned char *to, float v)
{
    uint16_t half = half_of((double)v);
    memcpy(to, &half, sizeof half);
}

static float half_value(float v)
{
    uint16_t half = half_of((double)v);
    float out;
    blocks_plain[DT_F16](&out, (const unsigned char *)&half, 1);
    return out;
}

/* ---- numbers of their own ---- */

static void to_f32(const float *x, unsigned char *to) { memcpy(to, x, sizeof *x); }
static void to_f16(const float *x, unsigned char *to) { put_half(to, *x); }

static void to_bf16(const float *x, unsigned char *to)
{
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    if ((bits & 0x7f800000u) == 0x7f800000u) bits -= 0x10000; /* the largest, not infinity */
    uint16_t upper = (uint16_t)(bits >> 16);
    memcpy(to, &upper, sizeof upper);
}

/* A float of 8 bits: so many bits of fraction, the bias of its exponent, its largest number. */
static unsigned char small_float(float x, int bits, int bias, double largest)
{
    int exponent;
    double size = fabs((double)x), least = ldexp(1, 1 - bias);
    unsigned char sign = signbit(x) ? 0x80 : 0;
    if (size > largest) size = largest;
    frexp(size < least ? least : size, &exponent); /* subnormal ones have the least exponent */
    double steps = rint(ldexp(size, bits - (exponent - 1)));
    int code = (int)steps + ((exponent - 1 + bias - 1) << bits);
    return (unsigned char)(sign | code);
}

static void to_e4m3(const float *x, unsigned char *to) { *to = small_float(*x, 3, 7, 448); }
static void to_e5m2(const float *x, unsigned char *to) { *to = small_float(*x, 2, 15, 57344); }

/* ---- blocks of 32, as the reference ---- */

static float largest_of(const float *x, int n)
{
    float most = x[0];
    for (int i = 1; i < n; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    return most;
}

static void range_of(const float *x, int n, float *low, float *high)
{
    *low = *high = x[0];
    for (int i = 1; i < n; i++) {
        if (x[i] < *low) *low = x[i];
        if (x[i] > *high) *high = x[i];
    }
}

static int clamped(float v, int most) { return v < 0 ? 0 : v > (float)most ? most : (int)v; }

/* Codes of 4 or 5 bits to their places: low halves of bytes first, fifth bits apart. */
static void put_codes(const int q[32], unsigned char *qs, unsigned char *high)
{
    for (int i = 0; i < 16; i++) qs[i] = (unsigned char)((q[i] & 15) | (q[i + 16] & 15) << 4);
    if (!high) return;
    memset(high, 0, 4);
    for (int i = 0; i < 32; i++) high[i / 8] |= (unsigned char)(q[i] >> 4 << i % 8);
}

/* Around zero: the largest number becomes -half. */
static void to_centred(const float *x, int half, unsigned char *to, unsigned char *qs, unsigned char *high)
{
    int q[32];
    float d = largest_of(x, 32) / (float)-half, id = d != 0 ? 1 / d : 0;
    put_half(to, d);
    for (int i = 0; i < 32; i++) q[i] = clamped(x[i] * id + ((float)half + 0.5f), 2 * half - 1);
    put_codes(q, qs, high);
}

/* From the least number on. */
static void to_ranged(const float *x, int most, unsigned char *to, unsigned char *qs, unsigned char *high)
{
    int q[32];
    float low, top;
    range_of(x, 32, &low, &top);
    float d = (top - low) / (float)most, id = d != 0 ? 1 / d : 0;
    put_half(to, d);
    put_half(to + 2, low);
    for (int i = 0; i < 32; i++) q[i] = clamped((x[i] - low) * id + 0.5f, most);
    put_codes(q, qs, high);
}

static void to_q4_0(const float *x, unsigned char *to) { to_centred(x, 8, to, to + 2, NULL); }
static void to_q5_0(const float *x, unsigned char *to) { to_centred(x, 16, to, to + 6, to + 2); }
static void to_q4_1(const float *x, unsigned char *to) { to_ranged(x, 15, to, to + 4, NULL); }
static void to_q5_1(const float *x, unsigned char *to) { to_ranged(x, 31, to, to + 8, to + 4); }

static void to_q8_0(const float *x, unsigned char *to)
{
    float d = fabsf(largest_of(x, 32)) / 127, id = d != 0 ? 1 / d : 0;
    put_half(to, d);
    for (int i = 0; i < 32; i++) to[2 + i] = (unsigned char)(signed char)roundf(x[i] * id);
}

/* ---- groups whose scale errs least ---- */

enum { TRIES = 20 };

/* The scale s of x ~ s q, q from least to most, that errs least: some roundings tried, each with its best scale. */
static float fit_scale(const float *x, int n, int least, int most)
{
    float top = largest_of(x, n), best = 0;
    double found = -1;
    if (fabsf(top) < 1e-30f) return 0;
    for (int try = -TRIES; try <= TRIES; try++) {
        double is = ((double)least + 0.05 * try) / (double)top, xq = 0, qq = 0;
        for (int i = 0; i < n; i++) {
            double q = rint(is * (double)x[i]);
            q = q < least ? least : q > most ? most : q;
            xq += q * (double)x[i];
            qq += q * q;
        }
        if (qq > 0 && xq * xq / qq > found) {
            found = xq * xq / qq; /* what of the sum of squares it explains */
            best = (float)(xq / qq);
        }
    }
    return best;
}

/* Scale and minimum of x ~ s q - m, q from 0 to most, s and m >= 0. */
static void fit_range(const float *x, int n, int most, float *s, float *m)
{
    float low, high;
    double least = INFINITY;
    range_of(x, n, &low, &high);
    if (low > 0) low = 0;
    *s = 0;
    *m = -low;
    if (high - low < 1e-30f) return;
    for (int try = -TRIES; try <= TRIES; try++) {
        double is = ((double)most + 0.05 * try) / (double)(high - low), sq = 0, sqq = 0, sx = 0, sxq = 0, err = 0;
        for (int i = 0; i < n; i++) {
            double q = rint(is * (double)(x[i] - low));
            q = q < 0 ? 0 : q > most ? most : q;
            sq += q, sqq += q * q, sx += (double)x[i], sxq += q * (double)x[i];
        }
        double det = n * sqq - sq * sq, a = det > 0 ? (n * sxq - sq * sx) / det : 0,
               b = det > 0 ? (sx - a * sq) / n : 0;
        if (det <= 0 || b > 0) b = 0, a = sqq > 0 ? sxq / sqq : 0; /* the minimum would be above zero, or is not told */
        if (a <= 0) continue;
        for (int i = 0; i < n; i++) {
            double q = rint(((double)x[i] - b) / a), off;
            q = q < 0 ? 0 : q > most ? most : q;
            off = a * q + b - (double)x[i];
            err += off * off;
        }
        if (err >= least) continue;
        least = err;
        *s = (float)a;
        *m = (float)-b;
    }
}

static int rounded(float v, float d, int least, int most)
{
    float q = d != 0 ? rintf(v / d) : 0;
    return q < (float)least ? least : q > (float)most ? most : (int)q;
}

/* ---- blocks of 256 ---- */

/* A block's groups with scale and minimum: theirs as codes of the block's two. */
typedef struct {
    float d, dmin;
    int scale[16], least[16];
} Ranges;

static Ranges fit_ranges(const float *x, int groups, int size, int most, int codes)
{
    Ranges r = { 0 };
    float s[16], m[16], top = 0, low = 0;
    for (int g = 0; g < groups; g++) {
        fit_range(x + g * size, size, most, &s[g], &m[g]);
        top = s[g] > top ? s[g] : top;
        low = m[g] > low ? m[g] : low;
    }
    r.d = half_value(top / (float)codes);
    r.dmin = half_value(low / (float)codes);
    for (int g = 0; g < groups; g++) {
        r.scale[g] = rounded(s[g], r.d, 0, codes);
        r.least[g] = rounded(m[g], r.dmin, 0, codes);
    }
    return r;
}

/* The code of number i in its group. */
static int range_code(const Ranges *r, int g, float x, int most)
{
    return rounded(x + r->dmin * (float)r->least[g], r->d * (float)r->scale[g], 0, most);
}

static void put_ranges(const Ranges *r, unsigned char *to, unsigned char *s)
{
    put_half(to, r->d);
    put_half(to + 2, r->dmin);
    memset(s, 0, 12);
    for (int g = 0; g < 4; g++) {
        s[g] = (unsigned char)(r->scale[g] | r->scale[g + 4] >> 4 << 6);
        s[g + 4] = (unsigned char)(r->least[g] | r->least[g + 4] >> 4 << 6);
        s[g + 8] = (unsigned char)((r->scale[g + 4] & 15) | (r->least[g + 4] & 15) << 4);
    }
}

static void to_q4_k(const float *x, unsigned char *to)
{
    Ranges r = fit_ranges(x, 8, 32, 15, 63);
    put_ranges(&r, to, to + 4);
    for (int g = 0; g < 8; g += 2)
        for (int i = 0; i < 32; i++) {
            int low = range_code(&r, g, x[32 * g + i], 15), high = range_code(&r, g + 1, x[32 * g + 32 + i], 15);
            to[16 + 16 * g + i] = (unsigned char)(low | high << 4);
        }
}

static void to_q5_k(const float *x, unsigned char *to)
{
    Ranges r = fit_ranges(x, 8, 32, 31, 63);
    put_ranges(&r, to, to + 4);
    memset(to + 16, 0, 160);
    for (int g = 0; g < 8; g++)
        for (int i = 0; i < 32; i++) {
            int q = range_code(&r, g, x[32 * g + i], 31);
            to[16 + i] |= (unsigned char)(q >> 4 << g);
            to[48 + 32 * (g / 2) + i] |= (unsigned char)((q & 15) << 4 * (g % 2));
        }
}

static void to_q2_k(const float *x, unsigned char *to)
{
    Ranges r = fit_ranges(x, 16, 16, 3, 15);
    memset(to, 0, 80);
    put_half(to + 80, r.d);
    put_half(to + 82, r.dmin);
    for (int g = 0; g < 16; g++) {
        to[g] = (unsigned char)(r.scale[g] | r.least[g] << 4);
        for (int i = 0; i < 16; i++)
            to[16 + 32 * (g / 8) + 16 * (g % 2) + i] |=
                (unsigned char)(range_code(&r, g, x[16 * g + i], 3) << 2 * (g % 8 / 2));
    }
}

/* Sixteen groups around zero: their scales as codes from -codes to codes of the block's. Returns that. */
static float fit_scales(const float *x, int least, int codes, int scale[16])
{
    float s[16];
    for (int g = 0; g < 16; g++) s[g] = fit_scale(x + 16 * g, 16, least, -least - 1);
    float d = half_value(largest_of(s, 16) / (float)-codes);
    for (int g = 0; g < 16; g++) scale[g] = rounded(s[g], d, -codes, codes - 1);
    return d;
}

static void to_q3_k(const float *x, unsigned char *to)
{
    int scale[16];
    float d = fit_scales(x, -4, 32, scale);
    memset(to, 0, 110);
    put_half(to + 108, d);
    for (int g = 0; g < 16; g++) {
        int code = scale[g] + 32;
        to[96 + g % 8] |= (unsigned char)((code & 15) << 4 * (g / 8));
        to[96 + 8 + g % 4] |= (unsigned char)(code >> 4 << 2 * (g / 4));
        for (int i = 0; i < 16; i++) {
            int q = rounded(x[16 * g + i], d * (float)scale[g], -4, 3) + 4;
            to[32 + 32 * (g / 8) + 16 * (g % 2) + i] |= (unsigned char)((q & 3) << 2 * (g % 8 / 2));
            to[16 * (g % 2) + i] |= (unsigned char)(q >> 2 << g / 2);
        }
    }
}

static void to_q6_k(const float *x, unsigned char *to)
{
    int scale[16];
    float d = fit_scales(x, -32, 128, scale);
    memset(to, 0, 210);
    put_half(to + 208, d);
    for (int g = 0; g < 16; g++) {
        int half = g / 8, quarter = g % 8 / 2;
        to[192 + g] = (unsigned char)(signed char)scale[g];
        for (int i = 0; i < 16; i++) {
            int q = rounded(x[16 * g + i], d * (float)scale[g], -32, 31) + 32, at = 16 * (g % 2) + i;
            to[64 * half + 32 * (quarter % 2) + at] |= (unsigned char)((q & 15) << 4 * (quarter / 2));
            to[128 + 32 * half + at] |= (unsigned char)(q >> 4 << 2 * quarter);
        }
    }
}

/* ---- codes that stand for unevenly spaced numbers ---- */

static const signed char nonlinear[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

static int nearest_code(double v)
{
    int best = 0;
    for (int i = 1; i < 16; i++)
        if (fabs(v - nonlinear[i]) < fabs(v - nonlinear[best])) best = i;
    return best;
}

static void to_iq4_nl(const float *x, unsigned char *to)
{
    float top = largest_of(x, 32);
    double found = -1, best = 0;
    for (int try = -TRIES / 2; try <= TRIES / 2 && top != 0; try++)
        for (int end = 0; end < 16; end += 15) {
            double is = (nonlinear[end] + try) / (double)top, xq = 0, qq = 0;
            for (int i = 0; i < 32; i++) {
                double q = nonlinear[nearest_code(is * (double)x[i])];
                xq += q * (double)x[i];
                qq += q * q;
            }
            if (xq * xq / qq > found) found = xq * xq / qq, best = xq / qq;
        }
    float d = half_value((float)best);
    int q[32];
    put_half(to, d);
    for (int i = 0; i < 32; i++) q[i] = nearest_code(d != 0 ? (double)(x[i] / d) : 0);
    put_codes(q, to + 2, NULL);
}

/* ---- the table ---- */

/* By DType: one block. */
static void (*const packers[DT_COUNT])(const float *x, unsigned char *to) = {
    [DT_F32] = to_f32,      [DT_F16] = to_f16,   [DT_BF16] = to_bf16, [DT_F8_E4M3] = to_e4m3,
    [DT_F8_E5M2] = to_e5m2, [DT_Q4_0] = to_q4_0, [DT_Q4_1] = to_q4_1, [DT_Q5_0] = to_q5_0,
    [DT_Q5_1] = to_q5_1,    [DT_Q8_0] = to_q8_0, [DT_Q2_K] = to_q2_k, [DT_Q3_K] = to_q3_k,
    [DT_Q4_K] = to_q4_k,    [DT_Q5_K] = to_q5_k, [DT_Q6_K] = to_q6_k, [DT_IQ4_NL] = to_iq4_nl,
};

bool quantise_knows(DType t) { return packers[t] != NULL; }

void quantise(DType t, const float *from, size_t count, unsigned char *to)
{
    size_t block = dtype_block(t), size = dtype_size(t);
    for (size_t i = 0; i < count / block; i++) packers[t](from + i * block, to + i * size);
}

bool quantise_type(const char *name, DType *out)
{
    if (strcasecmp(name, "f8") == 0 || strcasecmp(name, "fp8") == 0) name = "F8_E4M3";
    for (DType t = 0; t < DT_COUNT; t++)
        if (packers[t] && strcasecmp(name, dtype_name(t)) == 0) {
            *out = t;
            return true;
        }
    return false;
}

DType quantise_choice(const Weight *t, DType want)
{
    static const char *const kept[] = {
        "first_stage_model.", "vae.",        "embedding",  "conv_in.",       "conv_out.",
        "input_blocks.0.0.",  ".out.2.",     "time_embed", "label_emb",      "add_embedding",
        "text_projection",    "quant_conv.", "decoder.",   "encoder.conv_in"
    };
    if (!dtype_computes(t->dtype)) return t->dtype;
    if (t->ndim < 2) return DT_F32;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strstr(t->name, kept[i])) return want == DT_F32 || want == DT_BF16 ? want : DT_F16;
    return weight_count(t) >= 1024 && weight_count(t) % dtype_block(want) == 0 ? want
           : want == DT_F32                                                    ? DT_F32
                                                                               : DT_F16;
}
