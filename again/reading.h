/*
 * reading.h - another tool's settings of a picture as a job of limn's: the equivalent options, and what is lost. Such texts are
 * untrusted: reading one never fails because of its content. What cannot be converted becomes a remark, with how much it matters
 * for the picture.
 */
#ifndef LIMN_AGAIN_READING_H
#define LIMN_AGAIN_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "pipeline/job.h"

/* How much the picture differs from the original because a setting is not honoured. */
typedef enum { MATTERS_LITTLE, MATTERS_SEEN, MATTERS_WHOLLY } Matters;

extern const char *const matters_words[]; /* [Matters] "another picture" */

typedef struct {
    Matters how;
    char *text; /* one line, heap */
} Remark;

/* A LoRA that the text names outside the prompt, or whose hash it has. */
typedef struct {
    char *name, *hash; /* as the tool calls it, without its ending; 10, 12 or 64 hex digits, or NULL */
    bool apply;        /* it is in no prompt: apply it with these weights */
    double weight, text_weight;
} ReadLora;

enum { READING_LORAS = 64, READING_REMARKS = 200 };

typedef struct {
    const char *tool;                                    /* "A1111", "ComfyUI": a literal */
    Job job;                                             /* what was read; its model stays unset */
    char *model, *model_hash, *vae, *vae_hash, *refiner; /* as the tool calls them; NULL: not told */
    char *init;                                          /* its initial picture; NULL */
    bool from_picture;                                   /* it had one, whether or not its name is known */
    bool hires;                                          /* the strength is that of a second pass */
    ReadLora *lora;
    int loras;
    Remark *remark;
    size_t remarks;
    Str unknown; /* unknown keys, separated by commas */
} Reading;

void reading_init(Reading *r, const char *tool);
void reading_release(Reading *r);

/* Adds one line, with control characters masked; no line twice, and at most READING_REMARKS. */
void reading_remark(Reading *r, Matters how, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Sets an option by its name. A value that limn refuses becomes a remark. */
void reading_set(Reading *r, const char *option, const char *value);
void reading_setf(Reading *r, const char *option, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "DPM++ 2M Karras": the sampler, and its schedule where the name has one. */
void reading_sampler(Reading *r, const char *name);
/* A1111's and ComfyUI's names; "Automatic" leaves it open. */
void reading_schedule(Reading *r, const char *name);
void reading_hires_schedule(Reading *r, const char *name);
/* "512x768". */
void reading_size(Reading *r, const char *value);

/* Replaces a text of the reading (r->model, ...); the last part of a path without its folders, of either slash. */
void reading_name(char **to, const char *path);

/* Adds or completes the LoRA of that name; NULL: there are too many. */
ReadLora *reading_lora(Reading *r, const char *name);

#endif
