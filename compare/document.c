/* document.c - see document.h. */
#include "compare/document.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/version.h"
#include "pipeline/metadata.h"

static const Option *option(const char *name) { return option_find(name, strlen(name)); }

/* Whether an axis has a column of its own. */
static bool is_own(const Option *o)
{
    return o != option("sampler") && o != option("schedule") && o != option("steps") && o != option("seed");
}

/* "cfg-scale" as metadata has it: "cfg_scale". */
static void add_key(Str *out, const Option *o)
{
    size_t start = out->len;
    str_add(out, o->name);
    for (char *p = out->s + start; *p; p++)
        if (*p == '-') *p = '_';
}

/* ---- CSV ---- */

static void add_field(Str *out, const char *text)
{
    if (!strpbrk(text, ",\"\n\r")) {
        str_add(out, text);
        return;
    }
    str_add(out, "\"");
    for (; *text; text++) str_addf(out, *text == '"' ? "\"\"" : "%c", *text);
    str_add(out, "\"");
}

static void add_number(Str *out, double v, const char *fmt)
{
    char buf[64];
    if (!isnan(v)) {
        snprintf(buf, sizeof buf, fmt, v);
        str_add(out, buf);
    }
    str_add(out, ",");
}

static void add_option_field(Str *out, const Job *j, const Option *o)
{
    Str value = { 0 };
    job_get(j, o, &value);
    add_field(out, str_text(&value));
    str_release(&value);
}

static void add_row(Str *out, const Comparison *c, const Cell *cell)
{
    const char *const first[] = { "sampler", "schedule", "steps" };
    bool drawn = !cell->error;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        add_option_field(out, &cell->job, option(first[i]));
        str_add(out, ",");
    }
    str_addf(out, "%llu,", (unsigned long long)cell->seed);
    add_number(out, drawn ? (double)cell->cost.evaluations : NAN, "%.0f");
    add_number(out, cell->m.latent_rmse, "%.6g");
    add_number(out, cell->m.psnr, "%.4f");
    add_number(out, cell->m.ssim, "%.6f");
    add_number(out, cell->m.flip, "%.6f");
    add_number(out, cell->m.flip_worst, "%.6f");
    add_number(out, cell->m.spectrum, "%.4f");
    const Measures *own = cell->reference >= 0 ? &c->references[cell->reference].own : NULL;
    add_number(out, own ? own->latent_rmse : NAN, "%.6g");
    add_number(out, own ? own->flip_worst : NAN, "%.6f");
    add_number(out, drawn ? cell->cost.seconds : NAN, "%.3f");
    add_number(out, drawn && cell->cost.peak_mb > 0 ? cell->cost.peak_mb : NAN, "%.1f");
    add_field(out, cell->file ? cell->file : "");
    if (c->prompt_count) {
        str_add(out, ",");
        add_field(out, c->prompts[cell->prompt]);
    }
    for (int i = 0; i < c->grid.axis_count; i++) {
        if (!is_own(c->grid.axes[i])) continue;
        str_add(out, ",");
        add_option_field(out, &cell->job, c->grid.axes[i]);
    }
    str_add(out, "\n");
}

void document_csv(const Comparison *c, Str *out)
{
    str_add(out, "sampler,schedule,steps,seed,evaluations,latent_rmse,psnr,ssim,flip,flip_worst,spectrum,own_rmse,own_"
                 "flip_worst,seconds,peak_mb,file");
    if (c->prompt_count) str_add(out, ",prompt");
    for (int i = 0; i < c->grid.axis_count; i++) {
        if (!is_own(c->grid.axes[i])) continue;
        str_add(out, ",");
        add_key(out, c->grid.axes[i]);
    }
    str_add(out, "\n");
    for (int i = 0; i < c->count; i++) add_row(out, c, &c->cells[i]);
}

/* ---- JSON ---- */

/* cJSON would print 17 digits of a double: as many as were measured are enough. */
static cJSON *number(double v)
{
    char buf[32];
    if (!isfinite(v)) return cJSON_CreateNull();
    snprintf(buf, sizeof buf, "%.6g", v);
    return cJSON_CreateRaw(buf);
}

void document_add_number(cJSON *to, const char *key, double v) { cJSON_AddItemToObject(to, key, number(v)); }

static void add_numbers(cJSON *to, const char *key, const double *v, int n)
{
    cJSON *list = cJSON_AddArrayToObject(to, key);
    for (int i = 0; i < n; i++) {
        char buf[32];
        snprintf(buf, sizeof buf, "%.4g", v[i]);
        cJSON_AddItemToArray(list, isfinite(v[i]) ? cJSON_CreateRaw(buf) : cJSON_CreateNull());
    }
}

void document_add_measures(cJSON *to, const Measures *m)
{
    document_add_number(to, "latent_rmse", m->latent_rmse);
    document_add_number(to, "psnr", m->psnr);
    cJSON_AddBoolToObject(to, "identical", isinf(m->psnr));
    document_add_number(to, "ssim", m->ssim);
    document_add_number(to, "flip", m->flip);
    document_add_number(to, "flip_worst", m->flip_worst);
    document_add_number(to, "spectrum", m->spectrum);
    cJSON *bands = cJSON_AddObjectToObject(to, "spectrum_bands");
    document_add_number(bands, "coarse", m->bands.coarse);
    document_add_number(bands, "middle", m->bands.middle);
    document_add_number(bands, "fine", m->bands.fine);
    if (m->db) add_numbers(to, "spectrum_db", m->db, m->bins);
    else cJSON_AddNullToObject(to, "spectrum_db");
}

/* An option's value: numbers as numbers. */
static void add_value(cJSON *to, const Job *j, const Option *o)
{
    Str key = { 0 }, value = { 0 };
    add_key(&key, o);
    if (!job_get(j, o, &value)) cJSON_AddNullToObject(to, str_text(&key));
    else if (o->type == OPT_INT || o->type == OPT_FLOAT) cJSON_AddRawToObject(to, str_text(&key), str_text(&value));
    else json_add_text(to, str_text(&key), str_text(&value));
    str_release(&key);
    str_release(&value);
}

static void add_seed(cJSON *to, uint64_t seed)
{
    Str s = { 0 };
    metadata_seed(seed, &s);
    cJSON_AddRawToObject(to, "seed", str_text(&s));
    str_release(&s);
}

static void add_text_or_null(cJSON *to, const char *key, const char *text)
{
    if (text) json_add_text(to, key, text);
    else cJSON_AddNullToObject(to, key);
}

static cJSON *cell_json(const Comparison *c, const Cell *cell, const Conclusions *k)
{
    cJSON *o = cJSON_CreateObject();
    bool drawn = !cell->error;
    cJSON_AddNumberToObject(o, "row", cell->row);
    cJSON_AddNumberToObject(o, "column", cell->column);
    cJSON_AddNumberToObject(o, "number", cell->number);
    add_value(o, &cell->job, option("sampler"));
    add_value(o, &cell->job, option("schedule"));
    add_value(o, &cell->job, option("steps"));
    add_seed(o, cell->seed);
    if (c->prompt_count) json_add_text(o, "prompt", c->prompts[cell->prompt]);
    for (int i = 0; i < c->grid.axis_count; i++)
        if (is_own(c->grid.axes[i])) add_value(o, &cell->job, c->grid.axes[i]);
    document_add_number(o, "evaluations", drawn ? (double)cell->cost.evaluations : NAN);
    document_add_measures(o, &cell->m);
    document_add_number(o, "seconds", drawn ? cell->cost.seconds : NAN);
    document_add_number(o, "peak_mb", drawn && cell->cost.peak_mb > 0 ? cell->cost.peak_mb : NAN);
    add_text_or_null(o, "machine", drawn ? cell->cost.machine : NULL);
    add_text_or_null(o, "file", cell->file);
    add_text_or_null(o, "key", drawn ? cell->key : NULL);
    cJSON_AddBoolToObject(o, "deterministic", cell->deterministic);
    cJSON_AddBoolToObject(o, "standard", cell->standard);
    cJSON_AddBoolToObject(o, "best", conclusions_recommend(k, c, cell));
    cJSON_AddBoolToObject(o, "default", comparison_is_default(c, cell));
    if (cell->reference >= 0) cJSON_AddNumberToObject(o, "reference", cell->reference);
    else cJSON_AddNullToObject(o, "reference");
    add_text_or_null(o, "error", cell->error);
    add_text_or_null(o, "note", cell->note);
    return o;
}

static cJSON *reference_json(const Comparison *c, const Reference *f)
{
    cJSON *o = cJSON_CreateObject();
    bool converged = f->cell < 0;
    Str label = { 0 };
    if (converged) str_add(&label, "converged");
    else
        str_addf(&label, "%s %s", c->grid.rows[c->cells[f->cell].row].label,
                 c->grid.columns[c->cells[f->cell].column].label);
    json_add_text(o, "label", str_text(&label));
    str_release(&label);
    add_seed(o, f->seed);
    add_text_or_null(o, "file", f->file);
    add_text_or_null(o, "error", f->error);
    if (converged && f->file) {
        json_add_text(o, "sampler", REFERENCE_SAMPLER);
        document_add_number(o, "steps", f->cost.change[CHANGE_STEPS]);
        document_add_number(o, "evaluations", f->cost.evaluations);
        document_add_number(o, "start_sigma", f->start.sigma);
        document_add_number(o, "start_scale", f->start.scale);
        cJSON_AddBoolToObject(o, "converged", f->cost.change[CHANGE_CONVERGED] > 0);
        cJSON *own = cJSON_AddObjectToObject(o, "own_error");
        document_add_number(own, "latent_rmse", f->own.latent_rmse);
        document_add_number(own, "psnr", f->own.psnr);
        document_add_number(own, "ssim", f->own.ssim);
        document_add_number(own, "flip", f->own.flip);
        document_add_number(own, "flip_worst", f->own.flip_worst);
    }
    document_add_number(o, "frequency_step", f->step);
    add_numbers(o, "power", f->power, f->bins);
    return o;
}

static cJSON *row_json(const Comparison *c, const Conclusions *k, int row)
{
    const RowFinding *f = &k->rows[row];
    cJSON *o = cJSON_CreateObject();
    int columns = c->grid.column_count;
    json_add_text(o, "label", c->grid.rows[row].label);
    cJSON_AddBoolToObject(o, "deterministic", f->deterministic);
    document_add_number(o, "order", f->order);
    document_add_number(o, "claimed_order", f->claimed ? (double)f->claimed : NAN);
    document_add_number(o, "settled_column", f->settled >= 0 ? (double)f->settled : NAN);
    cJSON *spread = cJSON_AddArrayToObject(o, "spread");
    for (int column = 0; column < columns; column++) {
        cJSON *s = cJSON_CreateObject();
        document_add_number(s, "latent_rmse", f->spread[3 * column]);
        document_add_number(s, "psnr", f->spread[3 * column + 1]);
        document_add_number(s, "ssim", f->spread[3 * column + 2]);
        document_add_number(s, "psnr_from_column_before", f->change[column]);
        cJSON_AddItemToArray(spread, s);
    }
    return o;
}

static void add_sections(cJSON *to, const Conclusions *k)
{
    cJSON *list = cJSON_AddArrayToObject(to, "conclusions");
    for (int i = 0; i < k->section_count; i++) {
        cJSON *s = cJSON_CreateObject();
        json_add_text(s, "title", k->sections[i].title);
        cJSON_AddBoolToObject(s, "verdict", k->sections[i].verdict);
        cJSON *lines = cJSON_AddArrayToObject(s, "lines");
        for (int l = 0; l < k->sections[i].count; l++) {
            Str valid = { 0 };
            str_add(&valid, k->sections[i].lines[l]);
            cJSON_AddItemToArray(lines, cJSON_CreateString(str_text(&valid)));
            str_release(&valid);
        }
        cJSON_AddItemToArray(list, s);
    }
}

/* A choice as numbers; null: there is none. */
static cJSON *candidate_json(const Candidate *x, const Candidates *k)
{
    if (!x) return cJSON_CreateNull();
    cJSON *o = cJSON_CreateObject();
    add_value(o, &x->cell->job, option("sampler"));
    add_value(o, &x->cell->job, option("schedule"));
    add_value(o, &x->cell->job, option("steps"));
    document_add_number(o, "pictures", x->count);
    document_add_number(o, "reached", x->reached);
    document_add_number(o, "n", x->units);
    document_add_number(o, "n_reached", x->units_reached);
    document_add_number(o, "share_at_least", interval_least_share(x->units_reached, x->units, k->tried));
    document_add_number(o, "mean", x->measure.mean);
    document_add_number(o, "low", x->measure.low);
    document_add_number(o, "high", x->measure.high);
    document_add_number(o, "worst", x->worst);
    document_add_number(o, "evaluations", x->evaluations);
    document_add_number(o, "seconds", x->seconds);
    document_add_number(o, "psnr", x->psnr);
    document_add_number(o, "ssim", x->ssim);
    document_add_number(o, "flip", x->flip);
    document_add_number(o, "flip_worst", x->flip_worst);
    document_add_number(o, "own_error", x->known);
    return o;
}

/* What is said in words of intervals, for programs. */
static void add_verdict(cJSON *to, const Candidates *k)
{
    cJSON *verdict = cJSON_AddObjectToObject(to, "verdict");
    cJSON_AddItemToObject(verdict, "use", candidate_json(k->best, k));
    cJSON_AddItemToObject(verdict, "nearest", candidate_json(k->nearest, k));
    cJSON_AddItemToObject(verdict, "default", candidate_json(k->dflt, k));
    if (!k->count) return;
    cJSON *all = cJSON_AddArrayToObject(verdict, "candidates");
    for (int i = 0; i < k->count; i++) cJSON_AddItemToArray(all, candidate_json(&k->all[i], k));
    cJSON *how = cJSON_AddObjectToObject(verdict, "statistics");
    cJSON_AddStringToObject(how, "observation", k->prompts ? "prompt" : "picture");
    cJSON_AddNumberToObject(how, "confidence", INTERVAL_CONFIDENCE);
    cJSON_AddStringToObject(how, "mean", "Student's t");
    cJSON_AddStringToObject(how, "share", "Clopper-Pearson, one-sided, Bonferroni over the choices");
    cJSON_AddNumberToObject(how, "choices", k->tried);
}

/* The options that all cells share, as the first that was drawn has them. */
static void add_options(cJSON *to, const Comparison *c)
{
    const Job *j = c->base;
    for (int i = 0; i < c->count; i++) {
        if (c->cells[i].error) continue;
        j = &c->cells[i].job;
        break;
    }
    cJSON *options = cJSON_AddObjectToObject(to, "options");
    for (const Option *o = job_options; o->name; o++) {
        bool varies = o == option("seed") || o == option("eta");
        for (int i = 0; i < c->grid.axis_count; i++) varies = varies || c->grid.axes[i] == o;
        varies = varies || (c->prompt_count && o == option("prompt"));
        if (o->picture && !varies) add_value(options, j, o);
    }
}

cJSON *document_json(const Comparison *c, const Conclusions *k, const char *command)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "limn", LIMN_VERSION);
    json_add_text(root, "command", command);
    cJSON *model = cJSON_AddObjectToObject(root, "model");
    json_add_text(model, "name", c->model);
    json_add_text(model, "sha256", c->sha256);
    add_options(root, c);
    json_add_text(root, "target", c->base->target);
    cJSON_AddNumberToObject(root, "prompts", c->prompt_count ? c->prompt_count : 1);
    json_add_text(root, "corner", c->grid.corner);
    cJSON_AddStringToObject(root, "by", c->grid.by_evaluations ? "evaluations" : "steps");
    cJSON_AddStringToObject(root, "measured_against", c->grid.converged ? "converged" : "cell");
    cJSON *axes = cJSON_AddArrayToObject(root, "axes");
    for (int i = 0; i < c->grid.axis_count; i++) {
        Str key = { 0 };
        add_key(&key, c->grid.axes[i]);
        cJSON_AddItemToArray(axes, cJSON_CreateString(str_text(&key)));
        str_release(&key);
    }
    cJSON *rows = cJSON_AddArrayToObject(root, "rows"), *columns = cJSON_AddArrayToObject(root, "columns");
    for (int row = 0; row < c->grid.row_count; row++) cJSON_AddItemToArray(rows, row_json(c, k, row));
    for (int column = 0; column < c->grid.column_count; column++) {
        cJSON *o = cJSON_CreateObject();
        json_add_text(o, "label", c->grid.columns[column].label);
        cJSON_AddItemToArray(columns, o);
    }
    cJSON *references = cJSON_AddArrayToObject(root, "references"), *cells = cJSON_AddArrayToObject(root, "cells");
    for (int i = 0; i < c->reference_count; i++) cJSON_AddItemToArray(references, reference_json(c, &c->references[i]));
    for (int i = 0; i < c->count; i++) cJSON_AddItemToArray(cells, cell_json(c, &c->cells[i], k));
    add_verdict(root, &k->candidates);
    add_sections(root, k);
    return root;
}
