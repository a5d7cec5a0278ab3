/*
 * store.h - what a finished cell leaves behind, so that a run that was stopped goes on: its picture (cells/NAME.png) and
 * a record of its latent and what it cost (cells/latents/NAME.safetensors). NAME ends in the cell's key: the hash of all that
 * decides its bytes.
 */
#ifndef LIMN_COMPARE_STORE_H
#define LIMN_COMPARE_STORE_H

#include <stdbool.h>

#include "base/folder.h"
#include "base/str.h"
#include "compare/machine.h"
#include "image/image.h"
#include "image/png.h"

/* What a converged reference knows of itself: by how much its last refinement changed it (reference.h). */
enum {
    CHANGE_RMSE,
    CHANGE_PSNR, /* equal: 999 */
    CHANGE_SSIM,
    CHANGE_FLIP,
    CHANGE_FLIP_WORST,
    CHANGE_STEPS,     /* no change: of the last solution */
    CHANGE_CONVERGED, /* 1: it was small enough */
    CHANGES
};

/* What it took to draw a picture. */
typedef struct {
    int evaluations;
    double seconds;              /* sampling and decoding, as if nothing had been shared */
    double peak_mb;              /* resident memory at most, in 2^20 bytes; 0: unknown */
    double change[CHANGES];      /* a converged reference's */
    char machine[MACHINE_WORDS]; /* on which; "": unknown */
} Cost;

typedef struct {
    Image image;
    float *latent; /* [h, w, c], heap */
    size_t len;
    Cost cost;
} Drawn;

void drawn_release(Drawn *d);

enum { STORE_KEY = 12 }; /* hexadecimal digits of a key */

/* The key of a text that says all there is to say. */
void store_key(char key[STORE_KEY + 1], const char *text);

/* Error: the folder has a file of somebody's under a name of those that limn compare makes. */
int store_check_made(const Folder *f, Err *e);

typedef struct {
    Folder folder, cells, records; /* the user's, and those below it */
} Store;

/* Makes DIR, its cells and cells/latents. Error: one of them is a link, or cannot be written to. */
int store_open(Store *s, const char *dir, Err *e);
void store_close(Store *s);

/* "cells/NAME.png": words with what is no letter or digit made '-', and the key. Relative to the folder. */
void store_file(Str *out, const char *words, const char *key);

/* What was left by an earlier run; false: nothing, or nothing whole. */
bool store_read(const Store *s, const char *file, const char *key, Drawn *out);

int store_write(const Store *s, const char *file, const char *key, const Drawn *d, const PngTexts *texts, Err *e);

/* The picture alone; image_release() it. */
int store_image(const Store *s, const char *file, Image *out, Err *e);

#endif
