/* info.h - describes an adapter's file without a model: `limn info lora.safetensors`, `limn list loras`. */
#ifndef LIMN_ADAPTER_INFO_H
#define LIMN_ADAPTER_INFO_H

#include <stdbool.h>

#include "adapter/adapter.h"
#include "adapter/blocks.h"
#include "base/file.h"
#include "weights/weights.h"

enum { INFO_KINDS = 10, INFO_TAGS = 12, INFO_BLOCKS = BLOCKS + 2 /* and the text encoders */ };

typedef struct {
    size_t modules, of_network[NETWORK_COUNT + 1]; /* the last: of none that limn knows */
    struct {
        const char *name;
        size_t modules;
    } kind[INFO_KINDS]; /* the most frequent first; name NULL: no more */
    size_t dora;        /* modules with DoRA's scale */
    size_t rank[2];     /* from, to; 0: the kinds have none */
    double scale[2];    /* alpha / rank, from, to */
    const char *family; /* "SD XL"; NULL: not known */
    bool foreign;       /* adapter_foreign(): limn runs none of that family */
    char *name, *base;  /* the trainer's name for it, and the name of its base model; NULL */
    char *trigger;      /* modelspec's trigger phrase; NULL */
    struct {
        char *text;
        long count;   /* of the training pictures */
    } tag[INFO_TAGS]; /* the most frequent first; text NULL: no more */
    /*
     * The size of the change: the root of the sum of squares of each block's changes at strength 1; < 0: it has none,
     * or it is not a sum
     */
    double norm[INFO_BLOCKS];
} AdapterInfo;

/* Returns whether a file's tensors are an adapter's. */
bool adapter_is(Weights *w);

/*
 * The networks that an adapter is for where limn runs none of that kind, "Flux"; NULL: it is for Stable Diffusion's, or
 * no adapter.
 */
const char *adapter_foreign(Weights *w);

/* What a file is if not an adapter, "a UNet alone"; NULL: unknown. */
const char *adapter_file_kind(Weights *w);

/* Error: a tensor's name is of nothing that limn applies, values that are no numbers. adapter_info_release() in any case. */
int adapter_info(AdapterInfo *out, Weights *w, Bytes file, bool norms, Err *e);
void adapter_info_release(AdapterInfo *i);

/* "IN04", "M00", "text", "text 2" */
void adapter_info_block(int i, char out[8]);

/* "LoRA, LoKr with DoRA" */
void adapter_info_kinds(const AdapterInfo *i, Str *out);

#endif
