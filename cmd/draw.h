/*
 * draw.h - what `limn generate` and `limn again` share: a job from its checks to its files and words.
 */
#ifndef LIMN_CMD_DRAW_H
#define LIMN_CMD_DRAW_H

#include "base/err.h"
#include "image/image.h"
#include "pipeline/job.h"
#include "pipeline/metadata.h"

/*
 * Draws j->count pictures and prints where they are. from: what made the picture that is drawn again, to tell what
 * differs now; NULL: a new picture. Another model than from's is an error, unless any_model.
 */
int draw(Job *j, const Origin *from, bool any_model, Err *e);

/* The same; seen() is shown each picture's pixels once it is written. */
typedef struct {
    void *ctx;
    void (*seen)(void *ctx, const Image *im);
} DrawEye;
int draw_seen(Job *j, const DrawEye *eye, Err *e);

/* "limn: warning: ..." on stderr; "limn: note: ...". */
void warn_user(const char *text);
void note_user(const char *text);

#endif
