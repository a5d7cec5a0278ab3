/* job_internal.h - what job.c (the table of options), job_values.c (values as text and back) and job_checks.c share. */
#ifndef LIMN_PIPELINE_JOB_INTERNAL_H
#define LIMN_PIPELINE_JOB_INTERNAL_H

#include "pipeline/job.h"

/* An option's place in a job. */
static inline void *option_field(const Job *j, const Option *o) { return (char *)(size_t)j + o->offset; }

/* Returns whether its field is a text on the heap. */
static inline bool option_is_text(const Option *o)
{
    return o->type == OPT_STR || o->type == OPT_PATH || o->type == OPT_CHOICE || o->type == OPT_LINES;
}

/* Digits with an optional sign, nothing else; false also when a long cannot hold it. */
bool parse_long(const char *s, long *out);

/* Decimal notation only: no spaces, hexadecimals, "nan", "inf". 1e400 comes out infinite, outside every range. */
bool parse_double(const char *s, double *out);

/* The whole text as a number of the option's range. */
int parse_int(int *out, const Option *o, const char *text, Err *e);

/* job_checks.c: checks beyond the rows' types. */
int check_sampler(const char *text, Err *e);
int check_schedule(const char *text, Err *e);
int check_vae_tile(const char *text, Err *e);
int check_interval(const char *text, Err *e);
int check_timesteps(const char *text, Err *e);
int check_threads(const char *text, Err *e);
int check_bytes(const char *text, Err *e);
int check_batch_size(const char *text, Err *e);
int check_samplers(const char *text, Err *e);
int check_schedules(const char *text, Err *e);
int check_step_counts(const char *text, Err *e);
int check_target(const char *text, Err *e);
int check_axis(const char *text, Err *e);
int check_sizes(const char *text, Err *e);
int check_size_pair(const char *text, Err *e);
int check_crop(const char *text, Err *e);
int check_colour(const char *text, Err *e);
int check_sha256(const char *text, Err *e);
int check_lora_sha256(const char *text, Err *e);
int check_padding(const char *text, Err *e);
int check_extend(const char *text, Err *e);
int check_way(const char *text, Err *e);

#endif
