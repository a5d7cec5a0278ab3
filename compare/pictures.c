/* pictures.c - see pictures.h. */
#include "compare/pictures.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/version.h"
#include "compare/document.h"
#include "compare/report.h"
#include "image/sheet.h"

int pictures_measure(Pictures *p, char *const *paths, int count, Err *e)
{
    Image first = { 0 };
    Spectrum s = { 0 };
    *p = (Pictures){ .rows = mem_array((size_t)count, sizeof *p->rows), .count = count };
    for (int i = 0; i < count; i++) {
        p->rows[i].path = paths[i];
        measures_init(&p->rows[i].m);
    }
    int failed = png_load(NULL, paths[0], &first, e) || spectrum_init(&s, &first, e);
    p->power = s.power;
    p->bins = s.bins;
    p->step = s.step;
    for (int i = 0; i < count && !failed; i++) {
        PictureRow *row = &p->rows[i];
        Image im = { 0 };
        Err why;
        int bad = png_load(NULL, row->path, &im, &why);
        if (!bad && measures_take(&row->m, &im, &first, &why)) bad = err_in(&why, row->path);
        row->w = im.w;
        row->h = im.h;
        if (bad) {
            row->error = mem_strdup(why.text);
            p->failed++;
        }
        image_release(&im);
    }
    image_release(&first);
    return failed ? -1 : 0;
}

void pictures_release(Pictures *p)
{
    for (int i = 0; i < p->count; i++) {
        free(p->rows[i].error);
        measures_release(&p->rows[i].m);
    }
    free(p->rows);
    free(p->power);
    *p = (Pictures){ 0 };
}

/* The name as text: file names may be any bytes. */
static char *shown_path(const char *path)
{
    Str s = { 0 };
    utf8_add(&s, path, strlen(path));
    for (char *c = s.s; c && *c; c++)
        if ((unsigned char)*c < 32 || *c == 127) *c = '?';
    return s.s ? s.s : mem_strdup("");
}

void pictures_table(const Pictures *p, Str *out)
{
    int widest = 4;
    for (int i = 0; i < p->count; i++) {
        int len = (int)strlen(p->rows[i].path);
        if (len > widest) widest = len;
    }
    if (widest > 60) widest = 60;
    str_addf(out, "%-*s  %10s  %8s  %8s  %10s  %12s\n", widest, "file", "PSNR dB", "SSIM", "FLIP", "FLIP worst",
             "spectrum dB");
    for (int i = 0; i < p->count; i++) {
        const PictureRow *r = &p->rows[i];
        char *name = shown_path(r->path), psnr[32], ssim[32];
        snprintf(psnr, sizeof psnr, isinf(r->m.psnr) ? "same" : "%.2f", r->m.psnr);
        snprintf(ssim, sizeof ssim, isnan(r->m.ssim) ? "-" : "%.4f", r->m.ssim);
        if (r->error) str_addf(out, "%-*s  not measured\n", widest, name);
        else if (i == 0) str_addf(out, "%-*s  the others are measured against it\n", widest, name);
        else
            str_addf(out, "%-*s  %10s  %8s  %8.4f  %10.4f  %12.2f\n", widest, name, psnr, ssim, r->m.flip,
                     r->m.flip_worst, r->m.spectrum);
        free(name);
    }
}

void pictures_csv(const Pictures *p, Str *out)
{
    str_add(out, "file,psnr,ssim,flip,spectrum\n");
    for (int i = 0; i < p->count; i++) {
        const PictureRow *r = &p->rows[i];
        bool quote = strpbrk(r->path, ",\"\n\r") != NULL;
        if (quote) str_add(out, "\"");
        for (const char *c = r->path; *c; c++) str_addf(out, *c == '"' ? "\"\"" : "%c", *c);
        if (quote) str_add(out, "\"");
        if (r->error) str_add(out, ",,,,\n");
        else if (isnan(r->m.ssim)) str_addf(out, ",%.4f,,%.6f,%.4f\n", r->m.psnr, r->m.flip, r->m.spectrum);
        else str_addf(out, ",%.4f,%.6f,%.6f,%.4f\n", r->m.psnr, r->m.ssim, r->m.flip, r->m.spectrum);
    }
}

/* The path as it is found from anywhere: the report reads the files. */
static void add_file(cJSON *to, const PictureRow *r)
{
    char *full = r->w ? realpath(r->path, NULL) : NULL;
    if (full) json_add_text(to, "file", full);
    else cJSON_AddNullToObject(to, "file");
    free(full);
}

static void add_number(cJSON *list, double v)
{
    char buf[32];
    snprintf(buf, sizeof buf, "%.4g", v);
    cJSON_AddItemToArray(list, isfinite(v) ? cJSON_CreateRaw(buf) : cJSON_CreateNull());
}

cJSON *pictures_json(const Pictures *p, const char *command)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "limn", LIMN_VERSION);
    json_add_text(root, "command", command);
    cJSON_AddStringToObject(root, "measured_against", "picture");
    cJSON_AddStringToObject(root, "corner", "");
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "label", "");
    cJSON_AddTrueToObject(row, "deterministic");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "rows"), row);
    cJSON *columns = cJSON_AddArrayToObject(root, "columns"), *references = cJSON_AddArrayToObject(root, "references"),
          *cells = cJSON_AddArrayToObject(root, "cells");
    cJSON *first = cJSON_CreateObject();
    json_add_text(first, "label", p->rows[0].path);
    add_file(first, &p->rows[0]);
    document_add_number(first, "frequency_step", p->step);
    cJSON *power = cJSON_AddArrayToObject(first, "power");
    for (int i = 0; i < p->bins; i++) add_number(power, p->power[i]);
    cJSON_AddItemToArray(references, first);
    for (int i = 0; i < p->count; i++) {
        const PictureRow *r = &p->rows[i];
        char *name = shown_path(r->path);
        cJSON *column = cJSON_CreateObject(), *cell = cJSON_CreateObject();
        json_add_text(column, "label", name);
        cJSON_AddItemToArray(columns, column);
        cJSON_AddNumberToObject(cell, "row", 0);
        cJSON_AddNumberToObject(cell, "column", i);
        json_add_text(cell, "path", name);
        document_add_measures(cell, &r->m);
        add_file(cell, r);
        cJSON_AddBoolToObject(cell, "deterministic", true);
        cJSON_AddBoolToObject(cell, "standard", i == 0);
        cJSON_AddNumberToObject(cell, "reference", 0);
        if (r->error) json_add_text(cell, r->w ? "note" : "error", r->error);
        cJSON_AddItemToArray(cells, cell);
        free(name);
    }
    return root;
}

/* ---- files ---- */

static int sheet_picture(void *ctx, int row, int column, SheetCell *out, Err *e)
{
    const Pictures *p = ctx;
    const PictureRow *r = &p->rows[column];
    (void)row;
    out->marked = column == 0;
    if (!r->w) {
        out->failed = true;
        str_add(&out->caption, r->error);
        return 0;
    }
    if (column == 0) str_add(&out->caption, "reference");
    else if (r->error) str_addf(&out->caption, "%d\u00d7%d", r->w, r->h);
    else if (isinf(r->m.psnr)) str_add(&out->caption, "same pixels");
    else str_addf(&out->caption, "%.1f dB", r->m.psnr);
    return png_load(NULL, r->path, &out->image, e);
}

static int write_sheet(const Pictures *p, const Folder *dir, Err *e)
{
    const char **labels = mem_array((size_t)p->count, sizeof *labels);
    char **names = mem_array((size_t)p->count, sizeof *names);
    int w = 1, h = 1;
    for (int i = 0; i < p->count; i++) {
        names[i] = shown_path(p->rows[i].path);
        const char *slash = strrchr(names[i], '/');
        labels[i] = slash ? slash + 1 : names[i];
        if (p->rows[i].w > w) w = p->rows[i].w;
        if (p->rows[i].h > h) h = p->rows[i].h;
    }
    Sheet s = { .rows = 1,
                .columns = p->count,
                .column_labels = labels,
                .cell_w = w,
                .cell_h = h,
                .captions = true,
                .picture = sheet_picture,
                .ctx = (void *)(size_t)p };
    int failed = sheet_write(&s, dir, "sheet.png", NULL, e);
    for (int i = 0; i < p->count; i++) free(names[i]);
    free(names);
    free(labels);
    return failed;
}

int pictures_write(const Pictures *p, const char *dir, const char *command, Err *e)
{
    Folder folder;
    if (folder_make(&folder, dir, e)) return -1;
    folder_sweep(&folder);
    if (store_check_made(&folder, e)) {
        folder_close(&folder);
        return -1;
    }
    cJSON *doc = pictures_json(p, command);
    char *json = cJSON_Print(doc);
    Str csv = { 0 };
    pictures_csv(p, &csv);
    int failed = write_sheet(p, &folder, e) || folder_write_text(&folder, "compare.csv", str_text(&csv), e) ||
                 folder_write_text(&folder, "compare.json", json, e) || report_write(&folder, doc, e);
    str_release(&csv);
    cJSON_free(json);
    cJSON_Delete(doc);
    folder_close(&folder);
    return failed ? -1 : 0;
}
