/*
 * report.h - report.html: the sheet, the plots and the table in one file that needs no network and no other file.
 *
 * The page is web/compare.{html,css,js}; the data is the document of document.h, the
 * pictures are PNG in base64.
 */
#ifndef LIMN_COMPARE_REPORT_H
#define LIMN_COMPARE_REPORT_H

#include "base/folder.h"
#include "base/str.h"

struct cJSON;

/*
 * Writes the page. doc: document_json()'s, or any with "cells" and "references" whose members "file" are paths below the folder, or absolute.
 */
int report_write(const Folder *dir, const struct cJSON *doc, Err *e);

#endif
