/* verdict.c - see verdict.h. */
#include "compare/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/samplers.h"

enum { MANY = 5 }; /* observations that say something of others */

bool conclusions_recommend(const Conclusions *k, const Comparison *c, const Cell *cell)
{
    return k->candidates.best && candidate_has(k->candidates.best, c, cell);
}

void verdict_target(Str *out, const char *target)
{
    double value;
    const TargetMeasure *t = target_measure(target, &value);
    str_addf(out, "%s %g%s or %s", t->words, value, t->unit, t->more ? "more" : "less");
}

/* ---- words ---- */

static bool varies_solver(const Comparison *c)
{
    for (int i = 0; i < c->grid.axis_count; i++)
        if (grid_is_solver(c->grid.axes[i])) return true;
    return false;
}

static bool varies(const Comparison *c, const char *option)
{
    for (int i = 0; i < c->grid.axis_count; i++)
        if (strcmp(c->grid.axes[i]->name, option) == 0) return true;
    return false;
}

static void add_steps(Str *out, int steps) { str_addf(out, "%d step%s", steps, steps == 1 ? "" : "s"); }

/* Options of solvers that are said with their names: "eta 0.5, solver-order 3". */
static void add_settings(Str *out, const Comparison *c, const Job *j)
{
    static const char *const own_words[] = { "sampler", "schedule", "steps" };
    for (int i = 0; i < c->grid.axis_count; i++) {
        const Option *o = c->grid.axes[i];
        bool own = !grid_is_solver(o);
        for (size_t k = 0; k < sizeof own_words / sizeof *own_words; k++)
            own = own || strcmp(o->name, own_words[k]) == 0;
        if (own) continue;
        str_addf(out, "%s%s ", out->len ? ", " : "", o->name);
        job_get(j, o, out);
    }
}

/* "dpmpp_2m, schedule karras, with 10 steps": what the candidates differ in. */
static void add_choice(Str *out, const Comparison *c, const Cell *cell)
{
    const Job *j = &cell->job;
    const Sampler *s = sampler_find(j->sampler);
    bool sampler = varies(c, "sampler"), schedule = varies(c, "schedule");
    if (sampler) str_add(out, j->sampler);
    if (schedule) str_addf(out, "%sschedule %s", out->len ? ", " : "", j->schedule);
    add_settings(out, c, j);
    if (!varies(c, "steps")) return;
    if (s && s->adaptive) {
        str_addf(out, "%sas many steps as it chooses", out->len ? " with " : "");
        return;
    }
    str_add(out, schedule ? ", with " : sampler ? " with " : out->len ? ", " : "");
    add_steps(out, j->steps);
}

/*
 * "8 evaluations, 0.31 s a picture; FLIP where it is largest 0.051 on average (0.043 to 0.059), 0.068 at worst; PSNR 41.2 dB,
 * SSIM 0.995"
 */
static void add_figures(Str *out, const Comparison *c, const Candidate *x)
{
    double target;
    const TargetMeasure *t = target_measure(c->base->target, &target);
    str_addf(out, "%.*f evaluation%s, %.2f s a picture; %s ", x->evaluations == floor(x->evaluations) ? 0 : 1,
             x->evaluations, x->evaluations == 1 ? "" : "s", x->seconds, t->words);
    target_add_value(out, t, x->measure.mean);
    if (x->count > 1) {
        str_add(out, " on average");
        if (x->measure.high > x->measure.low)
            str_addf(out, " (%.*f to %.*f)", t->digits, x->measure.low, t->digits, x->measure.high);
        str_add(out, ", ");
        target_add_value(out, t, x->worst);
        str_add(out, " at worst");
    }
    if (strcmp(t->name, "psnr") != 0) str_addf(out, "; PSNR %.1f dB", x->psnr);
    if (strcmp(t->name, "ssim") != 0 && !isnan(x->ssim)) str_addf(out, ", SSIM %.3f", x->ssim);
}

/* "each of 12 pictures (3 prompts, seeds 1 to 4)" */
static void add_extent(Str *out, const Comparison *c, const Candidate *x)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (int i = 0; i < c->count; i++) {
        if (!candidate_has(x, c, &c->cells[i])) continue;
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

/* What the pictures of a choice differ from the model's default in, picture by picture. */
static void add_difference(Section *s, const Comparison *c, const Candidates *k, const Candidate *told)
{
    double target;
    const TargetMeasure *t = target_measure(c->base->target, &target);
    Interval d = candidates_difference(told, k->dflt);
    Str text = { 0 };
    if (!(d.high > d.low)) return;
    bool clear = d.low > 0 || d.high < 0;
    str_addf(&text, "Between the two, %s by %s: %s%.*f%s (%.*f to %.*f)", k->prompts ? "prompt" : "picture",
             k->prompts ? "prompt" : "picture", d.mean > 0 ? "+" : "", t->digits, d.mean, t->unit, t->digits, d.low,
             t->digits, d.high);
    if (clear) str_addf(&text, "; %s is nearer", (d.mean > 0) == t->more ? "the first" : "the default");
    else str_addf(&text, "; %d %ss do not tell which is nearer", d.n, k->prompts ? "prompt" : "picture");
    section_add(s, "%s", str_text(&text));
    str_release(&text);
}

static void say_default(Section *s, const Comparison *c, const Candidates *k, const Candidate *told)
{
    Str name = { 0 }, figures = { 0 };
    if (!k->dflt) return;
    if (told == k->dflt) {
        section_add(s, "That is the model's default.");
        return;
    }
    add_choice(&name, c, k->dflt->cell);
    add_figures(&figures, c, k->dflt);
    section_add(s, "The model's default, %s: %s", str_text(&name), str_text(&figures));
    add_difference(s, c, k, told);
    str_release(&name);
    str_release(&figures);
}

/* A cheaper one that does on nearly all. */
static void say_mostly(Section *s, const Comparison *c, const Candidates *k)
{
    Str name = { 0 };
    const Candidate *x = k->mostly;
    if (!x) return;
    add_choice(&name, c, x->cell);
    section_add(s, "On %d of %d %ss %s does, with %.*f evaluations.", x->units_reached, x->units,
                k->prompts ? "prompt" : "picture", str_text(&name), x->evaluations == floor(x->evaluations) ? 0 : 1,
                x->evaluations);
    str_release(&name);
}

/* What the figures rest on, and what was tested how. */
static void say_statistics(Section *s, const Comparison *c, const Candidates *k, const Candidate *told)
{
    double target;
    const TargetMeasure *t = target_measure(c->base->target, &target);
    const char *what = k->prompts ? "prompt" : "picture";
    if (told == k->best && told->units >= MANY)
        section_add(
            s,
            "With 95 %% confidence at least %.0f %% of %ss like these come as near%s: %d of %d did (Clopper and "
            "Pearson; the 5 %% are shared among the %d choices that it was taken from, Bonferroni).",
            100 * interval_least_share(told->units_reached, told->units, k->tried), what,
            k->prompts ? " with each seed" : "", told->units_reached, told->units, k->tried);
    if (!isnan(told->known)) {
        Str known = { 0 };
        target_add_value(&known, t, told->known);
        section_add(s, "The converged pictures are known to %s: so much the last refinement changed, at worst.",
                    str_text(&known));
        str_release(&known);
    }
    if (told->units > 1)
        section_add(
            s,
            "n = %d %ss%s. In brackets: 95 %% interval of the mean of all such %ss, Student's t. Each holds for "
            "itself; of twenty one may miss.",
            told->units, what, k->prompts && told->count > told->units ? ", means over their seeds" : "", what);
    if (told->units < MANY)
        section_add(s, "%d %s%s little of others: --prompts FILE and --seeds N try more.", told->units, what,
                    told->units == 1 ? " says" : "s say");
}

void verdict_add(Conclusions *k, const Comparison *c)
{
    if (!c->grid.converged || !varies_solver(c)) return;
    Candidates *x = &k->candidates;
    candidates_find(x, c);
    const Candidate *told = x->best ? x->best : x->nearest;
    if (!told) return;

    Str name = { 0 }, extent = { 0 }, figures = { 0 }, target = { 0 };
    double value;
    const TargetMeasure *t = target_measure(c->base->target, &value);
    bool like = t->invisible > 0 && value <= t->invisible;
    const char *verb = like ? "looks like the converged picture" : "comes near enough to the converged picture";
    add_choice(&name, c, told->cell);
    add_extent(&extent, c, told);
    add_figures(&figures, c, told);
    verdict_target(&target, c->base->target);
    Section *s = conclusions_add(k, "What to use");
    s->verdict = true;
    if (x->best) {
        section_add(s, "Use %s.", str_text(&name));
        section_add(s, "Of those whose picture %s (%s) on %s it takes the fewest evaluations.", verb, str_text(&target),
                    str_text(&extent));
        section_add(s, "%s", str_text(&figures));
    } else {
        section_add(s, "None %s (%s) on %s; more steps may help.", verb, str_text(&target), str_text(&extent));
        section_add(s, "The nearest is %s, on %d of %d: %s", str_text(&name), told->reached, told->count,
                    str_text(&figures));
    }
    say_default(s, c, x, told);
    say_mostly(s, c, x);
    say_statistics(s, c, x, told);
    str_release(&name);
    str_release(&extent);
    str_release(&figures);
    str_release(&target);
}
