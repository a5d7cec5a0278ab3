/* compare.c - see compare.h. */
#include "compare/compare.h"

#include <cjson/cJSON.h>
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

/* piece: evaluations of what begins; 0: it is a reference. */
static void begin(Run *r, const char *what, double piece)
{
    r->what = what;
    r->now = 0;
    r->before = r->last = 0;
    r->piece = piece;
    tell(r);
}

static void behind(Run *r, double work)
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

/* The metadata without the model's path: it does not change the bytes. */
static void key_of(const Job *j, const Model *m, uint64_t seed, const char *more, char key[STORE_KEY + 1])
{
    Str json = { 0 };
    metadata_json(j, m, seed, &json);
    cJSON *root = cJSON_Parse(str_text(&json));
    cJSON_DeleteItemFromObject(cJSON_GetObjectItem(root, "model"), "path");
    char *text = cJSON_PrintUnformatted(root);
    str_clear(&json);
    str_addf(&json, "%s%s", text, more);
    store_key(key, str_text(&json));
    cJSON_free(text);
    cJSON_Delete(root);
    str_release(&json);
}

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

static int draw_new(Run *r, Generator *g, const Cell *cell, Drawn *d, Err *e)
{
    Picture p;
    peak_start();
    if (generator_run(g, &(Request){ .seed = cell->seed }, 1, &p, e)) return -1;
    const Timing *t = generator_timing(g);
    *d = (Drawn){ .image = p.image, .latent = p.latent, .len = latent_len(r->model, &cell->job) };
    d->cost = (Cost){ .evaluations = t->evals, .seconds = seconds_of(t), .peak_mb = peak_mb() };
    return write_cell(r, cell, d, e);
}

/* The model's choices are now part of the cell. */
static void complete(Job *j, const Job *said)
{
    job_release(j);
    job_copy(j, said);
}

/* Error only when it was interrupted or the disk is full: whatever else is wrong stays in the cell. */
static int draw_cell(Run *r, Cell *cell, double work, Err *e)
{
    Str words = { 0 };
    Drawn d = { 0 };
    Err why = { 0 };
    words_of(r->c, cell, &words);
    begin(r, str_text(&words), work);
    Generator *g = run_model(r, &cell->job, &why)
                       ? NULL
                       : engine_generator(r->engine, &cell->job, &(Share){ .latents = true }, &why);
    int failed = !g;
    if (g) {
        complete(&cell->job, generator_job(g));
        Str file = { 0 };
        key_of(&cell->job, r->model, cell->seed, "", cell->key);
        store_file(&file, str_text(&words), cell->key);
        cell->file = file.s;
        cell->reused = store_read(&r->c->store, cell->file, cell->key, &d);
        if (!cell->reused) failed = draw_new(r, g, cell, &d, &why);
    }
    generator_free(g);
    str_release(&words);
    if (!failed) {
        cell->cost = d.cost;
        cell->latent = d.latent;
        cell->len = d.len;
        cell->w = d.image.w;
        cell->h = d.image.h;
        if (d.image.w > r->c->w) r->c->w = d.image.w;
        if (d.image.h > r->c->h) r->c->h = d.image.h;
        d.latent = NULL;
    } else {
        free(cell->file);
        cell->file = NULL;
        cell->error = mem_strdup(why.text);
    }
    drawn_release(&d);
    if (failed && why.code == ERR_INTERRUPTED) *e = why;
    return failed && why.code == ERR_INTERRUPTED ? -1 : 0;
}

/* ---- references ---- */

static Reference *add_reference(Comparison *c)
{
    c->references = mem_grow(c->references, ((size_t)c->reference_count + 1) * sizeof *c->references);
    Reference *f = &c->references[c->reference_count++];
    *f = (Reference){ .cell = -1 };
    return f;
}

static int draw_reference(Run *r, const Cell *cell, Reference *f, Err *e)
{
    Job job;
    Drawn d = { 0 };
    Err why = { 0 };
    Str file = { 0 }, words = { 0 }, more = { 0 };
    char key[STORE_KEY + 1];
    job_copy(&job, &cell->job);
    job_reset_all(&job, solver_options); /* what does not count is the same in every key */
    str_addf(&more, "converged from %.6g, %.6g, " REFERENCE_WORDS " to FLIP %g", f->start.sigma, f->start.scale,
             CONVERGED_FLIP);
    key_of(&job, r->model, f->seed, str_text(&more), key);
    str_addf(&words, "converged seed%llu", (unsigned long long)f->seed);
    store_file(&file, str_text(&words), key);
    begin(r, str_text(&words), 0);

    int failed = 0, lost = 0;
    if (!store_read(&r->c->store, str_text(&file), key, &d)) {
        peak_start();
        failed = reference_draw(r->engine, &cell->job, &f->start, f->seed, &d, &why);
        d.cost.peak_mb = peak_mb();
        PngText texts[] = { { (char *)(size_t) "limn-reference", more.s } };
        if (!failed) lost = failed = store_write(&r->c->store, str_text(&file), key, &d, &(PngTexts){ texts, 1 }, &why);
    }
    behind(r, REFERENCE_WORK + DECODING);
    if (!failed) {
        f->file = mem_strdup(str_text(&file));
        f->cost = d.cost;
        f->latent = d.latent;
        f->len = d.len;
        d.latent = NULL;
    } else {
        f->error = mem_strdup(why.text);
    }
    drawn_release(&d);
    job_release(&job);
    str_release(&file);
    str_release(&words);
    str_release(&more);
    bool ends =
        failed && (lost || why.code == ERR_INTERRUPTED); /* what was not drawn is a note; what was lost is not */
    if (ends) *e = why;
    return ends ? -1 : 0;
}

/* Which reference a drawn cell has: one that is there, or a new one. */
static int find_reference(Run *r, Cell *cell, Err *e)
{
    Comparison *c = r->c;
    Err why = { 0 };
    if (!cell->deterministic || cell->error) return 0;
    if (sampler_find(cell->job.sampler)
            ->cfg_pp) { /* its guidance is another: it does not lead to the others' picture */
        cell->note = mem_strdup("it solves CFG++'s equation, not the one of the other samplers: there is no reference");
        return 0;
    }
    Reference wanted = { .identity = identity_of(&cell->job), .seed = cell->seed };
    if (start_of(&wanted.start, r->model, &cell->job, &why)) {
        cell->note = mem_strdup(why.text);
        free(wanted.identity);
        return 0;
    }
    for (int i = 0; i < c->reference_count && cell->reference < 0; i++) {
        const Reference *f = &c->references[i];
        if (f->seed == wanted.seed && strcmp(f->identity, wanted.identity) == 0 && start_same(&f->start, &wanted.start))
            cell->reference = i;
    }
    if (cell->reference >= 0) {
        free(wanted.identity);
        return 0;
    }
    Reference *f = add_reference(c);
    f->identity = wanted.identity;
    f->seed = wanted.seed;
    f->start = wanted.start;
    cell->reference = c->reference_count - 1;
    return draw_reference(r, cell, f, e);
}

/* A chosen cell stands for the others of its seed. */
static void choose_cells(Comparison *c)
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

/* ---- all of it ---- */

static int draw_one(Run *r, Cell *cell, Err *e)
{
    int evals = 0;
    Err unused;
    if (watch_check(&r->w->watch, e)) return -1;
    if (run_model(r, &cell->job, &unused) || run_evals(r->model, &cell->job, &evals, &unused) || evals == 0)
        evals = cell->job.steps ? cell->job.steps : 1;
    if (draw_cell(r, cell, evals, e)) return -1;
    behind(r, evals + DECODING);
    return r->c->grid.converged ? find_reference(r, cell, e) : 0;
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
    r.engine = engine_new(&(Watch){ &r, on_say, on_warning, on_step, on_cancelled, on_note, NULL });
    *c = (Comparison){ .base = base, .dir = dir };
    int failed = grid_init(&c->grid, base, e) || prompt_file_read(c, base->prompts, e) ||
                 store_open(&c->store, dir, e) || plan_cells(&r, e) || draw_all(&r, e);
    if (!failed) {
        if (!c->grid.converged) choose_cells(c);
        measure_cells(c);
        for (int i = 0; i < c->count; i++) c->failed += c->cells[i].error != NULL;
        c->model = mem_strdup(r.model ? r.model->name : "");
        c->sha256 = mem_strdup(r.model ? r.model->sha256 : "");
    }
    engine_free(r.engine);
    return failed ? -1 : 0;
}

void comparison_release(Comparison *c)
{
    for (int i = 0; i < c->count; i++) {
        Cell *cell = &c->cells[i];
        job_release(&cell->job);
        measures_release(&cell->m);
        free(cell->error);
        free(cell->note);
        free(cell->file);
        free(cell->latent);
    }
    for (int i = 0; i < c->reference_count; i++) {
        Reference *f = &c->references[i];
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
