/* control_encoder.h - finds, reads and binds the image encoder of an IP-Adapter, and prepares its input. */
#ifndef LIMN_PIPELINE_CONTROL_ENCODER_H
#define LIMN_PIPELINE_CONTROL_ENCODER_H

#include "base/file.h"
#include "clip/image_encoder.h"
#include "control/ip.h"
#include "image/image.h"
#include "weights/source.h"
#include "weights/weights.h"

typedef struct {
    char *path, sha256[65]; /* of the file of its weights */
    ImageEncoder *net;
    /* borrowed by net */
    Weights *weights;
    Source *source;
    Bytes file;
} ControlEncoder;

/*
 * path: the value of encoder=, a diffusers folder or a file in transformers' or OpenCLIP's names; NULL: it is looked for next to
 * the adapter's file, where h94/IP-Adapter has it. Error: what is wrong with it, that it does not fit the adapter, or where it
 * was looked for.
 */
ControlEncoder *control_encoder_open(const char *path, const char *adapter, const IpAdapter *ip, Err *e);
void control_encoder_close(ControlEncoder *c);

/* Builds the network from c's weights, and the config (len 0: from their shapes). Error: what is wrong with them. */
int control_encoder_bind(ControlEncoder *c, Bytes config, Err *e);

/*
 * pixels [1, side, side, 3] = the picture as CLIP's input: resized so that its short side is `side` (bicubic), centre-cropped,
 * normalised by CLIP's mean and deviation. Source: transformers' CLIPImageProcessor. im NULL: black, processed so.
 */
void control_encoder_pixels(const Image *im, Tensor pixels);

#endif
