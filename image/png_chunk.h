/*
 * png_chunk.h - a PNG as a row of chunks, for those who read its texts (png.c) and its pixels (png_pixels.c). Source: PNG
 * specification 1.2, 3 and 5.
 */
#ifndef LIMN_IMAGE_PNG_CHUNK_H
#define LIMN_IMAGE_PNG_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

enum {
    PNG_SIGNATURE = 8,
    PNG_CHUNK = 12,  /* length, type, checksum */
    PNG_HEADER = 13, /* IHDR's data */
};

typedef struct {
    char type[5]; /* as text; in a broken file any bytes */
    size_t at;    /* where in the file it begins */
    Bytes data;   /* in the file */
} PngChunk;

/* Big-endian. */
uint32_t png_u32(const unsigned char *p);

uint32_t png_crc32(const unsigned char *p, size_t n);

/*
 * The chunk after *c, or the first where c->data.data is NULL; the first is IHDR, and no other is. Error: the file is no PNG or
 * ends too soon. After IEND there is nothing to ask for.
 */
int png_chunk_next(Bytes png, PngChunk *c, Err *e);

/* Returns whether its type is so. */
bool png_chunk_is(const PngChunk *c, const char *type);

/* Returns whether its checksum is right. The error names the chunk. */
int png_chunk_check(const PngChunk *c, Err *e);

/* Puts "PNG chunk "TYPE" at byte N: " before an error. Returns -1. */
int png_chunk_err(const PngChunk *c, Err *e);

/* A zlib stream into out, of `room` bytes. Returns how many it is; -1: it is broken, or more than that. */
int64_t png_inflate(Bytes stream, char *out, size_t room);

#endif
