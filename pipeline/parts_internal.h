/*
 * parts_internal.h - what parts.c, parts_folder.c and parts_file.c share.
 */
#ifndef LIMN_PIPELINE_PARTS_INTERNAL_H
#define LIMN_PIPELINE_PARTS_INTERNAL_H

#include "pipeline/parts.h"

/* A model in a diffusers folder (or inside the program), but for what --vae and --tokenizer replace. */
int parts_open_folder(Parts *parts, Source *s, const ModelPaths *p, Err *e);

/* A model in one safetensors file with LDM names. */
int parts_open_file(Parts *parts, const char *path, const ModelPaths *p, Err *e);

/* --vae: a folder with config.json, or a file with diffusers' or LDM's names. */
int parts_open_vae(Parts *parts, const char *path, Err *e);

/* config.json and weights of a component's folder ("": the source itself). */
int parts_read_component(Parts *parts, Source *s, const char *folder, PartId id, Err *e);

/* A tensor that single files have besides the networks, and drawing does not need. */
bool parts_needless(const char *name);

/* Notes what of a file no network has taken, but for what is known to be needless: a few names, and how many. */
void parts_note_rest(Parts *parts, Weights *all, const char *where);

/* A file's text; *where becomes its path, on the heap. */
int parts_read_text(Source *s, const char *file, Str *out, char **where, Err *e);

/* vocab.json and merges.txt, or tokenizer.json, and the settings beside them; folder ends with '/' or is "". */
int parts_read_tokenizer(PartTokenizer *part, Source *s, const char *folder, Err *e);

/* CLIP's vocabulary for a single file: beside it, or where the user keeps it. optional: its absence is no error. */
int parts_find_tokenizer(Parts *parts, const char *path, bool optional, Err *e);

/* The parts keep a source until parts_release(). */
Source *parts_keep(Parts *parts, Source *s);

#endif
