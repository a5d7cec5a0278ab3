/*
 * atlas.h - sprite atlases: many pictures in one PNG with a JSON file, in the "JSON hash" form that TexturePacker introduced and
 * Phaser, PixiJS and others load.
 */
#ifndef LIMN_IMAGE_ATLAS_H
#define LIMN_IMAGE_ATLAS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/folder.h"
#include "base/str.h"

typedef struct {
    const Folder *in; /* the folder of the path, below which no link is followed; NULL: the path is complete */
    const char *path; /* a PNG */
    const char *name; /* its key in the JSON; no two the same */
} AtlasFrame;

typedef struct {
    int side;          /* the largest side of a page, in pixels */
    int padding;       /* clear pixels round each frame, so that a filter at its edge finds no neighbour */
    bool power_of_two; /* pages' sides, as old GPUs want them */
} AtlasShape;

/*
 * Writes FILE.json and FILE.png (file with or without either ending), and FILE-1.json, FILE-1.png, ... when not all fit on a
 * page; the first JSON names the others (related_multi_packs). What is transparent around a frame is trimmed. Images come
 * before the JSON that names them. *written: every file's path with a newline. Error: a picture that is no PNG or larger than
 * a page, a file that cannot be written.
 */
int atlas_write(const char *file, const AtlasFrame *frames, size_t count, const AtlasShape *shape, Str *written,
                Err *e);

/* Returns whether FILE's pair could be written there. */
int atlas_check(const char *file, Err *e);

#endif
