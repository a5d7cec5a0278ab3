/*
 * scales.h - 8-bit floats with scales: W = value * scale, where scales are tensors of their own in the file.
 * Source: Comfy-Org/ComfyUI, comfy/utils.py (convert_old_quants) and comfy/quant_ops.py: `NAME.scale_weight`, `NAME.scale_input` and
 * the mark `scaled_fp8` of 2024 and 2025; `NAME.weight_scale`, `NAME.input_scale`, `NAME.comfy_quant` and the metadata
 * `_quantization_metadata` since.
 */
#ifndef LIMN_WEIGHTS_SCALES_H
#define LIMN_WEIGHTS_SCALES_H

#include "weights/weights.h"

/*
 * Lets each scaled tensor know its scales, and marks what told of them as folded. Scales of inputs, which are for arithmetic in 8
 * bits, are passed over. Error: a scale that belongs to nothing or is no number above 0; numbers that are packed in ways limn does
 * not read (NF4, NVFP4, blocks of 128 x 128), by their name.
 */
int scales_fold(Weights *w, Bytes file, Err *e);

#endif
