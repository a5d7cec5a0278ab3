/*
 * near.h - how close a picture that was drawn again is to the original; and, if it is far, which single setting would bring it
 * closer: draws it with each plausible change, one at a time.
 */
#ifndef LIMN_AGAIN_NEAR_H
#define LIMN_AGAIN_NEAR_H

#include "base/err.h"
#include "base/str.h"
#include "engine/engine.h"
#include "image/image.h"
#include "pipeline/job.h"

typedef struct {
    double psnr, ssim, flip; /* measure.h's; ssim NAN where the picture is too small */
} Nearness;

/* Error: pictures of two sizes. */
int nearness_take(Nearness *n, const Image *drawn, const Image *original, Err *e);

/* "the same pixels", "hardly a difference", "the same picture with differences", "another picture" */
const char *nearness_words(const Nearness *n);
/* "PSNR 23.1 dB, SSIM 0.812, FLIP 0.104: ..." */
void nearness_text(const Nearness *n, Str *out);
/* Returns whether something else than rounding must be different. */
bool nearness_far(const Nearness *n);

/* One setting that was tried. */
typedef struct {
    const char *option; /* of limn's */
    char *value;
    Nearness near; /* where it was drawn */
    char *error;   /* why it was not; NULL */
} Trial;

enum { TRIALS_MAX = 48, TRIAL_VAES = 8 };

typedef struct {
    Trial trial[TRIALS_MAX];
    int count;
    int best; /* the nearest that is nearer than what was drawn first; -1: none is */
} Trials;

typedef struct {
    void *ctx;
    /* Before each: what is drawn now, and how many there are. May be NULL. */
    void (*trying)(void *ctx, const Trial *t, int index, int count);
} TrialWatch;

/*
 * Draws the job with each single change of rng, clip skip, schedule, emphasis, the tool that is imitated, ensd and VAE. vaes:
 * files to try, NULL-terminated, or NULL. Ends early at a picture of the same pixels. Error: interrupted. trials_release() in any
 * case.
 */
int trials_run(Trials *t, Engine *engine, const Job *job, const Image *original, const Nearness *first,
               char *const *vaes, const TrialWatch *w, Err *e);
void trials_release(Trials *t);

#endif
