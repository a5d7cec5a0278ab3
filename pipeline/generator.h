/* generator.h - the inside of a Generator, which the numbered steps of generate.h share. Internal to pipeline/. */
#ifndef LIMN_PIPELINE_GENERATOR_H
#define LIMN_PIPELINE_GENERATOR_H

#include "pipeline/generate.h"
#include "pipeline/init.h"
#include "pipeline/preview.h"
#include "pipeline/recipe.h"
#include "pipeline/trace.h"

enum { VAE_WHOLE = 0 /* tile: decode without tiles */ };

/* State of one run. */
typedef struct {
    Tensor
        context; /* [texts * n, tokens, 1, width]: the texts' embeddings (prompts.h), each of all pictures; the negative ones first, if any, then the empty prompt, if any guide wants it */
    Tensor pooled;           /* [texts * n, 1, 1, width]: their pooled text, where the UNet takes it; else n 0 */
    Tensor kv;               /* [texts * n, tokens, 1, columns]: unet_context() of it */
    const Prompts **prompts; /* [pictures] whose these are */
    Prompts *own;            /* [pictures] those that differ from the job's */
    int pictures, negatives,
        empty;         /* texts before the prompt's: of the negative prompts; whether there is an empty one */
    double *weights;   /* of the parts of their prompts */
    float *shares;     /* [parts, h * w] where each part counts; NULL: everywhere */
    Composed composed; /* of these weights */
    Tensor source;     /* [n, h, w, c] the picture's latent, each picture's own draw of it; n 0: there is none */
    Tensor noise;      /* [n, h, w, c] the first noise, where what stays of the picture needs it again */
    Tensor mask;       /* [1, h, w, 1] 1: drawn anew; n 0: all is */
    Tensor beside;     /* [2 n or n, h, w, c]: concatenated to the latent in the UNet's input; c 0: nothing */
    Tensor label;      /* [2 n or n, 1, 1, width]: class labels of the UNet, from a picture; n 0: none */
    Region part;       /* the part of the latent that is evaluated now (windows.h); w 0: all */
    int window;        /* the index of that window */
    float *x0;         /* [batch, steps, h, w, c] the estimates of all steps, or NULL: not wanted */
    int calls;         /* of the network */
    bool before;       /* there was a run before this one */

    Tensor deep[BRANCH_KINDS]; /* what DeepCache keeps of each kind of evaluation (deepcache.h) */
    bool deep_there[BRANCH_KINDS];
} RunState;

struct Generator {
    Model *m;
    Recipe recipe;
    Share share;
    Watch watch;
    Timing time;
    Init init;             /* the picture that a run starts from */
    Prompts prompts;       /* the job's */
    Cache *own_texts;      /* where none are shared; else NULL */
    float *given;          /* --latents: [1, h, w, c], or NULL */
    float *cond;           /* [batch * BRANCHES_MAX, cond_width]: LCM's guidance embedding, or NULL */
    int tile;              /* of the VAE, in latents; VAE_WHOLE */
    Generator *larger;     /* the second pass (hires.h); NULL: there is none */
    const struct Way *way; /* to it; NULL: by the network */
    struct Upscaler *upscaler;
    float *second_source; /* a second pass's own: the latents that it begins with */
    Generator *refiner;   /* the model that takes over (refine.h); NULL: none does */
    int hand_over;        /* the step that is its first; --compat a1111: not known before */
    Nn nn;                /* batch and arena */
    Arena arena;          /* activations of a run */
    Preview *preview;     /* NULL: no previews */
    RunState run;
    Trace trace;
    float *shown;            /* the picture's vector (seen.h); NULL */
    struct Control *control; /* conditioning other than the prompt (control.h); NULL: none */
};

/* The arithmetic of all networks. A large model's weights are evicted where that is cheap, or memory is short. */
Nn generator_nn(const Generator *g);        /* for the UNet and its control networks */
Nn generator_nn_beside(const Generator *g); /* for the networks that run once a picture */

/* -1 if the work must stop. A dry pass goes on, since half a measurement would reserve too little. */
int generator_check(const Generator *g, Err *e);

/* 2. encode.c: the context for n pictures into g->run, in the arena. */
void encode_prompts(Generator *g, const Prompts *const *prompts, int n);
void encode_tell(Generator *g, const Prompts *const *prompts, int n);   /* records whose texts these are */
int encode(Generator *g, const Prompts *const *prompts, int n, Err *e); /* also looks for NaN and infinity */

/* 3. network.c: the UNet's work on the prompts that all steps share; LCM's guidance embedding; a denoiser's NetworkFn. */
void network_prepare(Generator *g);
void network_embed_guidance(Generator *g);
int network_call(void *generator, Tensor out, const Evaluation *ev, Err *e);

/* 3. told.c: the UNet's inputs in an evaluation, in g's arena; and everything that they depend on, for the cache. */
UNetInputs told_inputs(const Generator *g, const Evaluation *ev);
void told_key(const Generator *g, CacheKey *key);
/* The rows of `all`, which was computed for all texts, that the evaluation's branches use. */
Tensor told_texts(const Generator *g, Tensor all, const Evaluation *ev);
/* The rows of [negative prompts, prompts] that the evaluation's branches use, one after the other. */
Tensor told_rows(const Generator *g, Tensor all, const Evaluation *ev);

/* 4. passes.c: noise to latents x [n, h, w, c]. requests NULL: in a dry arena. */
int passes_run(Generator *g, const Request *requests, Tensor x, Err *e);

/* 4. start.c: the picture's moments, once a generator; x = the first latent, requests as passes_run()'s. */
void start_measure(Generator *g);
int start_encode(Generator *g, Err *e);
void start_latent(Generator *g, const Request *requests, Tensor x, Rng *rng);

/* 4. start.c: the latent's mean of init.picture into `to` [1, h, w, c]. */
int start_encode_mean(Generator *g, Tensor to, Err *e);

/* 5. picture.c: latents to pictures; out NULL: in a dry arena. picture_decode(): one latent to [1, H, W, 3] in the arena. */
Tensor picture_decode(Generator *g, Tensor x);
int picture_finish(Generator *g, Tensor x, Picture *out, Err *e);

/* The embeddings of n pictures' prompts and the UNet's keys and values of them, into g->run, in the arena. */
int generator_condition(Generator *g, const Request *requests, int n, Err *e);

/* Draws n pictures in one batch. requests and out are NULL in a dry arena. */
int generator_draw(Generator *g, const Request *requests, int n, Picture *out, Err *e);

/* 6. memory.c: chooses the VAE's tile and the batch, and reserves the arena. */
int memory_reserve(Generator *g, Err *e);
size_t memory_measure(Generator *g, int n); /* bytes of activations of n pictures at once, from a dry pass */
int memory_low_tile(const Model *m);        /* the tile of --memory low */

#endif
