/*
 * scan.h - weights that stay in their file are looked over once for NaN and infinity, at the speed of memory: as bits, without
 * converting them; what lies in blocks is unpacked, some of it at a time.
 */
#ifndef LIMN_NN_SCAN_H
#define LIMN_NN_SCAN_H

#include "weights/weights.h"

/* F32, F16, BF16, or one in blocks or of 8 bits: what products can use where it lies. */
bool scan_knows(DType t);

/*
 * On all cores of the calling thread's OpenMP. Error: names the tensor and the first bad element. With `evict` its pages stop
 * counting as ours as they are done with: for weights that are not needed yet; they must be a file's.
 */
int scan_weight(const Weight *t, bool evict, Err *e);

/* The calling thread's scans use no other core. */
void scan_alone(void);

#endif
