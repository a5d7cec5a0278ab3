/* control_file.h - finds, reads and binds the file or folder of a ControlNet, a T2I-Adapter or an IP-Adapter. */
#ifndef LIMN_PIPELINE_CONTROL_FILE_H
#define LIMN_PIPELINE_CONTROL_FILE_H

#include "base/file.h"
#include "control/controlnet.h"
#include "control/t2i.h"
#include "pipeline/control_encoder.h"
#include "pipeline/control_line.h"
#include "pipeline/model.h"
#include "weights/source.h"

/* The kind decides which of the networks is set. */
typedef struct {
    ControlKind kind;
    char *path, sha256[65]; /* of the file of its weights */
    char *encoder_path;     /* as the line gives it; NULL: looked for */
    char a1111_hash[9];     /* as A1111 tells models apart; "": not of a file of that size */
    const char *form;       /* how its tensors are named, for a person */
    ControlNet *net;
    T2iAdapter *t2i;
    IpAdapter *ip;
    ControlEncoder *encoder; /* an IP-Adapter's; NULL: it is only described */
    /* borrowed by the networks */
    Weights *weights;
    Source *source;
    Bytes file;
} ControlFile;

/*
 * The line's model, and its encoder. like: the model's UNet, from which a file without a config takes what shapes do not tell;
 * NULL: none, then it is only described. Close it with control_file_close(). Error: what is wrong with it, or that it is of
 * another kind.
 */
ControlFile *control_file_open(const ControlLine *l, const UNet *like, Err *e);
void control_file_close(ControlFile *f);

/* 0 if it can condition that model. Error: which other model it is for. */
int control_file_fits(const ControlFile *f, const Model *m, Err *e);

#endif
