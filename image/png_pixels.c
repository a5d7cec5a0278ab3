/*
 * png_pixels.c - png_decode() of png.h. Nothing grows beyond what IHDR announces: the data are inflated into a buffer of just its
 * rows. Inflating is stb's; filters and formats are here. Source: PNG specification 1.2, 2.3 to 2.6, 4.1, 6.
 */
#include "image/png.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "image/png_chunk.h"

enum { GREY, COLOUR = 2, PALETTE = 3, ALPHA = 4 }; /* colour types; COLOUR and ALPHA are bits of others */

/* Data behind the last row that are passed over, as others do: some writers leave a row too many. */
enum { SPARE = 1 << 16 };

typedef struct {
    int w, h, depth, type;
    bool interlaced;
    int channels;       /* of a pixel in the file */
    Bytes palette;      /* [n][3] */
    Bytes transparency; /* one alpha a colour of the palette, or the one colour that is clear */
    Str joined;         /* the data of all IDATs where there are several */
    Bytes data;
} Png;

/* One of the pictures that an interlaced PNG is made of; one that is not has one. */
typedef struct {
    int x, y, dx, dy;
} Pass;

static const Pass whole[] = { { 0, 0, 1, 1 } };
static const Pass adam7[] = { { 0, 0, 8, 8 }, { 4, 0, 8, 8 }, { 0, 4, 4, 8 }, { 2, 0, 4, 4 },
                              { 0, 2, 2, 4 }, { 1, 0, 2, 2 }, { 0, 1, 1, 2 } };

static int passes(const Png *p, const Pass **out)
{
    *out = p->interlaced ? adam7 : whole;
    return p->interlaced ? 7 : 1;
}

static int pass_w(const Png *p, Pass s) { return (p->w - s.x + s.dx - 1) / s.dx; }
static int pass_h(const Png *p, Pass s) { return (p->h - s.y + s.dy - 1) / s.dy; }

/* Bytes of a row of n pixels, without its filter's byte. */
static size_t row_bytes(const Png *p, int n) { return ((size_t)n * (size_t)(p->channels * p->depth) + 7) / 8; }

/* Bytes of all rows. */
static uint64_t rows_bytes(const Png *p)
{
    const Pass *s;
    uint64_t sum = 0;
    for (int i = 0, n = passes(p, &s); i < n; i++)
        if (pass_w(p, s[i]) > 0 && pass_h(p, s[i]) > 0)
            sum += (uint64_t)pass_h(p, s[i]) * (1 + row_bytes(p, pass_w(p, s[i])));
    return sum;
}

/* ---- chunks ---- */

static bool depth_fits(int type, int depth)
{
    switch (type) {
    case GREY: return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case PALETTE: return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case COLOUR:
    case ALPHA:
    case COLOUR | ALPHA: return depth == 8 || depth == 16;
    default: return false;
    }
}

static int read_header(Png *p, const unsigned char *d, Err *e)
{
    uint32_t w = png_u32(d), h = png_u32(d + 4);
    if (!w || !h) return err_set(e, "a PNG of %ux%u pixels cannot be", w, h);
    if (w > PNG_MAX_SIDE || h > PNG_MAX_SIDE || (uint64_t)w * h > PNG_MAX_PIXELS)
        return err_set(e, "a PNG of %ux%u is too large: at most %d on a side, %d pixels", w, h, PNG_MAX_SIDE,
                       PNG_MAX_PIXELS);
    if (!depth_fits(d[9], d[8])) return err_set(e, "colour type %d with %d bits is no PNG", d[9], d[8]);
    if (d[10] || d[11] || d[12] > 1)
        return err_set(e, "compression %d, filter %d, interlacing %d: expected 0, 0 and 0 or 1", d[10], d[11], d[12]);
    *p = (Png){ .w = (int)w, .h = (int)h, .depth = d[8], .type = d[9], .interlaced = d[12] };
    p->channels = d[9] == PALETTE ? 1 : (d[9] & COLOUR ? 3 : 1) + (d[9] & ALPHA ? 1 : 0);
    if (rows_bytes(p) > INT_MAX - SPARE)
        return err_set(e, "a PNG of %ux%u with %d bits is too large: at most %d bytes of rows", w, h, p->depth,
                       INT_MAX - SPARE);
    return 0;
}

static int read_palette(Png *p, Bytes d, Err *e)
{
    if (p->palette.data) return err_set(e, "a second palette");
    if (!d.len || d.len % 3 || d.len > 768) return err_set(e, "%zu bytes: expected 1 to 256 colours of three", d.len);
    p->palette = d;
    return 0;
}

static int read_transparency(Png *p, Bytes d, Err *e)
{
    size_t most = p->type == PALETTE ? p->palette.len / 3 : p->type == GREY ? 2 : p->type == COLOUR ? 6 : 0;
    if (!most) return err_set(e, p->type == PALETTE ? "it comes before the palette" : "the pixels have alpha already");
    if (d.len > most || (p->type != PALETTE && d.len < most)) return err_set(e, "%zu bytes where %zu fit", d.len, most);
    p->transparency = d;
    return 0;
}

/* Several IDATs are one stream. */
static void read_data(Png *p, Bytes d)
{
    if (!d.len) return;
    if (p->data.len && !p->joined.len) str_addn(&p->joined, (const char *)p->data.data, p->data.len);
    if (p->data.len) str_addn(&p->joined, (const char *)d.data, d.len);
    p->data = p->joined.len ? (Bytes){ (const unsigned char *)p->joined.s, p->joined.len } : d;
}

static int read_chunk(Png *p, const PngChunk *c, Err *e)
{
    if (png_chunk_is(c, "IHDR")) return read_header(p, c->data.data, e);
    if (png_chunk_is(c, "PLTE")) return read_palette(p, c->data, e);
    if (png_chunk_is(c, "tRNS")) return read_transparency(p, c->data, e);
    if (png_chunk_is(c, "IDAT")) read_data(p, c->data);
    else if (!(c->type[0] & 0x20)) return err_set(e, "a chunk that cannot be passed over, and is not known");
    return 0;
}

static int read_chunks(Png *p, Bytes file, Err *e)
{
    for (PngChunk c = { 0 };;) {
        if (png_chunk_next(file, &c, e)) return -1;
        if (png_chunk_is(&c, "IEND")) break;
        bool used = !(c.type[0] & 0x20) || png_chunk_is(&c, "tRNS");
        if (used && png_chunk_check(&c, e)) return -1;
        if (used && read_chunk(p, &c, e)) return png_chunk_err(&c, e);
    }
    if (!p->data.len) return err_set(e, "broken PNG: no pixels (IDAT) in it");
    if (p->type == PALETTE && !p->palette.len) return err_set(e, "broken PNG: no palette (PLTE) in it");
    return 0;
}

/* ---- rows ---- */

static int paeth(int a, int b, int c)
{
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* Undoes a row's filter in place. back: bytes of a pixel, at least 1; above: the row before, or NULL. */
static int unfilter(unsigned char *row, const unsigned char *above, size_t n, size_t back, int filter)
{
    for (size_t i = 0; i < n; i++) {
        int a = i >= back ? row[i - back] : 0, b = above ? above[i] : 0, c = above && i >= back ? above[i - back] : 0;
        switch (filter) {
        case 0: return 0;
        case 1: row[i] = (unsigned char)(row[i] + a); break;
        case 2: row[i] = (unsigned char)(row[i] + b); break;
        case 3: row[i] = (unsigned char)(row[i] + (a + b) / 2); break;
        case 4: row[i] = (unsigned char)(row[i] + paeth(a, b, c)); break;
        default: return -1;
        }
    }
    return 0;
}

/* The k-th number of a row. */
static unsigned sample(const unsigned char *row, size_t k, int depth)
{
    if (depth == 16) return (unsigned)row[2 * k] << 8 | row[2 * k + 1];
    if (depth == 8) return row[k];
    size_t bit = k * (size_t)depth;
    return (unsigned)row[bit / 8] >> (8 - depth - (int)(bit % 8)) & ((1U << depth) - 1);
}

/* A number of so many bits as one of 8; of 16 the upper ones. */
static uint8_t to8(unsigned v, int depth)
{
    assert(depth >= 1 && depth <= 16);
    return (uint8_t)(depth == 16 ? v >> 8 : v * (255U / ((1U << depth) - 1)));
}

/* Pixel i of a row. Error: a colour that the palette does not have. */
static int put_pixel(const Png *p, const unsigned char *row, size_t i, uint8_t *rgb, uint8_t *alpha)
{
    unsigned v[4] = { 0 };
    for (int c = 0; c < p->channels; c++) v[c] = sample(row, i * (size_t)p->channels + (size_t)c, p->depth);
    if (p->type == PALETTE) {
        if (v[0] >= p->palette.len / 3) return -1;
        memcpy(rgb, p->palette.data + 3 * (size_t)v[0], 3);
        if (alpha) *alpha = v[0] < p->transparency.len ? p->transparency.data[v[0]] : 255;
        return 0;
    }
    bool clear = p->transparency.len > 0; /* as is the one colour that it names */
    for (int c = 0; c < 3; c++) {
        int from = p->type & COLOUR ? c : 0;
        rgb[c] = to8(v[from], p->depth);
        clear = clear && v[from] == sample(p->transparency.data, (size_t)from, 16);
    }
    if (alpha) *alpha = p->type & ALPHA ? to8(v[p->channels - 1], p->depth) : clear ? 0 : 255;
    return 0;
}

/* All rows, one after the other, into the picture. */
static int put_rows(const Png *p, unsigned char *rows, Image *im, Err *e)
{
    const Pass *s;
    size_t back = (size_t)(p->channels * p->depth + 7) / 8;
    for (int i = 0, n = passes(p, &s); i < n; i++) {
        int w = pass_w(p, s[i]), h = pass_h(p, s[i]);
        const unsigned char *above = NULL;
        size_t bytes = row_bytes(p, w);
        for (int y = 0; w > 0 && y < h; y++) {
            if (unfilter(rows + 1, above, bytes, back, rows[0]))
                return err_set(e, "broken PNG: a row has the filter %d, there are 0 to 4", rows[0]);
            for (int x = 0; x < w; x++) {
                size_t at = (size_t)(s[i].y + y * s[i].dy) * (size_t)im->w + (size_t)(s[i].x + x * s[i].dx);
                if (put_pixel(p, rows + 1, (size_t)x, im->rgb + 3 * at, im->alpha ? im->alpha + at : NULL))
                    return err_set(e, "broken PNG: a colour that its palette does not have");
            }
            above = rows + 1;
            rows += 1 + bytes;
        }
    }
    return 0;
}

static int decode(const Png *p, Image *im, Err *e)
{
    size_t pixels = (size_t)p->w * (size_t)p->h, wanted = (size_t)rows_bytes(p);
    unsigned char *rows = mem_try(wanted + SPARE);
    int failed = -1;

    *im = (Image){ .w = p->w, .h = p->h, .rgb = mem_try(pixels * 3) };
    if (p->type & ALPHA || p->transparency.len) im->alpha = mem_try(pixels);
    if (!rows || !im->rgb || ((p->type & ALPHA || p->transparency.len) && !im->alpha)) {
        err_set(e, "out of memory: a PNG of %dx%d takes %zu MB", p->w, p->h, (wanted + pixels * 4) >> 20);
        goto done;
    }
    int64_t len = png_inflate(p->data, (char *)rows, wanted + SPARE);
    if (len < 0) err_set(e, "broken PNG: its compression is broken, or holds more than its %d rows", p->h);
    else if ((uint64_t)len < wanted) err_set(e, "broken PNG: %lld bytes of rows, %zu expected", (long long)len, wanted);
    else failed = put_rows(p, rows, im, e);

done:
    free(rows);
    return failed;
}

int png_decode(Bytes file, Image *out, Err *e)
{
    Png p = { 0 };
    *out = (Image){ 0 };
    int failed = read_chunks(&p, file, e) || decode(&p, out, e);
    if (failed) image_release(out);
    str_release(&p.joined);
    return failed ? -1 : 0;
}
