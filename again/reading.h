/*
 * reading.h - what another tool wrote into a picture, as a job of limn's: which options are meant, and what is lost on the way.
 * Foreign texts are strangers': reading one never fails for what it says. What cannot be taken over is remarked on, with how much it
 * matters for the picture.
 */
#ifndef LIMN_AGAIN_READING_H
#define LIMN_AGAIN_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "pipeline/job.h"

/* How far the picture goes from the original where something is not honoured. */
typedef enum { MATTERS_LITTLE, MATTERS_SEEN, MATTERS_WHOLLY } Matters;

extern const char *const matters_words[]; /* [Matters] "another picture" */

typedef struct {
    Matters how;
    char *text; /* one line, heap */
} Remark;

/* A LoRA that the text names beside the prompt, or whose hash it tells. */
typedef struct {
    char *name, *hash; /* as the tool calls it, without its ending; 10, 12 or 64 hex digits, or NULL */
    bool apply;        /* it stands in no prompt: with these weights */
    double weight, text_weight;
} ReadLora;

enum { READING_LORAS = 64, READING_REMARKS = 200 };

typedef struct {
    const char *tool;                                    /* "A1111", "ComfyUI": a literal */
    Job job;                                             /* what was read; its model stays open */
    char *model, *model_hash, *vae, *vae_hash, *refiner; /* as the tool calls them; NULL: not told */
    char *init;                                          /* a picture that it started from; NULL */
    bool from_picture;                                   /* it did, whether or not it is told from which */
    bool hires;                                          /* the strength is that of a second pass */
    ReadLora *lora;
    int loras;
    Remark *remark;
    size_t remarks;
    Str unknown; /* keys that nothing is known of, parted by commas */
} Reading;

void reading_init(Reading *r, const char *tool);
void reading_release(Reading *r);

/* One line, of which control characters are masked; the same one again is not added, nor more than READING_REMARKS. */
void reading_remark(Reading *r, Matters how, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* An option by its name. What limn refuses is remarked on, with what the tool said. */
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
