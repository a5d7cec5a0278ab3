/* draw_sheet.h - a contact sheet of the pictures that were just drawn. */
#ifndef LIMN_CMD_DRAW_SHEET_H
#define LIMN_CMD_DRAW_SHEET_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/*
 * paths: PNGs. Writes the sheet next to the first one, under a new name: "a-1-sheet.png"; *written is its path. title: on top of
 * it.
 */
int draw_sheet(const char *title, char *const *paths, size_t count, Str *written, Err *e);

#endif
