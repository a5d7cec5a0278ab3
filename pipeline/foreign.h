/*
 * foreign.h - other tools' options that limn has in another form, or not at all: diffusers, A1111 and Forge, ComfyUI, InvokeAI,
 * CompVis' scripts, stable-diffusion.cpp, fastsdcpu, mflux, Draw Things. A name that means exactly what an option of limn means
 * is an alias in that option's row (job.c). A name that means nearly the same is refused, and the error gives limn's own name:
 * options are never confused silently.
 */
#ifndef LIMN_PIPELINE_FOREIGN_H
#define LIMN_PIPELINE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/nearest.h"

/* Receives foreign_apply()'s result: an option of limn, by its name, with its value. */
typedef struct {
    void *ctx;
    int (*set)(void *ctx, const char *option, const char *value, Err *e);
} ForeignSink;

typedef struct {
    const char *names;   /* separated by commas */
    const char *letters; /* "-b" is "b"; NULL: none */
    bool line;           /* on the command line only: in a job it may be a field of the user's own */
    bool flag;           /* takes no value on the command line; in a job true or false */
    const char *neutral; /* values without effect, "|0|false|"; "*": all of them */
    const char *becomes; /* "steps": that option with the same value; "tile=both": with this one; NULL */
    bool times;          /* becomes count: pictures per call, to be multiplied by the number of calls */
    int (*read)(const char *value, const ForeignSink *to, Err *e); /* if the value must be examined; NULL */
    const char *says;                                              /* why it is refused; NULL */
} Foreign;

/*
 * By a name (case, '-', '_' and spaces do not count), or by a letter. line: rows of the command line count too, and come first
 * where a job file's differ. NULL: no tool has that name.
 */
const Foreign *foreign_find(const char *name, size_t len, bool line);
const Foreign *foreign_letter(char c);

/* Returns whether the value matters; if not, the row says why the option is refused. */
bool foreign_takes_value(const Foreign *f);

/*
 * Sets the equivalent options, if any. value: as given, "true" for a flag; NULL only if the value does not matter.
 * Error (ERR_USAGE): limn cannot do that, or the sink's error.
 */
int foreign_apply(const Foreign *f, const char *value, const ForeignSink *to, Err *e);

/* Offers all foreign names that have an equivalent in limn; the match is then limn's own name. */
void foreign_try(Nearest *n);

/*
 * Sets an error (ERR_USAGE) that gives limn's own name, or the reason why there is none; for places where it cannot be applied.
 */
int foreign_tell(const Foreign *f, Err *e);

/*
 * The value of an option in limn's spelling, if another tool spells it differently; the text itself if nothing is known
 * about it. FOREIGN_OPEN: the option must stay unset. NULL: an error (ERR_USAGE) with limn's own word.
 */
const char *foreign_value(const char *option, const char *text, Err *e);
extern const char FOREIGN_OPEN[];

#endif
