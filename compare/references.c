/* references.c - which reference each cell has, and drawing those that are converged pictures. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compare/peak.h"
#include "compare/run.h"
#include "scheduler/samplers.h"

static void add_option(Str *out, const Job *j, const Option *o)
{
    str_addf(out, "%s=", o->name);
    job_get(j, o, out);
    str_add(out, "\n");
}

/* The options that decide the equation to be solved, and the seed's noise but not the seed. */
static char *identity_of(const Job *j)
{
    Str s = { 0 };
    for (const Option *o = job_options; o->name; o++) {
        bool skip = !o->picture || strcmp(o->name, "seed") == 0;
        for (int i = 0; solver_options[i] && !skip; i++) skip = strcmp(o->name, solver_options[i]) == 0;
        if (!skip) add_option(&s, j, o);
    }
    add_option(&s, j, option_find("model", 5));
    return s.s;
}

static Reference *add_reference(Comparison *c)
{
    c->references = mem_grow(c->references, ((size_t)c->reference_count + 1) * sizeof *c->references);
    Reference *f = &c->references[c->reference_count++];
    *f = (Reference){ .cell = -1, .mine = true };
    return f;
}

void reference_plan(const Run *r, Cell *cell, const Start *start, const char *why)
{
    Comparison *c = r->c;
    if (sampler_find(cell->said.sampler)
            ->cfg_pp) { /* its guidance is another: it does not lead to the others' picture */
        cell->note = mem_strdup("it solves CFG++'s equation, not the one of the other samplers: there is no reference");
        return;
    }
    if (sampler_find(cell->said.sampler)->only) {
        cell->note =
            mem_strdup("the network has a kind of its own, whose solution limn does not look for: --against measures "
                       "against a cell");
        return;
    }
    if (cell->said.hires > 1) {
        cell->note =
            mem_strdup("the second pass of --hires sets out from a noise that its steps decide, so it converges to "
                       "no picture: --against measures against a cell");
        return;
    }
    if (!start) {
        cell->note = mem_strdup(why);
        return;
    }
    char *identity = identity_of(&cell->said);
    for (int i = 0; i < c->reference_count && cell->reference < 0; i++) {
        const Reference *f = &c->references[i];
        if (f->seed == cell->seed && strcmp(f->identity, identity) == 0 && start_same(&f->start, start))
            cell->reference = i;
    }
    if (cell->reference >= 0) {
        free(identity);
        return;
    }
    Reference *f = add_reference(c);
    f->identity = identity;
    f->seed = cell->seed;
    f->start = *start;
    job_copy(&f->job, &cell->said);
    cell->reference = c->reference_count - 1;
}

/* ---- drawing ---- */

static int draw_new(Run *r, const Reference *f, Drawn *d, Err *e)
{
    if (r->c->merge) return err_set(e, "no shard has drawn it");
    peak_start();
    int failed = reference_draw(r->engine, &f->job, &f->start, f->seed, d, e);
    d->cost.peak_mb = peak_mb();
    memcpy(d->cost.machine, r->machine, sizeof r->machine);
    return failed;
}

int reference_have(Run *r, Reference *f, Err *e)
{
    Job job;
    Drawn d = { 0 };
    Err why = { 0 };
    Str words = { 0 }, more = { 0 };
    Found found = { 0 };
    f->done = true;
    job_copy(&job, &f->job);
    job_reset_all(&job, solver_options); /* what does not count is the same in every key */
    str_addf(&more, "converged from %.6g, %.6g, " REFERENCE_WORDS " to FLIP %g", f->start.sigma, f->start.scale,
             CONVERGED_FLIP);
    str_addf(&words, "converged seed%llu", (unsigned long long)f->seed);
    run_begin(r, str_text(&words), 0);
    int failed = run_model(r, &f->job, &why), lost = 0;
    if (!failed && !run_find(r, &(Wanted){ &job, f->seed, str_text(&words), str_text(&more) }, &found, &d)) {
        PngText texts[] = { { (char *)(size_t) "limn-reference", more.s } };
        failed = draw_new(r, f, &d, &why);
        if (!failed)
            lost = failed = store_write(&r->c->store, found.file, found.key, &d, &(PngTexts){ texts, 1 }, &why);
    }
    run_behind(r, REFERENCE_WORK + DECODING);
    if (!failed) {
        f->file = mem_strdup(found.file);
        f->cost = d.cost;
        f->latent = d.latent;
        f->len = d.len;
        d.latent = NULL;
    } else {
        f->error = mem_strdup(why.text);
    }
    drawn_release(&d);
    job_release(&job);
    free(found.file);
    str_release(&words);
    str_release(&more);
    bool ends =
        failed && (lost || why.code == ERR_INTERRUPTED); /* what was not drawn is a note; what was lost is not */
    if (ends) *e = why;
    return ends ? -1 : 0;
}

/* A chosen cell stands for the others of its seed. */
void references_choose(Comparison *c)
{
    for (int i = 0; i < c->count; i++) {
        Cell *from = &c->cells[i];
        if (!from->standard || from->error) continue;
        Reference *f = add_reference(c);
        f->cell = i;
        f->seed = from->seed;
        f->file = mem_strdup(from->file);
        f->cost = from->cost;
        f->len = from->len;
        f->latent = mem_array(from->len + 1, sizeof *f->latent);
        memcpy(f->latent, from->latent, from->len * sizeof *f->latent);
    }
    for (int i = 0; i < c->count; i++)
        for (int k = 0; k < c->reference_count; k++)
            if (c->cells[c->references[k].cell].number == c->cells[i].number) c->cells[i].reference = k;
}
