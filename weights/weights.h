/*
 * weights.h - a set of named tensors, as the files hold them. Data stays in the mapped file: nothing is copied.
 */
#ifndef LIMN_WEIGHTS_WEIGHTS_H
#define LIMN_WEIGHTS_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

/*
 * Number formats that limn computes with (dtype_computes()), and others that it knows so that a file may contain them too. Those
 * before DT_SAFETENSORS are safetensors' types; the rest are GGUF's, whose values lie in blocks (blocks.h).
 */
typedef enum {
    DT_F32,
    DT_F16,
    DT_BF16,
    DT_F64,
    DT_I64,
    DT_I32,
    DT_I16,
    DT_I8,
    DT_U64,
    DT_U32,
    DT_U16,
    DT_U8,
    DT_BOOL,
    DT_F8_E4M3,
    DT_F8_E5M2,
    DT_C64,
    DT_SAFETENSORS,
    DT_Q4_0 = DT_SAFETENSORS,
    DT_Q4_1,
    DT_Q5_0,
    DT_Q5_1,
    DT_Q8_0,
    DT_IQ4_NL,
    DT_Q2_K,
    DT_Q3_K,
    DT_Q4_K,
    DT_Q5_K,
    DT_Q6_K,
    DT_IQ4_XS,
    DT_COUNT
} DType;

enum { WEIGHT_MAX_DIMS = 8 };

typedef struct {
    char *name;
    DType dtype;
    int ndim;
    int64_t shape[WEIGHT_MAX_DIMS];
    const unsigned char *data; /* little-endian, row-major, perhaps unaligned; borrowed from the file */
    size_t bytes;
    unsigned char *own; /* NULL; or the heap memory that data points to if it is not in a file; owned by the set */
    const unsigned char
        *scale;       /* what the numbers are multiplied by, scales of scale_type, perhaps unaligned; NULL: nothing */
    DType scale_type; /* F32, F16 or BF16 */
    size_t scales;    /* 1, or one for each of shape[0] */
    bool used;        /* set by weights_take(): what is left over is reported as extra */
    bool unchecked;   /* the finite check (for NaN and infinity) is deferred to the first step */
    bool folded;      /* belongs to another tensor (a scale, a mark) that has taken it over: not a weight itself */
} Weight;

typedef struct Weights Weights;

Weights *weights_new(void);
void weights_free(Weights *w);

/* A dry set is only described: binding checks names and shapes and counts bytes; no data is read. */
void weights_set_dry(Weights *w);
bool weights_dry(const Weights *w);

/* The data lie in mapped files, so that pages may be evicted: file_evict(). */
void weights_set_mapped(Weights *w);
bool weights_mapped(const Weights *w);

/* Binding defers the finite check (for NaN and infinity) of tensors that stay in the file: it marks them, the caller does it. */
void weights_defer_check(Weights *w);
bool weights_check_deferred(const Weights *w);

/* All of the set is not needed soon: its pages are evicted (file.h). Does nothing where they are not mapped. */
void weights_evict(const Weights *w);

/* A tensor's values were copied to where they are used: its pages of a mapped file are evicted. */
void weights_converted(const Weights *w, const Weight *t);

/*
 * A set without files: tensors that are asked for and not there are made. make() fills in dtype, bytes and data (the maker's,
 * for as long as the set) of a tensor of which name and shape are known; described: nobody will read its data.
 */
typedef struct {
    void *ctx;
    int (*make)(void *ctx, Weight *t, bool described, Err *e);
} WeightMaker;
void weights_set_maker(Weights *w, WeightMaker maker);
bool weights_makes(const Weights *w);

/* Makes a tensor of that name and shape and adds it, used. */
Weight *weights_make(Weights *w, const Weight *want, bool described, Err *e);

/* Adds a tensor (name is copied, own handed over). Error: the name is there already; own is freed then, too. */
int weights_add(Weights *w, const char *name, const Weight *t, Err *e);

size_t weights_count(const Weights *w);
Weight *weights_at(Weights *w, size_t i);                 /* in the order they were added */
Weight *weights_find(const Weights *w, const char *name); /* NULL when absent */

/* weights_find() that marks the tensor as used. */
Weight *weights_take(Weights *w, const char *name);

/* Bytes of one element, or of one block; elements of a block, 1 where there are none; the name as in files ("F16", "Q8_0"). */
size_t dtype_size(DType t);
size_t dtype_block(DType t);
const char *dtype_name(DType t);
/* Bytes of so many elements, which are whole blocks. */
static inline size_t dtype_bytes(DType t, size_t count) { return count / dtype_block(t) * dtype_size(t); }
/* Returns whether weight_to_f32() knows its numbers. */
bool dtype_computes(DType t);

/* "[320, 4, 3, 3]" into buf; returns buf. */
const char *weight_shape_text(const Weight *t, char *buf, size_t size);

/* The number of elements (1 for ndim 0). */
size_t weight_count(const Weight *t);

/*
 * The elements as f32, scaled where the tensor has scales (integers are an error). dst holds weight_count() floats.
 * Error: NaN or infinity found; the text names the index.
 */
int weight_to_f32(const Weight *t, float *dst, Err *e);

/* Elements from .. from + n - 1 as f32, without a look at NaN and infinity; of a type that computes. */
void weight_values(const Weight *t, size_t from, size_t n, float *dst);

/* What row i along the first dimension is multiplied by; 1 without scales. */
float weight_scale(const Weight *t, size_t i);

#endif
