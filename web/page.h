/*
 * page.h - pages of HTML that need nothing else: one file with its style, script and data inside, made from the templates in this
 * folder, which are in the program.
 *
 * NAME.html has @style@ (style.css, then NAME.css), @script@ (NAME.js) and @data@: JSON, for
 * JSON.parse(document.getElementById("data").textContent).
 */
#ifndef LIMN_WEB_PAGE_H
#define LIMN_WEB_PAGE_H

#include "base/str.h"

/*
 * The page. json is what json_* or cJSON wrote; "<" in it is written as an escape, so that no text in it ends the script or begins
 * another. name is one of the folder's.
 */
void page_make(const char *name, const char *json, Str *out);

#endif
