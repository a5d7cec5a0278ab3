/*
 * magic.h - recognises a file's format from its first bytes, for error messages where limn expects weights or a PNG.
 */
#ifndef LIMN_BASE_MAGIC_H
#define LIMN_BASE_MAGIC_H

#include "base/file.h"

typedef enum {
    MAGIC_UNKNOWN, /* what is NULL */
    MAGIC_PNG,
    MAGIC_PICTURE,     /* of another format */
    MAGIC_SAFETENSORS, /* or what was cut off from one */
    MAGIC_WEIGHTS,     /* in a format that limn does not read */
    MAGIC_ARCHIVE,
    MAGIC_TEXT,  /* JSON, XML */
    MAGIC_OTHER, /* a web page in place of a download, a video, ... */
} MagicKind;

typedef struct {
    MagicKind kind;
    const char *what;   /* "a WebP picture" */
    const char *advice; /* how to come to weights that limn reads; NULL: nothing to say */
} Magic;

Magic magic_of(Bytes file);

#endif
