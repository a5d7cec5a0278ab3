/*
 * bind.h - binds named tensors to layers and checks shapes and values. Matrices stay in the mapped file.
 *
 * A network's bind function walks its structure with dotted names as diffusers writes them. The first missing or
 * mis-shaped tensor stops it with what was found and what was expected; bind_finish() reports extra ones.
 */
#ifndef LIMN_NN_BIND_H
#define LIMN_NN_BIND_H

#include <stdbool.h>

#include "base/err.h"
#include "nn/nn.h"
#include "weights/weights.h"

/* A matrix: its name in the file, and the panels from which products read it. Adapters find what they change by it. */
typedef struct {
    char *name;       /* "down_blocks.0.attentions.0.proj_in.weight" */
    Panels *w;        /* the layer's, for as long as the network */
    size_t row, rows; /* of w, where several are joined */
} BoundMatrix;

/* A bias, or a norm's scale or shift: its name in the file, and where a layer reads it. */
typedef struct {
    char *name;          /* "down_blocks.0.resnets.0.norm1.weight" */
    const float **at;    /* the layer's; NULL in it: the layer has no bias */
    size_t first, count; /* of [all] */
    size_t all;
    const Panels *order; /* in the order of these panels (GEGLU's bias); NULL: in the file's order */
} BoundVector;

typedef struct {
    Weights *weights;
    BoundMatrix *matrices; /* [matrix_count] */
    size_t matrix_count;
    BoundVector *vectors; /* [vector_count] */
    size_t vector_count;
    char prefix[256]; /* "down_blocks.0.resnets.1." */
    void **blocks;    /* heap memory of converted weights, released with the network */
    size_t count;
    size_t bytes;    /* held in blocks */
    size_t borrowed; /* bytes used directly from the file */
    bool check_only; /* only check names and shapes, convert nothing: the layers must not be used */
    Err *e;
} Binder;

void binder_init(Binder *b, Weights *w, Err *e);

/* The converted weights, handed over to the network, which owns them from then on; borrowed: bytes used from the file. */
typedef struct {
    void **blocks;
    size_t count, bytes, borrowed;
    BoundMatrix *matrices; /* [matrix_count]; the layers must not move from now on */
    size_t matrix_count;
    BoundVector *vectors; /* [vector_count] */
    size_t vector_count;
} BoundMemory;
BoundMemory binder_take(Binder *b);
/* Another block, 64-byte aligned. NULL with e set: out of memory. */
void *bound_new(BoundMemory *m, size_t bytes, Err *e);
void bound_release(BoundMemory *m);
/* For failures: frees what was converted so far. */
void binder_release(Binder *b);

/* Adds a name to the prefix (printf, without the final dot); returns the mark for bind_leave(), which undoes it. */
size_t bind_enter(Binder *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bind_leave(Binder *b, size_t mark);
bool bind_has(const Binder *b, const char *name); /* is there prefix + name? */

/* All return 0, or -1 with b->e set. name is put after the prefix; ".weight" and ".bias" after it. */
int bind_linear(Binder *b, Linear *l, const char *name, int in, int out, bool bias);
/* out counts values and gates: the tensor's first half, and its second; nn_linear() multiplies them. With bias. */
int bind_linear_geglu(Binder *b, Linear *l, const char *name, int in, int out);
/* Layers of the same shape and input as one, [.., count * out]; names ends with NULL. */
enum { BIND_JOINED = PANELS_JOINED };
int bind_linear_joined(Binder *b, Linear *l, const char *const *names, int in, int out, bool bias);
int bind_conv(Binder *b, Conv *c, const char *name, int in, int out, int k); /* with bias */
int bind_conv_unbiased(Binder *b, Conv *c, const char *name, int in, int out, int k);
int bind_norm(Binder *b, Norm *n, const char *name, int c, int groups, float eps);
/* A whole tensor as f32. */
int bind_tensor(Binder *b, const float **out, const char *name, int ndim, const int64_t *shape);

/* A table of which a few rows are read (an embedding): it stays in the file as it is there, checked for bad values. */
typedef struct {
    Weight values; /* [rows, width]; its name is not to be used */
    size_t width;
} Table;
int bind_table(Binder *b, Table *out, const char *name, int rows, int width);
void table_row(const Table *t, size_t row, float *to); /* to: width floats */

/* Fails when a tensor nobody took is left; ignore: NULL-terminated suffixes that may be ("position_ids"). */
int bind_finish(Binder *b, const char *const *ignore);

#endif
