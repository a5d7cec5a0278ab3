/*
 * guide_image.c - guidance by the input picture, for models that edit by instruction. Brooks et al. 2022, arXiv:2211.09800
 * (InstructPix2Pix), eq. 3: F = none + image (picture - none) + text (prompt - picture), where `none` sees neither, and `picture`
 * is the negative prompt's evaluation, which sees the picture. cfg has made picture + text (prompt - picture) of it already.
 */
#include "scheduler/guide_internal.h"

bool image_on(const Guidance *g, const double *value) { return cfg_on(g, NULL) && value[0] > 0; }

void image_branches(GuideStep *s, const double *value, int round)
{
    (void)value;
    if (round == 0) guide_want(s, (Branch){ .of = BRANCH_BLIND });
}

void image_join(GuideStep *s, const double *value)
{
    Tensor picture = guide_raw(s, BRANCH_NEGATIVE), none = guide_raw(s, BRANCH_BLIND);
    float more = (float)value[0] - 1;
    size_t len = s->out.data ? tensor_len(s->out) : 0;
    for (size_t k = 0; k < len; k++) s->out.data[k] += more * (picture.data[k] - none.data[k]);
}
