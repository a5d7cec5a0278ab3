/* control_picture.h - reads the picture of a control and resizes it to the picture that is drawn. */
#ifndef LIMN_PIPELINE_CONTROL_PICTURE_H
#define LIMN_PIPELINE_CONTROL_PICTURE_H

#include "image/image.h"
#include "nn/tensor.h"
#include "pipeline/control_line.h"
#include "image/fit.h"
#include "pipeline/generator.h"

/* The size to which a picture is resized (0: as it is), and how. */
typedef struct {
    Fit to;
    bool comfyui; /* by nearest pixels, as ComfyUI */
} PictureFit;

/*
 * Makes the map of a text such as "edges:photo.png" (image/hint.h), or reads the picture itself. A map is made from the picture
 * at that size, so that its lines stay thin. *sha256 (heap): the hash that the file must have; NULL: it is set.
 */
int control_picture_make(const char *text, const PictureFit *fit, char **sha256, const Watch *w, Image *out, Err *e);

/*
 * Reads the line's pictures. IP-Adapter's are not changed. Others have one: a map, or a picture from which one is made
 * (image/hint.h). With --only-masked it is of the whole picture, and cropped like it. Puts the SHA-256 into the line. Error: what
 * is wrong with the file, or that it does not have the line's SHA-256.
 */
int control_picture_read(ControlLine *l, const Generator *g, Image out[CONTROL_PICTURES], Err *e);

/* pixels [1, at.h, at.w, 3 or 1] = the picture there in 0..1, or its grey. */
void control_picture_pixels(const Image *im, Region at, Tensor pixels);

#endif
