/*
 * choice.h - prompts with choices in them: {a|b}, {2$$a|b|c}, {1-3$$ and $$a|b}, {0.3::a|b}, __wildcard__, ${name=...} and
 * ${name}, and {field} for a field of the job. The grammar is dynamicprompts' (0.31, parser/parse.py); choices depend on
 * a seed alone, or in combinatorial mode on a number: all choices, one after the other.
 */
#ifndef LIMN_BATCH_CHOICE_H
#define LIMN_BATCH_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef enum { EXPAND_RANDOM, EXPAND_ALL, EXPAND_OFF } ExpandMode;

typedef struct Node Node;
struct Wildcards;

/* What parsing needs. */
typedef struct {
    struct Wildcards *wildcards;
    ExpandMode mode; /* EXPAND_OFF: only {field}s that there are */
    void *ctx;
    /*
     * Returns whether a job has that field; near, where it is not NULL, becomes a name that is close. May be NULL:
     * there are none.
     */
    bool (*has_field)(void *ctx, const char *name, const char **near);
} ChoiceReader;

/* What evaluation needs. */
typedef struct {
    uint64_t random; /* state: choice_seed() */
    uint64_t number; /* combinatorial: which one, counted down as it is used */
    ExpandMode mode;
    void *ctx;
    void (*field)(void *ctx, const char *name, Str *out);
    Str *variables; /* [CHOICE_VARIABLES]; zero them before, str_release() them after */
    size_t visited; /* parts of the prompt so far */
} ChoiceRun;

enum {
    CHOICE_VARIABLES = 32,
    CHOICE_DEPTH = 32,
    CHOICE_MAX_PARTS = 1 << 20, /* texts, choices and wildcards that one picture's prompt is put together from */
};

/* The caller frees it with choice_free(); wildcards in it stay the Wildcards'. */
Node *choice_parse(const ChoiceReader *r, const char *text, Err *e);
void choice_free(Node *n);

/* How many there are in combinatorial mode; UINT64_MAX: that many or more. At least 1. */
uint64_t choice_count(const Node *n);

/* A stream of its own for each use (the prompt, the negative prompt) of a picture's seed. */
uint64_t choice_seed(uint64_t seed, int use);

/* Error (ERR_USAGE): more than JOB_MAX_TEXT bytes, or CHOICE_MAX_PARTS parts. One run of a node at a time. */
int choice_run(Node *n, ChoiceRun *run, Str *out, Err *e);

/* For wildcards.c: a line of a file, which may begin with a weight ("0.3::a"). */
Node *choice_parse_line(const ChoiceReader *r, const char *line, double *weight, Err *e);

/* For wildcards.c: alternatives with their weights, which the node takes over. */
Node *choice_alternatives(Node **options, double *weights, size_t count);

#endif
