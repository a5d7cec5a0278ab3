/*
 * parts.h - a model's files: found, read and named as diffusers names them; nothing is bound yet. `limn info` stops here.
 */
#ifndef LIMN_PIPELINE_PARTS_H
#define LIMN_PIPELINE_PARTS_H

#include "base/err.h"
#include "base/str.h"
#include "pipeline/model.h"
#include "weights/config.h"
#include "weights/source.h"
#include "weights/weights.h"

/* One network: what it is built from. */
typedef struct {
    char *where;        /* the file of the weights, for messages */
    char *config_where; /* that of the config */
    Str config;         /* JSON */
    Weights *weights;
} Part;

/* One tokenizer's files. */
typedef struct {
    TokenizerFiles files;
    Str vocab, merges, added_tokens; /* the same out of a tokenizer.json */
    char *where;                     /* its folder; NULL: none was found, which only no_weights allows */
} PartTokenizer;

enum { PARTS_SOURCES = 4 };

typedef struct Parts {
    char *path, *name; /* as in Model */
    const char *family;
    char *note;        /* what it predicts was guessed: a line for a person; NULL */
    char *config_from; /* a YAML beside a single file, which counted; NULL */
    Str notes;         /* what is passed over: lines for a person, each ends with a newline */
    Part part[PART_COUNT];
    Str scheduler; /* scheduler_config.json */
    char *scheduler_where;
    char *scheduler_class, *pipeline; /* the classes that model_index.json names; NULL: a single file, which has none */
    PartTokenizer tokenizer[TEXTS_MAX];
    bool has_text[TEXTS_MAX];       /* a folder's model_index.json names them */
    bool zero_negative;             /* model_index.json: force_zeros_for_empty_prompt */
    Config *defaults;               /* limn.json; NULL */
    Words *words;                   /* limn-words.json; NULL */
    char *hashed_path;              /* the file that stands for the model in its SHA-256; NULL: built in */
    Bytes hashed;                   /* its bytes */
    FileId hashed_id;               /* and which file it was; of no meaning without hashed_path */
    Source *sources[PARTS_SOURCES]; /* what all of this is read from */
    Bytes file;                     /* a single file, mapped */
    Bytes vae_file;                 /* the same of --vae */
    FileId file_id, vae_file_id;
} Parts;

/* Error: whatever is wrong with the files. parts_release() also then. */
int parts_open(Parts *parts, const ModelPaths *p, Err *e);
void parts_release(Parts *parts);

/* Adds a line to the notes (printf, without the newline). */
void parts_note(Parts *parts, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What has become of the files since they were mapped: as source_change(), of all. */
FileChange parts_change(const Parts *parts, Str *path);

extern const char *const part_names[PART_COUNT]; /* "text_encoder", "text_encoder_2", "unet", "vae" */

/* Whether the model has that part. */
static inline bool part_present(const Part *p) { return p->weights != NULL; }

#endif
