/* language.h - the language that a job's prompts are written in (--prompt-syntax, --compat), and what old metadata meant. */
#ifndef LIMN_PIPELINE_LANGUAGE_H
#define LIMN_PIPELINE_LANGUAGE_H

#include "clip/language.h"
#include "pipeline/job.h"

/* Never NULL. Open or "auto": limn's; with --compat that tool's, which for diffusers is plain text. */
const Language *language_of(const Job *j);

/* --emphasis; A1111's Original where nothing is said. */
Weighing weighing_of(const Job *j);

/*
 * A picture's settings that say nothing of it are from before there was a choice: plain text, or with --compat a1111 and comfyui
 * weights and BREAK only.
 */
void language_before(Job *j);

#endif
