/*
 * model.h - finds, checks and binds a model's parts.
 *
 * A model is a diffusers folder, a single file in LDM naming, or the name of a built-in one.
 */
#ifndef LIMN_PIPELINE_MODEL_H
#define LIMN_PIPELINE_MODEL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "clip/text_encoder.h"
#include "clip/tokenizer.h"
#include "pipeline/few_steps.h"
#include "pipeline/words.h"
#include "scheduler/config.h"
#include "unet/unet.h"
#include "vae/vae.h"

/* What a part does in a run. */
typedef enum {
    ROLE_TEXT,    /* ids to embeddings */
    ROLE_NETWORK, /* the denoiser */
    ROLE_CODEC,   /* latents to pixels and back */
} PartRole;

enum { TEXTS_MAX = 2 };

/* A text encoder and its tokenizer. */
typedef struct {
    Tokenizer *tokenizer; /* NULL only when a single file has none and no_weights was asked for */
    TextEncoder *encoder;
} TextPart;

/* Default settings of the model, from limn.json in its folder; else by family. 0 / NULL: none. */
typedef struct {
    int width, height, steps;
    double cfg_scale;
    const char *sampler, *schedule; /* names from the tables */
} ModelDefaults;

typedef struct {
    const char *path;      /* folder, file or built-in name; NULL: the default model ($LIMN_MODEL, else "sprites") */
    const char *vae;       /* another VAE: a folder or a file; NULL */
    const char *unet;      /* another UNet: a file or a folder; NULL */
    const char *tokenizer; /* a folder with vocab.json and merges.txt; NULL: looked for as docs/models.md says */
    const char *refiner;   /* describe only: the second model, for the memory of both; NULL */
    const char *memory;    /* "low", "normal", "high": whether transformed weights are kept; NULL: normal */
    const char *precision; /* as for --precision: the form in which they are kept; NULL: auto */
    bool encoder;          /* the VAE's encoder is needed too */
    bool briefly;          /* the UNet runs only a few times: without memory "high" no transformed weights are kept */
    bool no_weights; /* describe only: names and shapes are checked, no value is read; the model must not be run */
} ModelPaths;

typedef struct {
    char *name;         /* for metadata: the folder's or file's name without extension */
    char *path;         /* as opened */
    char sha256[65];    /* of the single file, or of the folder's unet file; "" until model_hash() */
    const char *family; /* "SD 1.x", "SD 2.x", "SD XL", "custom" */
    const char *note;   /* the prediction type had to be guessed: one line for the user; NULL */
    const char *notes;  /* parts of its files that are ignored, each line ends with a newline; "" */
    bool told;          /* the user has seen these notes */
    Noise noise;        /* the scheduler's file, as its own class has it */
    ModelDefaults defaults;
    FewSteps few;             /* it was distilled to draw in a few steps; few.what NULL: no sign of that */
    TextPart text[TEXTS_MAX]; /* one after the other they make the context; the last one's pooled output goes with it */
    int texts;
    bool scaled_beside; /* the input latent of a picture to edit has the usual scale: is_cosxl_edit */
    bool zero_negative; /* without a negative prompt its embeddings are zeros: force_zeros_for_empty_prompt */
    int ids;            /* text_time: number of inputs in addition to the pooled text: 6, the refiner's 5; else 0 */
    Words *words;       /* the words that it knows; NULL: it has no such list */
    UNet *unet;
    Vae *vae;
    size_t own, in_file;           /* bytes of weights: converted ones, and those that are used from the file */
    bool large;                    /* from files, and more than MODEL_SMALL: pages of weights are evicted after use */
    char warning[160];             /* one line for the user; "" */
    bool looked;                   /* model_hash() has looked at the files */
    char *replaced;                /* one more, set by model_hash(): a file was replaced while it was loaded; NULL */
    struct Checking *checking;     /* the check of values in progress (checking.h); NULL: done */
    struct Controls *controls;     /* control networks that are open (controls.h); NULL: none */
    struct Embeddings *embeddings; /* words with vectors of their own (embeddings.h); NULL: none */
    struct Adapters *adapters;     /* applied to it now (adapters.h); NULL: none */
    struct Seen *seen;             /* its parts for a picture as input (seen.h); NULL: none */
    struct Hashing *hashing;       /* sha256 in progress (hash.c); NULL: not requested, or done */
    struct Parts *files;           /* borrowed by the networks: sources, mapped files (parts.h) */
} Model;

/* Bytes of weights up to which --memory normal keeps transformed ones; a larger model's stay in the system's page cache. */
enum { MODEL_SMALL = 256 << 20 };

/* From this many rows on, reading evicted weights again costs little compared with the product. */
enum { MODEL_CHEAP_ROWS = 1024 };

/* The sum of a figure over the text encoders. */
size_t model_texts(const Model *m, size_t (*figure)(const TextEncoder *t));

/* Evicts the weights of a large model's networks of that role, which are not needed soon. */
void model_rest(const Model *m, PartRole role);

/* Error: everything that is wrong with the files, with the file's and the tensor's name. */
Model *model_open(const ModelPaths *p, Err *e);
void model_free(Model *m);

/*
 * The noise of the scheduler's file for the class that is run (scheduler_read()); NULL: its own. noise_build() comes after;
 * noise_release() is needed whatever it returns. Error: what limn cannot honour.
 */
int model_noise(const Model *m, const SchedulerRun *run, Noise *n, Err *e);

/*
 * Computes sha256, of the bytes that are mapped (remembered in $XDG_CACHE_HOME/limn/hashes.json for a file in this state; that
 * may fail silently). Error: a file was written to while the model was loaded. To be called before a picture is written.
 */
int model_hash(Model *m, Err *e);

/* Lets a thread compute it, if it is not known, while the caller goes on; model_hash() waits for it. The model may be freed. */
void model_hash_begin(Model *m);
void model_hash_drop(Model *m); /* model_free()'s part: ends the thread */

/* `limn info MODEL`: text for a person, or JSON. width, height: the size to compute the memory for; 0: the model's own. */
int model_describe(const ModelPaths *p, bool json, int width, int height, Str *out, Err *e);

#endif
