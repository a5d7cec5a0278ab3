/* kernels_portable.c - the portable row of the kernel table: plain C, and OpenBLAS for products; see kernels.inc. */
#define ROW        kernels_portable
#define ROW_NAME   "portable"
#define ROW_UNPACK blocks_plain
#define VEC_BYTES  16
#define WITH_BLAS
#include "nn/kernels.inc"
