/*
 * output.h - the output file of a picture: limn-00001.png with a new number in a folder, a file name, or a template (template.h).
 * A picture that goes to stdout is the caller's.
 */
#ifndef LIMN_OUTPUT_OUTPUT_H
#define LIMN_OUTPUT_OUTPUT_H

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "pipeline/job.h"

/* The values of a template's {names}; {prompt}, {steps}, ... are the job's options, {prompt_slug} the prompt in lower case. */
typedef struct {
    const Job *job;
    const char *model; /* its name; NULL while it is not loaded */
    uint64_t seed;
    int index;        /* 1 .. count */
    const char *date; /* today's, as template_date() */
} OutputNames;

/* Returns whether the picture itself goes to stdout: "-" or /dev/stdout. Then no name is printed there. */
bool output_is_stdout(const Job *j);

/*
 * Before the model is loaded: --output makes sense, and its folder can be written where no {name} hides it. Errors of
 * use have ERR_USAGE.
 */
int output_check(const Job *j, Err *e);

/* Before the run: the first picture's place can be written. */
int output_check_place(const OutputNames *n, Err *e);

/* Where previews of the picture go: "x-preview.png" next to "x.png". A folder "x/" that is missing is made. */
int output_preview_path(const OutputNames *n, Str *path, Err *e);

/* Writes the picture, whole or not at all; *path is where it went. A folder "x/" that is missing is made. */
int output_write(const OutputNames *n, Bytes png, Str *path, Err *e);

#endif
