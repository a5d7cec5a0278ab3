/* prompts.c - see prompts.h. */
#include "pipeline/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    LOST_SHOWN = 600,   /* bytes of the words that did not fit into the prompt */
    MOST_REPEATED = 64, /* rows; two lengths that want more, such as 11 and 7, are rare, and each row costs time */
};

static void warn_lost(const PromptReader *r, const char *name, const char *lost)
{
    Str s = { 0 };
    str_addf(&s, "%s is longer than %d tokens (--long-prompt chunk keeps it all); left out: \"", name,
             tokenizer_max(r->tokenizer) - 2);
    size_t len = strlen(lost), shown = len < LOST_SHOWN ? len : LOST_SHOWN;
    while (shown < len && ((unsigned char)lost[shown] & 0xC0) == 0x80) shown--; /* no half character */
    str_addn(&s, lost, shown);
    str_add(&s, shown < len ? "...\"" : "\"");
    r->warn(r->ctx, str_text(&s));
    str_release(&s);
}

static Ids read_plain(const PromptReader *r, const char *name, const char *text)
{
    Ids ids = { .weight = NULL };
    const char *lost = NULL;
    ids.ids = tokenizer_rows(r->tokenizer, text, r->chunk, &ids.rows, &lost);
    if (lost && r->warn) warn_lost(r, name, lost);
    return ids;
}

static void warn_not_read(const PromptReader *r, const char *name, const char *what)
{
    Str s = { 0 };
    str_addf(&s, "%s has %s: limn does not read that, and takes it as words", name, what);
    r->warn(r->ctx, str_text(&s));
    str_release(&s);
}

static int read_one(const PromptReader *r, const char *name, const char *text, Ids *out, Err *e)
{
    if (r->emphasis == EMPHASIS_NONE) {
        *out = read_plain(r, name, text);
        return 0;
    }
    Pieces p = { 0 };
    int failed = emphasis_parse(r->emphasis, text, &p, e);
    if (failed) err_in(e, name);
    else *out = chunks_of(r->tokenizer, r->emphasis, &p);
    if (!failed && r->warn && p.editing) warn_not_read(r, name, "prompt editing, [a:b:0.5] or [a|b]");
    if (!failed && r->warn && p.and) warn_not_read(r, name, "AND");
    pieces_release(&p);
    return failed;
}

/* Rows of an empty prompt until there are so many. */
static void pad_rows(const PromptReader *r, Ids *ids, int rows)
{
    int n, max = tokenizer_max(r->tokenizer);
    const char *lost;
    int *empty = tokenizer_rows(r->tokenizer, "", false, &n, &lost);
    ids->ids = mem_grow(ids->ids, (size_t)(rows * max) * sizeof *ids->ids);
    if (ids->weight) ids->weight = mem_grow(ids->weight, (size_t)(rows * max) * sizeof *ids->weight);
    for (; ids->rows < rows; ids->rows++) {
        memcpy(ids->ids + ids->rows * max, empty, (size_t)max * sizeof *empty);
        for (int i = 0; ids->weight && i < max; i++) ids->weight[ids->rows * max + i] = 1;
    }
    free(empty);
}

/* The same rows again and again until there are so many, a multiple of what there is. */
static void repeat_rows(const PromptReader *r, Ids *ids, int rows)
{
    size_t had = (size_t)ids->rows * (size_t)tokenizer_max(r->tokenizer), all = had / (size_t)ids->rows * (size_t)rows;
    ids->ids = mem_grow(ids->ids, all * sizeof *ids->ids);
    if (ids->weight) ids->weight = mem_grow(ids->weight, all * sizeof *ids->weight);
    for (size_t i = had; i < all; i++) {
        ids->ids[i] = ids->ids[i - had];
        if (ids->weight) ids->weight[i] = ids->weight[i - had];
    }
    ids->rows = rows;
}

static int common_multiple(int a, int b)
{
    int x = a, y = b;
    while (y) {
        int rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

static void make_equal(const PromptReader *r, Prompts *p)
{
    int a = p->positive.rows, b = p->negative.rows, most = a > b ? a : b, both = common_multiple(a, b);
    bool repeat = r->emphasis != EMPHASIS_NONE && (both == most || both <= MOST_REPEATED);
    int rows = repeat ? both : most;
    void (*fill)(const PromptReader *, Ids *, int) = repeat ? repeat_rows : pad_rows;
    fill(r, &p->positive, rows);
    fill(r, &p->negative, rows);
}

int prompts_read(const PromptReader *r, const char *prompt, const char *negative, Prompts *out, Err *e)
{
    *out = (Prompts){ 0 };
    if (read_one(r, "the prompt", prompt, &out->positive, e) ||
        read_one(r, "the negative prompt", negative, &out->negative, e)) {
        prompts_release(out);
        return -1;
    }
    make_equal(r, out);
    return 0;
}

void prompts_release(Prompts *p)
{
    ids_release(&p->positive);
    ids_release(&p->negative);
    *p = (Prompts){ 0 };
}
