/*
 * areas.h - regions whose prompt sees their part of the latent alone, as ComfyUI's ConditioningSetArea: the part is cut out, evaluated as a
 * picture of its own, and counts where it lies (regions.h). The negative prompt is evaluated for each area too, and counts there by the
 * same weights. Source: ComfyUI's samplers.py (get_area_and_mult, calc_cond_batch, create_cond_with_same_area_if_none). Internal to
 * pipeline/.
 */
#ifndef LIMN_PIPELINE_AREAS_H
#define LIMN_PIPELINE_AREAS_H

#include "pipeline/generator.h"

/* Whether a region of the job is an area. */
bool areas_wanted(const Recipe *r);

/* What areas do not go together with. Error (ERR_USAGE). */
int areas_check(const Recipe *r, Err *e);

/* out = the network's output for ev; of a prompt of an area 0 outside of it. Error: cancelled. */
int areas_evaluate(Generator *g, Tensor out, const Evaluation *ev, Err *e);

#endif
