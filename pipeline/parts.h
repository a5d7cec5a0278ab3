/*
 * parts.h - finds and reads a model's files, with tensors named as in diffusers; nothing is bound yet. `limn info` stops here.
 */
#ifndef LIMN_PIPELINE_PARTS_H
#define LIMN_PIPELINE_PARTS_H

#include "base/err.h"
#include "base/str.h"
#include "pipeline/model.h"
#include "weights/config.h"
#include "weights/names.h"
#include "weights/source.h"
#include "weights/weights.h"

/* A component of a pipeline, by its name in model_index.json. To add one, add a row to components[]. */
typedef struct {
    const char *name; /* "text_encoder" */
    PartRole role;
    const char *instead;   /* the model may lack it if it has that one (the refiner has only text_encoder_2); NULL */
    const char *tokenizer; /* the component that makes its ids; NULL */
} Component;

extern const Component components[]; /* in the order of their work; ends with name NULL */

typedef struct Part Part;

/* A class of networks that limn runs, by diffusers' and transformers' name. To add one, add a row to part_classes[]. */
typedef struct {
    const char *name; /* "AutoencoderKL" */
    PartRole role;    /* the first class of a role is the default if a file names none */
    NameTable names;  /* from the names that tensors have in folders to those that it binds */

    /* Builds the network and puts it into the model. Error: with the config's or the tensor's name. */
    int (*bind)(Model *m, const Part *p, Config *c, const ModelPaths *paths, Err *e);
} PartClass;

extern const PartClass part_classes[]; /* ends with name NULL */

/* name NULL: the role's first. Returns NULL when limn has no such class for that role. */
const PartClass *part_class_find(const char *name, PartRole role);

/* One tokenizer's files. */
typedef struct {
    TokenizerFiles files;
    Str vocab, merges, added_tokens; /* the same from a tokenizer.json */
    char *pad;                       /* files.added.pad if the model's own folder has it; NULL */
    char *where;                     /* its folder; NULL: none was found, allowed only with no_weights */
} PartTokenizer;

/* One network: its config, weights and tokenizer. */
struct Part {
    const Component *is;
    const PartClass *class; /* NULL until it is known */
    char *where;            /* the file of the weights, for messages */
    char *config_where;     /* that of the config */
    Str config;             /* JSON */
    Weights *weights;       /* NULL: the model has no such part */
    PartTokenizer tokenizer;
};

/* A file that is mapped: a single-file model's, --vae's, --unet's. */
typedef struct {
    char *path;
    Bytes bytes;
    FileId id; /* which file it was */
} PartFile;

enum { PARTS_SOURCES = 5, PARTS_FILES = 3 };

typedef struct Parts {
    char *path, *name; /* as in Model */
    const char *family;
    char *note;        /* the prediction type was guessed: a line for a person; NULL */
    char *config_from; /* the YAML next to a single file that was used; NULL */
    Str notes;         /* what is ignored: lines for a person, each ends with a newline */
    Part *part;        /* [count] a row of components[] each, present or not */
    int count;
    Str scheduler; /* scheduler_config.json */
    char *scheduler_where;
    char *scheduler_class, *pipeline; /* the classes that model_index.json names; NULL: a single file, which has none */
    bool zero_negative;               /* model_index.json: force_zeros_for_empty_prompt */
    bool scaled_beside;               /* model_index.json: is_cosxl_edit */
    double vae_scaling;               /* of a VAE without a configuration; 0: the family's */
    Str vae_shift;                    /* and further keys for its config (parts_shift_vae()); empty: none */
    Config *defaults;                 /* limn.json; NULL */
    Words *words;                     /* limn-words.json; NULL */
    char *hashed_path;                /* the file whose SHA-256 is the model's; NULL: built in */
    Bytes hashed;                     /* its bytes */
    FileId hashed_id;                 /* and which file it was; of no meaning without hashed_path */
    Source *sources[PARTS_SOURCES];   /* what all of this is read from */
    PartFile file[PARTS_FILES];
    int files;
} Parts;

/* Error: whatever is wrong with the files. parts_release() also then. */
int parts_open(Parts *parts, const ModelPaths *p, Err *e);
/*
 * Opens only a VAE, by its file or folder; option: the option that names it, for messages. *vae belongs to the parts.
 * parts_release() also on an error.
 */
int parts_open_codec(Parts *parts, const char *path, const char *option, const Part **vae, Err *e);

void parts_release(Parts *parts);

/* Adds a line to the notes (printf, without the newline). */
void parts_note(Parts *parts, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* How the files have changed since they were mapped: as source_change(), for all. */
FileChange parts_change(const Parts *parts, Str *path);

/* Returns whether the model has that part. */
static inline bool part_present(const Part *p) { return p->weights != NULL; }

/* The part of that name, "unet", present or not; NULL: components[] has none. */
Part *parts_named(const Parts *parts, const char *name);

/* The parts of a role that the model has, one after the other: the one after `before` (NULL: the first); NULL: no more. */
Part *parts_next(const Parts *parts, PartRole role, const Part *before);

#endif
