/*
 * name.h - where the pictures of a batch go: an output folder, and below it a name for each from a template such as
 * "{dir}/{id}_{colour}_{seed}.png".
 */
#ifndef LIMN_BATCH_NAME_H
#define LIMN_BATCH_NAME_H

#include "base/err.h"
#include "base/str.h"

enum { NAME_MAX_BYTES = 240, PATH_MAX_BYTES = 1000 }; /* of a file's or folder's name, of all below the output folder */

typedef struct {
    char *folder;  /* of the manifest; every picture is below it */
    char *pattern; /* below the folder; NULL: {id}.png, or {index:05}_{prompt_slug}.png */
    char *stem;    /* {dir} where no field is called so: the job file's name */
} NamePlan;

/*
 * output: --output, or NULL for a folder called as the job file. What stands before the first {name} (up to a '/') is the folder.
 * Error (ERR_USAGE): a template that does not end in .png.
 */
int name_plan(NamePlan *p, const char *output, const char *jobs, Err *e);
void name_plan_release(NamePlan *p);

/* Error (ERR_USAGE): the path leaves the folder, is too long, or holds control characters. */
int name_check(const char *path, Err *e);

#endif
