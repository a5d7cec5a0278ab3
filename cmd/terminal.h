/*
 * terminal.h - pictures in the terminal, where it says that it can: kitty's protocol and sixel are asked for, iTerm2 names itself.
 *
 * Sources: sw.kovidgoyal.net/kitty/graphics-protocol; iterm2.com/documentation-images.html; DEC STD 070 (sixel), and 4 among the
 * attributes of a terminal's answer to DA1.
 */
#ifndef LIMN_CMD_TERMINAL_H
#define LIMN_CMD_TERMINAL_H

#include <stdbool.h>

#include "base/str.h"
#include "image/image.h"

typedef enum { TERMINAL_NONE, TERMINAL_KITTY, TERMINAL_ITERM, TERMINAL_SIXEL } TerminalPictures;

/* What the terminal behind stderr can. It is asked, which takes a moment; NONE where stderr is none, or another has it in front. */
TerminalPictures terminal_pictures(void);

/* A place for one picture above the line of progress. Zero-initialise. */
typedef struct {
    TerminalPictures how;
    int rows, columns; /* that are kept free for it; 0: none yet */
} TerminalPlace;

/* The picture, where the one before it was. */
void terminal_show(TerminalPlace *t, const Image *im);

/* What follows has a place of its own. */
void terminal_leave(TerminalPlace *t);

/* Appends the picture as sixels, at most w x h pixels. */
void terminal_sixel(const Image *im, int w, int h, Str *out);

#endif
