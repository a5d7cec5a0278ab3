/*
 * limn.h - limn as a library: prompt to picture in the caller's own process. docs/library.md is its manual.
 *
 *     limn *l = limn_new(NULL, &e);
 *     limn_job *job = limn_job_new();
 *     limn_picture *p = NULL;
 *     if (limn_job_set(job, "prompt", "a red potion", &e) == 0) p = limn_draw(l, job, &e);
 *     if (!p) fprintf(stderr, "%s\n", e.text);
 *
 * Handles are opaque and independent of each other: each is used by one thread at a time, several by as many threads. During a
 * call its callbacks must not use the same handle: such calls are refused, and limn_end() and limn_free() do nothing. The library
 * prints nothing, catches no signal, opens no connection, and writes no file except $XDG_CACHE_HOME/limn/hashes.json and
 * speeds.json, which remember the SHA-256 of models and the speed of this CPU. Text is UTF-8 and ends with NUL. A const pointer
 * that a function returns belongs to the handle that was passed to it.
 */
#ifndef LIMN_H
#define LIMN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef LIMN_API
#define LIMN_API
#endif

/* Increases when programs compiled for the previous one would not run with this one; liblimn.so.LIMN_ABI. */
#define LIMN_ABI 1

LIMN_API int limn_abi(void);             /* LIMN_ABI of the loaded library */
LIMN_API const char *limn_version(void); /* "0.2.0" */

/* ---- errors ---- */

enum {
    LIMN_FAILED = 1,     /* files, weights, memory */
    LIMN_USAGE = 2,      /* an impossible option, name or size */
    LIMN_CANCELLED = 130 /* cancelled() said so */
};

/* Why a call failed: one line for a person. Owned by the caller and set only on failure; every `limn_error *` may be NULL. */
typedef struct {
    int code;
    char text[1024];
} limn_error;

/*
 * For the whole process, like the heap. If large memory (weights, activations) cannot be allocated, that is an ordinary error
 * with the size. The library keeps its own reserve for small pieces: if malloc() fails, it uses the reserve, and the call fails.
 * Only if the reserve is used up as well, handler is called, on any thread, with the number of bytes needed. It must end the
 * program and not return; if it returns, or there is none, abort() follows.
 */
LIMN_API void limn_on_no_memory(void (*handler)(size_t bytes, void *ctx), void *ctx);

/* ---- jobs: what to draw ---- */

/* Options as text, with the names of `limn help`; the model chooses those that are not set. */
typedef struct limn_job limn_job;

LIMN_API limn_job *limn_job_new(void);
LIMN_API limn_job *limn_job_copy(const limn_job *job);
LIMN_API void limn_job_free(limn_job *job); /* NULL: nothing */

/*
 * "steps", "20". A flag takes "true" or "false". Options of several values ("lora", "control") get one more each time. Returns 0.
 * LIMN_USAGE: the library has no such option, or it does not accept the value.
 */
LIMN_API int limn_job_set(limn_job *job, const char *option, const char *value, limn_error *e);
/* As if it had not been set. */
LIMN_API int limn_job_unset(limn_job *job, const char *option, limn_error *e);

/*
 * The value as limn_job_set() takes it: writes at most size bytes with the NUL, returns its length without it (like snprintf).
 * -1: it is not set, or there is no such option.
 */
LIMN_API long limn_job_get(const limn_job *job, const char *option, char *value, size_t size);

enum { LIMN_PATH = 64 };

/*
 * A file that the caller has in memory, under a path that options of this job can name ("init-image", "mask", image= of
 * "control"): the bytes are copied, and freed with the last copy of the job. Returns 0.
 */
LIMN_API int limn_job_file(limn_job *job, const void *bytes, size_t size, char path[LIMN_PATH], limn_error *e);
/* The same of pixels [height, width, channels]: 1 grey, 3 RGB, 4 RGBA, 8 bits each, rows from the top without gaps. */
LIMN_API int limn_job_pixels(limn_job *job, const uint8_t *pixels, int width, int height, int channels,
                             char path[LIMN_PATH], limn_error *e);

/* ---- pictures ---- */

typedef struct limn_picture limn_picture;

LIMN_API void limn_picture_free(limn_picture *p); /* NULL: nothing */
LIMN_API int limn_picture_width(const limn_picture *p);
LIMN_API int limn_picture_height(const limn_picture *p);
LIMN_API int limn_picture_channels(const limn_picture *p); /* 3: RGB; 4: RGBA, not premultiplied */
/* [height, width, channels], sRGB, rows from the top without gaps. */
LIMN_API const uint8_t *limn_picture_pixels(const limn_picture *p);
/* The PNG that `limn generate` writes: the same pixels, with the settings as metadata. A preview has none: NULL. */
LIMN_API const void *limn_picture_png(const limn_picture *p, size_t *size);
LIMN_API uint64_t limn_picture_seed(const limn_picture *p);
/* The settings of the picture: limn's JSON, and A1111's text. "": a preview. */
LIMN_API const char *limn_picture_settings(const limn_picture *p);
LIMN_API const char *limn_picture_infotext(const limn_picture *p);

/* ---- drawing ---- */

/* Open models and callbacks, kept from one picture to the next. */
typedef struct limn limn;

/* Any of them may be NULL. All are called on the thread that called the library, within that call. */
typedef struct {
    size_t size; /* sizeof(limn_callbacks): a later header may add to the end */
    void *ctx;
    void (*say)(void *ctx, const char *what);               /* the current work: "loading the model" */
    void (*word)(void *ctx, int warning, const char *text); /* a warning (1) or a note (0), each line once */
    void (*step)(void *ctx, int picture, int step,
                 int steps);     /* after each step; step 0 before the first; picture from 1 */
    int (*cancelled)(void *ctx); /* called several times a step; not 0: the call ends with LIMN_CANCELLED */
    /* a preview, every N steps of the option "preview"; owned by the library, until the call ends */
    void (*preview)(void *ctx, int step, int steps, const limn_picture *so_far);
} limn_callbacks;

/* c is copied; NULL: no callbacks. Returns NULL with an error: an unknown LIMN_CPU, no memory. */
LIMN_API limn *limn_new(const limn_callbacks *c, limn_error *e);
LIMN_API void limn_free(limn *l); /* NULL: nothing */

/* Opens the job's model now rather than with the first picture. Returns 0. */
LIMN_API int limn_load(limn *l, const limn_job *job, limn_error *e);

/*
 * All checks happen here: opens the model, makes the choices that the job leaves open, computes the embeddings, reserves
 * the memory. Then each limn_next() draws one picture, up to the option "count". Ends a previous limn_begin(). Returns 0.
 */
LIMN_API int limn_begin(limn *l, const limn_job *job, limn_error *e);
/*
 * 1: *out is the next picture; the caller frees it. 0: there are no more. -1: an error; a cancelled picture may be tried again.
 */
LIMN_API int limn_next(limn *l, limn_picture **out, limn_error *e);
/* Makes that picture the next, from 1: to continue what another process began. LIMN_USAGE: there is none of that number. */
LIMN_API int limn_seek(limn *l, int picture, limn_error *e);
/* Frees the memory of limn_begin(); the model stays open. */
LIMN_API void limn_end(limn *l);
/* The job of limn_begin(), with all choices filled in, such as the seed; NULL: there is none. Valid until limn_end(). */
LIMN_API const limn_job *limn_decided(const limn *l);

/* limn_begin() and the first picture. NULL: an error. */
LIMN_API limn_picture *limn_draw(limn *l, const limn_job *job, limn_error *e);

/* ---- lists ---- */

typedef enum { LIMN_OPTIONS, LIMN_SAMPLERS, LIMN_SCHEDULES } limn_list;
/* The i-th name, from 0, and one line of help (help may be NULL); NULL: there are no more. */
LIMN_API const char *limn_name(limn_list list, size_t i, const char **help);

#ifdef __cplusplus
}
#endif
#endif
