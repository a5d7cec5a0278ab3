/* regions.h - --region "X,Y,W,H[,soft=N][,strength=X][,over|,area]=TEXT": a prompt that counts in a part of the picture. */
#ifndef LIMN_PIPELINE_REGIONS_H
#define LIMN_PIPELINE_REGIONS_H

#include <stdbool.h>

#include "base/err.h"
#include "image/fit.h"
#include "pipeline/job.h"

enum { REGIONS_MAX = 8 };

/* Pixels, or all four shares of the picture, 0 .. 1. text is in the line, and ends where it does. */
typedef struct {
    double x, y, w, h, soft, strength;
    bool over; /* beside the prompt, which counts there as well; else in its place */
    bool area; /* over, and the network sees this part of the latent alone (areas.h) */
    const char *text;
} RegionWish;

/* Error (ERR_USAGE): what was found, what is expected. */
int region_line_parse(const char *line, RegionWish *out, Err *e);
int region_lines_check(const char *line, Err *e);

/* How many lines there are. */
int regions_count(const char *lines);

/* The part of a latent of w x h that is an area, rounded as ComfyUI does; w 0: it lies outside. scale: as of regions_shares(). */
Region region_area(const RegionWish *r, int factor, int w, int h, double scale);

/* What an area counts at a place of its own: its strength, less near edges within the picture (ComfyUI's get_area_and_mult()). */
double region_area_weight(const RegionWish *r, Region at, int w, int h, int x, int y);

/*
 * Where each counts, shares [1 + count, h * w] of a latent: first what is left to the prompt, then each region's. Their sum is 1 everywhere.
 * Where the strengths of regions that are over the prompt sum up to s, they and all else are divided by 1 + s (ComfyUI's masks).
 * scale: how much larger the picture is than the one that pixels are of. Edges within the picture rise over `soft` pixels.
 */
void regions_shares(const char *lines, int factor, int w, int h, double scale, float *shares);

#endif
