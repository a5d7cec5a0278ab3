/*
 * kinds.c - what the kinds of adapters are made of: a table, one row a kind, and for each the function that makes a patch of its
 * factors. Formulas as LyCORIS 4.1 (functional/) and peft 0.21 have them.
 *
 * Easy to get wrong: a LoHa with a core has its first factors transposed; a LoKr whose two sides are whole has no scale; the
 * limit on OFT's blocks is alpha times the rows; DoRA's scale says by the place of its 1 whether rows or inputs are normed.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/mem.h"

#define BIT(factor) (1ull << (factor))

struct Kind {
    const char *name;
    uint64_t own;   /* having one of these factors makes it this kind */
    uint64_t needs; /* and all of these must be there */
    uint64_t more;  /* what it may have in addition, and DoRA's and vectors' */
    bool adds;      /* to the weights, so that it may be DoRA */
    Factor rank;    /* the factor whose first side is the rank; FACTOR_NONE: it has none */
    int (*make)(const Module *m, float strength, Patch **out, Err *e);
};

/* ---- values ------------------------------------------------------------------------------------------------------------ */

float *factor_floats(const Weight *t, Err *e)
{
    float *x = mem_array(weight_count(t) + 1, sizeof *x);
    if (!weight_to_f32(t, x, e)) return x;
    err_in(e, t->name);
    free(x);
    return NULL;
}

size_t factor_side(const Weight *t, int i) { return t && i < t->ndim ? (size_t)t->shape[i] : 1; }

/* A tensor of a module's, read when it is there. */
int factor_read(const Module *m, Factor f, float **out, Err *e)
{
    *out = m->factor[f] ? factor_floats(m->factor[f], e) : NULL;
    return m->factor[f] && !*out ? -1 : 0;
}

/* LyCORIS stores a whole alpha as an integer. */
static bool read_whole(const Weight *t, float *out)
{
    static const struct {
        DType type;
        int bytes;
        bool is_signed;
    } types[] = { { DT_I64, 8, true },  { DT_I32, 4, true },  { DT_I16, 2, true },  { DT_I8, 1, true },
                  { DT_U64, 8, false }, { DT_U32, 4, false }, { DT_U16, 2, false }, { DT_U8, 1, false } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (t->dtype != types[i].type) continue;
        uint64_t v = types[i].is_signed && t->data[types[i].bytes - 1] & 0x80 ? UINT64_MAX : 0;
        for (int b = types[i].bytes; b-- > 0;) v = v << 8 | t->data[b];
        *out = types[i].is_signed ? (float)(int64_t)v : (float)v;
        return true;
    }
    return false;
}

int factor_number(const Module *m, Factor f, float *out, Err *e)
{
    if (weight_count(m->factor[f]) != 1) return err_set(e, "the alpha of %s is not one number", m->name);
    if (read_whole(m->factor[f], out)) return 0;
    return weight_to_f32(m->factor[f], out, e) ? err_in(e, m->factor[f]->name) : 0;
}

int factor_scale(const Module *m, size_t rank, float *scale, Err *e)
{
    float alpha = 0;
    *scale = 1;
    if (m->factor[FACTOR_SCALE]) return factor_number(m, FACTOR_SCALE, scale, e);
    if (m->factor[FACTOR_ALPHA]) {
        if (factor_number(m, FACTOR_ALPHA, &alpha, e)) return -1;
        *scale = alpha / (float)rank;
    } else if (m->alpha != 0) {
        *scale = (float)(m->alpha / (m->root ? sqrt((double)rank) : (double)rank));
    }
    return isfinite(*scale) ? 0 : err_set(e, "the alpha of %s is no number", m->name);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------------ */

PatchRows module_rows(const Module *m) { return (PatchRows){ m->place->matrix->row, m->place->matrix->rows }; }
Panels *module_panels(const Module *m) { return m->place->matrix->w; }
size_t module_depth(const Module *m) { return (size_t)module_panels(m)->k; }

int factor_misfit(const Module *m, Factor a, Factor b, Err *e)
{
    char one[128], other[128];
    err_set(e, "%s has factors of shapes %s and %s, the model's matrix is %zu x %zu", m->name,
            weight_shape_text(m->factor[a], one, sizeof one), weight_shape_text(m->factor[b], other, sizeof other),
            m->place->matrix->rows, module_depth(m));
    return MODULE_MISFIT;
}

/*
 * Inputs that a factor of `rank` rows covers: all of them, or fewer where the model's first layer grew (inpainting). 0:
 * it does not fit.
 */
static size_t covered(const Module *m, size_t count, size_t rank)
{
    size_t depth = module_depth(m), found = rank ? count / rank : 0;
    bool grown = strcmp(m->place->matrix->name, "conv_in.weight") == 0 && found < depth && found % 9 == 0;
    return rank && found * rank == count && (found == depth || grown) ? found : 0;
}

/*
 * A core [m, n, taps] times b [n, inputs]: [m, inputs * taps], as a convolution's rows have them. NULL: they do not fit, or an
 * error.
 */
static float *expand(const float *core, const Weight *shape, const float *b, size_t inputs)
{
    size_t m = factor_side(shape, 0), n = factor_side(shape, 1), taps = weight_count(shape) / (m * n);
    assert(core && b);
    float *out = mem_array(m * inputs * taps + 1, sizeof *out);
    for (size_t i = 0; i < m; i++)
        for (size_t q = 0; q < inputs; q++)
            for (size_t t = 0; t < taps; t++) {
                double sum = 0;
                for (size_t k = 0; k < n; k++) sum += (double)core[(i * n + k) * taps + t] * (double)b[k * inputs + q];
                out[(i * inputs + q) * taps + t] = (float)sum;
            }
    return out;
}

static float *transposed(const float *x, size_t rows, size_t columns)
{
    float *out = mem_array(rows * columns + 1, sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j];
    return out;
}

/* a [rows, k] b [k, columns] */
static float *times(const float *a, const float *b, size_t rows, size_t k, size_t columns)
{
    float *out = mem_array(rows * columns + 1, sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            double sum = 0;
            for (size_t x = 0; x < k; x++) sum += (double)a[i * k + x] * (double)b[x * columns + j];
            out[i * columns + j] = (float)sum;
        }
    return out;
}

/*
 * Up [rows, rank] and down [rank, depth] of a low-rank matrix, as files have it: with a core [m, n, taps] down is core times b,
 * and `a` may lie transposed. Both on the heap.
 */
typedef struct {
    float *up, *down;
    size_t rank, depth;
} LowRankFactors;

static void factors_release(LowRankFactors *f)
{
    free(f->up);
    free(f->down);
}

typedef struct {
    Factor a, b, core;
    bool turned;        /* with a core, a lies [m, rows] */
    size_t rows, depth; /* what they must make */
} LowRankNames;

static int read_low_rank(const Module *m, LowRankNames n, LowRankFactors *out, Err *e)
{
    const Weight *a = m->factor[n.a], *b = m->factor[n.b], *core = m->factor[n.core];
    float *bare = NULL, *middle = NULL;
    size_t rank = factor_side(b, 0), first = core ? factor_side(core, 0) : rank,
           inner = core ? factor_side(core, 1) : rank;
    size_t taps = core && first && inner ? weight_count(core) / (first * inner) : 1;
    size_t found = rank ? weight_count(b) / rank * taps : 0;
    *out = (LowRankFactors){ .rank = first, .depth = found };
    if (!rank || !first || inner != rank || found != n.depth || weight_count(a) != n.rows * first ||
        weight_count(b) % rank)
        return factor_misfit(m, n.a, n.b, e);
    if (factor_read(m, n.a, &out->up, e) || factor_read(m, n.b, &bare, e) || factor_read(m, n.core, &middle, e)) {
        free(bare);
        return -1;
    }
    if (core && n.turned) {
        float *straight = transposed(out->up, first, n.rows);
        free(out->up);
        out->up = straight;
    }
    out->down = core ? expand(middle, core, bare, found / taps) : bare;
    if (core) free(bare);
    free(middle);
    return 0;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------------- */

static int make_lora(const Module *m, float strength, Patch **out, Err *e)
{
    const Weight *down = m->factor[FACTOR_DOWN];
    LowRankFactors f = { 0 };
    float scale;
    LowRankNames names = { FACTOR_UP, FACTOR_DOWN, FACTOR_MID, false, m->place->matrix->rows, module_depth(m) };
    if (!m->factor[FACTOR_MID]) names.depth = covered(m, weight_count(down), factor_side(down, 0));
    int failed = names.depth ? read_low_rank(m, names, &f, e) : factor_misfit(m, FACTOR_DOWN, FACTOR_UP, e);
    if (!failed) failed = factor_scale(m, factor_side(down, 0), &scale, e);
    bool rounded = m->rounded && !kind_dora(m); /* DoRA measures what it changes */
    if (!failed)
        *out = (rounded ? patch_low_rank_rounded : patch_low_rank)(module_panels(m), module_rows(m), f.up, f.down,
                                                                   f.rank, f.depth, scale * strength, e);
    factors_release(&f);
    return failed ? failed : *out ? 0 : -1;
}

static int make_loha(const Module *m, float strength, Patch **out, Err *e)
{
    size_t rows = m->place->matrix->rows;
    LowRankFactors one = { 0 }, two = { 0 };
    float scale;
    int failed = read_low_rank(
        m, (LowRankNames){ FACTOR_HADA_W1A, FACTOR_HADA_W1B, FACTOR_HADA_T1, true, rows, module_depth(m) }, &one, e);
    if (!failed)
        failed = read_low_rank(
            m, (LowRankNames){ FACTOR_HADA_W2A, FACTOR_HADA_W2B, FACTOR_HADA_T2, true, rows, module_depth(m) }, &two,
            e);
    if (!failed) failed = factor_scale(m, factor_side(m->factor[FACTOR_HADA_W1B], 0), &scale, e);
    if (!failed)
        *out = patch_product(
            patch_low_rank(module_panels(m), module_rows(m), one.up, one.down, one.rank, one.depth, scale * strength,
                           e),
            patch_low_rank(module_panels(m), module_rows(m), two.up, two.down, two.rank, two.depth, 1, e), e);
    factors_release(&one);
    factors_release(&two);
    return failed ? failed : *out ? 0 : -1;
}

/* The left side [a, b], whole. */
static int read_left(const Module *m, size_t a, size_t b, float **out, Err *e)
{
    const Weight *whole = m->factor[FACTOR_LOKR_W1];
    if (whole) return factor_read(m, FACTOR_LOKR_W1, out, e);
    LowRankFactors f = { 0 };
    int failed = read_low_rank(m, (LowRankNames){ FACTOR_LOKR_W1A, FACTOR_LOKR_W1B, FACTOR_NONE, false, a, b }, &f, e);
    if (!failed) *out = times(f.up, f.down, a, f.rank, b);
    factors_release(&f);
    return failed;
}

static int make_lokr(const Module *m, float strength, Patch **out, Err *e)
{
    const Weight *w1 = m->factor[FACTOR_LOKR_W1], *w1b = m->factor[FACTOR_LOKR_W1B], *w2 = m->factor[FACTOR_LOKR_W2];
    const Weight *w2b = m->factor[FACTOR_LOKR_W2B];
    if ((!w1 && !(m->factor[FACTOR_LOKR_W1A] && w1b)) || (!w2 && !(m->factor[FACTOR_LOKR_W2A] && w2b)))
        return err_set(e, "%s lacks a factor of its LoKr: the file is not complete", m->name);
    bool parted = (w1 && (m->factor[FACTOR_LOKR_W1A] || w1b)) ||
                  (w2 && (m->factor[FACTOR_LOKR_W2A] || w2b || m->factor[FACTOR_LOKR_T2]));
    if (parted)
        return err_set(e, "%s has a side of its LoKr both whole and in factors: limn does not know which counts",
                       m->name);
    size_t a = factor_side(w1 ? w1 : m->factor[FACTOR_LOKR_W1A], 0), b = factor_side(w1 ? w1 : w1b, 1);
    size_t rows = m->place->matrix->rows, depth = module_depth(m);
    Factor left = w1 ? FACTOR_LOKR_W1 : FACTOR_LOKR_W1A, right = w2 ? FACTOR_LOKR_W2 : FACTOR_LOKR_W2B;
    if (!a || !b || rows % a || depth % b || (w1 && weight_count(w1) != a * b) ||
        (w2 && weight_count(w2) != rows / a * (depth / b)))
        return factor_misfit(m, left, right, e);
    LowRankFactors f = { 0 };
    float *first = NULL, *whole = NULL, scale = 1;
    int failed = read_left(m, a, b, &first, e);
    if (!failed && w2) failed = factor_read(m, FACTOR_LOKR_W2, &whole, e);
    if (!failed && !w2)
        failed = read_low_rank(
            m, (LowRankNames){ FACTOR_LOKR_W2A, FACTOR_LOKR_W2B, FACTOR_LOKR_T2, true, rows / a, depth / b }, &f, e);
    if (!failed && !(w1 && w2)) failed = factor_scale(m, factor_side(w2 ? w1b : w2b, 0), &scale, e);
    PatchKronecker k = { first, a, b, whole, f.up, f.down, f.rank };
    if (!failed) *out = patch_kronecker(module_panels(m), module_rows(m), &k, scale * strength, e);
    factors_release(&f);
    free(first);
    free(whole);
    return failed ? failed : *out ? 0 : -1;
}

static int make_diff(const Module *m, float strength, Patch **out, Err *e)
{
    const Weight *t = m->factor[FACTOR_DIFF];
    size_t depth = covered(m, weight_count(t), m->place->matrix->rows);
    if (!depth) return factor_misfit(m, FACTOR_DIFF, FACTOR_DIFF, e);
    float *look = factor_floats(t, e); /* numbers, all of them? */
    free(look);
    if (!look) return -1;
    if (t->dtype > DT_BF16)
        return err_set(e, "%s is stored as %s; expected F32, F16 or BF16", t->name, dtype_name(t->dtype));
    PatchValues v = { t->data, t->dtype, depth };
    *out = patch_difference(module_rows(m), v, strength, e);
    return *out ? 0 : -1;
}

/* dW = W a1 a2 + b1 b2, of factors [inputs, r], [r, inputs], [rows, r], [r, inputs * taps]; at a convolution's each tap. */
static int make_glora_of(const Module *m, const Factor f[4], float strength, Patch **out, Err *e)
{
    const Weight *a1 = m->factor[f[0]], *a2 = m->factor[f[1]];
    size_t rank = factor_side(a1, 1), inputs = factor_side(a1, 0), rows = m->place->matrix->rows,
           depth = module_depth(m);
    if (!rank || !inputs || depth % inputs || weight_count(a1) != inputs * rank || weight_count(a2) != rank * inputs)
        return factor_misfit(m, f[0], f[1], e);
    size_t taps = depth / inputs;
    float *first = NULL, *second = NULL, scale, *through = NULL;
    LowRankFactors b = { 0 };
    int failed = read_low_rank(m, (LowRankNames){ f[2], f[3], FACTOR_BM, false, rows, depth }, &b, e);
    if (!failed) failed = factor_scale(m, rank, &scale, e);
    if (!failed) failed = factor_read(m, f[0], &first, e) || factor_read(m, f[1], &second, e) ? -1 : 0;
    if (!failed) {
        through = mem_array(rows * rank * taps + 1, sizeof *through);
        patch_times(module_panels(m), module_rows(m), first, rank, taps, through);
        for (size_t i = 0; i < rows * rank * taps; i++) through[i] *= scale * strength;
        *out = patch_both(
            patch_low_rank(module_panels(m), module_rows(m), b.up, b.down, b.rank, b.depth, scale * strength, e),
            patch_taps(module_panels(m), module_rows(m), through, second, rank, taps, e), e);
    }
    factors_release(&b);
    free(first);
    free(second);
    free(through);
    return failed ? failed : *out ? 0 : -1;
}

/* LyCORIS' files of before 2.0 have every factor transposed, and the names of each pair the other way round; shapes tell. */
static int make_glora(const Module *m, float strength, Patch **out, Err *e)
{
    static const Factor today[] = { FACTOR_A1, FACTOR_A2, FACTOR_B1, FACTOR_B2 };
    static const Factor old[] = { FACTOR_A2, FACTOR_A1, FACTOR_B2, FACTOR_B1 };
    const Weight *a1 = m->factor[FACTOR_A1], *a2 = m->factor[FACTOR_A2], *b1 = m->factor[FACTOR_B1],
                 *b2 = m->factor[FACTOR_B2];
    bool is_new = factor_side(b2, 0) == factor_side(b1, 1) && factor_side(a1, 1) == factor_side(a2, 0) &&
                  factor_side(b2, 0) == factor_side(a1, 1);
    bool is_old = factor_side(b2, 1) == factor_side(b1, 0) && factor_side(a1, 0) == factor_side(a2, 1) &&
                  factor_side(b2, 1) == factor_side(a1, 0);
    bool square = factor_side(a2, 0) == m->place->matrix->rows && m->place->matrix->rows == module_depth(m);
    return make_glora_of(m, is_old && (!is_new || square) ? old : today, strength, out, e);
}

/* W *= 1 + s w on the outputs or the inputs. */
static int make_ia3(const Module *m, float strength, Patch **out, Err *e)
{
    bool peft = m->factor[FACTOR_IA3_L] != NULL;
    Factor f = peft ? FACTOR_IA3_L : FACTOR_WEIGHT;
    const Weight *t = m->factor[f], *on_input = m->factor[FACTOR_ON_INPUT];
    if (!t) return err_set(e, "%s lacks the weight of its IA3: the file is not complete", m->name);
    size_t rows = m->place->matrix->rows, n = weight_count(t);
    if (!peft && !on_input)
        return err_set(e, "the tensor \"%s\" is a weight of its own: is this a model, and no LoRA?", t->name);
    bool input = peft ? factor_side(t, 0) == 1 && n != 1 : on_input->bytes && on_input->data[0];
    if (!n || (input ? module_depth(m) % n != 0 : n != rows)) return factor_misfit(m, f, f, e);
    float *w = factor_floats(t, e);
    for (size_t i = 0; w && i < n; i++) w[i] = 1 + strength * (peft ? w[i] - 1 : w[i]);
    if (w)
        *out = patch_scale(module_panels(m), module_rows(m),
                           (PatchScale){ input, input ? module_depth(m) / n : 1, w, NULL }, NULL, e);
    free(w);
    return *out ? 0 : -1;
}

#define DORA (BIT(FACTOR_DORA) | BIT(FACTOR_MAGNITUDE))
#define LOHA (BIT(FACTOR_HADA_W1A) | BIT(FACTOR_HADA_W1B) | BIT(FACTOR_HADA_W2A) | BIT(FACTOR_HADA_W2B))
#define LOKR                                                                                                           \
    (BIT(FACTOR_LOKR_W1) | BIT(FACTOR_LOKR_W1A) | BIT(FACTOR_LOKR_W1B) | BIT(FACTOR_LOKR_W2) | BIT(FACTOR_LOKR_W2A) |  \
     BIT(FACTOR_LOKR_W2B) | BIT(FACTOR_LOKR_T2))
#define GLORA   (BIT(FACTOR_A1) | BIT(FACTOR_A2) | BIT(FACTOR_B1) | BIT(FACTOR_B2))
#define LORA    (BIT(FACTOR_DOWN) | BIT(FACTOR_UP))
#define IA3     (BIT(FACTOR_ON_INPUT) | BIT(FACTOR_IA3_L) | BIT(FACTOR_WEIGHT))
#define SCALES  (BIT(FACTOR_ALPHA) | BIT(FACTOR_SCALE))
#define VECTORS (BIT(FACTOR_DIFF_B) | BIT(FACTOR_W_NORM) | BIT(FACTOR_B_NORM))

static const Kind kinds[] = {
    { "LoRA", LORA, LORA, BIT(FACTOR_MID) | BIT(FACTOR_UP_BIAS) | SCALES, true, FACTOR_DOWN, make_lora },
    { "LoHa", LOHA, LOHA, BIT(FACTOR_HADA_T1) | BIT(FACTOR_HADA_T2) | SCALES, true, FACTOR_HADA_W1B, make_loha },
    { "LoKr", LOKR, 0, SCALES, true, FACTOR_LOKR_W2B, make_lokr },
    { "GLoRA", GLORA, GLORA, BIT(FACTOR_BM) | SCALES, true, FACTOR_NONE, make_glora },
    { "OFT", BIT(FACTOR_OFT_BLOCKS), 0, BIT(FACTOR_RESCALE) | SCALES, false, FACTOR_NONE, rotation_make },
    { "IA3", IA3, 0, BIT(FACTOR_ALPHA), false, FACTOR_NONE, make_ia3 },
    { "difference", BIT(FACTOR_DIFF), 0, BIT(FACTOR_ALPHA), true, FACTOR_NONE, make_diff },
    { "difference of vectors", VECTORS, 0, BIT(FACTOR_ALPHA), false, FACTOR_NONE, NULL },
    { NULL, 0, 0, 0, false, FACTOR_NONE, NULL },
};

const Kind *module_kind(const Module *m, Err *e)
{
    uint64_t there = 0;
    for (int i = 0; i < FACTOR_COUNT; i++)
        if (m->factor[i]) there |= BIT(i);
    for (const Kind *k = kinds; k->name; k++) {
        if (!(k->own & there)) continue;
        bool whole = (k->needs & there) == k->needs, alone = !(there & ~(k->own | k->more | DORA | VECTORS));
        if (whole && alone) return k;
        if (whole)
            err_set(e, "%s has a factor besides those of its %s: limn does not know what that means", m->name, k->name);
        else err_set(e, "%s lacks a factor of its %s: the file is not complete", m->name, k->name);
        return NULL;
    }
    err_set(e, "%s has a scale and nothing that is scaled: the file is not complete", m->name);
    return NULL;
}

const char *kind_name(const Kind *k) { return k->name; }

size_t kind_rank(const Kind *k, const Module *m)
{
    const Weight *t = m->factor[k->rank];
    return t ? factor_side(t, 0) : 0;
}

bool kind_dora(const Module *m) { return m->factor[FACTOR_DORA] || m->factor[FACTOR_MAGNITUDE]; }

int kind_patch(const Kind *k, const Module *m, float strength, Patch **out, Err *e)
{
    *out = NULL;
    if (!k->make) return 0;
    if (!m->place->matrix)
        return err_set(e, "%s changes a matrix, and the model has none of that name", m->name), MODULE_MISFIT;
    if (!kind_dora(m)) return k->make(m, strength, out, e);
    if (!k->adds) return err_set(e, "%s is %s with DoRA's scale: limn does not know what that means", m->name, k->name);
    int failed = k->make(m, 1, out, e);
    return failed ? failed : dora_wrap(m, strength, out, e);
}
