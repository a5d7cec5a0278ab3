/* control_file.h - the file or folder of a ControlNet, a T2I-Adapter, an IP-Adapter: found, read, bound. */
#ifndef LIMN_PIPELINE_CONTROL_FILE_H
#define LIMN_PIPELINE_CONTROL_FILE_H

#include "base/file.h"
#include "control/controlnet.h"
#include "control/t2i.h"
#include "pipeline/control_encoder.h"
#include "pipeline/control_line.h"
#include "pipeline/model.h"
#include "weights/source.h"

/* Which of the networks is set is the kind's. */
typedef struct {
    ControlKind kind;
    char *path, sha256[65]; /* of the file of its weights */
    char *encoder_path;     /* as it was asked for; NULL: looked for */
    char a1111_hash[9];     /* as A1111 tells models apart; "": not of a file of that size */
    const char *form;       /* how its tensors are named, for a person */
    ControlNet *net;
    T2iAdapter *t2i;
    IpAdapter *ip;
    ControlEncoder *encoder; /* an IP-Adapter's; NULL: it is only described */
    /* what they borrow */
    Weights *weights;
    Source *source;
    Bytes file;
} ControlFile;

/*
 * The line's model, and its encoder. like: the model's UNet, from which a file without a config takes what shapes do not tell; NULL: none, then it is only described.
 * control_file_close() it. Error: what is wrong with it, or that it is of another kind.
 */
ControlFile *control_file_open(const ControlLine *l, const UNet *like, Err *e);
void control_file_close(ControlFile *f);

/* Returns whether it can steer that model. Error: for what other one it is. */
int control_file_fits(const ControlFile *f, const Model *m, Err *e);

#endif
