/* source.h - the files of --init-image and --mask, as samples. Internal to pipeline/. */
#ifndef LIMN_PIPELINE_SOURCE_H
#define LIMN_PIPELINE_SOURCE_H

#include "base/err.h"
#include "image/image.h"
#include "image/resample.h"
#include "pipeline/job.h"
#include "pipeline/watch.h"

/*
 * Reads a picture that the user names and checks its hash: *sha256 (heap) is the required one, or NULL and then set. option: the
 * option that names it, for messages; w receives what was ignored. image_release() the result.
 */
int source_read(const char *option, const char *path, char **sha256, Image *im, const Watch *w, Err *e);

/* --init-image; checks the SHA-256 in j, or sets it. image_release() the result. */
int source_picture(Job *j, Image *out, const Watch *w, Err *e);

/* The picture over --init-background, opaque (free(.data)). */
Samples source_flat(const Image *picture, const Job *j);

/* The picture of another option, as grey [h, w, 1] (free(.data)). */
int source_grey(const char *option, const char *path, char **sha256, Samples *out, const Watch *w, Err *e);

/*
 * --mask, of the picture's size; of a folder the file that is called as the picture is. 255 is drawn anew (free(.data)). With
 * --compat a1111 a file's alpha counts where it has any, from half on; otherwise its white. Without --mask: data NULL.
 */
int source_mask(Job *j, const Image *picture, Samples *out, const Watch *w, Err *e);

#endif
