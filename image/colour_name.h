/* colour_name.h - a colour as a user writes it. */
#ifndef LIMN_IMAGE_COLOUR_NAME_H
#define LIMN_IMAGE_COLOUR_NAME_H

#include <stdint.h>

#include "base/err.h"

/* "#rrggbb", "white", "grey" ("gray"), "black". Error (ERR_USAGE): none of them. */
int colour_parse(const char *text, uint8_t rgb[3], Err *e);

#endif
