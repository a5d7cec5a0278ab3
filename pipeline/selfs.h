/*
 * selfs.h - which self-attentions of a network a guide disturbs, and what the network is told of it. A text names layers as diffusers'
 * pag_applied_layers does: words parted by commas, each an expression (extended, as grep -E's) that is looked for in their names.
 */
#ifndef LIMN_PIPELINE_SELFS_H
#define LIMN_PIPELINE_SELFS_H

#include "pipeline/generator.h"

/* Only what the text alone can tell. Error (ERR_USAGE): what is wrong with it. */
int selfs_check(const char *text, Err *e);

/* at [unet_selfs()], the caller's to free, or NULL. Error (ERR_USAGE): a word that is in no name, and which there are. */
int selfs_find(const UNet *u, const char *option, const char *text, bool **at, Err *e);

/* A teller of told.c. */
void selfs_tell(const Generator *g, const Evaluation *ev, UNetInputs *in);
void selfs_key(const Generator *g, CacheKey *key);

#endif
