/* control_picture.h - the picture that a control goes by, read and brought to the size drawn. */
#ifndef LIMN_PIPELINE_CONTROL_PICTURE_H
#define LIMN_PIPELINE_CONTROL_PICTURE_H

#include "image/image.h"
#include "nn/tensor.h"
#include "pipeline/control_line.h"
#include "image/fit.h"
#include "pipeline/generator.h"

/* The size that a picture is brought to (0: as it is), and how. */
typedef struct {
    Fit to;
    bool comfyui; /* its nearest pixels instead of the mode's */
} PictureFit;

/*
 * What a text such as "edges:photo.png" says (image/hint.h), or the picture itself. A map is made of the picture at that size, so that
 * its lines are as thin as they were found. *sha256 (heap): what the file's must be; NULL: it is told.
 */
int control_picture_make(const char *text, const PictureFit *fit, char **sha256, const Watch *w, Image *out, Err *e);

/*
 * The line's pictures. IP-Adapter's are as they are. Of others there is one: a map, or a picture of which one is made (image/hint.h). With --only-masked it
 * is of the whole picture, and cut as that is. The line is told its SHA-256. Error: what is
 * wrong with the file, or that it is another than the SHA-256 which the line has.
 */
int control_picture_read(ControlLine *l, const Generator *g, Image out[CONTROL_PICTURES], Err *e);

/* pixels [1, at.h, at.w, 3 or 1] = the picture there in 0..1, or its grey. */
void control_picture_pixels(const Image *im, Region at, Tensor pixels);

#endif
