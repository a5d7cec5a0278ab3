/* again.h - the job that a picture carries, for the commands that draw from it. */
#ifndef LIMN_CMD_AGAIN_H
#define LIMN_CMD_AGAIN_H

#include "base/err.h"
#include "pipeline/job.h"
#include "pipeline/metadata.h"

/*
 * The job and its origin out of a PNG (job_release() j). *upscaled: or, where the picture was made larger, how (upscale.h), heap; then j
 * and from are not set. Error: no PNG, or none of limn's.
 */
int again_read(const char *path, Job *j, Origin *from, char **upscaled, Err *e);

#endif
