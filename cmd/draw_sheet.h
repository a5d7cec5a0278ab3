/* draw_sheet.h - a contact sheet of the pictures that were just drawn. */
#ifndef LIMN_CMD_DRAW_SHEET_H
#define LIMN_CMD_DRAW_SHEET_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* paths: of PNGs. Beside the first one, under a fresh name: "a-1-sheet.png"; *written is where. title: over it. */
int draw_sheet(const char *title, char *const *paths, size_t count, Str *written, Err *e);

#endif
