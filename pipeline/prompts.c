/* prompts.c - see prompts.h. */
#include "pipeline/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { LOST_SHOWN = 600 }; /* bytes of the words that did not fit into the prompt */

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

static Ids read_one(const PromptReader *r, const char *name, const char *text)
{
    Ids ids;
    const char *lost = NULL;
    ids.ids = tokenizer_rows(r->tokenizer, text, r->chunk, &ids.rows, &lost);
    if (lost && r->warn) warn_lost(r, name, lost);
    return ids;
}

/* Rows of an empty prompt until there are as many as the other prompt has. */
static void pad_rows(const PromptReader *r, Ids *ids, int rows)
{
    int n, max = tokenizer_max(r->tokenizer);
    const char *lost;
    int *empty = tokenizer_rows(r->tokenizer, "", false, &n, &lost);
    ids->ids = mem_grow(ids->ids, (size_t)(rows * max) * sizeof *ids->ids);
    for (; ids->rows < rows; ids->rows++) memcpy(ids->ids + ids->rows * max, empty, (size_t)max * sizeof *empty);
    free(empty);
}

Prompts prompts_read(const PromptReader *r, const char *prompt, const char *negative)
{
    Prompts p = { read_one(r, "the prompt", prompt), read_one(r, "the negative prompt", negative) };
    int rows = p.positive.rows > p.negative.rows ? p.positive.rows : p.negative.rows;
    pad_rows(r, &p.positive, rows);
    pad_rows(r, &p.negative, rows);
    return p;
}

void prompts_release(Prompts *p)
{
    free(p->positive.ids);
    free(p->negative.ids);
    *p = (Prompts){ 0 };
}
