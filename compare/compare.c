/* compare.c - see compare.h. */
#include "compare/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compare/peak.h"
#include "compare/prompt_file.h"
#include "compare/run.h"
#include "pipeline/metadata.h"
#include "scheduler/samplers.h"

/* ---- small things ---- */

const Cell *comparison_cell(const Comparison *c, int row, int column, int number)
{
    for (int i = 0; i < c->count; i++)
        if (c->cells[i].row == row && c->cells[i].column == column && c->cells[i].number == number) return &c->cells[i];
    return NULL;
}

const Cell *comparison_first(const Comparison *c, int row, int number)
{
    for (int i = 0; i < c->count; i++)
        if (c->cells[i].row == row && c->cells[i].number == number) return &c->cells[i];
    return NULL;
}

int comparison_numbers(const Comparison *c, int row)
{
    int n = 0;
    while (comparison_first(c, row, n)) n++;
    return n;
}

bool comparison_is_default(const Comparison *c, const Cell *cell)
{
    return cell->row == c->grid.dflt[0] && cell->column == c->grid.dflt[1];
}

int comparison_image(const Comparison *c, const Cell *cell, Image *out, Err *e)
{
    return store_image(&c->store, cell->file, out, e);
}

/* ---- progress ---- */

static void tell(const Run *r)
{
    if (r->w->progress) r->w->progress(r->w->watch.ctx, r->what, fmin((r->done + r->now) / fmax(r->work, 1), 1));
}

static void on_warning(void *ctx, const char *text) { watch_warn(&((const Run *)ctx)->w->watch, text); }
static void on_note(void *ctx, const char *text) { watch_note(&((const Run *)ctx)->w->watch, text); }

/* A reference is drawn in runs of 32, 64, ... steps: their steps are added up. */
static void on_step(void *ctx, int done, int steps)
{
    Run *r = ctx;
    if (done < r->last) r->before += r->last;
    r->last = done;
    r->now = r->piece > 0 ? r->piece * done / steps : fmin(r->before + done, REFERENCE_WORK);
    tell(r);
}

static bool on_cancelled(void *ctx)
{
    const Watch *w = &((const Run *)ctx)->w->watch;
    return w->cancelled && w->cancelled(w->ctx);
}

void run_begin(Run *r, const char *what, double piece)
{
    r->what = what;
    r->now = 0;
    r->before = r->last = 0;
    r->piece = piece;
    tell(r);
}

void run_behind(Run *r, double work)
{
    r->done += work;
    r->now = 0;
}

static void on_say(void *ctx, const char *what)
{
    Run *r = ctx;
    r->what = what;
    tell(r);
}

/* ---- drawing ---- */

static void words_of(const Comparison *c, const Cell *cell, Str *out)
{
    const Choice *row = &c->grid.rows[cell->row], *column = &c->grid.columns[cell->column];
    str_addf(out, "%s %s seed%llu", row->label, column->label, (unsigned long long)cell->seed);
}

static int write_cell(const Run *r, const Cell *cell, const Drawn *d, Err *e)
{
    Str a1111 = { 0 }, json = { 0 };
    metadata_a1111(&cell->job, r->model, cell->seed, &a1111);
    metadata_json(&cell->job, r->model, cell->seed, &json);
    PngText items[] = { { METADATA_A1111_KEY, a1111.s }, { METADATA_KEY, json.s } };
    int failed = store_write(&r->c->store, cell->file, cell->key, d, &(PngTexts){ items, 2 }, e);
    str_release(&a1111);
    str_release(&json);
    return failed;
}

/* The time that the picture would have taken alone: an evaluation that was shared counts as long as the others. */
static double seconds_of(const Timing *t)
{
    double each = t->evals > 1 ? t->sample / (t->evals - (t->shared ? 1 : 0)) : t->sample;
    return t->sample + (t->shared ? each : 0) + t->decode;
}

/* Draws it; the model's choices are then part of the cell. */
static int draw_new(Run *r, Cell *cell, Drawn *d, Err *e)
{
    Picture p;
    if (r->c->merge) return err_set(e, "no shard has drawn it");
    Generator *g = engine_generator(r->engine, &cell->job, &(Share){ .latents = true }, e);
    if (!g) return -1;
    job_release(&cell->job);
    job_copy(&cell->job, generator_job(g));
    peak_start();
    int failed = generator_run(g, &(Request){ .seed = cell->seed }, 1, &p, e);
    if (!failed) {
        const Timing *t = generator_timing(g);
        *d = (Drawn){ .image = p.image, .latent = p.latent, .len = latent_len(r->model, &cell->job) };
        d->cost = (Cost){ .evaluations = t->evals, .seconds = seconds_of(t), .peak_mb = peak_mb() };
        memcpy(d->cost.machine, r->machine, sizeof r->machine);
        failed = write_cell(r, cell, d, e);
    }
    generator_free(g);
    return failed;
}

/* What was drawn before, as if it had been now. */
static void take_found(Cell *cell)
{
    cell->reused = true;
    job_release(&cell->job);
    job_copy(&cell->job, &cell->said);
}

static void keep(Run *r, Cell *cell, Drawn *d)
{
    cell->cost = d->cost;
    cell->latent = d->latent;
    cell->len = d->len;
    cell->w = d->image.w;
    cell->h = d->image.h;
    if (d->image.w > r->c->w) r->c->w = d->image.w;
    if (d->image.h > r->c->h) r->c->h = d->image.h;
    d->latent = NULL;
}

/* Error only when it was interrupted or the disk is full: whatever else is wrong stays in the cell. */
static int draw_cell(Run *r, Cell *cell, Err *e)
{
    Str words = { 0 };
    Drawn d = { 0 };
    Err why = { 0 };
    Found found = { 0 };
    words_of(r->c, cell, &words);
    run_begin(r, str_text(&words), cell->work);
    int failed = run_model(r, &cell->job, &why);
    if (!failed) {
        bool there = run_find(r, &(Wanted){ &cell->said, cell->seed, str_text(&words), "" }, &found, &d);
        memcpy(cell->key, found.key, sizeof found.key);
        cell->file = found.file;
        if (there) take_found(cell);
        else failed = draw_new(r, cell, &d, &why);
    }
    str_release(&words);
    if (!failed) {
        keep(r, cell, &d);
    } else {
        free(cell->file);
        cell->file = NULL;
        cell->error = mem_strdup(why.text);
    }
    drawn_release(&d);
    if (failed && why.code == ERR_INTERRUPTED) *e = why;
    return failed && why.code == ERR_INTERRUPTED ? -1 : 0;
}

/* ---- all of it ---- */

/* A cell, and its reference where that is not there yet. */
static int draw_one(Run *r, Cell *cell, Err *e)
{
    if (watch_check(&r->w->watch, e)) return -1;
    if (cell->mine) {
        if (draw_cell(r, cell, e)) return -1;
        run_behind(r, cell->work);
    }
    Reference *f = cell->reference >= 0 ? &r->c->references[cell->reference] : NULL;
    bool wanted = f && f->mine && !f->done && !(cell->mine && cell->error);
    return wanted ? reference_have(r, f, e) : 0;
}

/* Prompt after prompt: cells of one share their first evaluations. */
static int draw_all(Run *r, Err *e)
{
    Comparison *c = r->c;
    for (int prompt = 0; prompt < (c->prompt_count ? c->prompt_count : 1); prompt++)
        for (int i = 0; i < c->count; i++)
            if (c->cells[i].prompt == prompt && !c->cells[i].error && draw_one(r, &c->cells[i], e)) return -1;
    return 0;
}

int comparison_run(Comparison *c, const Job *base, const char *dir, const CompareWatch *w, Err *e)
{
    Run r = { .c = c, .w = w, .what = "" };
    machine_words(r.machine, base->threads);
    r.engine = engine_new(&(Watch){ &r, on_say, on_warning, on_step, on_cancelled, on_note, NULL });
    *c = (Comparison){ .base = base, .dir = dir, .merge = base->merge };
    int failed = shard_parse(&c->shard, base->shard, e) || grid_init(&c->grid, base, e) ||
                 prompt_file_read(c, base->prompts, e) || store_open(&c->store, dir, e) || plan_cells(&r, e) ||
                 draw_all(&r, e);
    if (!failed) {
        for (int i = 0; i < c->count; i++) c->failed += c->cells[i].error && c->cells[i].mine;
        c->model = mem_strdup(r.model ? r.model->name : "");
        c->sha256 = mem_strdup(r.model ? r.model->sha256 : "");
    }
    if (!failed && c->shard.of == 1) {
        if (!c->grid.converged) references_choose(c);
        measure_cells(c);
    }
    engine_free(r.engine);
    return failed ? -1 : 0;
}

void comparison_release(Comparison *c)
{
    free(c->unmeasured_why);
    for (int i = 0; i < c->count; i++) {
        Cell *cell = &c->cells[i];
        job_release(&cell->job);
        job_release(&cell->said);
        measures_release(&cell->m);
        free(cell->error);
        free(cell->note);
        free(cell->file);
        free(cell->latent);
    }
    for (int i = 0; i < c->reference_count; i++) {
        Reference *f = &c->references[i];
        if (f->cell < 0) job_release(&f->job);
        free(f->identity);
        free(f->file);
        free(f->error);
        free(f->latent);
        free(f->power);
    }
    for (int i = 0; i < c->prompt_count; i++) free(c->prompts[i]);
    free(c->prompts);
    free(c->cells);
    free(c->references);
    free(c->model);
    free(c->sha256);
    grid_release(&c->grid);
    store_close(&c->store);
    *c = (Comparison){ 0 };
}
