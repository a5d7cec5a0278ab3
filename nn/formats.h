/*
 * formats.h - how files hold the rows of a matrix: a table, one row a format. A product reads weights in their file's format,
 * piece by piece (panels.h); a format that no kernel reads itself is unpacked to f32 on the way.
 */
#ifndef LIMN_NN_FORMATS_H
#define LIMN_NN_FORMATS_H

#include <stddef.h>

#include "nn/kernels.h"

typedef struct {
    const char *name;    /* as files call it: "F16", "Q8_0" */
    size_t block, bytes; /* values of a row that are stored together, and in how many bytes */
    /* k values (a multiple of block) that begin at `from`, perhaps unaligned; NULL: the kernels read it (kernels.h) */
    void (*unpack)(float *to, const unsigned char *from, size_t k);
} RowFormat;

/* By PanelType. */
extern const RowFormat row_formats[PANEL_TYPES];

/* Bytes of k values of a row; k is a multiple of the format's block, but for the last ones of a row of whole values. */
static inline size_t row_bytes(PanelType t, size_t k) { return k / row_formats[t].block * row_formats[t].bytes; }

#endif
