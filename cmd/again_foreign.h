/* again_foreign.h - limn again of a picture that another tool made. */
#ifndef LIMN_CMD_AGAIN_FOREIGN_H
#define LIMN_CMD_AGAIN_FOREIGN_H

#include "cmd/command.h"
#include "image/png.h"

/* texts: what stands in the file a->words[0]. */
int again_foreign(const Args *a, const PngTexts *texts, Err *e);

#endif
