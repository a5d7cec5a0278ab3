/*
 * gallery.h - index.html of a folder of pictures: to look through, filter by every field, search, and copy the command that draws
 * one. It needs the pictures in its folder, no network and no server.
 */
#ifndef LIMN_WEB_GALLERY_H
#define LIMN_WEB_GALLERY_H

#include <stddef.h>

#include "base/folder.h"
#include "base/str.h"

/*
 * lines: a manifest's JSON objects, one a picture, in the order of the gallery: "file" (below the folder), "job" (its fields), and
 * what there is of "status" ("done", or else "error" says why not), "seconds", "bytes", "sha256".
 */
void gallery_page(const char *title, const char *const *lines, size_t count, Str *html);

/* The same as index.html in the folder, whole or not at all. */
int gallery_write(const Folder *folder, const char *title, const char *const *lines, size_t count, Err *e);

#endif
