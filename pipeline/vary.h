/* vary.h - what tells the pictures of a count apart: their seeds, or how far the first noise goes to another seed's. */
#ifndef LIMN_PIPELINE_VARY_H
#define LIMN_PIPELINE_VARY_H

#include "pipeline/generate.h"

/*
 * Picture index (from 1) of j->count. told: the job of this one picture, for its metadata (job_release() it). Plain pictures have seed + i;
 * variations keep the seed and have the variation seed + i, as in A1111; --interpolate goes from the seed to another one in even parts,
 * --blend-prompt without --blend from the prompt to another one, with one seed.
 */
Request vary_request(const Job *j, int index, Job *told);

/*
 * Before the run: chooses the seed where it is open (32 bits: torch users type such seeds, and every JSON reader keeps them exactly), and
 * what vary_check() does. Error: also seeds of the count that would be beyond 2^64.
 */
int vary_choose(Job *j, Err *e);

/* Before the run: what is open is chosen by `random`. Error: what does not go together. */
int vary_check(Job *j, uint32_t random, Err *e);

#endif
