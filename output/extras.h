/*
 * extras.h - the files that a job asks for in addition to its pictures: smaller copies (--sizes) and sprite atlases (--atlas).
 */
#ifndef LIMN_OUTPUT_EXTRAS_H
#define LIMN_OUTPUT_EXTRAS_H

#include "base/folder.h"
#include "base/str.h"
#include "image/image.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/* Before the run: what --atlas names can be written. made: a folder that will be there by then; NULL. */
int extras_check(const Job *j, const char *made, Err *e);

/* Returns whether a file, by the same path, would be the atlas's: "a.png", "a-2.json", "a_64.png" of --atlas a. */
bool extras_is_atlas(const Job *j, const char *path);

/*
 * The smaller copies of the picture whose file is `path`: "x_64.png" next to "x.png", each whole or not at all. *written (may be
 * NULL): their paths, each with a newline.
 */
int extras_sizes(const Job *j, const Model *m, const Image *im, uint64_t seed, const char *path, Str *written, Err *e);

/*
 * The atlas of the pictures in these files, and one of each of --sizes ("atlas_64.png", "atlas_64.json"). A frame is called as
 * its file, without the folder unless two files of different folders have the same name. Does nothing without --atlas. in: the folder that
 * the paths are below, or NULL.
 */
int extras_atlas(const Job *j, const Folder *in, const char *const *paths, size_t count, Str *written, Err *e);

#endif
