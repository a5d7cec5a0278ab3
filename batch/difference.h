/* difference.h - why an existing picture differs from what the job file requests now. */
#ifndef LIMN_BATCH_DIFFERENCE_H
#define LIMN_BATCH_DIFFERENCE_H

#include "batch/expand.h"
#include "batch/manifest.h"

/*
 * Appends ": steps was "12", is "5"", or nothing where it cannot be told. A line of the manifest has what was drawn, with the
 * model's choice for what was left open, and the key of what was asked: one or two options whose change gives just that key are
 * the difference. Of more only those are named that the job gives now and that were drawn otherwise.
 */
void difference_tell(const Entry *entry, const Item *item, Str *out);

#endif
