/*
 * averages.h - the averages of a training (EMA) that LDM's checkpoints contain in addition to the weights, or instead: names
 * without dots behind "model_ema.", "model_ema.diffusion_modelinput_blocks10in_layers0weight".
 * Source: CompVis/latent-diffusion, ldm/modules/ema.py (LitEma).
 */
#ifndef LIMN_WEIGHTS_AVERAGES_H
#define LIMN_WEIGHTS_AVERAGES_H

#include "base/str.h"
#include "weights/weights.h"

/* "diffusion_model.input_blocks.1.0.in_layers.0.weight" of the name behind "model_ema."; false: it is no UNet's. */
bool averages_name(const char *flat, Str *out);

/*
 * If a file has no UNet except its averages, these are used as the UNet: the same tensors are added under "model." and their
 * names with dots. Returns how many; -1: an error.
 */
int averages_unfold(Weights *all, Err *e);

#endif
