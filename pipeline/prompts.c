/* prompts.c - see prompts.h. */
#include "pipeline/prompts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "clip/syntax.h"

enum {
    LOST_SHOWN = 600,   /* bytes of the words that did not fit into the prompt */
    UNREAD_SHOWN = 60,  /* bytes of what is not read in it */
    MOST_REPEATED = 64, /* rows; two lengths that want more, such as 11 and 7, are rare, and each row costs time */
};

/* At most so many bytes of a text, and no half character. */
static void add_shown(Str *out, const char *text, size_t len, size_t most)
{
    size_t shown = len < most ? len : most;
    while (shown < len && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--;
    str_addn(out, text, shown);
    if (shown < len) str_add(out, "...");
}

static void warn_lost(const PromptReader *r, const char *name, const char *lost)
{
    Str s = { 0 };
    str_addf(&s, "%s is longer than %d tokens (--long-prompt chunk keeps it all); left out: \"", name,
             tokenizer_max(r->tokenizer) - 2);
    add_shown(&s, lost, strlen(lost), LOST_SHOWN);
    str_add(&s, "\"");
    r->warn(r->ctx, str_text(&s));
    str_release(&s);
}

static void warn_lost_ids(const PromptReader *r, const char *name, size_t count)
{
    Str s = { 0 };
    str_addf(&s, "%s is longer than %d tokens (--long-prompt chunk keeps it all); the last %zu are left out", name,
             tokenizer_max(r->tokenizer) - 2, count);
    r->warn(r->ctx, str_text(&s));
    str_release(&s);
}

static size_t count_ids(const Tokenizer *t, const char *text)
{
    TokenList l = { 0 };
    tokenizer_encode(t, text, &l);
    size_t count = l.count;
    token_list_release(&l);
    return count;
}

static Ids read_plain(const PromptReader *r, const char *name, const char *text)
{
    Ids ids = { .weight = NULL };
    const char *lost = NULL;
    ids.ids = tokenizer_rows(r->tokenizer, text, r->chunk, &ids.rows, &lost);
    if (lost) ids.lost = count_ids(r->tokenizer, lost);
    if (lost && r->warn) warn_lost(r, name, lost);
    return ids;
}

static Ids read_pieces(const PromptReader *r, const char *name, const Pieces *p)
{
    Ids ids = chunks_of(r->tokenizer, r->language->emphasis, p, !r->chunk);
    if (ids.lost && r->warn) warn_lost_ids(r, name, ids.lost);
    return ids;
}

/* Each kind of another tool's syntax that is not read, once, by its first example. positive: its tags of LoRAs go. */
static void warn_unread(const PromptReader *r, const char *name, const char *text, bool positive, bool tags_go)
{
    SyntaxSpan found[SYNTAX_COUNT];
    syntax_find(text, found);
    for (int k = 0; k < SYNTAX_COUNT; k++) {
        const char *what = syntax_unread((SyntaxKind)k, r->language);
        size_t len = found[k].to - found[k].from;
        bool read = (k == SYNTAX_LORA && positive && r->loras) || (k == SYNTAX_EMBEDDING && r->embeddings);
        if (!len || !what || read) continue;
        bool gone = k == SYNTAX_LORA ? positive : tags_go && k == SYNTAX_NETWORK;
        Str s = { 0 };
        str_addf(&s, "%s has \"", name);
        add_shown(&s, text + found[k].from, len, UNREAD_SHOWN);
        str_addf(&s, "\": %s; it is %s", what, gone ? "left out" : "taken as words");
        r->warn(r->ctx, str_text(&s));
        str_release(&s);
    }
}

/* positive: tags of LoRAs are taken out, with --compat a1111 all of its tags; it leaves those of the negative prompt. */
static int read_one(const PromptReader *r, const char *name, const char *text, bool positive, Ids *out, Err *e)
{
    bool tags_go = positive && r->language->emphasis == EMPHASIS_A1111;
    if (r->warn) warn_unread(r, name, text, positive, tags_go);
    char *bare = tags_go ? syntax_without_tags(text) : positive ? syntax_without_loras(text) : mem_strdup(text);
    Pieces p = { 0 };
    int failed = emphasis_parse(r->language->emphasis, bare, &p, e);
    if (failed) err_in(e, name);
    else if (p.count <= 1 && !(p.count && (p.at[0].brk || p.at[0].weight != 1)) && !r->language->all_counts)
        *out = read_plain(r, name, p.count ? p.at[0].text : "");
    else *out = read_pieces(r, name, &p);
    out->own = out->rows;
    pieces_release(&p);
    free(bare);
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
    assert(a > 0 && b > 0);
    while (y) {
        int rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

/* What the encoders read of one text stands side by side: the shorter is made longer by rows of an empty prompt. */
static void make_even(const PromptReader *r, Ids *ids, int texts)
{
    int most = 1;
    for (int i = 0; i < texts; i++)
        if (ids[i].rows > most) most = ids[i].rows;
    for (int i = 0; i < texts; i++) {
        PromptReader one = *r;
        one.tokenizer = r->text[i].tokenizer;
        pad_rows(&one, &ids[i], most);
    }
}

/* The lengths of all prompts in rows become one. */
static void make_equal(const PromptReader *r, Prompts *p)
{
    make_even(r, p->positive, p->texts);
    make_even(r, p->negative, p->texts);
    int a = p->positive[0].rows, b = p->negative[0].rows, most = a > b ? a : b, multiple = common_multiple(a, b);
    bool repeat = r->language->repeats && (multiple == most || multiple <= MOST_REPEATED);
    p->rows = repeat ? multiple : most;
    for (int i = 0; i < p->texts; i++) {
        PromptReader one = *r;
        one.tokenizer = r->text[i].tokenizer;
        (repeat ? repeat_rows : pad_rows)(&one, &p->positive[i], p->rows);
        (repeat ? repeat_rows : pad_rows)(&one, &p->negative[i], p->rows);
    }
}

/* By the tokenizer of encoder i. What differs from the first one's is told again. */
static int read_for(const PromptReader *r, int i, const PromptTexts *t, Prompts *out, Err *e)
{
    const char *prompt = i && t->prompt_2 ? t->prompt_2 : t->prompt;
    const char *negative = i && t->negative_2 ? t->negative_2 : t->negative;
    PromptReader one = *r, other = *r;
    one.tokenizer = other.tokenizer = r->text[i].tokenizer;
    if (i && prompt == t->prompt) one.warn = NULL;
    if (i && negative == t->negative) other.warn = NULL;
    if (read_one(&one, "the prompt", prompt, true, &out->positive[i], e)) return -1;
    return read_one(&other, "the negative prompt", negative ? negative : "", false, &out->negative[i], e);
}

static bool no_negative(const PromptReader *r, const PromptTexts *t)
{
    if (r->no_negative == NEGATIVE_ENCODED || t->negative_2) return false;
    return !t->negative || (r->no_negative == NEGATIVE_ZERO_IF_EMPTY && !*t->negative);
}

int prompts_read(const PromptReader *r, const PromptTexts *texts, Prompts *out, Err *e)
{
    *out = (Prompts){ .texts = r->texts, .no_negative = no_negative(r, texts) };
    for (int i = 0; i < r->texts; i++) {
        if (!read_for(r, i, texts, out, e)) continue;
        prompts_release(out);
        return -1;
    }
    make_equal(r, out);
    return 0;
}

void prompts_release(Prompts *p)
{
    for (int i = 0; i < TEXTS_MAX; i++) {
        ids_release(&p->positive[i]);
        ids_release(&p->negative[i]);
    }
    *p = (Prompts){ 0 };
}
