/*
 * finish.h - what a job asks for after the VAE: the background taken away, and the picture made smaller (output/picture.h
 * makes files of it).
 */
#ifndef LIMN_PIPELINE_FINISH_H
#define LIMN_PIPELINE_FINISH_H

#include "base/err.h"
#include "image/image.h"
#include "pipeline/job.h"

/* Before the run: fills the open tolerance and checks --transparent..., --resize, --sizes against the size drawn. */
int finish_check(Job *j, Err *e);

/*
 * --transparent, in place. Returns false where it found no plain background; *plain is the share of the border that is one
 * colour.
 */
bool finish_image(const Job *j, Image *im, double *plain);

#endif
