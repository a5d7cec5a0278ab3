/* text.c - see text.h. What marks there are: the Unicode standard, 23.8; zero bytes as in RFC 4627, section 3. */
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    MARK = 0xFEFF,
    END_OF_FILE = 0x1A, /* ^Z */
    PIECE = 1 << 16,    /* bytes of a read */
    WORD = 24,          /* bytes shown before and after one that is wrong */
};

#define BAD UINT32_MAX

static const struct {
    const char *name;
    unsigned char mark[4];
    size_t mark_len, unit; /* bytes */
} encodings[] = {
    [TEXT_UNKNOWN] = { "", { 0 }, 0, 1 },
    [TEXT_UTF8] = { "UTF-8", { 0xEF, 0xBB, 0xBF }, 3, 1 },
    [TEXT_UTF16LE] = { "UTF-16LE", { 0xFF, 0xFE }, 2, 2 },
    [TEXT_UTF16BE] = { "UTF-16BE", { 0xFE, 0xFF }, 2, 2 },
    [TEXT_UTF32LE] = { "UTF-32LE", { 0xFF, 0xFE, 0, 0 }, 4, 4 },
    [TEXT_UTF32BE] = { "UTF-32BE", { 0, 0, 0xFE, 0xFF }, 4, 4 },
};

/* ---- one character ---- */

static uint32_t unit_at(TextEncoding encoding, const unsigned char *p)
{
    switch (encoding) {
    case TEXT_UTF16LE: return (uint32_t)p[0] | (uint32_t)p[1] << 8;
    case TEXT_UTF16BE: return (uint32_t)p[1] | (uint32_t)p[0] << 8;
    case TEXT_UTF32LE: return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    case TEXT_UTF32BE: return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
    default: return p[0];
    }
}

/* The code point at p[0 .. n), n > 0, or BAD; returns its bytes, 0 where it goes on behind n. */
static size_t take_code(TextEncoding encoding, const unsigned char *p, size_t n, uint32_t *code)
{
    size_t unit = encodings[encoding].unit;
    *code = BAD;
    if (unit == 1) {
        bool valid;
        size_t took = utf8_next((const char *)p, n < 4 ? n : 4, code, &valid);
        if (!valid) *code = BAD;
        return valid || took < n ? took : 0;
    }
    if (n < unit) return 0;
    uint32_t first = unit_at(encoding, p);
    bool surrogate = first >= 0xD800 && first < 0xE000;
    if (!surrogate) {
        if (first < 0x110000) *code = first;
        return unit;
    }
    if (unit == 4 || first >= 0xDC00) return unit;
    if (n < 4) return 0;
    uint32_t second = unit_at(encoding, p + 2);
    if (second < 0xDC00 || second >= 0xE000) return 2;
    *code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    return 4;
}

/* ---- which encoding ---- */

/* Whether all that is there reads as text in that encoding: no halves of characters, no controls but those of lines. */
static bool reads_as(TextEncoding encoding, Bytes text)
{
    while (text.len) {
        uint32_t code;
        size_t took = take_code(encoding, text.data, text.len, &code);
        if (!took) return text.len % encodings[encoding].unit == 0; /* the second half of a pair is still to come */
        if (code == BAD || (code < 32 && code != '\t' && code != '\n' && code != '\r') || code % 0x10000 >= 0xFFFE)
            return false;
        text.data += took;
        text.len -= took;
    }
    return true;
}

/*
 * Whether the high bytes of two-byte units are those of ASCII and perhaps one more script: nearly all are zero or one other value,
 * which is itself no character of a text in bytes.
 */
static bool one_script(Bytes text, size_t high)
{
    size_t count[256] = { 0 }, units = text.len / 2, other = 1;
    for (size_t i = 0; i < units; i++) count[text.data[2 * i + high]]++;
    for (size_t v = 2; v < 256; v++)
        if (count[v] > count[other]) other = v;
    bool letter = (other >= ' ' && other < 0x7F) || other == '\t' || other == '\n' || other == '\r';
    return count[0] * 20 >= units && (count[0] + (letter ? 0 : count[other])) * 10 >= units * 9;
}

static TextEncoding guess(Bytes text)
{
    static const TextEncoding wide[] = { TEXT_UTF32LE, TEXT_UTF32BE, TEXT_UTF16LE, TEXT_UTF16BE };
    for (int i = 0; i < 4; i++) /* UTF-32's little mark begins with UTF-16's */
        if (text.len >= encodings[wide[i]].mark_len &&
            memcmp(text.data, encodings[wide[i]].mark, encodings[wide[i]].mark_len) == 0)
            return wide[i];
    if (!memchr(text.data, 0, text.len)) return TEXT_UTF8;
    for (int i = 0; i < 4; i++) {
        size_t unit = encodings[wide[i]].unit;
        if (text.len % unit || (unit == 2 && !one_script(text, wide[i] == TEXT_UTF16LE))) continue;
        if (reads_as(wide[i], text)) return wide[i];
    }
    return TEXT_UTF8;
}

/* ---- what is wrong ---- */

/* Windows-1252 where it differs from Latin-1. Source: unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT */
static const uint16_t windows_1252[32] = { 0x20AC, 0xFFFD, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                           0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0xFFFD, 0x017D, 0xFFFD,
                                           0xFFFD, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                           0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0xFFFD, 0x017E, 0x0178 };

/* The word around a byte as Windows-1252 has it, by which one sees whether the text is in that. False: it cannot be. */
static bool show_word(Bytes text, size_t at, Str *out)
{
    bool possible = true;
    size_t from = at, to = at;
    while (from > 0 && at - from < WORD && text.data[from - 1] > ' ') from--;
    while (to < text.len && to - at < WORD && text.data[to] > ' ') to++;
    while (from < at && (text.data[from] & 0xC0) == 0x80) from++; /* not from within a character */
    for (size_t i = from; i < to; i++) {
        uint32_t code = text.data[i] >= 0x80 && text.data[i] < 0xA0 ? windows_1252[text.data[i] - 0x80] : text.data[i];
        possible = possible && code >= ' ' && code != 0x7F && code != 0xFFFD;
        utf8_put(out, code);
    }
    return possible;
}

static int refuse(const TextDecoder *d, Bytes text, size_t at, Err *e)
{
    if (d->encoding != TEXT_UTF8)
        return err_usage(e, "%s:%zu: half a character: this is not %s; save it as UTF-8", d->name, d->line,
                         encodings[d->encoding].name);
    if (memchr(text.data, 0, text.len))
        return err_usage(e, "%s:%zu: zero bytes: this is not text, or UTF-16 without a mark; save it as UTF-8", d->name,
                         d->line);
    Str word = { 0 };
    bool windows = show_word(text, at, &word);
    err_usage(e, "%s:%zu: not UTF-8: a byte 0x%02X; save it as UTF-8%s%s%s", d->name, d->line, text.data[at],
              windows ? ", or if it is Windows-1252, where this reads \"" : ", or convert it (iconv)",
              windows ? str_text(&word) : "", windows ? "\": iconv -f WINDOWS-1252 -t UTF-8" : "");
    str_release(&word);
    return -1;
}

/* ---- the text ---- */

static void put_code(TextDecoder *d, uint32_t code, Str *out)
{
    bool ends = code == '\n' || code == '\r';
    if (code == MARK && !d->within) return;
    if (!(code == '\n' && d->return_before)) {
        if (ends) d->line++;
        utf8_put(out, ends ? '\n' : code);
    }
    d->return_before = code == '\r';
    d->within = !ends;
}

/* How many bytes from here on are plain ASCII within a line. */
static size_t plain(const unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] >= ' ' && p[i] < 0x7F) i++;
    return i;
}

int text_decode(TextDecoder *d, Bytes piece, bool last, Str *out, Err *e)
{
    str_addn(&d->held, (const char *)piece.data, piece.len);
    Bytes text = { (const unsigned char *)str_text(&d->held), d->held.len };
    if (d->encoding == TEXT_UNKNOWN) {
        d->encoding = guess(text);
        d->line = 1;
    }
    size_t at = 0;
    while (at < text.len) {
        size_t run = d->encoding == TEXT_UTF8 ? plain(text.data + at, text.len - at) : 0;
        if (run) {
            str_addn(out, (const char *)text.data + at, run);
            d->within = true;
            d->return_before = false;
            at += run;
            continue;
        }
        uint32_t code;
        size_t took = take_code(d->encoding, text.data + at, text.len - at, &code);
        if (!took && !last) break;
        if (code == BAD) return refuse(d, text, at, e);
        if (!code) return err_usage(e, "%s:%zu: a NUL byte: this is not text", d->name, d->line);
        bool end = code == END_OF_FILE && at + took == text.len;
        if (end && !last) break;
        at += took;
        if (!end) put_code(d, code, out);
    }
    d->held.len -= at;
    memmove(d->held.s, d->held.s + at, d->held.len);
    return 0;
}

void text_decoder_release(TextDecoder *d) { str_release(&d->held); }

/* ---- files ---- */

/* Up to PIECE bytes, fewer only at the end. -1: an error. */
static ssize_t read_piece(int fd, const TextSource *s, char *piece, Err *e)
{
    size_t have = 0;
    while (have < PIECE) {
        ssize_t n = read(fd, piece + have, PIECE - have);
        if (s->cancelled && s->cancelled()) {
            err_set(e, "interrupted");
            e->code = ERR_INTERRUPTED;
            return -1;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set(e, "%s: %s", s->name, strerror(errno));
        if (n == 0) break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

int text_read(int fd, const TextSource *s, Str *out, Err *e)
{
    TextDecoder d = { .name = s->name };
    char *piece = mem_alloc(PIECE);
    int failed = 0;
    for (bool last = false; !last && !failed;) {
        ssize_t n = read_piece(fd, s, piece, e);
        last = n < PIECE;
        failed = n < 0 || text_decode(&d, (Bytes){ (unsigned char *)piece, (size_t)n }, last, out, e);
        if (!failed && s->most && out->len > s->most)
            failed = err_usage(e, "%s: more than %zu bytes of text", s->name, s->most);
        if (!failed && s->spill) failed = s->spill(s->ctx, out, e);
    }
    text_decoder_release(&d);
    free(piece);
    return failed ? -1 : 0;
}

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int text_read_file(const char *path, const TextSource *s, Str *out, Err *e)
{
    struct stat before, after;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (fd < 0) return file_unopened(path, e);
    int failed = 0;
    if (fstat(fd, &before)) failed = err_set(e, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(before.st_mode)) failed = err_set(e, "%s: not a regular file", path);
    else failed = text_read(fd, s, out, e);
    if (!failed && (fstat(fd, &after) || !same_state(&before, &after)))
        failed = err_set(e, "%s: it was written to while it was read: try again", path);
    close(fd);
    return failed ? -1 : 0;
}
