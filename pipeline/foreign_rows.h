/*
 * foreign_rows.h - options of other tools and their values, as tables. Of foreign.c and foreign_rows.c only.
 */
#ifndef LIMN_PIPELINE_FOREIGN_ROWS_H
#define LIMN_PIPELINE_FOREIGN_ROWS_H

#include "pipeline/foreign.h"

/* Ends with a row without names. */
extern const Foreign foreign_rows[];

/* A value of limn's option as another tool writes it. ours NULL: refused, with `says` as the reason. */
typedef struct {
    const char *option, *theirs, *ours, *says;
} ForeignValue;

/* Ends with a row without an option. */
extern const ForeignValue foreign_values[];

/* For values that must be examined: Foreign.read. */
int foreign_read_size(const char *value, const ForeignSink *to, Err *e);
int foreign_read_scheduler(const char *value, const ForeignSink *to, Err *e);
int foreign_read_folder(const char *value, const ForeignSink *to, Err *e);
int foreign_read_device(const char *value, const ForeignSink *to, Err *e);

#endif
