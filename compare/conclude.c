/* conclude.c - see conclude.h. */
#include "compare/conclude.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/samplers.h"

/* ---- words ---- */

static Section *add_section(Conclusions *k, const char *title)
{
    k->sections = mem_grow(k->sections, ((size_t)k->section_count + 1) * sizeof *k->sections);
    Section *s = &k->sections[k->section_count++];
    *s = (Section){ .title = mem_strdup(title) };
    return s;
}

static void add_text(Section *s, const Str *text)
{
    s->lines = mem_grow(s->lines, ((size_t)s->count + 1) * sizeof *s->lines);
    s->lines[s->count++] = mem_strdup(str_text(text));
}

__attribute__((format(printf, 2, 3))) static void add_line(Section *s, const char *fmt, ...)
{
    char buf[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    Str text = { 0 };
    str_add(&text, buf);
    add_text(s, &text);
    str_release(&text);
}

/* "euler, karras" */
static void add_row_name(Str *out, const Comparison *c, int row)
{
    for (const char *p = c->grid.rows[row].label; *p; p++) {
        if (*p == '\n') str_add(out, ", ");
        else str_addn(out, p, 1);
    }
}

static bool chooses_its_steps(const Cell *cell)
{
    const Sampler *s = cell->job.sampler ? sampler_find(cell->job.sampler) : NULL;
    return s && s->adaptive;
}

/* What a column's label does not say: " (5 steps)", " (19 evaluations)". */
static void add_cost(Str *out, const Comparison *c, const Cell *cell)
{
    if (chooses_its_steps(cell)) str_addf(out, " (it chooses its own steps: %d evaluations)", cell->cost.evaluations);
    else if (c->grid.by_evaluations) str_addf(out, " (%d steps)", cell->job.steps);
    else if (cell->cost.evaluations != cell->job.steps) str_addf(out, " (%d evaluations)", cell->cost.evaluations);
}

/* "euler, karras, 10 steps"; by evaluations the steps are told too. */
static void add_cell_name(Str *out, const Comparison *c, const Cell *cell)
{
    add_row_name(out, c, cell->row);
    str_addf(out, "%s%s", out->len ? ", " : "", c->grid.columns[cell->column].label);
    if (c->grid.by_evaluations || chooses_its_steps(cell)) add_cost(out, c, cell);
}

static void add_db(Str *out, double psnr)
{
    if (isinf(psnr)) str_add(out, "the same pixels");
    else str_addf(out, "%.1f dB", psnr);
}

/* ---- the target ---- */

typedef enum { TARGET_PSNR, TARGET_SSIM, TARGET_RMSE } TargetMeasure;

/* How much better than the target, in its own unit; negative: worse. */
static double margin(const Measures *m, TargetMeasure measure, double target)
{
    return measure == TARGET_PSNR   ? m->psnr - target
           : measure == TARGET_SSIM ? m->ssim - target
                                    : target - m->latent_rmse;
}

/* The worst of the place's seeds; NAN: not measured, or it is what the others are measured against. */
static double place_margin(const Comparison *c, int row, int column, TargetMeasure measure, double target,
                           const Cell **first)
{
    double worst = NAN;
    *first = comparison_cell(c, row, column, 0);
    for (int n = 0;; n++) {
        const Cell *cell = comparison_cell(c, row, column, n);
        if (!cell) return worst;
        if (cell->error || cell->standard) return NAN;
        double m = margin(&cell->m, measure, target);
        if (isnan(m)) return NAN;
        worst = isnan(worst) || m < worst ? m : worst;
    }
}

static bool cheaper(const Cell *a, double margin_a, const Cell *b, double margin_b)
{
    if (a->cost.evaluations != b->cost.evaluations) return a->cost.evaluations < b->cost.evaluations;
    return margin_a > margin_b;
}

static void conclude_target(Conclusions *k, const Comparison *c)
{
    const char *text = c->base->target, *value = strchr(text, ':') + 1;
    TargetMeasure measure = *text == 'p' ? TARGET_PSNR : *text == 's' ? TARGET_SSIM : TARGET_RMSE;
    double target = strtod(value, NULL), best_margin = NAN, nearest_margin = NAN;
    const Cell *best = NULL, *nearest = NULL;
    for (int row = 0; row < c->grid.row_count; row++) {
        for (int column = 0; column < c->grid.column_count; column++) {
            const Cell *cell;
            double m = place_margin(c, row, column, measure, target, &cell);
            if (isnan(m)) continue;
            if (!nearest || m > nearest_margin) nearest = cell, nearest_margin = m;
            if (m >= 0 && (!best || cheaper(cell, m, best, best_margin))) best = cell, best_margin = m;
        }
    }
    k->best[0] = best ? best->row : -1;
    k->best[1] = best ? best->column : -1;
    k->nearest[0] = nearest ? nearest->row : -1;
    k->nearest[1] = nearest ? nearest->column : -1;
    if (!nearest) return;

    Str title = { 0 }, line = { 0 };
    const Cell *told = best ? best : nearest;
    int seeds = comparison_seeds(c, told->row);
    str_addf(&title, "Cheapest within %s", text);
    if (seeds > 1) str_addf(&title, " on each of %d seeds", seeds);
    if (!best) str_add(&line, "none; the nearest is ");
    add_cell_name(&line, c, told);
    str_addf(&line, ": %d evaluation%s, ", told->cost.evaluations, told->cost.evaluations == 1 ? "" : "s");
    add_db(&line, told->m.psnr);
    str_addf(&line, ", SSIM %.3f, %.2f s", told->m.ssim, told->cost.seconds);
    add_text(add_section(k, str_text(&title)), &line);
    str_release(&title);
    str_release(&line);
}

/* ---- the order of convergence ---- */

/* The columns are step counts (or evaluations). */
static bool columns_are_steps(const Comparison *c)
{
    const Choice *first = &c->grid.columns[0];
    return first->evaluations || (first->count == 1 && strcmp(first->set[0].option->name, "steps") == 0);
}

/* The root of the mean square of a place's errors in the latent over its seeds; NAN: too near to what the reference knows. */
static double place_error(const Comparison *c, int row, int column, double *steps)
{
    double sum = 0;
    int n = 0;
    for (const Cell *cell; (cell = comparison_cell(c, row, column, n)); n++) {
        if (cell->error || isnan(cell->m.latent_rmse)) return NAN;
        const Reference *f = &c->references[cell->reference];
        if (cell->m.latent_rmse < 2 * f->cost.change[CHANGE_RMSE]) return NAN;
        sum += cell->m.latent_rmse * cell->m.latent_rmse;
        *steps = cell->job.steps;
    }
    return sqrt(sum / n);
}

/* The slope of log error over log steps, by least squares over the columns where the error can be known. */
static void observe_order(RowFinding *f, const Comparison *c, int row)
{
    double sx = 0, sy = 0, sxx = 0, sxy = 0;
    int n = 0;
    for (int column = 0; column < c->grid.column_count; column++) {
        double steps = 0, error = place_error(c, row, column, &steps);
        if (!(error > 0)) continue;
        double x = log(steps), y = log(error);
        sx += x, sy += y, sxx += x * x, sxy += x * y;
        if (n++ == 0) f->from = column;
        f->to = column;
    }
    double spread = n * sxx - sx * sx;
    f->order = n >= 2 && spread > 1e-9 ? -(n * sxy - sx * sy) / spread : NAN;
}

static void conclude_order(Conclusions *k, const Comparison *c)
{
    Section *s = NULL;
    for (int row = 0; row < c->grid.row_count; row++) {
        RowFinding *f = &k->rows[row];
        const Cell *cell = comparison_cell(c, row, 0, 0);
        const Sampler *sampler = cell->job.sampler ? sampler_find(cell->job.sampler) : NULL;
        f->claimed = sampler ? sampler->order : 0;
        if (!c->grid.converged || !f->deterministic || chooses_its_steps(cell)) continue;
        observe_order(f, c, row);
        if (isnan(f->order)) continue;
        if (!s) s = add_section(k, "Observed order of convergence (error of the latent ~ steps^-order)");
        Str line = { 0 };
        add_row_name(&line, c, row);
        str_addf(&line, ": %.1f from %s to %s", f->order, c->grid.columns[f->from].label, c->grid.columns[f->to].label);
        if (f->claimed) str_addf(&line, "; in the limit %s is of order %d", sampler->name, f->claimed);
        add_text(s, &line);
        str_release(&line);
    }
}

/* ---- what changes visibly, and the spread: pictures against each other ---- */

static bool same_to_the_eye(const Image *a, const Image *b)
{
    Err unused;
    if (measure_check(a, b, &unused)) return false;
    double ssim = measure_ssim(a, b);
    return measure_psnr(a, b) >= VISIBLE_PSNR && (isnan(ssim) || ssim >= VISIBLE_SSIM);
}

typedef struct {
    Image *images; /* [columns][seeds]; rgb NULL: there is none */
    const Cell **cells;
    int columns, seeds;
} RowPictures;

static int read_row(RowPictures *p, const Comparison *c, int row, Err *e)
{
    p->columns = c->grid.column_count;
    p->seeds = comparison_seeds(c, row);
    size_t n = (size_t)p->columns * (size_t)p->seeds;
    p->images = mem_array(n + 1, sizeof *p->images);
    p->cells = mem_array(n + 1, sizeof *p->cells);
    for (size_t i = 0; i < n; i++) {
        p->cells[i] = comparison_cell(c, row, (int)i / p->seeds, (int)i % p->seeds);
        if (p->cells[i] && !p->cells[i]->error && comparison_image(c, p->cells[i], &p->images[i], e)) return -1;
    }
    return 0;
}

static void release_row(RowPictures *p)
{
    for (int i = 0; p->images && i < p->columns * p->seeds; i++) image_release(&p->images[i]);
    free(p->images);
    free(p->cells);
}

/*
 * The first column whose pictures are, for each seed, the same to the eye as all that come after, and as the converged one.
 * Without a converged picture the last column shows nothing: there is no later one.
 */
static void find_settled(RowFinding *f, const Comparison *c, const RowPictures *p)
{
    bool known = c->grid.converged && p->cells[0]->reference >= 0;
    f->settled = -1;
    for (int column = known ? p->columns - 1 : p->columns - 2; column >= 0; column--) {
        bool still = true;
        for (int n = 0; n < p->seeds && still; n++) {
            const Image *im = &p->images[column * p->seeds + n];
            const Cell *cell = p->cells[column * p->seeds + n];
            still = im->rgb != NULL;
            if (still && known) still = cell->m.psnr >= VISIBLE_PSNR && !(cell->m.ssim < VISIBLE_SSIM);
            for (int later = column + 1; later < p->columns && still; later++) {
                const Image *other = &p->images[later * p->seeds + n];
                still = other->rgb && same_to_the_eye(im, other);
            }
        }
        if (!still) return;
        f->settled = column;
    }
}

/* Mean PSNR between a column and the one before, seed by seed. */
static void find_changes(RowFinding *f, const RowPictures *p)
{
    for (int column = 0; column < p->columns; column++) {
        double sum = 0;
        int n = 0;
        for (; n < p->seeds && column; n++) {
            const Image *a = &p->images[column * p->seeds + n], *b = &p->images[(column - 1) * p->seeds + n];
            Err unused;
            if (!a->rgb || !b->rgb || measure_check(a, b, &unused)) break;
            sum += measure_psnr(a, b);
        }
        f->change[column] = n && n == p->seeds ? sum / n : NAN;
    }
}

/* Means over all pairs of seeds. */
static void find_spread(RowFinding *f, const RowPictures *p)
{
    for (int column = 0; column < p->columns; column++) {
        double sum[3] = { 0 };
        int pairs = 0;
        for (int a = 0; a < p->seeds; a++) {
            for (int b = a + 1; b < p->seeds; b++) {
                const Image *x = &p->images[column * p->seeds + a], *y = &p->images[column * p->seeds + b];
                const Cell *cx = p->cells[column * p->seeds + a], *cy = p->cells[column * p->seeds + b];
                if (!x->rgb || !y->rgb || cx->len != cy->len) continue;
                sum[0] += measure_rmse(cx->latent, cy->latent, cx->len);
                sum[1] += measure_psnr(x, y);
                sum[2] += measure_ssim(x, y);
                pairs++;
            }
        }
        for (int i = 0; i < 3; i++) f->spread[column * 3 + i] = pairs ? sum[i] / pairs : NAN;
    }
}

static int look_at_rows(Conclusions *k, const Comparison *c, Err *e)
{
    for (int row = 0; row < c->grid.row_count; row++) {
        RowPictures p = { 0 };
        RowFinding *f = &k->rows[row];
        int failed = read_row(&p, c, row, e);
        if (!failed) {
            if (columns_are_steps(c)) find_settled(f, c, &p);
            if (columns_are_steps(c)) find_changes(f, &p);
            find_spread(f, &p);
        }
        release_row(&p);
        if (failed) return -1;
    }
    return 0;
}

static void conclude_settled(Conclusions *k, const Comparison *c)
{
    char title[160];
    if (!columns_are_steps(c) || c->grid.column_count < 2) return;
    snprintf(title, sizeof title, "No longer changes visibly (PSNR %g dB and SSIM %g or more to all that follow)",
             VISIBLE_PSNR, VISIBLE_SSIM);
    Section *s = add_section(k, title);
    for (int row = 0; row < c->grid.row_count; row++) {
        const RowFinding *f = &k->rows[row];
        const Cell *cell = f->settled >= 0 ? comparison_cell(c, row, f->settled, 0) : NULL;
        Str line = { 0 };
        add_row_name(&line, c, row);
        str_add(&line, line.len ? ": " : "");
        if (cell) {
            str_addf(&line, "from %s", c->grid.columns[f->settled].label);
            add_cost(&line, c, cell);
        } else {
            str_addf(&line, "not up to %s", c->grid.columns[c->grid.column_count - 1].label);
        }
        add_text(s, &line);
        str_release(&line);
    }
}

static void conclude_spread(Conclusions *k, const Comparison *c)
{
    Section *s = NULL;
    for (int row = 0; row < c->grid.row_count; row++) {
        const RowFinding *f = &k->rows[row];
        if (f->deterministic) continue;
        if (!s)
            s = add_section(
                k, "Draw fresh noise: there is no picture that they converge to, so nothing is measured against "
                   "one; the spread over seeds instead");
        for (int column = 0; column < c->grid.column_count; column++) {
            Str line = { 0 };
            const double *v = &f->spread[column * 3];
            add_row_name(&line, c, row);
            str_addf(&line, "%s%s: ", line.len ? ", " : "", c->grid.columns[column].label);
            if (isnan(v[0])) str_add(&line, "one seed shows no spread (--seeds 3)");
            else str_addf(&line, "latent RMSE %.3f, %.1f dB, SSIM %.3f between seeds", v[0], v[1], v[2]);
            if (column && !isnan(f->change[column]))
                str_addf(&line, "; the same seed is %.1f dB from %s", f->change[column],
                         c->grid.columns[column - 1].label);
            add_text(s, &line);
            str_release(&line);
        }
    }
}

/* ---- references and failures ---- */

static void conclude_references(Conclusions *k, const Comparison *c)
{
    Section *s = c->reference_count ? add_section(k, "Measured against") : NULL;
    for (int i = 0; i < c->reference_count; i++) {
        const Reference *f = &c->references[i];
        const double *change = f->cost.change;
        if (f->cell >= 0) {
            Str line = { 0 };
            add_cell_name(&line, c, &c->cells[f->cell]);
            str_addf(&line, ", seed %llu", (unsigned long long)f->seed);
            add_text(s, &line);
            str_release(&line);
            continue;
        }
        if (f->error) {
            add_line(s, "seed %llu: no converged picture: %s", (unsigned long long)f->seed, f->error);
            continue;
        }
        add_line(s,
                 "the converged picture of seed %llu: " REFERENCE_SAMPLER
                 ", %.0f steps from sigma %.4g; %s: half the steps give %.1f dB, latent RMSE %.5f",
                 (unsigned long long)f->seed, change[CHANGE_STEPS], f->start.sigma,
                 change[CHANGE_CONVERGED] > 0 ? "converged" : "NOT CONVERGED, so take the measures with care",
                 change[CHANGE_PSNR], change[CHANGE_RMSE]);
    }
}

static void conclude_failures(Conclusions *k, const Comparison *c)
{
    Section *s = NULL;
    for (int i = 0; i < c->count; i++) {
        const Cell *cell = &c->cells[i];
        const char *why = cell->error ? cell->error : cell->note;
        if (!why) continue;
        if (!s) s = add_section(k, c->failed ? "Failed" : "Not measured");
        Str line = { 0 };
        add_cell_name(&line, c, cell);
        str_addf(&line, ", seed %llu: %s", (unsigned long long)cell->seed, why);
        add_text(s, &line);
        str_release(&line);
    }
}

int conclude(Conclusions *k, const Comparison *c, Err *e)
{
    size_t columns = (size_t)c->grid.column_count;
    *k = (Conclusions){ .row_count = c->grid.row_count, .best = { -1, -1 }, .nearest = { -1, -1 } };
    k->rows = mem_array((size_t)k->row_count, sizeof *k->rows);
    for (int row = 0; row < k->row_count; row++) {
        const Cell *first = comparison_cell(c, row, 0, 0);
        RowFinding *f = &k->rows[row];
        *f = (RowFinding){ .deterministic = first->deterministic, .order = NAN, .settled = -1 };
        f->spread = mem_array(3 * columns, sizeof *f->spread);
        f->change = mem_array(columns, sizeof *f->change);
        for (size_t i = 0; i < columns; i++) f->change[i] = NAN;
    }
    if (look_at_rows(k, c, e)) return -1;
    conclude_references(k, c);
    conclude_target(k, c);
    conclude_settled(k, c);
    conclude_order(k, c);
    conclude_spread(k, c);
    conclude_failures(k, c);
    return 0;
}

void conclusions_release(Conclusions *k)
{
    for (int i = 0; i < k->row_count; i++) {
        free(k->rows[i].spread);
        free(k->rows[i].change);
    }
    for (int i = 0; i < k->section_count; i++) {
        for (int l = 0; l < k->sections[i].count; l++) free(k->sections[i].lines[l]);
        free(k->sections[i].lines);
        free(k->sections[i].title);
    }
    free(k->sections);
    free(k->rows);
    *k = (Conclusions){ 0 };
}
