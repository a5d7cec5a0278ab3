/* prompt_file.h - the prompts of a comparison that is to hold for more than one: --prompts FILE, one a line. */
#ifndef LIMN_COMPARE_PROMPT_FILE_H
#define LIMN_COMPARE_PROMPT_FILE_H

#include "compare/compare.h"

/*
 * Fills c->prompts; path NULL: none. Lines with nothing in them are skipped, and those that are there already. Error: no file of
 * text, no prompt in it, a line that no prompt may be.
 */
int prompt_file_read(Comparison *c, const char *path, Err *e);

#endif
