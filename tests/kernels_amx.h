/* kernels_amx.h - the kernel sets with tile registers: the processor's, where it has them, and in C (tiles_emulated.h). */
#ifndef LIMN_TESTS_KERNELS_AMX_H
#define LIMN_TESTS_KERNELS_AMX_H

#include "nn/kernels.h"

/* Number i of those that run here; NULL: there are no more. The one in C needs what else avx512bf16 has. */
const Kernels *tiles_set(int i);
/* The one in C, or NULL. */
const Kernels *tiles_in_c(void);

#endif
