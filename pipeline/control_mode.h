/*
 * control_mode.h - whether the prompt or the control picture counts more: guess and mode= of a line. Sources: diffusers'
 * pipeline_controlnet.py (guess_mode); Mikubill/sd-webui-controlnet, scripts/hook.py (soft_injection, cfg_injection).
 */
#ifndef LIMN_PIPELINE_CONTROL_MODE_H
#define LIMN_PIPELINE_CONTROL_MODE_H

#include "pipeline/control_line.h"
#include "pipeline/generator.h"

typedef struct {
    bool guess;       /* diffusers' scales, from a tenth up */
    bool soft;        /* A1111's soft weights: control_soft_share() */
    bool prompt_only; /* no effect on the negative prompt */
} ControlMode;

/*
 * guess is diffusers' guess mode; with --compat a1111, which has none, its "ControlNet is more important", as mode=control.
 * mode=prompt: soft weights for both prompts. A1111's second pass (hires) has soft weights for edges whatever the mode.
 */
ControlMode control_mode(const Generator *g, const ControlLine *l);

/*
 * A1111's soft weight of result i of a ControlNet (0.825 for each that is further from the last of 13), or of a
 * T2I-Adapter's map.
 */
double control_soft_share(ControlKind kind, int i);

#endif
