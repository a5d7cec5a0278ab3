/*
 * preview.h - the preview's file (--preview): in the picture's folder, under its name with "-preview", replaced atomically each
 * time and removed when the picture is finished. A file that limn did not make is never touched.
 */
#ifndef LIMN_OUTPUT_PREVIEW_H
#define LIMN_OUTPUT_PREVIEW_H

#include "base/err.h"
#include "image/image.h"
#include "output/output.h"

/* Before the run. Error: the name is taken by something else, or cannot be written. */
int preview_file_check(const OutputNames *n, Err *e);

int preview_file_write(const OutputNames *n, const Image *im, int done, int steps, Err *e);

/* The picture is there, or there will be none: the file goes. */
void preview_file_remove(const OutputNames *n);

#endif
