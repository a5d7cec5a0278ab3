/* upscale_record.h - how a larger picture was made, as its PNG says it. */
#ifndef LIMN_CMD_UPSCALE_RECORD_H
#define LIMN_CMD_UPSCALE_RECORD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "image/png.h"
#include "nn/nn.h"
#include "upscale/upscale.h"

typedef struct {
    char *source, *model;                     /* paths */
    char source_sha256[65], model_sha256[65]; /* of their bytes */
    char version[32], kernels[32];            /* limn's */
    int w, h;                                 /* of the result */
    Precision precision;
} UpscaleRecord;

void upscale_record_release(UpscaleRecord *r);

/* The text "limn-upscale", and back. Error: it is broken. */
void upscale_record_write(const UpscaleRecord *r, Str *out);
int upscale_record_read(UpscaleRecord *r, const char *json, Err *e);

/*
 * The PNG with its texts: what A1111 says of a picture that was made larger stands behind the source's `parameters`, where it has
 * them. free((void *)out->data).
 */
int upscale_png(const UpscaleRecord *r, const Upscaler *u, const Image *im, Bytes source, Bytes *out, Err *e);

#endif
