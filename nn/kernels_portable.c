/* kernels_portable.c - the portable row of the kernel table; see kernels.inc. */
#define ROW      kernels_portable
#define ROW_NAME "portable"
#include "nn/kernels.inc"
