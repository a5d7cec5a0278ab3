/* letters.c - see letters.h. Outlines, coverage and kerning are stb_truetype's. */
#include "image/letters.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"

#define STBTT_STATIC
#define STBTT_malloc(size, user) ((void)(user), mem_alloc(size))
#define STBTT_free(p, user)      ((void)(user), free(p))
#ifndef __clang_analyzer__ /* not ours to lint */
#define STB_TRUETYPE_IMPLEMENTATION
#endif
#include <stb/stb_truetype.h>

enum { MOST_NUMBERS = 4 }; /* of a word in letters that the font lacks */

#define EM 12.8 /* pixels of an em at size 1: small letters end on a row of pixels */

/* Made by scripts/pack-files. */
typedef struct {
    const char *name, *begin, *end;
} FontFile;

extern const FontFile limn_font_files[]; // NOLINT: there is no C file that it could be declared for

typedef struct {
    stbtt_fontinfo info;
    float scale; /* pixels of a unit of the font */
} Face;

static void face_init(Face *f, const Pen *pen)
{
    const FontFile *file = limn_font_files;
    while (file->name && (strstr(file->name, "Bold") != NULL) != pen->bold) file++;
    assert(file->name);
    int there = stbtt_InitFont(&f->info, (const unsigned char *)file->begin, 0);
    assert(there);
    (void)there;
    f->scale = stbtt_ScaleForMappingEmToPixels(&f->info, (float)(EM * pen->size));
}

static uint32_t next_code(const char **text)
{
    uint32_t code;
    *text += utf8_next(*text, strnlen(*text, 4), &code, NULL);
    return code;
}

/* ---- what the font has ---- */

static bool is_there(const Face *f, uint32_t code) { return stbtt_FindGlyphIndex(&f->info, (int)code) != 0; }

/* "\u2039U+7D20 6575\u203A" for the letters that are not there, from *text on. */
static void add_numbers(Str *out, const Face *f, const char **text)
{
    int count = 0;
    str_add(out, "\u2039U+");
    while (**text) {
        const char *next = *text;
        uint32_t code = next_code(&next);
        if (is_there(f, code)) break;
        if (count < MOST_NUMBERS) str_addf(out, "%s%04X", count ? " " : "", (unsigned)code);
        *text = next;
        count++;
    }
    str_add(out, count > MOST_NUMBERS ? " \u2026\u203A" : "\u203A");
}

/* The text in letters that the font has: composed, without what cannot be seen. What it gives stays as it is when given again. */
static void add_shown(Str *out, const Face *f, const char *text)
{
    Str valid = { 0 };
    utf8proc_uint8_t *composed = NULL;
    utf8_add(&valid, text, strlen(text));
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)str_text(&valid), 0, &composed,
                                      UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_IGNORE);
    for (const char *p = n >= 0 ? (const char *)composed : str_text(&valid); *p;) {
        const char *start = p;
        uint32_t code = next_code(&p);
        if (code < 32 || code == 127) str_add(out, " ");
        else if (is_there(f, code)) str_addn(out, start, (size_t)(p - start));
        else add_numbers(out, f, &start), p = start;
    }
    free(composed);
    str_release(&valid);
}

/* ---- drawing ---- */

static void blend(uint8_t *p, Colour c, double a)
{
    p[0] = (uint8_t)lrint(p[0] + a * (c.r - p[0]));
    p[1] = (uint8_t)lrint(p[1] + a * (c.g - p[1]));
    p[2] = (uint8_t)lrint(p[2] + a * (c.b - p[2]));
}

/* The glyph's origin is at x, y. */
static void draw_glyph(Image *im, double x, int y, const Face *f, int glyph, Colour c)
{
    int x0, y0, x1, y1, at = (int)floor(x);
    float shift = (float)(x - at);
    stbtt_GetGlyphBitmapBoxSubpixel(&f->info, glyph, f->scale, f->scale, shift, 0, &x0, &y0, &x1, &y1);
    int w = x1 - x0, h = y1 - y0;
    if (w <= 0 || h <= 0 || at + x1 <= 0 || at + x0 >= im->w || y + y1 <= 0 || y + y0 >= im->h) return;
    uint8_t *cover = mem_array((size_t)w, (size_t)h);
    stbtt_MakeGlyphBitmapSubpixel(&f->info, cover, w, h, w, f->scale, f->scale, shift, 0, glyph);
    for (int v = 0; v < h; v++) {
        for (int u = 0; u < w; u++) {
            int px = at + x0 + u, py = y + y0 + v, a = cover[v * w + u];
            if (!a || px < 0 || px >= im->w || py < 0 || py >= im->h) continue;
            blend(im->rgb + ((size_t)py * (size_t)im->w + (size_t)px) * 3, c, a / 255.0);
        }
    }
    free(cover);
}

/* Where the next letter of a line goes. */
typedef struct {
    double at; /* pixels from the line's beginning */
    int before;
} Cursor;

/* Goes on by a letter; returns the glyph, whose origin *origin is. */
static int cursor_next(Cursor *c, const Face *f, uint32_t code, double *origin)
{
    int glyph = stbtt_FindGlyphIndex(&f->info, (int)code), advance, bearing;
    stbtt_GetGlyphHMetrics(&f->info, glyph, &advance, &bearing);
    *origin = c->at + (c->before ? stbtt_GetGlyphKernAdvance(&f->info, c->before, glyph) * (double)f->scale : 0);
    c->at = *origin + advance * (double)f->scale;
    c->before = glyph;
    return glyph;
}

/* A line as add_shown() gives it, drawn where there is a picture; returns its width. */
static double set_line(Image *im, double x, double y, const char *text, const Face *f, Colour colour)
{
    Cursor c = { 0 };
    double origin;
    while (*text) {
        int glyph = cursor_next(&c, f, next_code(&text), &origin);
        if (im) draw_glyph(im, x + origin, (int)floor(y), f, glyph, colour);
    }
    return c.at;
}

double letters_width(const char *text, const Pen *pen)
{
    Face f;
    Str shown = { 0 };
    face_init(&f, pen);
    add_shown(&shown, &f, text);
    double width = set_line(NULL, 0, 0, str_text(&shown), &f, pen->colour);
    str_release(&shown);
    return width;
}

void letters_draw(Image *im, double x, double y, const char *text, const Pen *pen)
{
    Face f;
    Str shown = { 0 };
    face_init(&f, pen);
    add_shown(&shown, &f, text);
    set_line(im, x, y, str_text(&shown), &f, pen->colour);
    str_release(&shown);
}

/* The end of as much of the text as leaves room for dots. A mark above a letter has no width: it stays with it. */
static const char *end_before_dots(const char *text, const Face *f, double most)
{
    const char *end = text;
    Cursor c = { 0 };
    double origin;
    for (const char *p = text; *p; end = p) {
        cursor_next(&c, f, next_code(&p), &origin);
        Cursor dots = c;
        cursor_next(&dots, f, 0x2026, &origin);
        if (dots.at > most) break;
    }
    while (end > text && end[-1] == ' ') end--;
    return end;
}

void letters_shorten(Str *out, const char *text, double most, const Pen *pen)
{
    Face f;
    Str shown = { 0 };
    face_init(&f, pen);
    add_shown(&shown, &f, text);
    const char *whole = str_text(&shown);
    if (set_line(NULL, 0, 0, whole, &f, pen->colour) <= most) {
        str_add(out, whole);
    } else {
        str_addn(out, whole, (size_t)(end_before_dots(whole, &f, most) - whole));
        str_add(out, "\u2026");
    }
    str_release(&shown);
}

void image_fill(Image *im, int x, int y, int w, int h, Colour c)
{
    int x1 = x + w < im->w ? x + w : im->w, y1 = y + h < im->h ? y + h : im->h;
    for (int py = y < 0 ? 0 : y; py < y1; py++)
        for (int px = x < 0 ? 0 : x; px < x1; px++)
            blend(im->rgb + ((size_t)py * (size_t)im->w + (size_t)px) * 3, c, 1);
}
