/* candidates.c - see candidates.h. */
#include "compare/candidates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOSTLY_LEAST = 10 }; /* observations of which nine in ten say something */

/* Two identical pictures have no finite PSNR; it counts as more than 8 bits can show otherwise. */
#define SAME_PSNR 100.0

/* ---- measures ---- */

static double psnr_of(const Measures *m) { return m->psnr > SAME_PSNR ? SAME_PSNR : m->psnr; } /* NAN stays */
static double ssim_of(const Measures *m) { return m->ssim; }
static double flip_of(const Measures *m) { return m->flip; }
static double worst_of(const Measures *m) { return m->flip_worst; }
static double rmse_of(const Measures *m) { return m->latent_rmse; }

static const TargetMeasure measures[] = {
    { "flip-worst", "FLIP where it is largest", "", 3, worst_of, false, 1, VISIBLE_FLIP },
    { "flip", "FLIP", "", 3, flip_of, false, 1, 0 },
    { "psnr", "PSNR", " dB", 1, psnr_of, true, 0, 0 },
    { "ssim", "SSIM", "", 3, ssim_of, true, 1, 0 },
    { "rmse", "latent RMSE", "", 4, rmse_of, false, 0, 0 },
};

const TargetMeasure *target_measure(const char *target, double *value)
{
    const TargetMeasure *t = measures;
    size_t len = strcspn(target, ":");
    while (strlen(t->name) != len || strncmp(target, t->name, len) != 0) t++;
    *value = strtod(target + len + 1, NULL);
    return t;
}

void target_add_value(Str *out, const TargetMeasure *t, double v)
{
    if (t->of == psnr_of && v >= SAME_PSNR) str_add(out, "infinite (the same pixels)");
    else str_addf(out, "%.*f%s", t->digits, v, t->unit);
}

/* ---- one of them ---- */

static bool is_of(const Comparison *c, const Cell *cell, int row, int column)
{
    return (c->grid.case_rows || cell->row == row) && (c->grid.case_columns || cell->column == column);
}

bool candidate_has(const Candidate *x, const Comparison *c, const Cell *cell)
{
    return is_of(c, cell, x->cell->row, x->cell->column);
}

static bool is_prompts(const Option *o) { return strcmp(o->name, "prompt") == 0; }

static bool has_prompt_rows(const Comparison *c) { return c->grid.case_rows && is_prompts(c->grid.axes[0]); }

static bool has_prompt_columns(const Comparison *c)
{
    return c->grid.case_columns && is_prompts(c->grid.axes[c->grid.axis_count - 1]);
}

/* Which prompt a cell is of, of those of --prompts and of an axis; -1: there is one for all. */
static int prompt_of(const Comparison *c, const Cell *cell)
{
    if (c->prompt_count > 1) return cell->prompt;
    if (has_prompt_rows(c)) return cell->row;
    return has_prompt_columns(c) ? cell->column : -1;
}

static bool several_prompts(const Comparison *c)
{
    return c->prompt_count > 1 || (has_prompt_rows(c) && c->grid.row_count > 1) ||
           (has_prompt_columns(c) && c->grid.column_count > 1);
}

/* What adds up on the way. */
typedef struct {
    double *sum; /* [cells] of observations */
    int *count, *reached;
    int units;
} Units;

static void units_init(Units *u, int most)
{
    *u = (Units){ .sum = mem_array((size_t)most, sizeof *u->sum) };
    u->count = mem_array((size_t)most, sizeof *u->count);
    u->reached = mem_array((size_t)most, sizeof *u->reached);
}

static void units_release(Units *u)
{
    free(u->sum);
    free(u->count);
    free(u->reached);
}

/* What its reference knows of itself: what the last refinement changed. */
static double known_of(const Comparison *c, const Cell *cell, const TargetMeasure *t)
{
    return cell->reference >= 0 ? t->of(&c->references[cell->reference].own) : NAN;
}

static void add_picture(Candidate *x, Units *u, const Comparison *c, const Cell *cell, bool prompts)
{
    double target, v;
    const TargetMeasure *t = target_measure(c->base->target, &target);
    double sign = t->more ? 1 : -1, known = known_of(c, cell, t);
    int unit = prompts ? prompt_of(c, cell) : x->count;
    v = t->of(&cell->m);
    bool reached = sign * (v - target) >= 0;
    u->sum[unit] += v;
    u->count[unit]++;
    u->reached[unit] += reached;
    if (unit >= u->units) u->units = unit + 1;
    x->reached += reached;
    x->evaluations += cell->cost.evaluations;
    x->seconds += cell->cost.seconds;
    x->psnr += psnr_of(&cell->m);
    x->ssim += cell->m.ssim;
    x->flip += cell->m.flip;
    x->flip_worst += cell->m.flip_worst;
    if (!x->count++ || sign * v < sign * x->worst) x->worst = v;
    if (isnan(x->known) || sign * known < sign * x->known) x->known = known;
}

static void add_up(Candidate *x, const Units *u, const TargetMeasure *t)
{
    x->unit = mem_array((size_t)u->units, sizeof *x->unit);
    for (int i = 0; i < u->units; i++) {
        if (!u->count[i]) continue;
        x->unit[x->units++] = u->sum[i] / u->count[i];
        x->units_reached += u->reached[i] == u->count[i];
    }
    x->measure = interval_of_mean(x->unit, x->units);
    if (!t->more && x->measure.low < 0) x->measure.low = 0; /* no error is less */
    if (t->most > 0 && x->measure.high > t->most) x->measure.high = t->most;
    double *const means[] = { &x->evaluations, &x->seconds, &x->psnr, &x->ssim, &x->flip, &x->flip_worst };
    for (size_t i = 0; i < sizeof means / sizeof *means; i++) *means[i] /= x->count;
}

/* False: one of its pictures could not be drawn or measured. */
static bool gather(Candidate *x, const Comparison *c, int row, int column, bool prompts)
{
    double unused;
    const TargetMeasure *t = target_measure(c->base->target, &unused);
    bool whole = true;
    Units u;
    *x = (Candidate){ .known = NAN };
    for (int i = 0; i < c->count && whole; i++) {
        const Cell *cell = &c->cells[i];
        if (!is_of(c, cell, row, column)) continue;
        if (!x->cell) x->cell = cell;
        whole = !cell->error && !cell->standard && !isnan(t->of(&cell->m));
    }
    if (!whole || !x->cell) return false;
    units_init(&u, c->count);
    for (int i = 0; i < c->count; i++)
        if (is_of(c, &c->cells[i], row, column)) add_picture(x, &u, c, &c->cells[i], prompts);
    add_up(x, &u, t);
    units_release(&u);
    return true;
}

/* ---- all of them ---- */

static bool cheaper(const Candidate *a, const Candidate *b, double sign)
{
    if (a->evaluations != b->evaluations) return a->evaluations < b->evaluations;
    return sign * a->worst > sign * b->worst;
}

static bool nearer(const Candidate *a, const Candidate *b, double sign)
{
    if (a->reached != b->reached) return a->reached > b->reached;
    return sign * a->worst > sign * b->worst;
}

static bool is_mostly(const Candidate *x)
{
    return x->units >= MOSTLY_LEAST && x->units_reached < x->units && 10 * x->units_reached >= 9 * x->units;
}

static void choose(Candidates *k, const Comparison *c)
{
    double target, sign = target_measure(c->base->target, &target)->more ? 1 : -1;
    for (int i = 0; i < k->count; i++) {
        const Candidate *x = &k->all[i];
        bool is_default = x->cell->row == c->grid.dflt[0] && x->cell->column == c->grid.dflt[1];
        if (x->reached == x->count && (!k->best || cheaper(x, k->best, sign))) k->best = x;
        if (!k->nearest || nearer(x, k->nearest, sign)) k->nearest = x;
        if (is_default) k->dflt = x;
    }
    for (int i = 0; i < k->count; i++) {
        const Candidate *x = &k->all[i];
        if (!is_mostly(x) || (k->best && x->evaluations >= k->best->evaluations)) continue;
        if (!k->mostly || cheaper(x, k->mostly, sign)) k->mostly = x;
    }
}

void candidates_find(Candidates *k, const Comparison *c)
{
    const Grid *g = &c->grid;
    int rows = g->case_rows ? 1 : g->row_count, columns = g->case_columns ? 1 : g->column_count;
    *k = (Candidates){ .prompts = several_prompts(c) };
    k->all = mem_array((size_t)rows * (size_t)columns, sizeof *k->all);
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
            const Cell *first = comparison_cell(c, row, column, 0);
            k->tried += first && first->deterministic;
            if (gather(&k->all[k->count], c, row, column, k->prompts)) k->count++;
        }
    }
    choose(k, c);
}

void candidates_release(Candidates *k)
{
    for (int i = 0; i < k->count; i++) free(k->all[i].unit);
    free(k->all);
    *k = (Candidates){ 0 };
}

Interval candidates_difference(const Candidate *a, const Candidate *b)
{
    if (a->units != b->units) return (Interval){ 0, NAN, NAN, NAN };
    double *d = mem_array((size_t)a->units, sizeof *d);
    for (int i = 0; i < a->units; i++) d[i] = a->unit[i] - b->unit[i];
    Interval out = interval_of_mean(d, a->units);
    free(d);
    return out;
}
