/*
 * foreign.h - other tools' options where limn has them in another form, or not at all: diffusers, A1111 and Forge, ComfyUI,
 * InvokeAI, CompVis' scripts, stable-diffusion.cpp, fastsdcpu, mflux, Draw Things. A name that means just what an option of limn
 * means is an alias in that option's row (job.c). What only nearly means it is refused with limn's own name: one thing is never
 * taken for another.
 */
#ifndef LIMN_PIPELINE_FOREIGN_H
#define LIMN_PIPELINE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/nearest.h"

/* Where foreign_apply() puts what is meant: an option of limn, by its name, with its value. */
typedef struct {
    void *ctx;
    int (*set)(void *ctx, const char *option, const char *value, Err *e);
} ForeignSink;

typedef struct {
    const char *names;   /* parted by commas */
    const char *letters; /* "-b" is "b"; NULL: none */
    bool line;           /* on the command line only: in a job it may well be a field of the user's own */
    bool flag;           /* takes no value on the command line; in a job true or false */
    const char *neutral; /* values that change nothing, "|0|false|"; "*": all of them */
    const char *becomes; /* "steps": that option with the same value; "tile=both": with this one; NULL */
    bool times;          /* becomes count: pictures a call, to be multiplied by the number of calls */
    int (*read)(const char *value, const ForeignSink *to, Err *e); /* where the value has to be looked at; NULL */
    const char *says;                                              /* why it is refused; NULL */
} Foreign;

/*
 * By a name (case, '-', '_' and spaces do not count), or by a letter. line: rows of the command line count too, and come first where
 * a job file's say otherwise. NULL: nobody's.
 */
const Foreign *foreign_find(const char *name, size_t len, bool line);
const Foreign *foreign_letter(char c);

/* Returns whether a value is looked at: without, the row says why it is refused whatever the value. */
bool foreign_takes_value(const Foreign *f);

/*
 * Sets what is meant, which may be nothing. value: as given, "true" for a flag; NULL only where no value is looked at.
 * Error (ERR_USAGE): limn cannot do that, or what the sink says.
 */
int foreign_apply(const Foreign *f, const char *value, const ForeignSink *to, Err *e);

/* Tries all names that are limn's by another; the best is then limn's own. */
void foreign_try(Nearest *n);

/* Why the name is none of limn's, or what limn's own is, as an error (ERR_USAGE) for a place where it cannot be applied. */
int foreign_tell(const Foreign *f, Err *e);

/*
 * The value of an option of limn in limn's words, where another tool writes it otherwise; the text itself where nothing is known
 * of it. FOREIGN_OPEN: the option is to stay open. NULL: an error (ERR_USAGE), limn's own word in it.
 */
const char *foreign_value(const char *option, const char *text, Err *e);
extern const char FOREIGN_OPEN[];

#endif
