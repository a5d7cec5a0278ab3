/* watch.h - callbacks for progress, messages and cancelling. */
#ifndef LIMN_PIPELINE_WATCH_H
#define LIMN_PIPELINE_WATCH_H

#include <stdbool.h>

#include "base/err.h"
#include "image/image.h"

/* Any member may be NULL. All are called on the thread that draws. */
typedef struct {
    void *ctx;
    void (*say)(void *ctx, const char *what);     /* the current work, for a progress line: "loading the model" */
    void (*warn)(void *ctx, const char *text);    /* one line for a person */
    void (*step)(void *ctx, int done, int steps); /* after each step; done == 0 before the first */
    bool (*cancelled)(void *ctx);                 /* called before each evaluation of the UNet, and before the VAE */
    void (*note)(void *ctx, const char *text);    /* advice for the user (advice.h): one line for a person */
    void (*preview)(void *ctx, const Image *im, int done,
                    int steps); /* --preview: a preview of the picture (preview.h) */
} Watch;

static inline void watch_say(const Watch *w, const char *what)
{
    if (w->say) w->say(w->ctx, what);
}

static inline void watch_warn(const Watch *w, const char *text)
{
    if (w->warn) w->warn(w->ctx, text);
}

static inline void watch_note(const Watch *w, const char *text)
{
    if (w->note) w->note(w->ctx, text);
}

static inline void watch_step(const Watch *w, int done, int steps)
{
    if (w->step) w->step(w->ctx, done, steps);
}

static inline void watch_preview(const Watch *w, const Image *im, int done, int steps)
{
    if (w->preview) w->preview(w->ctx, im, done, steps);
}

/* Error (ERR_INTERRUPTED): the work must stop. */
static inline int watch_check(const Watch *w, Err *e)
{
    if (!w->cancelled || !w->cancelled(w->ctx)) return 0;
    err_set(e, "interrupted");
    e->code = ERR_INTERRUPTED;
    return -1;
}

#endif
