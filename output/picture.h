/*
 * picture.h - files of a finished picture, with its settings as metadata.
 */
#ifndef LIMN_OUTPUT_PICTURE_H
#define LIMN_OUTPUT_PICTURE_H

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "image/image.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/*
 * The PNG of a finished picture (heap: free()) with A1111's text and limn's own, of the size that --resize asks for. side: one
 * of --sizes in its place, and limn's text says so, so that `limn again` makes that very file; 0: none.
 */
int output_png(const Job *j, const Model *m, const Image *im, uint64_t seed, int side, Bytes *png, Err *e);

/* Its pixels, as --resize or side asks; image_release() it. */
void output_image(const Job *j, const Image *im, int side, Image *out);

/* "x.png" -> "x_64.png" */
void output_size_name(const char *path, int side, Str *out);

#endif
