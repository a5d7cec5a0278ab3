/* plan.c - which cells a comparison has: places of the grid, for each prompt and seed, and the model's default among them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compare/run.h"
#include "pipeline/recipe.h"
#include "scheduler/samplers.h"

int run_model(Run *r, const Job *j, Err *e)
{
    r->model = engine_model(r->engine, j, e);
    if (r->model && !engine_hash(r->engine, r->model, e)) return 0;
    r->model = NULL;
    return -1;
}

/*
 * Evaluations of the network that a picture of the job takes (0: the sampler chooses its steps), and the job with every
 * choice made.
 */
static int decide(const Model *m, const Job *j, Job *said, int *evals, Err *e)
{
    Recipe recipe;
    int failed = recipe_make(&recipe, m, j, NULL, e);
    if (!failed) {
        *evals = recipe_evals(&recipe);
        if (said) job_copy(said, &recipe.said);
    }
    recipe_release(&recipe);
    return failed;
}

/* As many steps as take no more than the evaluations that the column has; the counts rise with the steps. */
static int steps_within(const Model *m, Job *j, int evaluations, Err *e)
{
    int low = 1, high = evaluations, evals;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        j->steps = middle;
        if (decide(m, j, NULL, &evals, e)) evals = evaluations + 1; /* more steps than it can */
        if (evals <= evaluations) low = middle;
        else high = middle - 1;
    }
    j->steps = low;
    return decide(m, j, NULL, &evals, e);
}

static bool is_deterministic(const Job *j, const Model *m)
{
    const char *name = j->sampler ? j->sampler : m->defaults.sampler ? m->defaults.sampler : m->noise.sampler;
    const Sampler *s = name && *name ? sampler_find(name) : NULL;
    if (j->s_churn > 0) return false;
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

/* What a place of the grid is, before its prompts and seeds. */
typedef struct {
    Job probe, said; /* as it is asked for; with the model's choices */
    int evals;
    bool failed, deterministic;
    Start start;
    bool starts; /* else why */
    Err why;
} Place;

static void place_init(Place *p, Run *r, int row, int column)
{
    const Grid *g = &r->c->grid;
    int budget = g->columns[column].evaluations;
    *p = (Place){ .deterministic = true };
    job_init(&p->said);
    grid_job(g, r->c->base, row, column, &p->probe);
    p->failed = run_model(r, &p->probe, &p->why) != 0;
    if (!p->failed && budget) p->failed = steps_within(r->model, &p->probe, budget, &p->why) != 0;
    if (!p->failed) {
        p->deterministic = is_deterministic(&p->probe, r->model);
        job_release(&p->said);
        p->failed = decide(r->model, &p->probe, &p->said, &p->evals, &p->why) != 0;
        if (p->failed) job_init(&p->said);
    }
    if (p->evals == 0) p->evals = p->probe.steps ? p->probe.steps : 1;
    if (!p->failed && g->converged && p->deterministic)
        p->starts = start_of(&p->start, r->model, &p->said, &p->why) == 0;
}

static void place_release(Place *p)
{
    job_release(&p->probe);
    job_release(&p->said);
}

static void set_prompt(Job *j, const char *prompt)
{
    free(j->prompt);
    j->prompt = mem_strdup(prompt);
}

/* number: of its prompts and, for each, seeds. */
static void plan_cell(Run *r, const Place *p, int row, int column, int number, int seeds)
{
    Comparison *c = r->c;
    Cell *cell = add_cell(c, row, column, number);
    cell->deterministic = p->deterministic;
    cell->prompt = number / seeds;
    cell->seed = p->probe.seed + (uint64_t)(number % seeds);
    cell->job.seed = cell->seed;
    if (c->grid.columns[column].evaluations) cell->job.steps = p->probe.steps;
    job_copy(&cell->said, &p->said);
    cell->said.seed = cell->seed;
    if (c->prompt_count) {
        set_prompt(&cell->job, c->prompts[cell->prompt]);
        set_prompt(&cell->said, c->prompts[cell->prompt]);
    }
    cell->standard = !c->grid.converged && row == c->grid.against[0] && column == c->grid.against[1];
    cell->work = p->evals + DECODING;
    cell->mine = true;
    if (p->failed) cell->error = mem_strdup(p->why.text);
    else if (c->grid.converged && p->deterministic) reference_plan(r, cell, p->starts ? &p->start : NULL, p->why.text);
}

/* A cell for each prompt and seed; what is wrong with them is found out, and how much work they are. */
static void plan_place(Run *r, int row, int column)
{
    Place p;
    place_init(&p, r, row, column);
    int seeds = seeds_of(r, p.deterministic), prompts = r->c->prompt_count ? r->c->prompt_count : 1;
    for (int number = 0; number < prompts * seeds; number++) plan_cell(r, &p, row, column, number, seeds);
    place_release(&p);
}

/* Whether cells may have models of their own. */
static bool varies_model(const Grid *g)
{
    static const char *const files[] = { "model", "vae", "unet", "tokenizer" };
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

int plan_cells(Run *r, Err *e)
{
    const Grid *g = &r->c->grid;
    int most = g->seeds ? g->seeds : GRID_SEVERAL_SEEDS;
    if (r->c->base->seed > UINT64_MAX - (uint64_t)(most - 1))
        return err_usage(e, "--seed: %llu leaves no room for %d seeds below 2^64", (unsigned long long)r->c->base->seed,
                         most);
    int prompts = r->c->prompt_count ? r->c->prompt_count : 1;
    if ((double)g->row_count * g->column_count * most * prompts > GRID_MAX_CELLS)
        return err_usage(e, "--prompts: %d prompts of %d rows, %d columns and %d seeds are more than %d cells", prompts,
                         g->row_count, g->column_count, most, GRID_MAX_CELLS);
    if (!varies_model(g) && run_model(r, r->c->base, e)) return -1;
    plan_default(r);
    for (int row = 0; row < g->row_count; row++)
        for (int column = 0; column < g->column_count; column++)
            if (grid_has(g, row, column)) plan_place(r, row, column);
    if (r->c->shard.of > 1) plan_shards(r->c);
    for (int i = 0; i < r->c->count; i++)
        if (r->c->cells[i].mine && !r->c->cells[i].error) r->work += r->c->cells[i].work;
    for (int i = 0; i < r->c->reference_count; i++)
        if (r->c->references[i].mine) r->work += REFERENCE_WORK + DECODING;
    return 0;
}
