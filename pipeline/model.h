/*
 * model.h - a model's parts: found, checked, bound.
 *
 * A model is a diffusers folder, a single file in LDM naming (SD 1.x, 2.x), or the name of one inside the program.
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

/* A text encoder and the tokenizer whose ids it knows. */
typedef struct {
    Tokenizer *tokenizer; /* NULL only when a single file has none and no_weights was asked for */
    TextEncoder *encoder;
} TextPart;

/* What suits the model, from limn.json in its folder; else by family. 0 / NULL: not said. */
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
    const char *refiner;   /* describe only: another model that takes over, for the memory of both; NULL */
    const char *memory;    /* "low", "normal", "high": whether transformed weights are kept; NULL: normal */
    const char *precision; /* as --precision has it: in what form they are; NULL: auto */
    bool encoder;          /* the VAE's encoder is wanted too */
    bool briefly;          /* the UNet runs a few times only: without memory "high" nothing is kept for more */
    bool no_weights; /* describe only: names and shapes are checked, no value is read; the model must not be run */
} ModelPaths;

typedef struct {
    char *name;         /* for metadata: the folder's or file's name without extension */
    char *path;         /* as opened */
    char sha256[65];    /* of the single file, or of the folder's unet file; "" until model_hash() */
    const char *family; /* "SD 1.x", "SD 2.x", "SD XL", "custom" */
    const char *note;   /* what it predicts had to be guessed, one line to tell the user; NULL */
    const char *notes;  /* what of its files is passed over, each line ends with a newline; "" */
    bool told;          /* the user has been told these */
    Noise noise;        /* the scheduler's file, as its own class has it */
    ModelDefaults defaults;
    FewSteps few;             /* it was distilled to draw in a few steps; what NULL: nothing says so */
    TextPart text[TEXTS_MAX]; /* one after the other they make the context; the last one's pooled output goes with it */
    int texts;
    bool
        scaled_beside; /* a picture that it edits by instruction is told as a latent of the usual scale: is_cosxl_edit */
    bool zero_negative; /* without a negative prompt its embeddings are zeros: force_zeros_for_empty_prompt */
    int ids;            /* text_time: the numbers that stand beside the pooled text: 6, the refiner's 5; else 0 */
    Words *words;       /* those that it knows; NULL: it brings no list of them */
    UNet *unet;
    Vae *vae;
    size_t own, in_file; /* bytes of weights: converted ones, and those that are read where the files have them */
    bool large;          /* of files, and more than MODEL_SMALL: pages of weights are evicted when their turn is over */
    char warning[160];   /* one line to tell the user; "" */
    bool looked;         /* model_hash() has looked at the files */
    char *replaced;      /* the same, known after model_hash(): a file was replaced while it was loaded; NULL */
    struct Checking *checking;     /* values looked over on their way (checking.h); NULL: all are */
    struct Controls *controls;     /* networks that steer it, which are open now (controls.h); NULL: none */
    struct Embeddings *embeddings; /* words with vectors of their own (embeddings.h); NULL: none */
    struct Adapters *adapters;     /* laid over it now (adapters.h); NULL: none */
    struct Seen *seen;             /* what it sees a picture with (seen.h); NULL: nothing of its own */
    struct Hashing *hashing;       /* sha256 on its way (hash.c); NULL: not asked for, or there */
    struct Parts *files;           /* what the networks borrow: sources, mapped files (parts.h) */
} Model;

/* Bytes of weights: normal keeps transformed ones of at most so many; a larger model's stay in the system's page cache. */
enum { MODEL_SMALL = 256 << 20 };

/* From this many rows on, reading evicted weights again costs little compared with the product. */
enum { MODEL_CHEAP_ROWS = 1024 };

/* The sum of a figure over the text encoders. */
size_t model_texts(const Model *m, size_t (*figure)(const TextEncoder *t));

/* A large model's networks of that role are not needed soon: the pages of their weights stop counting as the program's. */
void model_rest(const Model *m, PartRole role);

/* Error: everything that is wrong with the files, with the file's and the tensor's name. */
Model *model_open(const ModelPaths *p, Err *e);
void model_free(Model *m);

/*
 * The scheduler's file as a class has it that is run (scheduler_read()): NULL: its own. noise_build() comes after, noise_release() is
 * due whatever it returns. Error: what limn cannot honour.
 */
int model_noise(const Model *m, const SchedulerRun *run, Noise *n, Err *e);

/*
 * Computes sha256, of the bytes that are mapped (remembered in $XDG_CACHE_HOME/limn/hashes.json for a file in this state; that may
 * fail in silence). Error: a file was written into while the model was loaded. To be called before a picture is written.
 */
int model_hash(Model *m, Err *e);

/* Lets a thread compute it, if it is not known, while the caller goes on; model_hash() waits for it. The model may be freed. */
void model_hash_begin(Model *m);
void model_hash_drop(Model *m); /* model_free()'s part: ends the thread */

/* `limn info MODEL`: text for a person, or JSON. width, height: the size to compute the memory for; 0: the model's own. */
int model_describe(const ModelPaths *p, bool json, int width, int height, Str *out, Err *e);

#endif
