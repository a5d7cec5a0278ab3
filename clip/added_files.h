/*
 * added_files.h - the tokens that a tokenizer's files add to its vocabulary, wherever they stand.
 * Source: transformers 5's tokenization_utils_base.py (_from_pretrained) and tokenization_utils_tokenizers.py (__init__).
 */
#ifndef LIMN_CLIP_ADDED_FILES_H
#define LIMN_CLIP_ADDED_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/file.h"

struct cJSON;

/* Each {0} where there is none. */
typedef struct {
    Bytes config;      /* tokenizer_config.json */
    Bytes special_map; /* special_tokens_map.json */
    Bytes added;       /* added_tokens.json: {"token": id, ...} */
    Bytes list;        /* tokenizer.json's "added_tokens": [{"id", "content", ...}, ...] */
    const char *pad;   /* the padding, whatever the files say; NULL: as they say */
} AddedFiles;

typedef struct {
    const char *content;
    bool plain;       /* given as a text alone, so equal only to the same text alone */
    bool said;        /* the file says whether it is normalized */
    bool normalized;  /* looked for in the normalised text, else in the raw text */
    bool single_word; /* only where no letter, mark, digit or '_' stands before or behind it */
    bool lstrip;      /* takes the white space before it */
    bool rstrip;      /* takes the white space behind it */
    bool special;     /* changes nothing but which of two is the same */
    long id;          /* that the file gives it; -1: none */
} AddedEntry;

/* The roles in the order in which transformers adds them. */
enum { ROLE_BOS, ROLE_EOS, ROLE_UNK, ROLE_SEP, ROLE_PAD, ROLE_CLS, ROLE_MASK, ROLES };

/* In the order in which transformers adds them; the same content may be there in several ways, of which the last counts. */
typedef struct {
    AddedEntry *at;
    size_t count, cap;
    size_t numbered;          /* the first so many have an id */
    const char *roles[ROLES]; /* contents; NULL: the tokenizer has no such token */
    struct cJSON *files[4];   /* what contents point into */
} AddedEntries;

const char *added_role(int role); /* "bos_token" */

/* Error: the file and what is wrong in it. added_entries_release() also then. */
int added_files_read(AddedEntries *out, const AddedFiles *f, Err *e);
void added_entries_release(AddedEntries *a);

#endif
