/*
 * speeds.h - how fast this CPU computes each kind of layer in each precision, measured once for a CPU model and remembered in
 * limn's cache folder, so that the choice of --precision auto does not change from run to run.
 */
#ifndef LIMN_PIPELINE_SPEEDS_H
#define LIMN_PIPELINE_SPEEDS_H

#include "pipeline/precision.h"

typedef struct {
    double gops
        [PRECISION_WAYS]; /* of a layer of middle size on one thread, as precision_ways[] has them; 0: there is none */
    Precision chosen;     /* auto's choice for large networks: never fewer than 16 bits (fidelity.h) */
} Speeds;

/* The key of the measurements: "AMD EPYC 25/17/1; avx512bf16; 0.1.0". */
enum { SPEEDS_NAME = 128 };
void speeds_name(const Kernels *k, char buf[SPEEDS_NAME]);

/*
 * The speeds of these kernels; a copy. The first call on a machine takes a tenth of a second and writes
 * $XDG_CACHE_HOME/limn/speeds.json; a process measures once. Kernels without products of rounded factors are not measured.
 */
Speeds speeds_of(const Kernels *k);

#endif
