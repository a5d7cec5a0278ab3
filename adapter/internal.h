/* internal.h - what adapter.c and names.c share. */
#ifndef LIMN_ADAPTER_INTERNAL_H
#define LIMN_ADAPTER_INTERNAL_H

#include "adapter/adapter.h"
#include "base/str.h"

typedef enum { FACTOR_DOWN, FACTOR_UP, FACTOR_ALPHA, FACTOR_COUNT } Factor;

/* What a tensor's name says. */
typedef struct {
    Factor factor;
    int target; /* of the targets, -1: none of their names */
    Str module; /* flat: "down_blocks_0_attentions_0_proj_in" */
} AdapterName;

/* Error: it is of a kind that limn cannot apply. str_release() the module in any case. */
int adapter_name(const char *name, const AdapterTarget *targets, int count, AdapterName *out, Err *e);

/* Whether a matrix of that target is what a module's name says, in diffusers' words or, where it may be, in LDM's. */
bool adapter_names(const AdapterTarget *t, const BoundMatrix *m, const char *module);

#endif
