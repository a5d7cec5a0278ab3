/* guide_internal.h - the functions that rows of guides[] name, each in a file guide_*.c. */
#ifndef LIMN_SCHEDULER_GUIDE_INTERNAL_H
#define LIMN_SCHEDULER_GUIDE_INTERNAL_H

#include "scheduler/guide.h"

/* guide_cfg.c: the prompt against the negative prompt. */
bool cfg_on(const Guidance *g, const double *value);
void cfg_branches(GuideStep *s, const double *value, int round);
void cfg_join(GuideStep *s, const double *value);

/* guide_image.c: the picture beside the latent against none. */
bool image_on(const Guidance *g, const double *value);
void image_branches(GuideStep *s, const double *value, int round);
void image_join(GuideStep *s, const double *value);

/* guide_rescale.c: the guided output brought back to the deviation of the prompt's. */
bool rescale_on(const Guidance *g, const double *value);
void rescale_join(GuideStep *s, const double *value);

#endif
