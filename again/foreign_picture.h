/*
 * foreign_picture.h - a picture that another tool made, or the text or JSON that lies beside one: whose it is, and what it says.
 * Sources: sd-parsers 0.6; PNG 1.2 (texts); Exif 2.32 (UserComment); XMP part 3 (PNG).
 */
#ifndef LIMN_AGAIN_FOREIGN_PICTURE_H
#define LIMN_AGAIN_FOREIGN_PICTURE_H

#include "again/reading.h"
#include "base/file.h"
#include "image/png.h"

/* All texts of a file: a PNG's by their keys, an Exif comment as "UserComment", XMP under its key; a text file's as "text". */
int foreign_texts(Bytes file, PngTexts *out, Err *e);

/*
 * What the texts say, of whichever tool knows them. node: which of several samplers of a graph (ComfyUI); NULL. beside: a text of the
 * file beside the picture, or NULL. Error: nobody's; a graph that wants --node. reading_release() in any case.
 */
int foreign_read(const PngTexts *texts, const char *node, Reading *r, Err *e);

/*
 * The text that belongs to a picture: x.txt or x.json beside x.png (A1111, Easy Diffusion), ID.json beside ID-1.png (fastsdcpu). In *out
 * under "text"; *path: which file, heap. False: there is none.
 */
bool foreign_beside(const char *picture, PngTexts *out, char **path);

#endif
