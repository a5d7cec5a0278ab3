/* grid.c - see grid.h. */
#include "compare/grid.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "compare/reference.h"
#include "scheduler/samplers.h"

static const Option *option(const char *name) { return option_find(name, strlen(name)); }

/* ---- rows and columns ---- */

static void add_setting(Choice *c, const Option *o, const char *value)
{
    assert(c->count < GRID_MAX_SETTINGS);
    c->set[c->count++] = (Setting){ o, mem_strdup(value) };
    const char *schedule = NULL;
    if (o == option("sampler") && sampler_split(value, &schedule) && schedule) /* "DPM++ 2M Karras" */
        add_setting(c, option("schedule"), schedule);
}

static Choice *add_choice(Choice **list, int *count)
{
    *list = mem_grow(*list, ((size_t)*count + 1) * sizeof **list);
    Choice *c = &(*list)[(*count)++];
    *c = (Choice){ 0 };
    return c;
}

static void choices_free(Choice *list, int count)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < list[i].count; k++) free(list[i].set[k].value);
        free(list[i].label);
    }
    free(list);
}

void grid_release(Grid *g)
{
    choices_free(g->rows, g->row_count);
    choices_free(g->columns, g->column_count);
    free(g->corner);
    *g = (Grid){ 0 };
}

static void add_axis(Grid *g, const Option *o)
{
    assert(g->axis_count < GRID_MAX_AXES);
    g->axes[g->axis_count++] = o;
}

/* "5 steps", "cfg-scale 7", "a prompt" */
static char *label_of(const Option *o, const char *value)
{
    Str s = { 0 };
    if (o == option("steps")) str_addf(&s, "%s step%s", value, strcmp(value, "1") == 0 ? "" : "s");
    else if (o->type == OPT_INT || o->type == OPT_FLOAT || o->type == OPT_SEED || o->type == OPT_FLAG)
        str_addf(&s, "%s %s", o->name, value);
    else str_add(&s, value);
    for (char *p = s.s; p && *p; p++)
        if (*p == '\n') *p = ' ';
    return s.s ? s.s : mem_strdup("\"\"");
}

/* Whether the option takes the value. */
static int check_value(const Option *o, const char *value, Err *e)
{
    Job j;
    job_init(&j);
    int failed = job_set(&j, o, value, e);
    job_release(&j);
    return failed ? err_in(e, o->name) : 0;
}

/* ---- samplers, schedules and steps ---- */

/*
 * "all": those that draw with the sigmas of any schedule; dpm_adaptive, which chooses its own steps, has no column; nor
 * have those for networks of one kind.
 */
static int split_samplers(List *l, const char *names, Err *e)
{
    Str all = { 0 };
    for (const Sampler *s = samplers; s->name; s++)
        if (!s->adaptive && !s->cfg_pp && !s->only) str_addf(&all, "%s%s", all.len ? "," : "", s->name);
    int failed = list_split(l, strcmp(names, "all") == 0 ? str_text(&all) : names, e);
    str_release(&all);
    return failed;
}

static int add_solvers(Grid *g, const char *names, const char *spacings, Err *e)
{
    List a = { 0 }, b = { 0 };
    int failed = split_samplers(&a, names, e) || (spacings && list_split(&b, spacings, e));
    for (int i = 0; i < a.count && !failed; i++) {
        const char *own = NULL; /* a name that brings its schedule has no other */
        sampler_split(a.items[i], &own);
        for (int k = 0; k < (spacings && !own ? b.count : 1); k++) {
            Choice *c = add_choice(&g->rows, &g->row_count);
            Str label = { 0 };
            add_setting(c, option("sampler"), a.items[i]);
            if (own) {
                c->label = mem_strdup(a.items[i]);
                continue;
            }
            if (spacings) add_setting(c, option("schedule"), b.items[k]);
            str_addf(&label, spacings ? "%s\n%s" : "%s", a.items[i], spacings ? b.items[k] : "");
            c->label = label.s;
        }
    }
    list_release(&a);
    list_release(&b);
    return failed ? -1 : 0;
}

static int add_step_counts(Grid *g, const char *counts, Err *e)
{
    List l;
    int failed = list_split_counts(&l, counts, e);
    for (int i = 0; i < l.count && !failed; i++) {
        Choice *c = add_choice(&g->columns, &g->column_count);
        if (g->by_evaluations) {
            Str label = { 0 };
            c->evaluations = atoi(l.items[i]);
            str_addf(&label, "%d evaluation%s", c->evaluations, c->evaluations == 1 ? "" : "s");
            c->label = label.s;
        } else {
            add_setting(c, option("steps"), l.items[i]);
            c->label = label_of(option("steps"), l.items[i]);
        }
    }
    list_release(&l);
    return failed ? -1 : 0;
}

/* What people ask: three ways to go, at the step counts that they hesitate between. */
static int default_axes(Grid *g, const Job *j, Err *e)
{
    const char *names = j->samplers ? j->samplers : j->sampler ? j->sampler : "euler,heun,dpmpp_2m";
    const char *spacings = j->schedules ? j->schedules : j->schedule;
    if (add_solvers(g, names, spacings, e) || add_step_counts(g, j->step_counts ? j->step_counts : "5,10,20", e))
        return -1;
    add_axis(g, option("sampler"));
    if (spacings) add_axis(g, option("schedule"));
    add_axis(g, option("steps"));
    g->corner =
        mem_strdup(spacings ? g->by_evaluations ? "sampler, schedule / evaluations" : "sampler, schedule / steps"
                   : g->by_evaluations ? "sampler / evaluations"
                                       : "sampler / steps");
    return 0;
}

/* ---- any option ---- */

static bool may_be_axis(const Option *o) { return o->picture || o == option("model"); }

/* The values of one --axis, as rows or columns. */
static int add_values(Grid *g, const Option *o, const char *values, bool rows, Err *e)
{
    List l;
    bool whole = o->type == OPT_INT || o->type == OPT_SEED;
    int failed = whole ? list_split_counts(&l, values, e) : list_split(&l, values, e);
    for (int i = 0; i < l.count && !failed; i++) {
        failed = check_value(o, l.items[i], e);
        Choice *c = rows ? add_choice(&g->rows, &g->row_count) : add_choice(&g->columns, &g->column_count);
        add_setting(c, o, l.items[i]);
        c->label = label_of(o, l.items[i]);
    }
    list_release(&l);
    return failed ? -1 : 0;
}

static int free_axes(Grid *g, const Job *j, Err *e)
{
    const Option *axis[2] = { NULL };
    int count = 0;
    bool steps = j->step_counts != NULL; /* --steps 20 holds for all cells */
    if (j->samplers || j->schedules || (steps && strpbrk(j->step_counts, ",-")))
        return err_usage(e, "--axis: instead of --samplers, --schedules and several --steps write --axis sampler=..., "
                            "--axis schedule=..., --axis steps=...");
    if (g->by_evaluations) return err_usage(e, "--by evaluations: it lines up --steps, not an --axis");
    for (const char *line = j->axes; *line;) {
        Str text = { 0 };
        size_t len = strcspn(line, "\n"), name = strcspn(line, "=");
        str_addn(&text, line, len);
        const Option *o = option_find(line, name);
        int failed = 0;
        if (count == 2) failed = err_usage(e, "two at most make a sheet; --seeds N draws each cell N times");
        else if (!may_be_axis(o))
            failed =
                err_usage(e, "%s: it does not change the picture; axes are options of the picture, and model", o->name);
        else if (count == 1 && o == axis[0]) failed = err_usage(e, "%s: it is an axis already", o->name);
        else failed = add_values(g, o, str_text(&text) + name + 1, count == 1, e);
        if (!failed) axis[count++] = o;
        str_release(&text);
        if (failed) return err_in(e, "--axis");
        line += len + (line[len] == '\n');
    }
    assert(count); /* each line was checked */
    if (count == 2) add_axis(g, axis[1]);
    add_axis(g, axis[0]);
    if (count == 1) add_choice(&g->rows, &g->row_count)->label = mem_strdup("");
    for (int i = 0; i < count && steps; i++)
        if (axis[i] == option("steps")) return err_usage(e, "--steps and --axis steps=...: one of them");
    for (int row = 0; row < g->row_count && steps; row++) add_setting(&g->rows[row], option("steps"), j->step_counts);
    Str corner = { 0 };
    str_addf(&corner, "%s%s%s", count == 2 ? axis[1]->name : "", count == 2 ? " / " : "", axis[0]->name);
    g->corner = corner.s;
    return 0;
}

/* ---- what it is measured against ---- */

bool grid_is_solver(const Option *o)
{
    for (int i = 0; solver_options[i]; i++)
        if (o == option(solver_options[i])) return true;
    return false;
}

static bool is_words(const Option *o) { return o == option("prompt") || o == option("negative-prompt"); }

/* Whether a choice has the setting; missing: it says nothing of that option. */
static bool has(const Choice *c, const Option *o, const char *value, bool *said)
{
    for (int i = 0; i < c->count; i++) {
        if (c->set[i].option != o) continue;
        *said = true;
        if (strcmp(c->set[i].value, value) == 0) return true;
    }
    return false;
}

/* "cfg-scale=5,steps=20": the first cell that has all of it. */
static int find_against(Grid *g, const char *text, Err *e)
{
    List l;
    int failed = list_split(&l, text, e), found = -1;
    for (int cell = 0; cell < g->row_count * g->column_count && found < 0 && !failed; cell++) {
        bool fits = true;
        for (int i = 0; i < l.count && !failed; i++) {
            bool said = false;
            const char *equals = strchr(l.items[i], '=');
            const Option *o = equals ? option_find(l.items[i], (size_t)(equals - l.items[i])) : NULL;
            if (!o) failed = err_usage(e, "\"%.60s\" is not converged, nor OPTION=VALUE of a cell", l.items[i]);
            else {
                bool in_row = has(&g->rows[cell / g->column_count], o, equals + 1, &said);
                bool in_column = has(&g->columns[cell % g->column_count], o, equals + 1, &said);
                fits = fits && (in_row || in_column);
            }
            if (o && !said) failed = err_usage(e, "%s is not an axis: the cells do not differ in it", o->name);
        }
        if (fits) found = cell;
    }
    list_release(&l);
    if (!failed && found < 0) failed = err_usage(e, "no cell has %.200s", text);
    if (failed) return err_in(e, "--against");
    g->against[0] = found / g->column_count;
    g->against[1] = found % g->column_count;
    return 0;
}

/*
 * Which sampler for these prompts, how many steps for these seeds: then each cell has its own converged picture. Other options
 * change the picture that is converged to, so what is asked is how much they change it.
 */
static int choose_reference(Grid *g, const Job *j, Err *e)
{
    bool solver = false, other = false, seeds = true;
    for (int i = 0; i < g->axis_count; i++) {
        const Option *o = g->axes[i];
        solver = solver || grid_is_solver(o);
        other = other || !(grid_is_solver(o) || is_words(o) || o == option("seed"));
        seeds = seeds && (grid_is_solver(o) || o == option("seed"));
    }
    if (j->axes) { /* the first is the columns' */
        g->case_columns = !grid_is_solver(g->axes[g->axis_count - 1]);
        g->case_rows = g->axis_count == 2 && !grid_is_solver(g->axes[0]);
    }
    g->converged = j->against ? strcmp(j->against, "converged") == 0 : seeds || (solver && !other);
    return j->against && !g->converged ? find_against(g, j->against, e) : 0;
}

int grid_init(Grid *g, const Job *j, Err *e)
{
    *g = (Grid){ .seeds = j->seeds, .by_evaluations = j->by && strcmp(j->by, "evaluations") == 0, .dflt = { -1, -1 } };
    if (j->axes ? free_axes(g, j, e) : default_axes(g, j, e)) return -1;
    int seeds = g->seeds ? g->seeds : GRID_SEVERAL_SEEDS;
    if ((double)g->row_count * g->column_count * seeds > GRID_MAX_CELLS)
        return err_usage(e, "%d rows, %d columns and %d seeds are %.0f cells, at most %d are expected", g->row_count,
                         g->column_count, seeds, (double)g->row_count * g->column_count * seeds, GRID_MAX_CELLS);
    return choose_reference(g, j, e);
}

/* A column among those of fewer and of more steps, or at the end. */
static int insert_steps(Grid *g, int steps)
{
    char text[16];
    snprintf(text, sizeof text, "%d", steps);
    add_choice(&g->columns, &g->column_count);
    int at = g->column_count - 1;
    while (at > 0 && !g->by_evaluations && atoi(g->columns[at - 1].set[0].value) > steps) {
        g->columns[at] = g->columns[at - 1];
        at--;
    }
    g->columns[at] = (Choice){ .extra = true, .label = label_of(option("steps"), text) };
    add_setting(&g->columns[at], option("steps"), text);
    return at;
}

void grid_add_default(Grid *g, const Job *dflt, int row, int column)
{
    if (row < 0) {
        bool scheduled = g->axes[1] == option("schedule");
        Choice *c = add_choice(&g->rows, &g->row_count);
        Str label = { 0 };
        add_setting(c, option("sampler"), dflt->sampler);
        add_setting(c, option("schedule"), dflt->schedule);
        str_addf(&label, scheduled ? "%s\n%s" : "%s", dflt->sampler, dflt->schedule);
        c->label = label.s;
        c->extra = true;
        row = g->row_count - 1;
    }
    g->dflt[0] = row;
    g->dflt[1] = column < 0 ? insert_steps(g, dflt->steps) : column;
}

bool grid_has(const Grid *g, int row, int column)
{
    bool extra = g->rows[row].extra || g->columns[column].extra;
    return !extra || (row == g->dflt[0] && column == g->dflt[1]);
}

static void apply(const Choice *c, Job *j)
{
    for (int i = 0; i < c->count; i++) {
        Err e;
        int failed = job_set(j, c->set[i].option, c->set[i].value, &e);
        assert(!failed); /* it was checked */
        (void)failed;
    }
}

void grid_job(const Grid *g, const Job *j, int row, int column, Job *out)
{
    job_copy(out, j);
    apply(&g->rows[row], out);
    apply(&g->columns[column], out);
}
