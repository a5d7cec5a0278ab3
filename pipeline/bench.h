/*
 * bench.h - measures a step and a decoding of a known network on this machine, with weights generated in memory.
 */
#ifndef LIMN_PIPELINE_BENCH_H
#define LIMN_PIPELINE_BENCH_H

#include "base/err.h"
#include "nn/peak.h"
#include "nn/profile.h"
#include "pipeline/generate.h"
#include "pipeline/speeds.h"

/* A network by its name. */
typedef struct {
    const char *name;       /* "sd15" */
    const char *unet, *vae; /* their config.json; NULL: those of the built-in model of that name */
} BenchShape;

extern const BenchShape bench_shapes[]; /* ends with name NULL */

typedef struct {
    const char *shape;
    int size;              /* pixels on a side; 0: what the network was trained at */
    int batch;             /* latents in one call of the UNet: 2 is one picture with guidance */
    int threads;           /* >= 1 */
    DType type;            /* of the UNet's matrices: F16 as checkpoints have them */
    const char *precision; /* as --precision has it; NULL: auto */
    const Watch *watch;    /* step and cancelled are called between passes */
} BenchJob;

/* One network: the fastest of several passes after a warm-up. */
typedef struct {
    double seconds;
    double flops;    /* 2 x the multiplications of the plain algorithm */
    Profile profile; /* of that pass */
} BenchPass;

typedef struct {
    const char *row;    /* of the kernels */
    char precision[64]; /* "f32" */
    int size;
    double make_seconds; /* making and binding the weights */
    BenchPass step, vae; /* one call of the UNet; decoding one picture */
    Peak peak;           /* of the machine */
    Speeds speeds;       /* of its layers by precision, from which auto chooses */
    size_t peak_bytes;   /* the process's peak memory (VmHWM) */
    size_t unet_bytes;   /* of the UNet's weights alone */
    size_t
        weights_bytes; /* of the weights; of large networks some of it does not count above: here it lies in shared memory, as
                             a model's lies in the page cache */
} BenchResult;

/*
 * Error: no such shape, a size that it cannot draw, too little memory (the text has the figure), cancelled. *out is
 * bench_release()'s also then.
 */
int bench_run(const BenchJob *j, BenchResult *out, Err *e);
void bench_release(BenchResult *r);

#endif
