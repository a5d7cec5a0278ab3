/* guide_internal.h - the functions that rows of guides[] name, each in a file guide_*.c. */
#ifndef LIMN_SCHEDULER_GUIDE_INTERNAL_H
#define LIMN_SCHEDULER_GUIDE_INTERNAL_H

#include "scheduler/guide.h"

/* guide_compose.c: a prompt of several parts, which count as one before any row of the table acts. */
void compose_branches(GuideStep *s, int round);
void compose_join(GuideStep *s);

#define GUIDE_ON(name)       bool name##_on(const Guidance *g, const double *value)
#define GUIDE_BRANCHES(name) void name##_branches(GuideStep *s, const double *value, int round)
#define GUIDE_JOIN(name)     void name##_join(GuideStep *s, const double *value)

/* guide_skip.c: when the negative prompt is not evaluated. */
GUIDE_ON(ngms);
GUIDE_BRANCHES(ngms);
GUIDE_ON(skip_early);
GUIDE_BRANCHES(skip_early);
GUIDE_ON(reuse);
GUIDE_BRANCHES(reuse);
GUIDE_JOIN(reuse);

/* guide_cfg.c: the prompt against the negative prompt. */
GUIDE_ON(cfg);
GUIDE_BRANCHES(cfg);
GUIDE_JOIN(cfg);

/* guide_project.c: the same, with a projection of the negative prompt's output. */
GUIDE_ON(zero_star);
GUIDE_JOIN(zero_star);
GUIDE_ON(apg);
GUIDE_JOIN(apg);
GUIDE_ON(perp_neg);
GUIDE_BRANCHES(perp_neg);
GUIDE_JOIN(perp_neg);

/* guide_mimic.c: the guided estimate's range. */
GUIDE_ON(mimic);
GUIDE_JOIN(mimic);

/* guide_image.c: with the picture that is concatenated to the latent, against without. */
GUIDE_ON(image);
GUIDE_BRANCHES(image);
GUIDE_JOIN(image);

/* guide_attention.c: the network against itself with other self-attention. */
GUIDE_ON(pag);
GUIDE_BRANCHES(pag);
GUIDE_JOIN(pag);
GUIDE_ON(seg);
GUIDE_BRANCHES(seg);
GUIDE_JOIN(seg);

/* guide_sag.c: the network on a picture blurred where its attention is strong. */
GUIDE_ON(sag);
GUIDE_BRANCHES(sag);
GUIDE_JOIN(sag);

/* guide_rescale.c: the guided output brought back to the deviation of the prompt's. */
GUIDE_ON(rescale);
GUIDE_JOIN(rescale);

#endif
