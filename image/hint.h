/*
 * hint.h - makes control maps: edges, lines, tile, blur, ... of a picture. One table: each method is a function and a row.
 * Those of A1111's sd-webui-controlnet that need no network, with its numbers.
 */
#ifndef LIMN_IMAGE_HINT_H
#define LIMN_IMAGE_HINT_H

#include "base/err.h"
#include "base/str.h"
#include "image/image.h"

enum { HINT_NUMBERS = 2 };

typedef struct HintWay HintWay;
struct HintWay {
    const char *name, *aliases;
    int numbers; /* how many it takes */
    double usual[HINT_NUMBERS], least[HINT_NUMBERS], most[HINT_NUMBERS];
    void (*make)(Image *im, const double *numbers); /* in place */
    const char *help;
};

extern const HintWay hint_ways[]; /* ends with name NULL */

/* By its name or an alias; NULL: it is none. */
const HintWay *hint_way_find(const char *name);

/*
 * "edges:100:200:photo.png": a way, its numbers where they are not the usual ones, a file. Without a way the file is
 * the map itself.
 */
typedef struct {
    const HintWay *way; /* NULL: none */
    double numbers[HINT_NUMBERS];
    const char *file; /* borrowed from the text */
} HintSpec;

/* Error: a way that needs a network, or is none; a number out of range; no file. */
int hint_spec_parse(HintSpec *s, const char *text, Err *e);

/* The ways, for help: "edges, lines, ...". */
void hint_names(Str *out);

#endif
