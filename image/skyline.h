/*
 * skyline.h - rectangles packed into a page: each goes where the top of those before it leaves the lowest place for it, and
 * of the equally low ones where it wastes least. Source: Jylänki 2010, "A thousand ways to pack the bin" (skyline, bottom
 * left).
 */
#ifndef LIMN_IMAGE_SKYLINE_H
#define LIMN_IMAGE_SKYLINE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    int w, h; /* asked */
    int x, y; /* answered; x < 0: there was no room */
} Box;

/*
 * Places as many as there is room for on a page of w x h, in the order given, and returns how many. used_w, used_h:
 * how far they reach. The same boxes give the same places.
 */
size_t skyline_pack(Box *const *order, size_t count, int w, int h, int *used_w, int *used_h);

/* The order in which skyline_pack() wants them: the highest first. order [count] points into boxes. */
void skyline_order(Box **order, Box *boxes, size_t count);

#endif
