/*
 * areas.h - regions that are evaluated on their part of the latent alone, as ComfyUI's ConditioningSetArea: the part is cut out,
 * evaluated as a picture of its own, and counts at its place (regions.h). The negative prompt is evaluated for each area too, and
 * counts there with the same weights. Source: ComfyUI's samplers.py (get_area_and_mult, calc_cond_batch,
 * create_cond_with_same_area_if_none). Internal to pipeline/.
 */
#ifndef LIMN_PIPELINE_AREAS_H
#define LIMN_PIPELINE_AREAS_H

#include "pipeline/generator.h"

/* Returns whether a region of the job is an area. */
bool areas_wanted(const Recipe *r);

/* Error (ERR_USAGE): an option that cannot be combined with areas. */
int areas_check(const Recipe *r, Err *e);

/* out = the network's output for ev; for an area's prompt it is 0 outside the area. Error: cancelled. */
int areas_evaluate(Generator *g, Tensor out, const Evaluation *ev, Err *e);

#endif
