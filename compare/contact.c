/* contact.c - see contact.h. */
#include "compare/contact.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/made.h"
#include "base/mem.h"
#include "compare/verdict.h"
#include "image/sheet.h"

typedef struct {
    const Comparison *c;
    const Conclusions *k;
    struct Line {
        int row, number;
        char *label;
    } * lines; /* of the sheet */
    int count;
} Contact;

static void add_caption(Str *out, const Contact *x, const Cell *cell)
{
    if (comparison_is_default(x->c, cell)) str_add(out, "default: ");
    if (cell->standard) str_add(out, "reference");
    else if (isinf(cell->m.psnr)) str_add(out, "same pixels");
    else if (!isnan(cell->m.psnr)) str_addf(out, "%.1f dB", cell->m.psnr);
    else if (!cell->deterministic) str_add(out, "fresh noise");
    else if (cell->note) str_add(out, "not measured");
    if (comparison_is_default(x->c, cell) && cell->w < 200) return; /* there is no room for more */
    str_addf(out, "%s%d ev", out->len && !str_ends(out->s, " ") ? " \u00b7 " : "", cell->cost.evaluations);
    if (cell->w >= 200) str_addf(out, " \u00b7 %.2f s", cell->cost.seconds);
    if (x->c->grid.by_evaluations) str_addf(out, " \u00b7 %d st", cell->job.steps);
}

static int add_reference(const Contact *x, const Cell *cell, SheetCell *out, Err *e)
{
    const Reference *f = cell && cell->reference >= 0 ? &x->c->references[cell->reference] : NULL;
    if (!f) {
        if (cell && !cell->error)
            str_add(&out->caption, cell->note ? cell->note : "draws fresh noise: it converges to no picture");
        return 0;
    }
    if (!f->file) {
        out->failed = true;
        str_add(&out->caption, f->error ? f->error : "no cell of it was drawn");
        return 0;
    }
    str_addf(&out->caption, "%.0f steps", f->cost.change[CHANGE_STEPS]);
    return store_image(&x->c->store, f->file, &out->image, e);
}

static int picture(void *ctx, int line, int column, SheetCell *out, Err *e)
{
    const Contact *x = ctx;
    int row = x->lines[line].row, number = x->lines[line].number;
    if (column == x->c->grid.column_count) {
        const Cell *any = NULL; /* that has a reference */
        for (int k = 0; k < column && (!any || any->reference < 0); k++) any = comparison_cell(x->c, row, k, number);
        return add_reference(x, any, out, e);
    }
    const Cell *cell = comparison_cell(x->c, row, column, number);
    if (!cell) {
        out->missing = true;
        return 0;
    }
    if (cell->error) {
        out->failed = true;
        str_add(&out->caption, cell->error);
        return 0;
    }
    add_caption(&out->caption, x, cell);
    out->marked = cell->standard || conclusions_recommend(x->k, x->c, cell);
    return comparison_image(x->c, cell, &out->image, e);
}

/* "euler\nkarras\nseed 2\na blue key": what tells the line from its neighbours. */
static char *line_label(const Comparison *c, int row, const Cell *cell, bool several)
{
    Str label = { 0 };
    str_add(&label, c->grid.rows[row].label);
    if (c->prompt_count > 1) str_addf(&label, "%s%s", label.len ? "\n" : "", c->prompts[cell->prompt]);
    if (several) str_addf(&label, "%sseed %llu", label.len ? "\n" : "", (unsigned long long)cell->seed);
    return label.s ? label.s : mem_strdup("");
}

static void add_lines(Contact *x)
{
    for (int row = 0; row < x->c->grid.row_count; row++) {
        const Cell *cell, *first = comparison_first(x->c, row, 0), *next = comparison_first(x->c, row, 1);
        bool several = next && next->seed != first->seed;
        for (int n = 0; (cell = comparison_first(x->c, row, n)); n++) {
            x->lines = mem_grow(x->lines, ((size_t)x->count + 1) * sizeof *x->lines);
            x->lines[x->count++] = (struct Line){ row, n, line_label(x->c, row, cell, several) };
        }
    }
}

/* "sprites · 128×128 · seed 1 · framed: what to use (PSNR 35 dB or more)" */
static void add_subtitle(Str *out, const Comparison *c, const Conclusions *k)
{
    const Job *j = &c->cells[0].job;
    str_addf(out, "%s", c->model);
    if (c->w) str_addf(out, " \u00b7 %d\u00d7%d", c->w, c->h);
    uint64_t last = c->base->seed;
    for (int i = 0; i < c->count; i++)
        if (c->cells[i].seed > last) last = c->cells[i].seed;
    str_addf(out, last > c->base->seed ? " \u00b7 seeds %llu to %llu" : " \u00b7 seed %llu",
             (unsigned long long)c->base->seed, (unsigned long long)last);
    if (j->cfg_scale >= 0 && c->grid.converged) str_addf(out, " \u00b7 guidance %g", j->cfg_scale);
    if (!k->candidates.best) return;
    str_add(out, " \u00b7 framed: what to use (");
    verdict_target(out, c->base->target);
    str_add(out, ")");
}

int contact_write(const Comparison *c, const Conclusions *k, int *pages, Err *e)
{
    Contact x = { .c = c, .k = k };
    const Grid *g = &c->grid;
    Str title = { 0 }, subtitle = { 0 };
    bool named = false, converged = false;
    add_lines(&x);
    for (int i = 0; i < c->count; i++) converged = converged || (c->grid.converged && c->cells[i].reference >= 0);
    const char **rows = mem_array((size_t)x.count, sizeof *rows),
               **columns = mem_array((size_t)g->column_count + 1, sizeof *columns);
    for (int i = 0; i < x.count; i++) {
        rows[i] = x.lines[i].label;
        named = named || *rows[i];
    }
    for (int i = 0; i < g->column_count; i++) columns[i] = g->columns[i].label;
    columns[g->column_count] = "converged";
    if (c->prompt_count > 1) str_addf(&title, "limn compare, %d prompts", c->prompt_count);
    else str_add(&title, c->prompt_count ? c->prompts[0] : *c->base->prompt ? c->base->prompt : "limn compare");
    for (char *p = title.s; *p; p++)
        if (*p == '\n') *p = ' ';
    add_subtitle(&subtitle, c, k);
    Sheet s = { .title = str_text(&title),
                .subtitle = str_text(&subtitle),
                .rows = x.count,
                .columns = g->column_count + converged,
                .row_labels = named ? rows : NULL,
                .column_labels = columns,
                .corner = g->corner,
                .cell_w = c->w ? c->w : SHEET_NARROWEST,
                .cell_h = c->h ? c->h : SHEET_NARROWEST,
                .captions = true,
                .picture = picture,
                .ctx = &x };
    int failed = sheet_write(&s, &c->store.folder, "sheet.png", pages, e);
    if (!failed && *pages > 1) made_remove(&c->store.folder, "sheet.png"); /* of an earlier run with fewer cells */
    for (int i = 0; i < x.count; i++) free(x.lines[i].label);
    free(x.lines);
    free(rows);
    free(columns);
    str_release(&title);
    str_release(&subtitle);
    return failed;
}
