/*
 * finish.h - what a job asks for after the VAE: the background taken away, the picture made smaller, and files of it with what
 * made it written inside.
 */
#ifndef LIMN_PIPELINE_FINISH_H
#define LIMN_PIPELINE_FINISH_H

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "image/image.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/* Before the run: fills the open tolerance and checks --transparent..., --resize, --sizes against the size drawn. */
int finish_check(Job *j, Err *e);

/*
 * --transparent, in place. Returns false where it found no plain background; *plain is the share of the border that is one
 * colour.
 */
bool finish_image(const Job *j, Image *im, double *plain);

/*
 * The PNG of a finished picture (heap: free()) with A1111's text and limn's own, of the size that --resize asks for. side: one
 * of --sizes in its place, and limn's text says so, so that `limn again` makes that very file; 0: none.
 */
int finish_png(const Job *j, const Model *m, const Image *im, uint64_t seed, int side, Bytes *png, Err *e);

/* "x.png" -> "x_64.png" */
void finish_size_name(const char *path, int side, Str *out);

#endif
