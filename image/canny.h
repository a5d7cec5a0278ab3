/*
 * canny.h - edges of a picture as OpenCV 4 finds them, to the pixel: what ControlNets for edges were trained with.
 * Source: Canny 1986; OpenCV 4.11, imgproc/canny.cpp (the arithmetic, not the code).
 */
#ifndef LIMN_IMAGE_CANNY_H
#define LIMN_IMAGE_CANNY_H

#include <stdbool.h>

#include "image/resample.h"

typedef struct {
    double low, high; /* of the gradient's magnitude, 8-bit samples by a Sobel kernel; swapped where low is larger */
    int aperture;     /* of that kernel: 3 or 5 */
    bool l2;          /* the magnitude is Euclid's, else |dx| + |dy| */
} Canny;

/* in: 1 or 3 samples a pixel; of colours the one that changes most counts. Returns [h, w, 1] of 0 and 255 (free(.data)). */
Samples canny(Samples in, const Canny *how);

#endif
