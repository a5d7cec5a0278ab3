/* patch_kinds.c - see patch.h: patches made of products, scales and rotations. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/patch_internal.h"

/* What a patch adds to nothing, at a piece of at most PATCH_CHUNK inputs. */
static void alone(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    memset(out, 0, at.k * PANEL * sizeof *out);
    p->kind->apply(k, p, w, at, out);
}

static PanelPiece chunk_of(PanelPiece at, size_t from)
{
    return (PanelPiece){ at.panel, at.first + from, at.k - from < PATCH_CHUNK ? at.k - from : PATCH_CHUNK };
}

/* ---- two in one: one after the other, or their product element by element ---- */

typedef struct {
    Patch base;
    Patch *a, *b;
} Two;

static void apply_both(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const Two *t = (const Two *)p;
    t->a->kind->apply(k, t->a, w, at, out);
    t->b->kind->apply(k, t->b, w, at, out);
}

static void apply_product(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const Two *t = (const Two *)p;
    _Alignas(MEM_ALIGN) float a[PATCH_CHUNK * PANEL], b[PATCH_CHUNK * PANEL];
    if (!patch_touches(p, w, at.panel)) return;
    for (size_t from = 0; from < at.k; from += PATCH_CHUNK) {
        PanelPiece some = chunk_of(at, from);
        alone(k, t->a, w, some, a);
        alone(k, t->b, w, some, b);
        for (size_t i = 0; i < some.k * PANEL; i++) out[from * PANEL + i] += a[i] * b[i];
    }
}

static void release_two(Patch *p)
{
    patch_free(((Two *)p)->a);
    patch_free(((Two *)p)->b);
}

static const PatchKind both = { "both", apply_both, release_two, false };
static const PatchKind product = { "product", apply_product, release_two, false };

static Patch *two_new(const PatchKind *kind, Patch *a, Patch *b, Err *e)
{
    float *none;
    Two *p = a && b ? patch_new(sizeof *p, 0, &none, e) : NULL;
    if (!p) {
        patch_free(a);
        patch_free(b);
        return NULL;
    }
    *p = (Two){ { kind, NULL, a->at }, a, b };
    return &p->base;
}

Patch *patch_both(Patch *a, Patch *b, Err *e) { return two_new(&both, a, b, e); }
Patch *patch_product(Patch *a, Patch *b, Err *e) { return two_new(&product, a, b, e); }

/* ---- Kronecker's product ---- */

typedef struct {
    Patch base;
    size_t a, b, rank;  /* rank 0: the right side is whole */
    size_t rows, depth; /* of the right side */
    const float *left;  /* [b, a], times the strength */
    const float *right; /* [depth, rows]; else down [depth, rank] */
    const float *up;    /* [rows, rank] */
} Kronecker;

/* Columns of a panel: what the left side gives each of them, and which row of the right side is its. */
typedef struct {
    float by[PANEL];
    size_t row[PANEL];
    size_t x[PANEL];
    bool there[PANEL], run; /* run: the right side's rows follow each other */
} Columns;

static void find_columns(const Kronecker *f, const Panels *w, size_t panel, Columns *c)
{
    c->run = true;
    for (size_t j = 0; j < PANEL; j++) {
        long row = patch_row(&f->base, w, panel, j);
        c->there[j] = row >= 0;
        c->x[j] = row < 0 ? 0 : (size_t)row / f->rows;
        c->row[j] = row < 0 ? 0 : (size_t)row % f->rows;
        c->run = c->run && c->there[j] && c->row[j] == c->row[0] + j;
    }
}

/* Inputs v .. v + n - 1 of the right side, at one column of the left: out [n, PANEL] += by[j] * right. */
static void add_whole(const Kronecker *f, const Columns *c, size_t v, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const float *right = f->right + (v + i) * f->rows;
        for (size_t j = 0; c->run && j < PANEL; j++) out[i * PANEL + j] += c->by[j] * right[c->row[0] + j];
        for (size_t j = 0; !c->run && j < PANEL; j++) out[i * PANEL + j] += c->by[j] * right[c->row[j]];
    }
}

static void add_low_rank(const Kernels *k, const Kronecker *f, const Columns *c, size_t v, size_t n, float *out)
{
    enum { TERMS = 64 };
    _Alignas(MEM_ALIGN) float up[TERMS * PANEL];
    for (size_t from = 0; from < f->rank; from += TERMS) {
        size_t terms = f->rank - from < TERMS ? f->rank - from : TERMS;
        for (size_t r = 0; r < terms; r++)
            for (size_t j = 0; j < PANEL; j++) up[r * PANEL + j] = c->by[j] * f->up[c->row[j] * f->rank + from + r];
        GemmSize size = { .rows = n, .cols = PANEL, .k = terms };
        k->gemm_f32(out, f->right + v * f->rank + from, f->rank, up, size, true);
    }
}

static void apply_kronecker(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const Kronecker *f = (const Kronecker *)p;
    Columns c;
    if (!patch_touches(p, w, at.panel)) return;
    find_columns(f, w, at.panel, &c);
    for (size_t done = 0, n; done < at.k; done += n) {
        size_t u = (at.first + done) / f->depth, v = (at.first + done) % f->depth;
        n = f->depth - v < at.k - done ? f->depth - v : at.k - done;
        for (size_t j = 0; j < PANEL; j++) c.by[j] = c.there[j] ? f->left[u * f->a + c.x[j]] : 0;
        if (f->rank) add_low_rank(k, f, &c, v, n, out + done * PANEL);
        else add_whole(f, &c, v, n, out + done * PANEL);
    }
}

static const PatchKind kronecker = { "Kronecker", apply_kronecker, NULL, false };

static void transpose(float *to, const float *from, size_t rows, size_t columns, float by)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) to[j * rows + i] = by * from[i * columns + j];
}

Patch *patch_kronecker(const Panels *w, PatchRows at, const PatchKronecker *f, float strength, Err *e)
{
    size_t rows = at.rows / f->a, depth = (size_t)w->k / f->b, rank = f->whole ? 0 : f->rank;
    size_t left = f->a * f->b, right = depth * (rank ? rank : rows);
    float *data;
    Kronecker *p = patch_new(sizeof *p, left + right + rows * rank, &data, e);
    if (!p) return NULL;
    *p = (Kronecker){ { &kronecker, NULL, at }, f->a, f->b, rank, rows, depth, data, data + left, data + left + right };
    transpose(data, f->left, f->a, f->b, strength);
    if (rank) {
        transpose(data + left, f->down, rank, depth, 1);
        memcpy(data + left + right, f->up, rows * rank * sizeof *data);
    } else {
        transpose(data + left, f->whole, rows, depth, 1);
    }
    return &p->base;
}

/* ---- scales ---- */

typedef struct {
    Patch base;
    bool by_input;
    size_t taps;
    const float *keep, *add;
    Patch *inner;
} Scale;

/* out [at.k, PANEL] = keep * out + add * more */
static void scale_chunk(const Scale *s, const Panels *w, PanelPiece at, const float *more, float *out)
{
    float keep[PANEL], add[PANEL];
    bool mine[PANEL];
    for (size_t j = 0; j < PANEL; j++) {
        long row = patch_row(&s->base, w, at.panel, j);
        mine[j] = row >= 0;
        keep[j] = mine[j] && !s->by_input ? s->keep[row] : 1;
        add[j] = mine[j] && !s->by_input ? s->add[row] : 0;
    }
    for (size_t i = 0; i < at.k; i++) {
        size_t q = (at.first + i) / s->taps;
        for (size_t j = 0; j < PANEL && s->by_input; j++) {
            keep[j] = mine[j] ? s->keep[q] : 1;
            add[j] = mine[j] ? s->add[q] : 0;
        }
        for (size_t j = 0; j < PANEL; j++)
            out[i * PANEL + j] = keep[j] * out[i * PANEL + j] + add[j] * more[i * PANEL + j];
    }
}

static void apply_scale(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const Scale *s = (const Scale *)p;
    _Alignas(MEM_ALIGN) float more[PATCH_CHUNK * PANEL];
    if (!patch_touches(p, w, at.panel)) return;
    memset(more, 0, sizeof more);
    for (size_t from = 0; from < at.k; from += PATCH_CHUNK) {
        PanelPiece some = chunk_of(at, from);
        if (s->inner) alone(k, s->inner, w, some, more);
        scale_chunk(s, w, some, more, out + from * PANEL);
    }
}

static void release_scale(Patch *p) { patch_free(((Scale *)p)->inner); }

static const PatchKind scale = { "scale", apply_scale, release_scale, false };

Patch *patch_scale(const Panels *w, PatchRows at, PatchScale s, Patch *inner, Err *e)
{
    size_t n = s.by_input ? (size_t)w->k / s.taps : at.rows;
    float *data;
    Scale *p = patch_new(sizeof *p, 2 * n, &data, e);
    if (!p) {
        patch_free(inner);
        return NULL;
    }
    *p = (Scale){ { &scale, NULL, at }, s.by_input, s.taps, data, data + n, inner };
    memcpy(data, s.keep, n * sizeof *data);
    if (inner) memcpy(data + n, s.add, n * sizeof *data);
    else memset(data + n, 0, n * sizeof *data);
    return &p->base;
}

/* ---- low-rank at each tap ---- */

typedef struct {
    Patch base;
    size_t rank, taps;
    const float *up;   /* [panels, taps, rank, PANEL] */
    const float *down; /* [inputs, rank] */
} Taps;

static void apply_taps(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const Taps *t = (const Taps *)p;
    (void)k;
    if (!patch_touches(p, w, at.panel)) return;
    for (size_t i = 0; i < at.k; i++) {
        size_t q = (at.first + i) / t->taps, tap = (at.first + i) % t->taps;
        const float *up = t->up + (at.panel * t->taps + tap) * t->rank * PANEL, *down = t->down + q * t->rank;
        for (size_t r = 0; r < t->rank; r++)
            for (size_t j = 0; j < PANEL; j++) out[i * PANEL + j] += down[r] * up[r * PANEL + j];
    }
}

static const PatchKind taps_kind = { "taps", apply_taps, NULL, false };

Patch *patch_taps(const Panels *w, PatchRows at, const float *up, const float *down, size_t rank, size_t taps, Err *e)
{
    size_t panels = panels_of(w), inputs = (size_t)w->k / taps, given = panels * taps * rank * PANEL;
    float *data;
    Taps *p = patch_new(sizeof *p, given + inputs * rank, &data, e);
    if (!p) return NULL;
    *p = (Taps){ { &taps_kind, NULL, at }, rank, taps, data, data + given };
    transpose(data + given, down, rank, inputs, 1);
    for (size_t panel = 0; panel < panels; panel++)
        for (size_t j = 0; j < PANEL; j++) {
            long row = patch_row(&p->base, w, panel, j);
            for (size_t i = 0; i < taps * rank; i++)
                data[((panel * taps + i / rank) * rank + i % rank) * PANEL + j] =
                    row < 0 ? 0 : up[((size_t)row * rank + i % rank) * taps + i / rank];
        }
    return &p->base;
}

/* ---- rotations ---- */

typedef struct {
    Patch base;
    size_t n;
    const float *mix; /* [rows / n, n, n] */
} Rotation;

/* What each row of one panel gives each of another: mix [PANEL, PANEL]; false: nothing. */
static bool find_mix(const Rotation *r, const Panels *w, size_t from, size_t to, float mix[PANEL * PANEL])
{
    bool any = false;
    memset(mix, 0, PANEL * PANEL * sizeof *mix);
    for (size_t a = 0; a < PANEL; a++) {
        long x = patch_row(&r->base, w, from, a);
        for (size_t j = 0; x >= 0 && j < PANEL; j++) {
            long m = patch_row(&r->base, w, to, j);
            if (m < 0 || (size_t)m / r->n != (size_t)x / r->n) continue;
            mix[a * PANEL + j] = r->mix[(size_t)m * r->n + (size_t)x % r->n];
            any = true;
        }
    }
    return any;
}

static void apply_rotation(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const Rotation *r = (const Rotation *)p;
    _Alignas(MEM_ALIGN) float from[PATCH_CHUNK * PANEL], to[PATCH_CHUNK * PANEL], mix[PANEL * PANEL];
    size_t panels = panels_of(w);
    if (!patch_touches(p, w, at.panel)) return;
    for (size_t done = 0; done < at.k; done += PATCH_CHUNK) {
        PanelPiece some = chunk_of(at, done);
        memset(to, 0, some.k * PANEL * sizeof *to);
        for (size_t source = 0; source < panels; source++) {
            if (!find_mix(r, w, source, at.panel, mix)) continue;
            panel_before(k, w, p, (PanelPiece){ source, some.first, some.k }, from);
            GemmSize size = { .rows = some.k, .cols = PANEL, .k = PANEL };
            k->gemm_f32(to, from, PANEL, mix, size, true);
        }
        for (size_t j = 0; j < PANEL; j++)
            for (size_t i = 0; i < some.k && patch_row(p, w, at.panel, j) >= 0; i++)
                out[(done + i) * PANEL + j] = to[i * PANEL + j];
    }
}

static const PatchKind rotation = { "rotation", apply_rotation, NULL, true };

Patch *patch_rotation(PatchRows at, const float *mix, size_t n, Err *e)
{
    float *data;
    Rotation *r = patch_new(sizeof *r, at.rows * n, &data, e);
    if (!r) return NULL;
    *r = (Rotation){ { &rotation, NULL, at }, n, data };
    memcpy(data, mix, at.rows * n * sizeof *data);
    return &r->base;
}
