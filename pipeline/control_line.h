/*
 * control_line.h - one line of --control, --adapter or --ip-adapter: the network, its picture, strength and steps. The fields are
 * a table. A comma separates fields only before a name and '=', so that file names may contain commas.
 */
#ifndef LIMN_PIPELINE_CONTROL_LINE_H
#define LIMN_PIPELINE_CONTROL_LINE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

typedef enum { CONTROL_NET, CONTROL_T2I, CONTROL_IP, CONTROL_KINDS } ControlKind;

enum { CONTROL_PICTURES = 16, CONTROL_LINES = 16 /* of one option */ };

typedef struct {
    ControlKind kind;
    char *model, *encoder;               /* encoder: IP-Adapter's, NULL: looked for next to the model */
    char *model_sha256, *encoder_sha256; /* NULL: whatever they are */
    char *image[CONTROL_PICTURES];       /* [images] */
    char *image_sha256[CONTROL_PICTURES];
    int images, sha256s;
    double strength;   /* < 0: not said */
    double start, end; /* shares of the steps */
    bool guess;        /* diffusers' guess mode */
    char *mode;        /* A1111's control mode: "balanced", "prompt", "control"; NULL: not said */
    char *type;        /* a union's kind of map: a name of control_types[], or a number; NULL: not said */
    char *resize;      /* of the map: "stretch", "crop", "fit"; NULL: the job's */
} ControlLine;

/* How strongly an IP-Adapter counts whose line does not say. */
#define CONTROL_IP_SCALE 0.6

/* "control", "adapter", "ip-adapter": the option of a kind. */
extern const char *const control_options[CONTROL_KINDS];

/*
 * The kind of a line's map for a ControlNet-Union: from type=, or from the way in which limn makes the map; -1: neither says.
 * Error (-2): an unknown name, a number that the union does not have.
 */
int control_line_type(const ControlLine *l, int types, Err *e);

/* Error: an unknown or missing field, a value out of range. control_line_release() also then. */
int control_line_parse(ControlLine *l, ControlKind kind, const char *text, Err *e);
void control_line_release(ControlLine *l);

/* As control_line_parse() takes it; fields at their default are left out. */
void control_line_write(const ControlLine *l, Str *out);

/* Calls visit() for each line of an option, separated by newlines (text may be NULL). Stops at the first that fails. */
typedef int (*ControlVisit)(void *ctx, ControlLine *l, Err *e);
int control_lines(const char *text, ControlKind kind, ControlVisit visit, void *ctx, Err *e);

/* For the table of options: check whether they can be parsed. */
int control_check_nets(const char *text, Err *e);
int control_check_adapters(const char *text, Err *e);
int control_check_ips(const char *text, Err *e);

#endif
