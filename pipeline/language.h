/* language.h - the syntax of a job's prompts (--prompt-syntax, --compat), and the meaning of old metadata. */
#ifndef LIMN_PIPELINE_LANGUAGE_H
#define LIMN_PIPELINE_LANGUAGE_H

#include "clip/language.h"
#include "pipeline/job.h"

/* Never NULL. Unset or "auto": limn's; with --compat that tool's, which for diffusers is plain text. */
const Language *language_of(const Job *j);

/* --emphasis; by default A1111's Original. */
Weighing weighing_of(const Job *j);

/*
 * Sets the syntax of old pictures, whose settings do not name one: plain text, or with --compat a1111 and comfyui
 * weights and BREAK only.
 */
void language_before(Job *j);

#endif
