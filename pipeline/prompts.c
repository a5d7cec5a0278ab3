/* prompts.c - see prompts.h. */
#include "pipeline/prompts_internal.h"

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

/* ---- what is told ------------------------------------------------------------------------------------------------------ */

/* At most so many bytes of a text, and no half character. */
static void add_shown(Str *out, const char *text, size_t len, size_t most)
{
    size_t shown = len < most ? len : most;
    while (shown < len && ((unsigned char)text[shown] & 0xC0) == 0x80) shown--;
    str_addn(out, text, shown);
    if (shown < len) str_add(out, "...");
}

static void tell(const PromptReader *r, const Str *line)
{
    if (r->warn) r->warn(r->ctx, str_text(line));
}

/* lost: the words; NULL: only their number is known. */
static void warn_lost(const Leaf *l, int room, const char *lost, size_t count)
{
    Str s = { 0 };
    str_addf(&s, "%s is longer than %d tokens (--long-prompt chunk keeps it all); ", l->name, room);
    if (lost) {
        str_add(&s, "left out: \"");
        add_shown(&s, lost, strlen(lost), LOST_SHOWN);
        str_add(&s, "\"");
    } else {
        str_addf(&s, "the last %zu are left out", count);
    }
    tell(l->r, &s);
    str_release(&s);
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
        if (k == SYNTAX_AND && !positive && !what) what = "AND counts in the prompt alone";
        if (!len || !what || read) continue;
        bool gone = k == SYNTAX_LORA ? positive : tags_go && k == SYNTAX_NETWORK;
        Str s = { 0 };
        str_addf(&s, "%s has \"", name);
        add_shown(&s, text + found[k].from, len, UNREAD_SHOWN);
        str_addf(&s, "\": %s; it is %s", what, gone ? "left out" : "taken as words");
        tell(r, &s);
        str_release(&s);
    }
}

/* tags of LoRAs are taken out of a prompt, in A1111's language all of its tags; they are left in a negative prompt. */
char *prompts_bare(const PromptReader *r, const char *name, const char *text, bool positive)
{
    bool tags_go = positive && r->language->emphasis == EMPHASIS_A1111;
    if (r->warn) warn_unread(r, name, text, positive, tags_go);
    return tags_go ? syntax_without_tags(text) : positive ? syntax_without_loras(text) : mem_strdup(text);
}

/* ---- a text without marks of time, parts and sums ---------------------------------------------------------------------- */

static size_t count_ids(const Tokenizer *t, const char *text)
{
    TokenList l = { 0 };
    tokenizer_encode(t, text, &l);
    size_t count = l.count;
    token_list_release(&l);
    return count;
}

static Ids read_plain(const Leaf *l, const char *text)
{
    Ids ids = { .weight = NULL };
    const char *lost = NULL;
    ids.ids = tokenizer_rows(l->tokenizer, text, l->r->chunk, &ids.rows, &lost);
    if (!lost) return ids;
    ids.lost = count_ids(l->tokenizer, lost);
    warn_lost(l, tokenizer_max(l->tokenizer) - 2, lost, ids.lost);
    return ids;
}

static Ids read_pieces(const Leaf *l, const Pieces *p)
{
    Ids ids = chunks_of(l->tokenizer, l->r->language->emphasis, p, !l->r->chunk);
    if (ids.lost) warn_lost(l, tokenizer_max(l->tokenizer) - 2, NULL, ids.lost);
    return ids;
}

int prompts_read_leaf(void *leaf, const char *text, Ids *out, Err *e)
{
    Leaf *l = leaf;
    const Language *language = l->r->language;
    Pieces p = { 0 };
    if (l->words) str_addf(l->words, "%s\n", text);
    bool a1111 = language->emphasis == EMPHASIS_A1111, plain_text = a1111 && l->r->weighing == WEIGH_NONE;
    int failed = emphasis_parse(plain_text ? EMPHASIS_NONE : language->emphasis, text, &p, e);
    for (size_t i = 0; a1111 && l->r->weighing == WEIGH_IGNORE && i < p.count; i++) p.at[i].weight = 1;
    bool plain = p.count == 0 || (p.count == 1 && !p.at[0].brk && p.at[0].weight == 1);
    if (failed) err_in(e, l->name);
    else if (plain && !language->all_counts) *out = read_plain(l, p.count ? p.at[0].text : "");
    else *out = read_pieces(l, &p);
    if (!failed) out->own = out->rows;
    pieces_release(&p);
    return failed;
}

/* ---- lengths ----------------------------------------------------------------------------------------------------------- */

/* So many rows, by those of an empty prompt. */
static int pad(const PromptReader *r, PromptText *t, int rows, Err *e)
{
    for (int i = 0; i < r->texts; i++) {
        Leaf leaf = { .r = r, .name = "an empty prompt", .tokenizer = r->text[i].tokenizer };
        if (mix_pad(&t->of[i], rows, &(MixReader){ prompts_read_leaf, &leaf }, e)) return -1;
    }
    t->rows = t->filled = rows;
    return 0;
}

static int rows_of_part(const Prompts *p, const PromptPart *part)
{
    int most = 1;
    for (int i = 0; i < part->count; i++) {
        const PromptText *t = &p->text[part->text[i]];
        for (int k = 0; k < p->texts; k++)
            if (t->of[k].rows > most) most = t->of[k].rows;
    }
    return most;
}

static int pad_part(const PromptReader *r, Prompts *p, const PromptPart *part, int rows, Err *e)
{
    for (int i = 0; i < part->count; i++)
        if (pad(r, &p->text[part->text[i]], rows, e)) return -1;
    return 0;
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

/* The rows of all texts become the same. */
static int make_equal(const PromptReader *r, Prompts *p, Err *e)
{
    int negative = rows_of_part(p, &p->negative), most = 1;
    for (int i = 0; i < p->parts; i++) {
        int rows = rows_of_part(p, &p->part[i]);
        if (rows > most) most = rows;
        if (pad_part(r, p, &p->part[i], rows, e)) return -1;
    }
    if (pad_part(r, p, &p->negative, negative, e)) return -1;
    int longer = most > negative ? most : negative, multiple = common_multiple(most, negative);
    bool repeat = r->language->repeats && (multiple == longer || multiple <= MOST_REPEATED);
    p->rows = repeat ? multiple : longer;
    for (int i = 0; i < p->count; i++) {
        PromptText *t = &p->text[i];
        int rows = i < p->negatives ? negative : most;
        if (!repeat && pad(r, t, p->rows, e)) return -1;
        if (repeat) t->filled = rows;
        t->times = p->rows / t->filled;
    }
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

static bool no_negative(const PromptReader *r, const PromptTexts *t)
{
    if (r->no_negative == NEGATIVE_ENCODED || t->negative_2) return false;
    return !t->negative || (r->no_negative == NEGATIVE_ZERO_IF_EMPTY && !*t->negative);
}

int prompts_read(const PromptReader *r, const PromptTexts *texts, Prompts *out, Err *e)
{
    *out = (Prompts){ .texts = r->texts, .no_negative = no_negative(r, texts) };
    const char *negative = texts->negative ? texts->negative : "";
    if (!prompts_plan(r, negative, texts->negative_2, false, out, e) &&
        !prompts_plan(r, texts->prompt, texts->prompt_2, true, out, e) &&
        !prompts_plan_regions(r, texts->regions, out, e) && !make_equal(r, out, e))
        return 0;
    prompts_release(out);
    return -1;
}

static void release_part(PromptPart *p)
{
    free(p->until);
    free(p->text);
}

void prompts_release(Prompts *p)
{
    for (int i = 0; i < p->count; i++) {
        for (int k = 0; k < TEXTS_MAX; k++) {
            mix_release(&p->text[i].of[k]);
            free(p->text[i].said[k]);
        }
        free(p->text[i].words);
    }
    free(p->text);
    release_part(&p->negative);
    for (int i = 0; i < p->parts; i++) release_part(&p->part[i]);
    *p = (Prompts){ 0 };
}

int prompts_text(const Prompts *p, int part, int evaluation)
{
    const PromptPart *at = part < 0 ? &p->negative : &p->part[part];
    for (int i = 0; i < at->count; i++)
        if (evaluation <= at->until[i]) return at->text[i];
    return at->text[0];
}

bool prompts_composed(const Prompts *p) { return p->parts > 1 || p->part[0].weight != 1; }

bool prompts_weighed(const Prompts *p) { return p->parts - p->regions > 1 || p->part[0].weight != 1; }

bool prompts_alike(const Prompts *a, const Prompts *b)
{
    return a->rows == b->rows && a->count == b->count && a->negatives == b->negatives && a->parts == b->parts &&
           prompts_composed(a) == prompts_composed(b);
}

int *prompts_ids(const Prompts *p, const TextPart *text, int index, int encoder)
{
    const PromptText *t = &p->text[index];
    size_t max = (size_t)tokenizer_max(text->tokenizer), all = (size_t)p->rows * max;
    int *ids = mem_array(all, sizeof *ids);
    const Mix *m = &t->of[encoder];
    for (int i = m->count - 1; i >= 0; i--) { /* the first one last, over the others */
        const Term *term = &m->term[i];
        memcpy(ids + (size_t)term->at * max, term->ids.ids, (size_t)term->rows * max * sizeof *ids);
    }
    size_t once = (size_t)t->filled * max;
    for (size_t i = (size_t)t->rows * max; i < once; i++) ids[i] = tokenizer_pad(text->tokenizer);
    for (size_t i = once; i < all; i++) ids[i] = ids[i - once];
    return ids;
}
