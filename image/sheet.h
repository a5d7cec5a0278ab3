/*
 * sheet.h - contact sheets: pictures in labelled rows and columns, with a line of words under each.
 *
 *     Sheet s = { .title = "a red potion", .rows = 2, .columns = 3, .cell_w = 512, .cell_h = 512,
 *                 .row_labels = names, .picture = fetch, .ctx = mine };
 *     sheet_write(&s, "sheet.png", NULL, &pages, e);
 *
 * A sheet is legible at 100 %: pictures keep their pixels unless they are larger than a cell. What is transparent in them
 * shows a checkerboard. Long labels are shortened. A sheet with a side above SHEET_MAX_SIDE becomes several, each with its own labels.
 */
#ifndef LIMN_IMAGE_SHEET_H
#define LIMN_IMAGE_SHEET_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "image/image.h"
#include "base/folder.h"
#include "image/png.h"

enum {
    SHEET_MAX_SIDE = 16000,
    SHEET_NARROWEST = 112, /* pixels of a cell that has words: smaller pictures stand in its middle */
};

/* What stands in a cell; zeroed on entry. */
typedef struct {
    Image image;  /* rgb NULL: none. The sheet releases it. Larger than the cell: shown smaller, its shape kept. */
    Str caption;  /* one line under the picture; without a picture some lines in its place. The sheet releases it. */
    bool failed;  /* there should be a picture: the caption says why there is none */
    bool marked;  /* in a frame: what the others are measured against, or recommended */
    bool missing; /* an empty place, such as the end of the last row */
} SheetCell;

typedef struct {
    const char *title, *subtitle; /* NULL: none */
    int rows, columns;
    const char *const *row_labels, *const
                                       *column_labels; /* [rows], [columns]; NULL: none. A row's may have "\n" lines */
    const char *corner;                                /* what rows and columns are: "sampler / steps"; NULL */
    int cell_w, cell_h;                                /* pixels of the largest picture, or less */
    bool captions;                                     /* there is a line under the pictures */
    int (*picture)(void *ctx, int row, int column, SheetCell *out, Err *e); /* asked once a cell, row after row */
    void *ctx;
    int max_side; /* 0: SHEET_MAX_SIDE */
} Sheet;

/* How many pictures the sheet must become. Error: a single cell is too large. */
int sheet_pages(const Sheet *s, int *pages, Err *e);

/* Page 0 .. pages - 1; image_release() it. Error: what picture() says. */
int sheet_draw(const Sheet *s, int page, Image *out, Err *e);

/*
 * Writes the sheet, marked as limn's (made.h), into the folder; several pages as x-1.png, x-2.png, ... for the name "x.png". *pages (may be NULL): how many.
 * Error: what picture() says, or a file that cannot be written, or that limn did not make.
 */
int sheet_write(const Sheet *s, const Folder *in, const char *name, int *pages, Err *e);

/* The name of a page; page counts from 0. */
void sheet_path(Str *out, const char *path, int page, int pages);

#endif
