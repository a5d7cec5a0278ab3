/*
 * template.h - file names from templates, with the same syntax everywhere: "{prompt_slug}-{seed:05}.png". {name} stands for a
 * value, {name:05} is padded with zeros to that many characters, {{ and }} are braces.
 */
#ifndef LIMN_OUTPUT_TEMPLATE_H
#define LIMN_OUTPUT_TEMPLATE_H

#include "base/err.h"
#include "base/str.h"
#include "pipeline/job.h"

/* What a {name} stands for. 1: appended; 0: there is no such name (*near: one that is close, or NULL); -1: it cannot be used. */
typedef int (*TemplateFn)(void *ctx, const char *name, const char **near, Str *out, Err *e);

/* The template with its names put in. Error (ERR_USAGE). */
int template_format(const char *pattern, TemplateFn value, void *ctx, Str *out, Err *e);

/* Returns whether the template has {name}. */
bool template_uses(const char *pattern, const char *name);

/* Its first name's brace; NULL: it has no name. */
const char *template_first(const char *pattern);

/* An option's value, made harmless as a part of a file's name. */
void template_option(const Job *j, const Option *o, Str *out);

/* "2026-07-05", today's by the local clock, for {date}. */
void template_date(char date[16]);

#endif
