/*
 * foreign_picture.h - reads the settings in another tool's picture, or in the text or JSON file next to it, and recognises the
 * tool. Sources: sd-parsers 0.6; PNG 1.2 (texts); Exif 2.32 (UserComment); XMP part 3 (PNG).
 */
#ifndef LIMN_AGAIN_FOREIGN_PICTURE_H
#define LIMN_AGAIN_FOREIGN_PICTURE_H

#include "again/reading.h"
#include "base/file.h"
#include "image/png.h"

/* All texts of a file: a PNG's by their keys, an Exif comment as "UserComment", XMP under its key; a text file's as "text". */
int foreign_texts(Bytes file, PngTexts *out, Err *e);

/*
 * Reads the texts of any known tool. node: which of several samplers of a graph (ComfyUI); NULL. Error: no tool's texts;
 * a graph that needs --node. reading_release() in any case.
 */
int foreign_read(const PngTexts *texts, const char *node, Reading *r, Err *e);

/*
 * Finds the text file of a picture: x.txt or x.json next to x.png (A1111, Easy Diffusion), ID.json next to ID-1.png (fastsdcpu).
 * In *out under "text"; *path: which file, heap. False: there is none.
 */
bool foreign_beside(const char *picture, PngTexts *out, char **path);

#endif
