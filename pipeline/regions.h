/* regions.h - --region "X,Y,W,H[,soft=N][,strength=X]=TEXT": a prompt that counts in a part of the picture. */
#ifndef LIMN_PIPELINE_REGIONS_H
#define LIMN_PIPELINE_REGIONS_H

#include "base/err.h"
#include "pipeline/job.h"

enum { REGIONS_MAX = 8 };

/* Pixels, or all four shares of the picture, 0 .. 1. text is in the line, and ends where it does. */
typedef struct {
    double x, y, w, h, soft, strength;
    const char *text;
} RegionWish;

/* Error (ERR_USAGE): what was found, what is expected. */
int region_line_parse(const char *line, RegionWish *out, Err *e);
int region_lines_check(const char *line, Err *e);

/* How many lines there are. */
int regions_count(const char *lines);

/*
 * Where each counts, shares [1 + count, h * w] of a latent: first what is left to the prompt, then each region's. Their sum is 1 everywhere.
 * scale: how much larger the picture is than the one that pixels are of. Edges within the picture rise over `soft` pixels.
 */
void regions_shares(const char *lines, int factor, int w, int h, double scale, float *shares);

#endif
