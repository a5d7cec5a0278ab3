/* upscale.h - limn upscale's picture again: what `limn again` does with a PNG that has its record. */
#ifndef LIMN_CMD_UPSCALE_H
#define LIMN_CMD_UPSCALE_H

#include "base/err.h"
#include "pipeline/job.h"

/* The PNG's text that says how it was made: {"limn", "kernels", "source": {"path", "sha256"}, "model": {...}, "size": [w, h]}. */
#define UPSCALE_KEY "limn-upscale"

/* json: that text. j: where to write, and what it says of the source (init_image) and the network (with) in place of the text. */
int upscale_again(const char *json, const Job *j, Err *e);

#endif
