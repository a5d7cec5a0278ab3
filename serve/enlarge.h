/*
 * enlarge.h - upscales pictures for a request: by a network as in limn upscale, or by Lanczos. The last network used stays
 * open.
 */
#ifndef LIMN_SERVE_ENLARGE_H
#define LIMN_SERVE_ENLARGE_H

#include "base/err.h"
#include "base/file.h"
#include "pipeline/job.h"
#include "pipeline/watch.h"
#include "upscale/upscale.h"

typedef struct {
    Upscaler *network; /* NULL: none is open */
    char *path;        /* its file */
} Enlarger;

void enlarger_release(Enlarger *n);

/*
 * j: init_image the picture's file; with the network's, NULL: Lanczos; factor; or width and height (0: not said), which it fills
 * and where what is too much is cut off. *png: heap. Error: what is wrong with the files, too large, cancelled (ERR_INTERRUPTED).
 */
int enlarge(Enlarger *n, const Job *j, const Watch *w, Bytes *png, int size[2], Err *e);

#endif
