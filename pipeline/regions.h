/* regions.h - --region "X,Y,W,H[,soft=N][,strength=X][,over|,area]=TEXT": a prompt that counts in a part of the picture. */
#ifndef LIMN_PIPELINE_REGIONS_H
#define LIMN_PIPELINE_REGIONS_H

#include <stdbool.h>

#include "base/err.h"
#include "image/fit.h"
#include "pipeline/job.h"

enum { REGIONS_MAX = 8 };

/* x, y, w, h: pixels, or all four shares of the picture, 0 .. 1. text points into the line, up to its end. */
typedef struct {
    double x, y, w, h, soft, strength;
    bool over; /* in addition to the prompt, which counts there as well; else instead of it */
    bool area; /* over, and the network evaluates this part of the latent alone (areas.h) */
    const char *text;
} RegionWish;

/* Error (ERR_USAGE): what was found, what is expected. */
int region_line_parse(const char *line, RegionWish *out, Err *e);
int region_lines_check(const char *line, Err *e);

/* How many lines there are. */
int regions_count(const char *lines);

/* The part of a latent of w x h that is an area, rounded as ComfyUI does; w 0: it lies outside. scale: as of regions_shares(). */
Region region_area(const RegionWish *r, int factor, int w, int h, double scale);

/*
 * The weight of an area at one of its places: its strength, less near edges within the picture (ComfyUI's get_area_and_mult()).
 */
double region_area_weight(const RegionWish *r, Region at, int w, int h, int x, int y);

/*
 * The weights shares [1 + count, h * w] at each place of a latent: first the prompt's, then each region's. Their sum is 1
 * everywhere. If the strengths of regions with `over` sum up to s, they and all others are divided by 1 + s (ComfyUI's masks).
 * scale: how much larger the picture is than the one to which the lines' pixels refer. Edges within the picture fade over `soft`
 * pixels.
 */
void regions_shares(const char *lines, int factor, int w, int h, double scale, float *shares);

#endif
