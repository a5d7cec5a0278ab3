/*
 * synthetic.h - random weights of a network, for measuring speed: each tensor that binding requests is generated in
 * memory, in float16 as checkpoints have them or in another type, the same on every run and machine.
 *
 * Values are normal: weights of variance 1/fan_in, norms around 1, biases around 0, so that activations keep their size
 * through the whole network. The memory behaves as a mapped file does: what was converted stops counting as the process's.
 */
#ifndef LIMN_PIPELINE_SYNTHETIC_H
#define LIMN_PIPELINE_SYNTHETIC_H

#include "weights/weights.h"

typedef struct Synthetic Synthetic;

/*
 * type: of its matrices (quantise_choice()). dry: names and shapes only, to count a network's memory. threads:
 * that generate the values.
 */
Synthetic *synthetic_new(DType type, bool dry, int threads);
void synthetic_free(Synthetic *s);

/* The set to bind a network with; owned by s, which must live as long as the network. */
Weights *synthetic_weights(Synthetic *s);

/* Bytes of the tensors that were requested; those that are only described do not count. */
size_t synthetic_bytes(const Synthetic *s);

#endif
