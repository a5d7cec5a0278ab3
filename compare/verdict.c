/* verdict.c - see verdict.h. */
#include "compare/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/samplers.h"

enum { MANY = 5 }; /* pictures that say something of others */

/* Two identical pictures have no finite PSNR; it counts as more than 8 bits can show otherwise. */
#define SAME_PSNR 100.0

/* ---- measures ---- */

typedef struct {
    const char *name, *words, *unit; /* in --target, in a sentence */
    int digits;
    double (*of)(const Measures *m);
    bool more;        /* more is nearer */
    double invisible; /* from there on a picture looks like the other; 0: it cannot tell */
} TargetMeasure;

static double psnr_of(const Measures *m) { return m->psnr > SAME_PSNR ? SAME_PSNR : m->psnr; } /* NAN stays */
static double ssim_of(const Measures *m) { return m->ssim; }
static double flip_of(const Measures *m) { return m->flip; }
static double rmse_of(const Measures *m) { return m->latent_rmse; }

static const TargetMeasure measures[] = {
    { "psnr", "PSNR", " dB", 1, psnr_of, true, 35 },
    { "ssim", "SSIM", "", 3, ssim_of, true, 0.98 },
    { "flip", "FLIP", "", 3, flip_of, false, 0.05 },
    { "rmse", "latent RMSE", "", 4, rmse_of, false, 0 },
};

/* The text was checked when it was parsed. */
static const TargetMeasure *find_measure(const char *target, double *value)
{
    const TargetMeasure *t = measures;
    size_t len = strcspn(target, ":");
    while (strncmp(target, t->name, len) != 0) t++;
    *value = strtod(target + len + 1, NULL);
    return t;
}

void verdict_target(Str *out, const char *target)
{
    double value;
    const TargetMeasure *t = find_measure(target, &value);
    str_addf(out, "%s %g%s or %s", t->words, value, t->unit, t->more ? "more" : "less");
}

/* ---- candidates ---- */

static bool is_of(const Comparison *c, const Cell *cell, int row, int column)
{
    return (c->grid.case_rows || cell->row == row) && (c->grid.case_columns || cell->column == column);
}

static double mean(const double *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += v[i] / n;
    return sum;
}

/* cell NULL: one of its pictures could not be drawn or measured. */
static Candidate gather(const Comparison *c, int row, int column)
{
    double target, *all = mem_array((size_t)c->count * 5, sizeof *all);
    double *values = all, *evaluations = all + c->count, *seconds = all + 2 * c->count, *psnr = all + 3 * c->count,
           *ssim = all + 4 * c->count;
    const TargetMeasure *t = find_measure(c->base->target, &target);
    Candidate out = { .worst = NAN };
    bool whole = true;
    for (int i = 0; i < c->count; i++) {
        const Cell *cell = &c->cells[i];
        if (!is_of(c, cell, row, column)) continue;
        double v = t->of(&cell->m), sign = t->more ? 1 : -1;
        whole = whole && !cell->error && !cell->standard && !isnan(v);
        if (!out.cell) out.cell = cell;
        values[out.count] = v;
        evaluations[out.count] = cell->cost.evaluations;
        seconds[out.count] = cell->cost.seconds;
        psnr[out.count] = psnr_of(&cell->m);
        ssim[out.count++] = cell->m.ssim;
        out.reached += sign * (v - target) >= 0;
        if (!(sign * v >= sign * out.worst)) out.worst = v;
    }
    if (!whole || !out.count) {
        out.cell = NULL;
    } else {
        out.measure = interval_of_mean(values, out.count);
        out.evaluations = mean(evaluations, out.count);
        out.seconds = mean(seconds, out.count);
        out.psnr = mean(psnr, out.count);
        out.ssim = mean(ssim, out.count);
    }
    free(all);
    return out;
}

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

static void find_candidates(Conclusions *k, const Comparison *c)
{
    double target, sign = find_measure(c->base->target, &target)->more ? 1 : -1;
    const Grid *g = &c->grid;
    for (int row = 0; row < (g->case_rows ? 1 : g->row_count); row++) {
        for (int column = 0; column < (g->case_columns ? 1 : g->column_count); column++) {
            Candidate found = gather(c, row, column);
            if (!found.cell) continue;
            bool all = found.reached == found.count;
            if (all && (!k->best.cell || cheaper(&found, &k->best, sign))) k->best = found;
            if (!k->nearest.cell || nearer(&found, &k->nearest, sign)) k->nearest = found;
            if (row == g->dflt[0] && column == g->dflt[1]) k->dflt = found;
        }
    }
}

bool conclusions_recommend(const Conclusions *k, const Comparison *c, const Cell *cell)
{
    return k->best.cell && is_of(c, cell, k->best.cell->row, k->best.cell->column);
}

/* ---- words ---- */

static bool varies(const Comparison *c, const char *option)
{
    for (int i = 0; i < c->grid.axis_count; i++)
        if (strcmp(c->grid.axes[i]->name, option) == 0) return true;
    return false;
}

static void add_steps(Str *out, int steps) { str_addf(out, "%d step%s", steps, steps == 1 ? "" : "s"); }

/* "dpmpp_2m, schedule karras, with 10 steps": what the candidates differ in. */
static void add_choice(Str *out, const Comparison *c, const Cell *cell)
{
    const Job *j = &cell->job;
    const Sampler *s = sampler_find(j->sampler);
    bool sampler = varies(c, "sampler"), schedule = varies(c, "schedule");
    if (sampler) str_add(out, j->sampler);
    if (schedule) str_addf(out, "%sschedule %s", out->len ? ", " : "", j->schedule);
    if (varies(c, "eta")) str_addf(out, "%seta %g", out->len ? ", " : "", j->eta);
    if (!varies(c, "steps")) return;
    if (s && s->adaptive) {
        str_addf(out, "%sas many steps as it chooses", out->len ? " with " : "");
        return;
    }
    str_add(out, schedule ? ", with " : sampler ? " with " : out->len ? ", " : "");
    add_steps(out, j->steps);
}

static void add_value(Str *out, const TargetMeasure *t, double v)
{
    if (t->of == psnr_of && v >= SAME_PSNR) str_add(out, "infinite (the same pixels)");
    else str_addf(out, "%.*f%s", t->digits, v, t->unit);
}

/* "8 evaluations, 0.31 s a picture; PSNR 40.1 dB on average (95 % interval of the mean 38.2 to 42.0), 38.9 dB at worst; SSIM 0.995" */
static void add_figures(Str *out, const Comparison *c, const Candidate *x)
{
    double target;
    const TargetMeasure *t = find_measure(c->base->target, &target);
    str_addf(out, "%.*f evaluation%s, %.2f s a picture; %s ", x->evaluations == floor(x->evaluations) ? 0 : 1,
             x->evaluations, x->evaluations == 1 ? "" : "s", x->seconds, t->words);
    add_value(out, t, x->measure.mean);
    if (x->count > 1 && x->measure.high > x->measure.low) {
        str_addf(out, " on average (95 %% interval of the mean %.*f to %.*f), ", t->digits, x->measure.low, t->digits,
                 x->measure.high);
        add_value(out, t, x->worst);
        str_add(out, " at worst");
    }
    if (t->of != ssim_of && !isnan(x->ssim)) str_addf(out, "; SSIM %.3f", x->ssim);
    if (t->of != psnr_of) str_addf(out, "; PSNR %.1f dB", x->psnr);
}

/* "each of 12 pictures (3 prompts, seeds 1 to 4)" */
static void add_extent(Str *out, const Comparison *c, const Candidate *x)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (int i = 0; i < c->count; i++) {
        if (!is_of(c, &c->cells[i], x->cell->row, x->cell->column)) continue;
        if (c->cells[i].seed < low) low = c->cells[i].seed;
        if (c->cells[i].seed > high) high = c->cells[i].seed;
    }
    if (x->count == 1) str_addf(out, "the one picture tried (seed %llu)", (unsigned long long)low);
    else {
        str_addf(out, "each of %d pictures (", x->count);
        if (c->prompt_count) str_addf(out, "%d prompt%s, ", c->prompt_count, c->prompt_count == 1 ? "" : "s");
        if (c->grid.case_rows) str_addf(out, "%d values of %s, ", c->grid.row_count, c->grid.axes[0]->name);
        if (c->grid.case_columns)
            str_addf(out, "%d values of %s, ", c->grid.column_count, c->grid.axes[c->grid.axis_count - 1]->name);
        if (low == high) str_addf(out, "seed %llu)", (unsigned long long)low);
        else str_addf(out, "seeds %llu to %llu)", (unsigned long long)low, (unsigned long long)high);
    }
}

static void say_default(Section *s, const Comparison *c, const Conclusions *k, const Candidate *told)
{
    Str name = { 0 }, figures = { 0 };
    if (!k->dflt.cell) return;
    if (told->cell == k->dflt.cell) {
        section_add(s, "That is the model's default.");
        return;
    }
    add_choice(&name, c, k->dflt.cell);
    add_figures(&figures, c, &k->dflt);
    section_add(s, "The model's default, %s: %s", str_text(&name), str_text(&figures));
    str_release(&name);
    str_release(&figures);
}

void verdict_add(Conclusions *k, const Comparison *c)
{
    if (!c->grid.converged ||
        !(varies(c, "sampler") || varies(c, "schedule") || varies(c, "steps") || varies(c, "eta")))
        return;
    find_candidates(k, c);
    const Candidate *told = k->best.cell ? &k->best : &k->nearest;
    if (!told->cell) return;

    Str name = { 0 }, extent = { 0 }, figures = { 0 }, target = { 0 };
    double value;
    const TargetMeasure *t = find_measure(c->base->target, &value);
    bool like = t->invisible > 0 && (t->more ? value >= t->invisible : value <= t->invisible);
    const char *verb = like ? "looks like the converged picture" : "comes near enough to the converged picture";
    add_choice(&name, c, told->cell);
    add_extent(&extent, c, told);
    add_figures(&figures, c, told);
    verdict_target(&target, c->base->target);
    Section *s = conclusions_add(k, "What to use");
    s->verdict = true;
    if (k->best.cell) {
        section_add(s, "Use %s.", str_text(&name));
        section_add(s, "Of those whose picture %s (%s) on %s it takes the fewest evaluations.", verb, str_text(&target),
                    str_text(&extent));
        section_add(s, "%s", str_text(&figures));
        if (told->count >= MANY)
            section_add(s, "With 95 %% confidence at least %.0f %% of pictures like these come as near.",
                        100 * interval_share(told->count));
    } else {
        section_add(s, "None %s (%s) on %s; more steps may help.", verb, str_text(&target), str_text(&extent));
        section_add(s, "The nearest is %s, on %d of %d: %s", str_text(&name), told->reached, told->count,
                    str_text(&figures));
    }
    say_default(s, c, k, told);
    str_release(&name);
    str_release(&extent);
    str_release(&figures);
    str_release(&target);
}
