/*
 * prompts_plan.c - splits a prompt: its parts, their texts over the steps, and each text encoder's ids for them. See
 * prompts.h.
 */
#include "pipeline/prompts_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/regions.h"

/* What one prompt is read for. */
typedef struct {
    const PromptReader *r;
    Prompts *out;
    const char *name;
    int first; /* of all texts, this prompt's first */
} Plan;

/* Both texts of an entry, said[1] NULL: the same. -1: an error. */
static int new_text(Plan *p, const char *said, const char *second, Err *e)
{
    Prompts *out = p->out;
    out->text = mem_grow(out->text, (size_t)(out->count + 1) * sizeof *out->text);
    PromptText *t = &out->text[out->count++];
    *t = (PromptText){ .times = 1 };
    Str words = { 0 };
    int failed = 0;
    for (int i = 0; i < p->r->texts && !failed; i++) {
        const char *text = i && second ? second : said;
        PromptReader quiet = *p->r;
        if (i && text == said) quiet.warn = NULL;
        Leaf leaf = { &quiet, p->name, p->r->text[i].tokenizer, i && text == said ? NULL : &words };
        const Language *l = p->r->language;
        failed =
            mix_parse(text, (MixWords){ l->words, l->blends }, &(MixReader){ prompts_read_leaf, &leaf }, &t->of[i], e);
        t->said[i] = mem_strdup(text);
    }
    t->words = mem_strdup(str_text(&words));
    str_release(&words);
    return failed ? err_in(e, p->name) : out->count - 1;
}

/* The text's place, which is a new one if this prompt did not have it before. */
static int place_of(Plan *p, const char *said, const char *second, Err *e)
{
    const Prompts *out = p->out;
    for (int i = p->first; i < out->count; i++)
        if (strcmp(out->text[i].said[0], said) == 0 && (!second || strcmp(out->text[i].said[1], second) == 0)) return i;
    return new_text(p, said, second, e);
}

static int next_until(const Edits *x, int behind)
{
    for (int i = 0; i < x->count; i++)
        if (x->at[i].until > behind) return x->at[i].until;
    return 0;
}

/* The times of both encoders' texts, as one list. */
static int add_entries(Plan *p, PromptPart *part, const Edits *first, const Edits *second, Err *e)
{
    for (int until = 0;;) {
        int a = next_until(first, until), b = second ? next_until(second, until) : 0;
        if (!a && !b) return 0;
        until = a && (!b || a < b) ? a : b;
        int text = place_of(p, first->at[edits_at(first, until)].text,
                            second ? second->at[edits_at(second, until)].text : NULL, e);
        if (text < 0) return -1;
        part->until = mem_grow(part->until, (size_t)(part->count + 1) * sizeof *part->until);
        part->text = mem_grow(part->text, (size_t)(part->count + 1) * sizeof *part->text);
        part->until[part->count] = until;
        part->text[part->count++] = text;
    }
}

static int edits_of(const PromptReader *r, const char *text, Edits *out, Err *e)
{
    if (r->language->edits) return edits_parse(text, r->steps, out, e);
    *out = (Edits){ mem_array(1, sizeof(Edit)), 1 };
    out->at[0] = (Edit){ r->steps.steps > 0 ? r->steps.steps : 1, mem_strdup(text) };
    return 0;
}

static int add_part(Plan *p, const char *text, const char *second, double weight, PromptPart *part, Err *e)
{
    Edits a = { 0 }, b = { 0 };
    part->weight = weight;
    int failed = edits_of(p->r, text, &a, e) || (second && edits_of(p->r, second, &b, e));
    if (failed) err_in(e, p->name);
    else failed = add_entries(p, part, &a, second ? &b : NULL, e);
    edits_release(&a);
    edits_release(&b);
    return failed ? -1 : 0;
}

static int clauses_of(const PromptReader *r, const char *text, bool positive, Clauses *out, Err *e)
{
    if (positive && r->language->composes) return clauses_parse(text, r->language->alone, out, e);
    *out = (Clauses){ { { mem_strdup(text), 1 } }, 1 };
    return 0;
}

/* The parts of both encoders' prompts belong together one by one; a single one belongs to all. */
static int add_parts(Plan *p, const Clauses *a, const Clauses *b, bool positive, Err *e)
{
    Prompts *out = p->out;
    if (b && b->count > 1 && b->count != a->count)
        return err_usage(e,
                         "prompt-2: it has %d parts with AND between them, the prompt %d; as many are expected, or one",
                         b->count, a->count);
    for (int i = 0; i < a->count; i++) {
        const char *second = b ? b->at[b->count > 1 ? i : 0].text : NULL;
        PromptPart *part = positive ? &out->part[out->parts++] : &out->negative;
        if (add_part(p, a->at[i].text, second, a->at[i].weight, part, e)) return -1;
    }
    return 0;
}

int prompts_plan(const PromptReader *r, const char *text, const char *second, bool positive, Prompts *out, Err *e)
{
    Plan p = { r, out, positive ? "the prompt" : "the negative prompt", out->count };
    Clauses a = { .count = 0 }, b = { .count = 0 };
    if (r->texts < 2) second = NULL;
    char *bare = prompts_bare(r, p.name, text, positive),
         *other = second ? prompts_bare(r, p.name, second, positive) : NULL;
    int failed = clauses_of(r, bare, positive, &a, e) || (other && clauses_of(r, other, positive, &b, e));
    if (failed) err_in(e, p.name);
    else failed = add_parts(&p, &a, other ? &b : NULL, positive, e);
    if (!positive) out->negatives = out->count;
    clauses_release(&a);
    clauses_release(&b);
    free(other);
    free(bare);
    return failed ? -1 : 0;
}

int prompts_plan_regions(const PromptReader *r, const char *lines, Prompts *out, Err *e)
{
    int count = regions_count(lines), failed = 0;
    if (count > REGIONS_MAX) return err_usage(e, "region: more than %d", REGIONS_MAX);
    for (int i = 0; i < count && !failed; i++, lines += strcspn(lines, "\n") + 1) {
        Plan p = { r, out, "--region", out->count };
        char *line = mem_strndup(lines, strcspn(lines, "\n"));
        RegionWish wish;
        failed = region_line_parse(line, &wish, e) ? err_in(e, p.name) : 0;
        char *bare = failed ? NULL : prompts_bare(r, p.name, wish.text, true);
        if (!failed) failed = add_part(&p, bare, NULL, 1, &out->part[out->parts++], e);
        out->regions += !failed;
        free(bare);
        free(line);
    }
    return failed ? -1 : 0;
}
