/* baked.c - see baked.h. */
#include "pipeline/baked.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/kernels.h"
#include "nn/panels.h"
#include "pipeline/adapters.h"
#include "pipeline/parts.h"
#include "weights/read.h"

/* A share of a tensor of the file: the elements `first` and on are a bound matrix's, or a vector's. */
typedef struct {
    const Weight *of; /* in the caller's set */
    size_t first, count;
    const BoundMatrix *matrix;
    const BoundVector *vector;
} Share;

struct Baked {
    Model model; /* its networks alone */
    Parts parts;
    Share *share;
    size_t count;
};

/* ---- binding ---- */

static int bind(Baked *b, const ModelPaths *p, Err *e)
{
    for (int i = 0; i < b->parts.count; i++) {
        Part *part = &b->parts.part[i];
        if (!part_present(part) || part->is->role == ROLE_CODEC) continue;
        Config *c = config_parse((Bytes){ (const unsigned char *)str_text(&part->config), part->config.len },
                                 part->config_where, e);
        if (!c) return -1;
        config_pass_over(c);
        int failed = part->class->bind(&b->model, part, c, p, e);
        config_free(c);
        if (failed) return err_in(e, part->where);
    }
    return 0;
}

/* ---- where they lie ---- */

static void add_share(Baked *b, Share s)
{
    b->share = mem_grow(b->share, (b->count + 1) * sizeof *b->share);
    b->share[b->count++] = s;
}

/* The caller's tensor that has those bytes of the model's own mapping, and where in it they begin; both map the same file. */
static const Weight *find_in(Weights *w, const Bytes *file, const unsigned char *base, const Weight *v, size_t *first)
{
    for (size_t i = 0; i < weights_count(w); i++) {
        const Weight *t = weights_at(w, i);
        size_t at = (size_t)(v->data - file->data), from = (size_t)(t->data - base);
        if (t->folded || at < from || at + v->bytes > from + t->bytes || !v->bytes) continue;
        *first = (at - from) / dtype_size(t->dtype) * dtype_block(t->dtype);
        return t;
    }
    return NULL;
}

static const BoundMatrix *matrix_of(const BoundMemory *m, const char *name)
{
    for (size_t i = 0; i < m->matrix_count; i++)
        if (m->matrices[i].w->patch && strcmp(m->matrices[i].name, name) == 0) return &m->matrices[i];
    return NULL;
}

static const BoundVector *vector_of(const BoundMemory *m, const char *name)
{
    for (size_t i = 0; i < m->vector_count; i++)
        if (strcmp(m->vectors[i].name, name) == 0) return &m->vectors[i];
    return NULL;
}

static int share_out(Baked *b, const Part *part, const BoundMemory *bound, Weights *w, const unsigned char *base,
                     Err *e)
{
    for (size_t i = 0; i < weights_count(part->weights); i++) {
        const Weight *v = weights_at(part->weights, i);
        Share s = { .count = weight_count(v), .matrix = matrix_of(bound, v->name) };
        if (!s.matrix) s.vector = vector_of(bound, v->name);
        if (!s.matrix && !s.vector) continue;
        if (v->own && s.matrix)
            return err_set(e, "%s: an adapter changes it, and it lies turned in the file: it cannot be baked in",
                           v->name);
        s.of = v->own ? NULL : find_in(w, &b->parts.file[0].bytes, base, v, &s.first);
        if (s.of) add_share(b, s);
    }
    return 0;
}

static const BoundMemory *bound_of(const Baked *b, const Part *part)
{
    int text = 0;
    if (part->is->role == ROLE_NETWORK) return unet_bound(b->model.unet);
    for (const Part *p = NULL; (p = parts_next(&b->parts, ROLE_TEXT, p)) && p != part;) text++;
    return text_encoder_bound(b->model.text[text].encoder);
}

/* The least address of a tensor's data: where the mapping's data begin. */
static const unsigned char *base_of(Weights *w, const Bytes *file, Weights *again)
{
    const Weight *a = weights_at(w, 0), *b = weights_find(again, a->name);
    return b ? a->data - (size_t)(b->data - file->data) : NULL;
}

static int find_shares(Baked *b, Weights *w, Err *e)
{
    Weights *again = weights_new(); /* the same list over the model's mapping */
    int failed = weights_read(again, b->parts.file[0].bytes, e);
    const unsigned char *base = failed ? NULL : base_of(w, &b->parts.file[0].bytes, again);
    for (int i = 0; i < b->parts.count && !failed && base; i++) {
        const Part *part = &b->parts.part[i];
        if (part_present(part) && part->is->role != ROLE_CODEC)
            failed = share_out(b, part, bound_of(b, part), w, base, e);
    }
    weights_free(again);
    return failed;
}

Baked *baked_new(const char *path, Weights *w, const Job *j, const Watch *watch, Err *e)
{
    Baked *b = mem_alloc(sizeof *b);
    const ModelPaths p = { .path = path, .no_weights = true }; /* no tokenizer is wanted */
    int failed = parts_open(&b->parts, &p, e);
    b->model.files = &b->parts;
    b->model.family = b->parts.family;
    b->model.path = b->parts.path;
    Job exact; /* factors of 16 bits are for drawing */
    job_copy(&exact, j);
    free(exact.precision);
    exact.precision = mem_strdup("f32");
    failed = failed || bind(b, &p, e) || adapters_use(&b->model, &exact, watch, e) < 0 || find_shares(b, w, e);
    job_release(&exact);
    if (!failed) return b;
    baked_free(b);
    return NULL;
}

void baked_free(Baked *b)
{
    if (!b) return;
    adapters_drop(&b->model);
    for (int i = 0; i < TEXTS_MAX; i++) text_encoder_free(b->model.text[i].encoder);
    unet_free(b->model.unet);
    parts_release(&b->parts);
    free(b->share);
    free(b);
}

bool baked_has(const Baked *b, const Weight *t)
{
    for (size_t i = 0; b && i < b->count; i++)
        if (b->share[i].of == t) return true;
    return false;
}

/* ---- values ---- */

/* Elements from .. from + n - 1 of a matrix [rows, k], read panel by panel as products read them. */
static void matrix_values(const BoundMatrix *m, size_t from, size_t n, float *out)
{
    const Kernels *kernels = kernels_select(&(const char *){ NULL });
    size_t k = (size_t)m->w->k, first = from / k, last = (from + n - 1) / k;
#pragma omp parallel for schedule(dynamic)
    for (size_t panel = 0; panel < panels_of(m->w); panel++) {
        float *piece = NULL;
        for (size_t j = 0; j < PANEL; j++) {
            long row = panel_row(m->w, panel, j);
            size_t at = row < 0 || (size_t)row < m->row ? SIZE_MAX : (size_t)row - m->row;
            if (at >= m->rows || at < first || at > last) continue;
            if (!piece) {
                piece = mem_array(k * PANEL, sizeof *piece);
                panel_f32(kernels, m->w, (PanelPiece){ panel, 0, k }, (PanelPiece){ panel, 0, 0 }, piece);
            }
            for (size_t i = 0; i < k; i++)
                if (at * k + i >= from && at * k + i < from + n) out[at * k + i - from] = piece[i * PANEL + j];
        }
        free(piece);
    }
}

static void vector_values(const BoundVector *v, size_t from, size_t n, float *out)
{
    const float *now = *v->at;
    for (size_t i = 0; now && !v->order && i < n; i++) out[i] = now[v->first + from + i];
    for (size_t i = 0; now && v->order && i < v->all; i++) {
        long row = panel_row(v->order, i / PANEL, i % PANEL);
        if (row >= (long)from && row < (long)(from + n)) out[(size_t)row - from] = now[i];
    }
}

void baked_values(const Baked *b, const Weight *t, size_t from, size_t n, float *out)
{
    weight_values(t, from, n, out);
    for (size_t i = 0; i < b->count; i++) {
        const Share *s = &b->share[i];
        if (s->of != t || from >= s->first + s->count || from + n <= s->first) continue;
        size_t begin = from > s->first ? from : s->first,
               end = from + n < s->first + s->count ? from + n : s->first + s->count;
        if (s->matrix) matrix_values(s->matrix, begin - s->first, end - begin, out + (begin - from));
        else vector_values(s->vector, begin - s->first, end - begin, out + (begin - from));
    }
}
