/*
 * selfs.h - which self-attentions of a network a guide perturbs, and the UNet's inputs for it. A text names layers like
 * diffusers' pag_applied_layers: words separated by commas, each a regular expression (extended, as grep -E) that is searched in
 * their names.
 */
#ifndef LIMN_PIPELINE_SELFS_H
#define LIMN_PIPELINE_SELFS_H

#include "pipeline/generator.h"

/* Checks the syntax only. Error (ERR_USAGE): what is wrong with it. */
int selfs_check(const char *text, Err *e);

/* at [unet_selfs()], the caller's to free, or NULL. Error (ERR_USAGE): a word that matches no name, and the names there are. */
int selfs_find(const UNet *u, const char *option, const char *text, bool **at, Err *e);

/* A teller of told.c. */
void selfs_tell(const Generator *g, const Evaluation *ev, UNetInputs *in);
void selfs_key(const Generator *g, CacheKey *key);

#endif
