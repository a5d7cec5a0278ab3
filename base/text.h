/*
 * text.h - files of text as people have them, read as UTF-8 with '\n' at the end of each line. UTF-8, UTF-16 and UTF-32 are
 * told apart by their mark (BOM) or, where there is none, by their zero bytes; lines may end in LF, CR LF or CR. No other
 * encoding is guessed: the same bytes are words in several of them. It is refused with its line, and how to convert it is told.
 */
#ifndef LIMN_BASE_TEXT_H
#define LIMN_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/str.h"

typedef enum { TEXT_UNKNOWN, TEXT_UTF8, TEXT_UTF16LE, TEXT_UTF16BE, TEXT_UTF32LE, TEXT_UTF32BE } TextEncoding;

/* Decodes one text, piece by piece. Zero-initialise it with the name for messages; text_decoder_release(). */
typedef struct {
    const char *name;
    TextEncoding encoding; /* known from the first piece */
    size_t line;           /* of what was decoded last, from 1 */
    bool return_before;    /* a CR was the last character: an LF belongs to it */
    bool within;           /* the line has begun */
    Str held;              /* bytes that wait for the rest of their character */
} TextDecoder;

/*
 * Appends the piece as UTF-8; what is cut off at its end waits for the next piece. last: there is no further one. The first piece
 * tells the encoding: let it have some kilobytes where there are so many. A mark at the start of a line (files joined) and a
 * final ^Z (DOS) are left out. Error (ERR_USAGE): "NAME:LINE: ...": not text, or in another encoding.
 */
int text_decode(TextDecoder *d, Bytes piece, bool last, Str *out, Err *e);
void text_decoder_release(TextDecoder *d);

typedef struct {
    const char *name;        /* for messages */
    size_t most;             /* bytes of text; 0: as many as there are */
    bool (*cancelled)(void); /* asked between two reads; may be NULL */
    /* Takes text out of `text` when it has become much; may be NULL. */
    int (*spill)(void *ctx, Str *text, Err *e);
    void *ctx;
} TextSource;

/*
 * All that is left to read of fd. Error: reading failed (ERR_FAILED), as text_decode() or more than `most` (ERR_USAGE), cancelled
 * (ERR_INTERRUPTED).
 */
int text_read(int fd, const TextSource *s, Str *out, Err *e);

/* The same of a regular file; ERR_FAILED too when it is written to meanwhile. */
int text_read_file(const char *path, const TextSource *s, Str *out, Err *e);

#endif
