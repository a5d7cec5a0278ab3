/* compare.c - see compare.h. */
#include "compare/compare.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compare/peak.h"
#include "pipeline/metadata.h"
#include "scheduler/samplers.h"

enum {
    DECODING = 4,        /* evaluations that the VAE takes, about, for the share of work that is done */
    REFERENCE_WORK = 96, /* evaluations of a reference, before it is known */
};

/* A run: what the cells share, and how far it is. */
typedef struct {
    Comparison *c;
    const CompareWatch *w;
    Engine *engine;
    Model *model;           /* the one that is open; NULL: none */
    double work, done, now; /* evaluations in all, behind us, of what is drawn */
    double piece;           /* how many that takes; 0: a reference, nobody knows */
    int before, last;       /* steps of its runs that are behind us, of this one */
    const char *what;
    Str warned; /* what the user was told, a line each */
} Run;

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
    static const char *const solver[] = { "sampler", "schedule", "steps", "eta", "seed", NULL };
    Str s = { 0 };
    for (const Option *o = job_options; o->name; o++) {
        bool skip = !o->picture;
        for (int i = 0; solver[i] && !skip; i++) skip = strcmp(o->name, solver[i]) == 0;
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
    if (r->w->progress) r->w->progress(r->w->ctx, r->what, fmin((r->done + r->now) / fmax(r->work, 1), 1));
}

/* Once each: what cells share is wrong with all of them. */
static void on_warning(void *ctx, const char *text)
{
    Run *r = ctx;
    if (r->warned.len && strstr(r->warned.s, text)) return;
    str_addf(&r->warned, "%s\n", text);
    if (r->w->warn) r->w->warn(r->w->ctx, text);
}

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
    const Run *r = ctx;
    return r->w->cancelled && r->w->cancelled(r->w->ctx);
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

/* ---- the model ---- */

static void on_say(void *ctx, const char *what)
{
    Run *r = ctx;
    r->what = what;
    tell(r);
}

static int open_model(Run *r, const Job *j, Err *e)
{
    r->model = engine_model(r->engine, j, e);
    if (r->model && !engine_hash(r->engine, r->model, e)) return 0;
    r->model = NULL;
    return -1;
}

/* Evaluations of the network that a picture of the job takes; 0: the sampler chooses its steps. */
static int evals_of(const Model *m, const Job *j, int *evals, Err *e)
{
    Recipe recipe;
    int failed = recipe_make(&recipe, m, j, NULL, e);
    if (!failed) *evals = recipe_evals(&recipe);
    recipe_release(&recipe);
    return failed;
}

/* ---- the cells, before they are drawn ---- */

/* As many steps as take no more than the evaluations that the column has; the counts rise with the steps. */
static int steps_within(const Model *m, Job *j, int evaluations, Err *e)
{
    int low = 1, high = evaluations, evals;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        j->steps = middle;
        if (evals_of(m, j, &evals, e)) evals = evaluations + 1; /* more steps than it can */
        if (evals <= evaluations) low = middle;
        else high = middle - 1;
    }
    j->steps = low;
    return evals_of(m, j, &evals, e);
}

static bool is_deterministic(const Job *j, const Model *m)
{
    const char *name = j->sampler ? j->sampler : m->defaults.sampler ? m->defaults.sampler : m->noise.sampler;
    const Sampler *s = name && *name ? sampler_find(name) : NULL;
    return !s || sampler_deterministic(s, j->eta >= 0 && s->takes_eta ? j->eta : s->eta);
}

static Cell *add_cell(Comparison *c, int row, int column, int number)
{
    c->cells = mem_grow(c->cells, ((size_t)c->count + 1) * sizeof *c->cells);
    Cell *cell = &c->cells[c->count++];
    *cell = (Cell){ .row = row, .column = column, .number = number, .reference = -1 };
    measures_init(&cell->m);
    grid_job(&c->grid, c->base, row, column, &cell->job);
    return cell;
}

static bool has_seed_axis(const Grid *g)
{
    for (int i = 0; i < g->axis_count; i++)
        if (strcmp(g->axes[i]->name, "seed") == 0) return true;
    return false;
}

/* Several seeds make a better verdict; a large model takes minutes for each. */
static int seeds_of(const Run *r, bool deterministic)
{
    const Grid *g = &r->c->grid;
    if (g->seeds) return g->seeds;
    bool cheap = g->converged && r->model && !r->model->large && !has_seed_axis(g);
    return !deterministic || cheap ? GRID_SEVERAL_SEEDS : 1;
}

/* A cell for each prompt and seed; what is wrong with them is found out, and how much work they are. */
static void plan_place(Run *r, int row, int column)
{
    Comparison *c = r->c;
    Job probe;
    Err why = { 0 };
    grid_job(&c->grid, c->base, row, column, &probe);
    int failed = open_model(r, &probe, &why), evals = 0, budget = c->grid.columns[column].evaluations;
    if (!failed && budget) failed = steps_within(r->model, &probe, budget, &why);
    bool deterministic = failed || is_deterministic(&probe, r->model);
    int seeds = seeds_of(r, deterministic), prompts = c->prompt_count ? c->prompt_count : 1;
    if (!failed) failed = evals_of(r->model, &probe, &evals, &why);
    if (evals == 0) evals = probe.steps;
    for (int number = 0; number < prompts * seeds; number++) {
        Cell *cell = add_cell(c, row, column, number);
        cell->deterministic = deterministic;
        cell->prompt = number / seeds;
        if (c->prompt_count) {
            free(cell->job.prompt);
            cell->job.prompt = mem_strdup(c->prompts[cell->prompt]);
        }
        cell->seed = probe.seed + (uint64_t)(number % seeds);
        cell->job.seed = cell->seed;
        cell->job.steps = budget ? probe.steps : cell->job.steps;
        cell->standard = !c->grid.converged && row == c->grid.against[0] && column == c->grid.against[1];
        if (failed) cell->error = mem_strdup(why.text);
        else r->work += evals + DECODING;
    }
    job_release(&probe);
}

/* Whether cells may have models of their own. */
static bool varies_model(const Grid *g)
{
    static const char *const files[] = { "model", "vae", "tokenizer" };
    for (int i = 0; i < g->axis_count; i++)
        for (size_t k = 0; k < sizeof files / sizeof *files; k++)
            if (strcmp(g->axes[i]->name, files[k]) == 0) return true;
    return false;
}

/* Whether the row's sampler and schedule are those of the recipe. */
static bool is_row_of(const Run *r, int row, const Recipe *dflt)
{
    Job job;
    Recipe own;
    Err unused;
    grid_job(&r->c->grid, r->c->base, row, 0, &job);
    job.steps = dflt->said.steps;
    bool same = !recipe_make(&own, r->model, &job, NULL, &unused) && own.sampler == dflt->sampler &&
                strcmp(own.said.schedule, dflt->said.schedule) == 0;
    recipe_release(&own);
    job_release(&job);
    return same;
}

/* What the model does where nothing is said, as a line to compare with. */
static void plan_default(Run *r)
{
    Grid *g = &r->c->grid;
    Job open;
    Recipe dflt;
    Err unused;
    int row = -1, column = -1;
    if (r->c->base->axes) return;
    job_copy(&open, r->c->base);
    free(open.sampler);
    free(open.schedule);
    open.sampler = open.schedule = NULL;
    open.eta = -1;
    open.steps = 0;
    if (!recipe_make(&dflt, r->model, &open, NULL, &unused)) {
        for (int i = 0; i < g->row_count && row < 0; i++)
            if (is_row_of(r, i, &dflt)) row = i;
        for (int i = 0; i < g->column_count && !g->by_evaluations; i++)
            if (atoi(g->columns[i].set[0].value) == dflt.said.steps) column = i;
        grid_add_default(g, &dflt.said, row, column);
    }
    recipe_release(&dflt);
    job_release(&open);
}

static int plan(Run *r, Err *e)
{
    const Grid *g = &r->c->grid;
    int most = g->seeds ? g->seeds : GRID_SEVERAL_SEEDS;
    if (r->c->base->seed > UINT64_MAX - (uint64_t)(most - 1))
        return err_usage(e, "--seed: %llu leaves no room for %d seeds below 2^64", (unsigned long long)r->c->base->seed,
                         most);
    if (!varies_model(g) && open_model(r, r->c->base, e)) return -1;
    plan_default(r);
    for (int row = 0; row < g->row_count; row++)
        for (int column = 0; column < g->column_count; column++)
            if (grid_has(g, row, column)) plan_place(r, row, column);
    if (!g->converged) return 0;
    int references = 0;
    for (int i = 0; i < r->c->count; i++)
        if (r->c->cells[i].deterministic && r->c->cells[i].number + 1 > references)
            references = r->c->cells[i].number + 1;
    r->work += references * (REFERENCE_WORK + DECODING);
    return 0;
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
    Generator *g = open_model(r, &cell->job, &why)
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
    job.steps = 1; /* what does not count is the same in every key */
    job.eta = -1;
    for (int i = 0; i < 2; i++) {
        Err unused;
        const char *const fixed[][2] = { { "sampler", REFERENCE_SAMPLER }, { "schedule", "karras" } };
        job_set(&job, option_find(fixed[i][0], strlen(fixed[i][0])), fixed[i][1], &unused);
    }
    str_addf(&more, "converged from %.6g, %.6g, " REFERENCE_SAMPLER " to %g dB", f->start.sigma, f->start.scale,
             CONVERGED_PSNR);
    key_of(&job, r->model, f->seed, str_text(&more), key);
    str_addf(&words, "converged seed%llu", (unsigned long long)f->seed);
    store_file(&file, str_text(&words), key);
    begin(r, str_text(&words), 0);

    int failed = 0;
    if (!store_read(&r->c->store, str_text(&file), key, &d)) {
        peak_start();
        failed = reference_draw(r->engine, &cell->job, &f->start, f->seed, &d, &why);
        d.cost.peak_mb = peak_mb();
        PngText texts[] = { { (char *)(size_t) "limn-reference", more.s } };
        if (!failed) failed = store_write(&r->c->store, str_text(&file), key, &d, &(PngTexts){ texts, 1 }, &why);
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
    if (failed && why.code == ERR_INTERRUPTED) *e = why;
    return failed && why.code == ERR_INTERRUPTED ? -1 : 0;
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

/* ---- measuring ---- */

void measures_init(Measures *m)
{
    *m = (Measures){
        .latent_rmse = NAN, .psnr = NAN, .ssim = NAN, .flip = NAN, .spectrum = NAN, .bands = { NAN, NAN, NAN }
    };
}

void measures_release(Measures *m)
{
    free(m->db);
    m->db = NULL;
}

int measures_take(Measures *m, const Image *a, const Image *b, Err *e)
{
    Spectrum sa = { 0 }, sb = { 0 };
    if (measure_check(a, b, e)) return -1;
    m->psnr = measure_psnr(a, b);
    m->ssim = measure_ssim(a, b);
    m->flip = measure_flip(a, b);
    int failed = spectrum_init(&sa, a, e) || spectrum_init(&sb, b, e);
    if (!failed) {
        m->bins = sa.bins;
        m->db = mem_array((size_t)sa.bins + 1, sizeof *m->db);
        m->spectrum = spectrum_difference(&sa, &sb, m->db);
        m->bands = spectrum_bands(&sa, m->db);
    }
    spectrum_release(&sa);
    spectrum_release(&sb);
    return failed ? -1 : 0;
}

static int measure_cell(const Comparison *c, Cell *cell, const Reference *f, const Image *standard, Err *e)
{
    Image im = { 0 };
    if (comparison_image(c, cell, &im, e)) return -1;
    int failed = measures_take(&cell->m, &im, standard, e);
    if (!failed && cell->len == f->len) cell->m.latent_rmse = measure_rmse(cell->latent, f->latent, f->len);
    image_release(&im);
    return failed ? -1 : 0;
}

static void keep_spectrum(Reference *f, const Image *im)
{
    Spectrum s = { 0 };
    Err e;
    if (spectrum_init(&s, im, &e) == 0) {
        f->power = s.power;
        f->bins = s.bins;
        f->step = s.step;
        s.power = NULL;
    }
    spectrum_release(&s);
}

/* Each reference's picture is read once. */
static void measure_all(Comparison *c)
{
    for (int k = 0; k < c->reference_count; k++) {
        Reference *f = &c->references[k];
        Image standard = { 0 };
        Err e = { 0 };
        bool there = f->file && !store_image(&c->store, f->file, &standard, &e);
        if (!f->file) err_set(&e, "no reference: %s", f->error);
        if (there) keep_spectrum(f, &standard);
        for (int i = 0; i < c->count; i++) {
            Cell *cell = &c->cells[i];
            if (cell->reference != k || cell->error) continue;
            if (!there || measure_cell(c, cell, f, &standard, &e)) cell->note = mem_strdup(e.text);
        }
        image_release(&standard);
    }
}

/* ---- all of it ---- */

static int draw_one(Run *r, Cell *cell, Err *e)
{
    int evals = 0;
    Err unused;
    if (r->w->cancelled && r->w->cancelled(r->w->ctx)) {
        err_set(e, "interrupted");
        e->code = ERR_INTERRUPTED;
        return -1;
    }
    if (open_model(r, &cell->job, &unused) || evals_of(r->model, &cell->job, &evals, &unused) || evals == 0)
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
    r.engine = engine_new(&(Watch){ &r, on_say, on_warning, on_step, on_cancelled });
    *c = (Comparison){ .base = base, .dir = dir };
    int failed = grid_init(&c->grid, base, e) || store_open(&c->store, dir, e) || plan(&r, e) || draw_all(&r, e);
    if (!failed) {
        if (!c->grid.converged) choose_cells(c);
        measure_all(c);
        for (int i = 0; i < c->count; i++) c->failed += c->cells[i].error != NULL;
        c->model = mem_strdup(r.model ? r.model->name : "");
        c->sha256 = mem_strdup(r.model ? r.model->sha256 : "");
    }
    engine_free(r.engine);
    str_release(&r.warned);
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
    free(c->cells);
    free(c->references);
    free(c->model);
    free(c->sha256);
    grid_release(&c->grid);
    store_close(&c->store);
    *c = (Comparison){ 0 };
}
