/* internal.h - shared by the files of adapter/. */
#ifndef LIMN_ADAPTER_INTERNAL_H
#define LIMN_ADAPTER_INTERNAL_H

#include <cjson/cJSON.h>

#include "adapter/adapter.h"
#include "base/str.h"
#include "nn/patch.h"

/* The role of a tensor in its module. */
typedef enum {
    FACTOR_DOWN,
    FACTOR_UP,
    FACTOR_MID,
    FACTOR_UP_BIAS,
    FACTOR_ALPHA,
    FACTOR_SCALE,
    FACTOR_DORA,
    FACTOR_MAGNITUDE,
    FACTOR_HADA_W1A,
    FACTOR_HADA_W1B,
    FACTOR_HADA_W2A,
    FACTOR_HADA_W2B,
    FACTOR_HADA_T1,
    FACTOR_HADA_T2,
    FACTOR_LOKR_W1,
    FACTOR_LOKR_W1A,
    FACTOR_LOKR_W1B,
    FACTOR_LOKR_W2,
    FACTOR_LOKR_W2A,
    FACTOR_LOKR_W2B,
    FACTOR_LOKR_T2,
    FACTOR_A1,
    FACTOR_A2,
    FACTOR_B1,
    FACTOR_B2,
    FACTOR_BM,
    FACTOR_WEIGHT,
    FACTOR_ON_INPUT,
    FACTOR_IA3_L,
    FACTOR_OFT_BLOCKS,
    FACTOR_RESCALE,
    FACTOR_DIFF,
    FACTOR_DIFF_B,
    FACTOR_W_NORM,
    FACTOR_B_NORM,
    FACTOR_NONE, /* no module has it */
    FACTOR_COUNT
} Factor;

/* A parsed tensor name. */
typedef struct {
    Factor factor;
    AdapterNetwork network; /* NETWORK_COUNT: none that limn knows */
    Str module;             /* flat: "down_blocks_0_attentions_0_proj_in"; a text encoder's without "text_model_" */
    Str dotted;             /* the same as the file has it, for PEFT's patterns */
} AdapterName;

/* Error: it is of a kind that limn cannot apply. str_release() module and dotted in any case. */
int adapter_name(const char *name, AdapterName *out, Err *e);

/* Where a module of that name is: matrix and bias of a layer, or a norm's two vectors. */
typedef struct {
    const BoundMatrix *matrix;
    const BoundVector *weight, *bias;
    int block; /* of a UNet (blocks.h); -1: none */
} Place;

/* A network's modules by their flat names, in diffusers' naming and, if allowed, in LDM's. */
typedef struct {
    struct PlaceRow *row; /* sorted by name */
    size_t count;
} Places;

Places places_new(const AdapterTarget *t);
void places_free(Places *x);
/* The last block of a UNet's encoder: 11 in SD 1.x, 8 in SDXL. */
int places_last(const Places *x);
const Place *places_find(const Places *x, const char *module); /* NULL: there is none */

/* The factors of one module's change, and what it changes. */
typedef struct {
    AdapterNetwork network;
    char *name, *dotted;
    const Weight *factor[FACTOR_COUNT];
    const Place *place; /* NULL: nothing here */
    double alpha;       /* of PEFT's settings; 0: they say nothing */
    bool rounded;       /* AdapterTargets' */
    bool root;          /* rank-stabilised: alpha / sqrt(rank) */
} Module;

typedef struct Kind Kind;

/* The kind of a module, from its factors. Error: of no kind, or a factor is missing. */
const Kind *module_kind(const Module *m, Err *e);
const char *kind_name(const Kind *k);             /* "LoRA" */
size_t kind_rank(const Kind *k, const Module *m); /* 0: it has none */
bool kind_dora(const Module *m);

/* A file's modules, in the order of their names; what they point at is the file's. */
typedef struct {
    Module *module; /* [count] */
    size_t count;
    cJSON *peft;   /* PEFT's settings, from the file's metadata; NULL */
    size_t odd;    /* skipped tensors that belong to no adapter */
    Err first_odd; /* the first of them */
    Str bundled; /* "ink, cat": words whose vectors lie in the file too (bundle_emb, LyCORIS'), which no module is of */
} Modules;

/* modules_release() in any case. */
int modules_read(Modules *m, Weights *w, Bytes file, bool partial, Err *e);
void modules_release(Modules *m);

/* Which kind of model the file is for, as far as its names, shapes and metadata tell: "SD 1.x", "SD XL", "Flux"; NULL. */
const char *modules_family(const Modules *m, Bytes file);

/* A return value of the functions below other than 0 and -1, with e set: the shapes do not fit the model. */
enum { MODULE_MISFIT = 1 };

/* The change of a matrix as it is now; *out NULL: the module changes none. */
int kind_patch(const Kind *k, const Module *m, float strength, Patch **out, Err *e);
int rotation_make(const Module *m, float strength, Patch **out, Err *e); /* OFT's, BOFT's */
/* DoRA around the change that *out is at full strength; it is freed where that fails. */
int dora_wrap(const Module *m, float strength, Patch **out, Err *e);

/* A changed vector and the original: put into its layer, and back. */
typedef struct {
    const BoundVector *at;
    const float *before;
    float *now; /* heap */
} VectorChange;
enum { VECTORS_MAX = 4 };

/* The changes of a module's vectors, each applied at once. */
int vectors_lay(const Kind *k, const Module *m, float strength, VectorChange out[VECTORS_MAX], int *count, Err *e);
void vector_take_off(VectorChange *c);

/* The module's matrix: its rows, where products read it, its values a row. */
PatchRows module_rows(const Module *m);
Panels *module_panels(const Module *m);
size_t module_depth(const Module *m);

/* A factor's dimension i; 1 if it has none. */
size_t factor_side(const Weight *t, int i);
/* A tensor's values as f32, on the heap. NULL: an error, which names it. */
float *factor_floats(const Weight *t, Err *e);
int factor_read(const Module *m, Factor f, float **out, Err *e); /* the same; *out NULL where the module has none */
int factor_number(const Module *m, Factor f, float *out, Err *e);
/* alpha / rank, or what replaces it. */
int factor_scale(const Module *m, size_t rank, float *scale, Err *e);
/* Sets the error of MODULE_MISFIT: the shapes of two factors, and the matrix's. */
int factor_misfit(const Module *m, Factor a, Factor b, Err *e);

#endif
