/* layouts.h - the layout of a model in a single file, and in a diffusers folder. Internal to convert/. */
#ifndef LIMN_CONVERT_LAYOUTS_H
#define LIMN_CONVERT_LAYOUTS_H

#include "convert/plan.h"

/* All networks in LDM's names. Error: one that a single file has no place for. */
int layout_file(Plan *p, const Parts *parts, Err *e);

/* A file's own tensors, those of the networks alone when prune is true; the bytes and tensors that are left out to *dropped. */
int layout_same(Plan *p, Weights *all, bool prune, size_t *dropped, Err *e);

/* Configs, tokenizers, scheduler and weights into an empty folder. */
int layout_folder(const ConvertJob *j, const Parts *parts, const Watch *w, const char *dir, Converted *made, Err *e);

/* Returns whether the model is the x4 upscaler or unCLIP, which have parts that only a folder keeps. */
bool layout_is_seen(const Parts *parts);
/* Those parts, as IN has them: their places in model_index.json, and their files. Nothing of other models. */
int layout_seen_index(const Parts *parts, struct cJSON *index, Err *e);
int layout_seen(const ConvertJob *j, const Parts *parts, const Watch *w, const Folder *f, Converted *made, Err *e);

/* Returns whether both draw the same, but for what w is told. Error: what differs. */
int same_models(const Model *was, const Model *is, const Watch *w, Err *e);

#endif
