/*
 * measure.h - how much two pictures differ, as numbers that other tools compute too.
 *
 * Pictures with alpha are compared by what they show: laid over black, and over white. A difference over any plain ground is a
 * mixture of these two, so pictures that are equal over both are equal everywhere; a colour that is wholly transparent shows
 * nowhere and does not count. Each measure is the mean over the two grounds, of squared differences, similarities, or powers. Where
 * both pictures are opaque the grounds do not show, and the numbers are those of the pictures themselves.
 */
#ifndef LIMN_IMAGE_MEASURE_H
#define LIMN_IMAGE_MEASURE_H

#include <stddef.h>

#include "base/err.h"
#include "image/flip.h"
#include "image/image.h"

enum { SSIM_WINDOW = 7 }; /* pixels: no side of a picture may be smaller */

/* Returns whether two pictures can be measured against each other: the same size. */
int measure_check(const Image *a, const Image *b, Err *e);

/* Peak signal to noise over all RGB values, dB: 10 log10(255^2 / mean squared difference). They show the same: INFINITY. */
double measure_psnr(const Image *a, const Image *b);

/*
 * Structural similarity, -1 .. 1, equal: 1; NAN where a side is less than SSIM_WINDOW. Wang et al. 2004, "Image quality
 * assessment: from error visibility to structural similarity", with the same options as scikit-image's
 * structural_similarity(a, b, channel_axis=2, data_range=255): a uniform window of 7x7, sample covariance (N - 1), K1 0.01,
 * K2 0.03, the mean over all windows inside the picture and over the channels.
 */
double measure_ssim(const Image *a, const Image *b);

/* FLIP's error, 0 (they look the same) .. 1: flip.h. worst is that over the ground where it is larger. measure_flip(): the mean. */
FlipError measure_flip_error(const Image *a, const Image *b);
double measure_flip(const Image *a, const Image *b);

/*
 * Two pictures differ visibly when FLIP's error is above this where it is largest: about that of a plain grey that becomes 3 of 255
 * levels lighter, an L* of 1.2 more, where eyes begin to see a step.
 */
#define VISIBLE_FLIP 0.07

/* Root mean square of a - b. */
double measure_rmse(const float *a, const float *b, size_t n);

/*
 * The radially averaged power spectrum of a picture's luma (Rec. 601, 0 .. 255): its mean is taken away, a Hann window laid
 * over both axes, and |FFT|^2 divided by the window's energy, so that white noise of variance v has power v everywhere.
 */
typedef struct {
    int bins;      /* half of the longer side */
    double step;   /* cycles a pixel between bins: 1 / longer side */
    double *power; /* [bins], heap: bin k holds the frequencies around (k + 1) * step; the last is about 0.5 */
} Spectrum;

/* Error: no memory for the transform. spectrum_release() also then. */
int spectrum_init(Spectrum *s, const Image *im, Err *e);
void spectrum_release(Spectrum *s);

/*
 * 10 log10 of a's power over b's (the reference), dB, in each of the b->bins bins; to both is added what rounding to 8 bits
 * alone makes (variance 1/12), so that what cannot be seen counts for nothing. Returns the root mean square over the bins.
 */
double spectrum_difference(const Spectrum *a, const Spectrum *b, double *db);

/* Means over bins: coarse up to 1/16 cycles a pixel, middle up to 1/4, fine beyond. Without a bin: NAN. */
typedef struct {
    double coarse, middle, fine;
} SpectrumBands;
SpectrumBands spectrum_bands(const Spectrum *s, const double *db);

#endif
