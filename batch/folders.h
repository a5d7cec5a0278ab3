/* folders.h - a folder in the place of a picture: a list of the pictures in it. */
#ifndef LIMN_BATCH_FOLDERS_H
#define LIMN_BATCH_FOLDERS_H

#include "base/err.h"
#include "batch/jobs.h"
#include "pipeline/job.h"

/*
 * The record's --init-image, or that of the defaults where it has none: a folder becomes its PNGs, JPEGs and WebPs in the order of their
 * names. Error: a folder without any, or that cannot be read.
 */
int folders_open(Record *r, const Job *defaults, Err *e);

#endif
