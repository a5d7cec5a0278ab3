/* conclude.c - see conclude.h. */
#include "compare/conclude.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compare/verdict.h"
#include "scheduler/samplers.h"

enum {
    FEW_REFERENCES = 4, /* that are told one by one */
    MANY_CELLS = 60,    /* the table and the report have room for more */
};

/* ---- words ---- */

Section *conclusions_add(Conclusions *k, const char *title)
{
    k->sections = mem_grow(k->sections, ((size_t)k->section_count + 1) * sizeof *k->sections);
    Section *s = &k->sections[k->section_count++];
    *s = (Section){ .title = mem_strdup(title) };
    return s;
}

void section_add(Section *s, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    char *line = mem_alloc((size_t)(len > 0 ? len : 0) + 1);
    vsnprintf(line, (size_t)(len > 0 ? len : 0) + 1, fmt, again);
    va_end(ap);
    va_end(again);
    s->lines = mem_grow(s->lines, ((size_t)s->count + 1) * sizeof *s->lines);
    s->lines[s->count++] = line;
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
    return n ? sqrt(sum / n) : NAN;
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
        const Cell *cell = comparison_first(c, row, 0);
        const Sampler *sampler = cell->job.sampler ? sampler_find(cell->job.sampler) : NULL;
        f->claimed = sampler ? sampler->order : 0;
        if (!c->grid.converged || !columns_are_steps(c) || !f->deterministic || chooses_its_steps(cell)) continue;
        observe_order(f, c, row);
        if (isnan(f->order)) continue;
        if (!s) s = conclusions_add(k, "Observed order of convergence (error of the latent ~ steps^-order)");
        Str line = { 0 };
        add_row_name(&line, c, row);
        str_addf(&line, ": %.1f from %s to %s", f->order, c->grid.columns[f->from].label, c->grid.columns[f->to].label);
        if (f->claimed) str_addf(&line, "; in the limit %s is of order %d", sampler->name, f->claimed);
        section_add(s, "%s", str_text(&line));
        str_release(&line);
    }
}

/* ---- what changes visibly, and the spread: pictures against each other ---- */

static bool same_to_the_eye(const Image *a, const Image *b)
{
    Err unused;
    return !measure_check(a, b, &unused) && measure_flip_error(a, b).worst <= VISIBLE_FLIP;
}

typedef struct {
    Image *images; /* [columns][seeds]; rgb NULL: there is none */
    const Cell **cells;
    int columns, seeds;
} RowPictures;

static int read_row(RowPictures *p, const Comparison *c, int row, Err *e)
{
    p->columns = c->grid.column_count;
    p->seeds = comparison_numbers(c, row);
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

/* The column before that has pictures of the row; -1: none. */
static int column_before(const RowPictures *p, int column)
{
    do column--;
    while (column >= 0 && !p->cells[column * p->seeds]);
    return column;
}

/* Whether a picture looks like all of its seed in later columns, and like the converged one where that is known. */
static bool is_settled(const RowPictures *p, int column, int n, bool known)
{
    const Image *im = &p->images[column * p->seeds + n];
    const Cell *cell = p->cells[column * p->seeds + n];
    bool still = im->rgb != NULL;
    if (still && known) still = cell->m.flip_worst <= VISIBLE_FLIP;
    for (int later = column + 1; later < p->columns && still; later++) {
        const Image *other = &p->images[later * p->seeds + n];
        if (p->cells[later * p->seeds + n]) still = other->rgb && same_to_the_eye(im, other);
    }
    return still;
}

/*
 * The first column whose pictures are, for each seed, the same to the eye as all that come after, and as the converged one.
 * Without a converged picture the last column shows nothing: there is no later one.
 */
static void find_settled(RowFinding *f, const Comparison *c, int row, const RowPictures *p)
{
    bool known = c->grid.converged && comparison_first(c, row, 0)->reference >= 0;
    int last = column_before(p, p->columns);
    for (int column = known ? last : column_before(p, last); column >= 0; column = column_before(p, column)) {
        for (int n = 0; n < p->seeds; n++)
            if (!is_settled(p, column, n, known)) return;
        f->settled = column;
    }
}

/* Mean PSNR between a column and the one before, seed by seed. */
static void find_changes(RowFinding *f, const RowPictures *p)
{
    for (int column = 0; column < p->columns; column++) {
        int before = p->cells[column * p->seeds] ? column_before(p, column) : -1, n = 0;
        double sum = 0;
        for (; n < p->seeds && before >= 0; n++) {
            const Image *a = &p->images[column * p->seeds + n], *b = &p->images[before * p->seeds + n];
            Err unused;
            if (!a->rgb || !b->rgb || measure_check(a, b, &unused)) break;
            sum += measure_psnr(a, b);
        }
        f->change[column] = n && n == p->seeds ? sum / n : NAN;
    }
}

/* Means over all pairs of seeds of a prompt. */
static void find_spread(RowFinding *f, const RowPictures *p)
{
    for (int column = 0; column < p->columns; column++) {
        double sum[3] = { 0 };
        int pairs = 0;
        for (int a = 0; a < p->seeds; a++) {
            for (int b = a + 1; b < p->seeds; b++) {
                const Image *x = &p->images[column * p->seeds + a], *y = &p->images[column * p->seeds + b];
                const Cell *cx = p->cells[column * p->seeds + a], *cy = p->cells[column * p->seeds + b];
                Err unused;
                if (!x->rgb || !y->rgb || cx->len != cy->len || cx->prompt != cy->prompt) continue;
                if (measure_check(x, y, &unused)) continue; /* a file that was changed since */
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
            if (columns_are_steps(c)) find_settled(f, c, row, &p);
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
    snprintf(title, sizeof title, "No longer changes visibly (FLIP where it is largest %g or less to all that follow)",
             VISIBLE_FLIP);
    Section *s = conclusions_add(k, title);
    for (int row = 0; row < c->grid.row_count; row++) {
        const RowFinding *f = &k->rows[row];
        const Cell *cell = f->settled >= 0 ? comparison_cell(c, row, f->settled, 0) : NULL;
        Str line = { 0 };
        if (c->grid.rows[row].extra) continue; /* it has one step count */
        add_row_name(&line, c, row);
        str_add(&line, line.len ? ": " : "");
        if (cell) {
            str_addf(&line, "from %s", c->grid.columns[f->settled].label);
            add_cost(&line, c, cell);
        } else {
            int last = c->grid.column_count - 1;
            while (last && !comparison_cell(c, row, last, 0)) last--;
            str_addf(&line, "not up to %s", c->grid.columns[last].label);
        }
        section_add(s, "%s", str_text(&line));
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
            s = conclusions_add(k, "Samplers that add fresh noise converge to no picture, so nothing is measured; how "
                                   "much seeds differ instead");
        for (int column = 0, before = -1; column < c->grid.column_count; column++) {
            Str line = { 0 };
            if (!comparison_cell(c, row, column, 0)) continue;
            const double *v = &f->spread[column * 3];
            add_row_name(&line, c, row);
            str_addf(&line, "%s%s: ", line.len ? ", " : "", c->grid.columns[column].label);
            if (isnan(v[0])) str_add(&line, "one seed shows no spread (--seeds 3)");
            else str_addf(&line, "latent RMSE %.3f, %.1f dB, SSIM %.3f between seeds", v[0], v[1], v[2]);
            if (before >= 0 && !isnan(f->change[column]))
                str_addf(&line, "; the same seed is %.1f dB from %s", f->change[column], c->grid.columns[before].label);
            before = column;
            section_add(s, "%s", str_text(&line));
            str_release(&line);
        }
    }
}

/* ---- references and failures ---- */

static void tell_reference(Section *s, const Comparison *c, const Reference *f)
{
    const double *change = f->cost.change;
    unsigned long long seed = f->seed;
    Str prompt = { 0 };
    for (int i = 0; i < c->count && c->prompt_count > 1 && !prompt.len; i++)
        if (c->cells[i].reference == f - c->references) str_addf(&prompt, " of \"%s\"", c->prompts[c->cells[i].prompt]);
    if (f->cell >= 0) {
        Str line = { 0 };
        add_cell_name(&line, c, &c->cells[f->cell]);
        section_add(s, "%s, seed %llu", str_text(&line), seed);
        str_release(&line);
    } else if (f->error) {
        section_add(s, "seed %llu%s: no converged picture: %s", seed, str_text(&prompt), f->error);
    } else {
        section_add(
            s,
            "the converged picture of seed %llu%s: " REFERENCE_WORDS
            ", %.0f steps from sigma %.4g, %d evaluations in all; %s: the last third of the steps changed FLIP where "
            "it is largest by %.4f, %.1f dB, latent RMSE %.5f",
            seed, str_text(&prompt), change[CHANGE_STEPS], f->start.sigma, f->cost.evaluations,
            change[CHANGE_CONVERGED] > 0 ? "converged" : "NOT CONVERGED, so take the measures with care",
            change[CHANGE_FLIP_WORST], change[CHANGE_PSNR], change[CHANGE_RMSE]);
    }
    str_release(&prompt);
}

/* Many in one line, and those that need care. */
static void conclude_references(Conclusions *k, const Comparison *c)
{
    Section *s = c->reference_count ? conclusions_add(k, "Measured against") : NULL;
    double most = 0, rmse = 0, steps = 0;
    int good = 0;
    for (int i = 0; i < c->reference_count; i++) {
        const Reference *f = &c->references[i];
        if (!f->file && !f->error) continue; /* no cell of it was drawn */
        bool care = f->cell >= 0 || f->error || f->cost.change[CHANGE_CONVERGED] <= 0;
        if (c->reference_count <= FEW_REFERENCES || care) {
            tell_reference(s, c, f);
            continue;
        }
        good++;
        most = fmax(most, f->cost.change[CHANGE_FLIP_WORST]);
        rmse = fmax(rmse, f->cost.change[CHANGE_RMSE]);
        steps = fmax(steps, f->cost.change[CHANGE_STEPS]);
    }
    if (good)
        section_add(s,
                    "%d converged pictures, of each seed and prompt: " REFERENCE_WORDS
                    ", up to %.0f steps; the last third of the steps changed FLIP where it is largest by %.4f at most, "
                    "latent RMSE %.5f",
                    good, steps, most, rmse);
}

/* Where one of the cells is the measure of the others nothing is recommended; how far they are from it is told. */
static void conclude_distances(Conclusions *k, const Comparison *c)
{
    Section *s = NULL;
    if (c->grid.converged || c->count > MANY_CELLS) return;
    for (int i = 0; i < c->count; i++) {
        const Cell *cell = &c->cells[i];
        if (cell->standard || isnan(cell->m.psnr)) continue;
        if (!s) s = conclusions_add(k, "How far the others are from it");
        Str line = { 0 };
        add_cell_name(&line, c, cell);
        if (c->base->seeds > 1) str_addf(&line, ", seed %llu", (unsigned long long)cell->seed);
        if (isinf(cell->m.psnr)) str_add(&line, ": the same pixels");
        else str_addf(&line, ": %.1f dB", cell->m.psnr);
        if (!isnan(cell->m.ssim)) str_addf(&line, ", SSIM %.3f", cell->m.ssim);
        str_addf(&line, ", FLIP %.3f, where it is largest %.3f%s", cell->m.flip, cell->m.flip_worst,
                 cell->m.flip_worst > VISIBLE_FLIP ? ": visible" : "");
        section_add(s, "%s", str_text(&line));
        str_release(&line);
    }
}

/* Seconds of several machines say nothing of which setting is faster. */
static void conclude_machines(Conclusions *k, const Comparison *c)
{
    enum { MOST = 8 };
    const char *name[MOST];
    int cells[MOST] = { 0 }, count = 0;
    for (int i = 0; i < c->count; i++) {
        const Cell *cell = &c->cells[i];
        int at = 0;
        if (cell->error) continue;
        while (at < count && strcmp(name[at], cell->cost.machine) != 0) at++;
        if (at == MOST) continue;
        if (at == count) name[count++] = cell->cost.machine;
        cells[at]++;
    }
    if (count < 2) return;
    Section *s = conclusions_add(k, "Drawn on several machines: their seconds are not to be compared with each other");
    for (int i = 0; i < count; i++)
        section_add(s, "%s: %d cell%s", *name[i] ? name[i] : "unknown", cells[i], cells[i] == 1 ? "" : "s");
}

static void conclude_failures(Conclusions *k, const Comparison *c)
{
    Section *s = NULL;
    for (int i = 0; i < c->count; i++) {
        const Cell *cell = &c->cells[i];
        const char *why = cell->error ? cell->error : cell->note;
        if (!why) continue;
        if (!s) s = conclusions_add(k, c->failed ? "Failed" : "Not measured");
        Str line = { 0 };
        add_cell_name(&line, c, cell);
        section_add(s, "%s, seed %llu: %s", str_text(&line), (unsigned long long)cell->seed, why);
        str_release(&line);
    }
}

int conclude(Conclusions *k, const Comparison *c, Err *e)
{
    size_t columns = (size_t)c->grid.column_count;
    *k = (Conclusions){ .row_count = c->grid.row_count };
    k->rows = mem_array((size_t)k->row_count, sizeof *k->rows);
    for (int row = 0; row < k->row_count; row++) {
        const Cell *first = comparison_first(c, row, 0);
        RowFinding *f = &k->rows[row];
        *f = (RowFinding){ .deterministic = first->deterministic, .order = NAN, .settled = -1 };
        f->spread = mem_array(3 * columns, sizeof *f->spread);
        f->change = mem_array(columns, sizeof *f->change);
        for (size_t i = 0; i < columns; i++) f->change[i] = NAN;
    }
    if (look_at_rows(k, c, e)) return -1;
    verdict_add(k, c);
    conclude_references(k, c);
    conclude_settled(k, c);
    conclude_order(k, c);
    conclude_spread(k, c);
    conclude_distances(k, c);
    conclude_machines(k, c);
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
    candidates_release(&k->candidates);
    *k = (Conclusions){ 0 };
}
