/*
 * letters.c - see letters.h.
 *
 * A letter is a list of strokes between spaces, a stroke a list of points: two hexadecimal digits each, x and y, y upwards
 * with the base line at 3, small letters up to a, capitals up to d. '(' before a point: the corner there is rounded.
 * z at the end: the stroke returns to its first point. A single point is a dot.
 */
#include "image/letters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

enum {
    BASE_LINE = 3,
    SPACING = 3,      /* between the stems of two letters */
    MOST_LINES = 200, /* segments of one letter */
    ARC = 6,          /* segments of a rounded corner */
};

static const char *const ascii[] = {
    /*   */ "",
    "0d07 03",
    "0d0a 3d3a",
    "2d13 5d43 0a6a 0666",
    "6b(6d(0d(08(68(63(0305 3e32",
    /* % */ "7d13 (0d(3d(39(09z (57(87(83(53z",
    "73(1a(1d(4d(4a(07(03(4377",
    "0d0a",
    "2e(0c(0422",
    "0e(2c(2402",
    /* * */ "3d37 1c58 5c18",
    "3b35 0868",
    "1401",
    "0848",
    "03",
    "5e02",
    /* 0 */ "(0d(6d(63(03z",
    "0b3d33",
    "0b(0d(6d(690363",
    "0b(0d(6d(6828 38(68(63(0305",
    "3d0666 5953",
    /* 5 */ "6d0d09(69(63(0305",
    "6b(6d(0d(03(63(6909",
    "0d6d23",
    "(0d(6d(68(08z (08(68(63(03z",
    "05(03(63(6d(0d(0767",
    /* : */ "03 09",
    "19 1401",
    "5b0855",
    "0a5a 0656",
    "0b5805",
    "0b(0d(5d(5926 23",
    /* @ */ "(3a(6a(66(36z 6a66(96(9d(0d(0383",
    /* A */ "033d63 1656",
    "0d03(63(6808 0d(5d(5808",
    "6b(6d(0d(03(6365",
    "030d(6d(63z",
    "5d0d0353 0848",
    "5d0d03 0848",
    /* G */ "6b(6d(0d(03(636838",
    "0d03 6d63 0868",
    "0d03",
    "4d(43(0305",
    "0d03 6d07 2963",
    "0d0353",
    "030d478d83",
    /* N */ "030d636d",
    "(0d(7d(73(03z",
    "030d(6d(6707",
    "(0d(7d(73(03z 4672",
    "030d(6d(6707 3763",
    /* S */ "6b(6d(0d(08(68(63(0305",
    "0d6d 3d33",
    "0d(03(636d",
    "0d336d",
    "0d234c638d",
    "0d63 6d03",
    "0d386d 3833",
    /* Z */ "0d6d0363",
    /* [ */ "2e0e0222",
    "0e52",
    "0e2e2202",
    "0a3d6a",
    "0262",
    "0e2c",
    /* a */ "09(0a(5a53 57(07(0353",
    "0d03(53(5a0a",
    "58(5a(0a(03(5355",
    "5d53(03(0a5a",
    "0757(5a(0a(03(5354",
    /* f */ "4d(2d23 0a4a",
    "53(03(0a5a(50(0001",
    "0d03 0a(5a53",
    "0a03 0d",
    "2a(2000 2d",
    "0d03 4a06 2853",
    "0d(0323",
    /* m */ "030a(4a43 4a(8a83",
    "030a(5a53",
    "(0a(5a(53(03z",
    "000a(5a(5303",
    "505a(0a(0353",
    "030a 07(0a3a",
    /* s */ "59(5a(0a(07(57(53(0304",
    "1c(1343 0a4a",
    "0a(0353 5a53",
    "0a336a",
    "0a234a638a",
    "0a53 5a03",
    "0a33 6a(2000",
    /* z */ "0a5a0353",
    /* { */ "3e(1e(1808 08(18(1232",
    "0e01",
    "0e(2e(2838 38(28(2202",
    "07(1a(4669",
};

static const struct {
    uint32_t code;
    const char *strokes;
} signs[] = {
    { 0xA0, "" },
    { 0xB0, "(0d(3d(3a(0az" },
    { 0xB1, "3c36 0969 0363" },
    { 0xB7, "08" },
    { 0xD7, "0a55 5a05" },
    { 0x2013, "0868" },
    { 0x2014, "0898" },
    { 0x2018, "0d0a" },
    { 0x2019, "0d0a" },
    { 0x201C, "0d0a 3d3a" },
    { 0x201D, "0d0a 3d3a" },
    { 0x2026, "03 33 63" },
    { 0x2192, "0868 3b6835" },
    { 0x2212, "0868" },
    { 0x2265, "0b5805 0353" },
};

/* Accents, over a letter that ends at y = a; cedilla and ogonek hang below it. */
static const struct {
    uint32_t code;
    const char *strokes;
} accents[] = {
    { 0x300, "1e2c" },          { 0x301, "2e1c" },       { 0x302, "0c2e4c" }, { 0x303, "0c(1d(3c4d" },
    { 0x304, "0c4c" },          { 0x306, "0e(0c(4c4e" }, { 0x307, "1c" },     { 0x308, "0c 3c" },
    { 0x30A, "(0f(2f(2c(0cz" }, { 0x30B, "1c2e 3c4e" },  { 0x30C, "0e2c4e" }, { 0x327, "13(11(0000" },
    { 0x328, "13(0030" },
};

static const char box[] = "0d6d6303z";

/* One letter as straight lines, in its own units. */
typedef struct {
    struct {
        double x0, y0, x1, y1;
    } line[MOST_LINES];
    int count;
    double width; /* of its right-most point */
} Letter;

typedef struct {
    double x, y;
    bool round;
} Point;

static void add_line(Letter *l, Point a, Point b)
{
    if (l->count == MOST_LINES) return;
    l->line[l->count].x0 = a.x;
    l->line[l->count].y0 = a.y;
    l->line[l->count].x1 = b.x;
    l->line[l->count++].y1 = b.y;
}

static Point towards(Point from, Point to, double far)
{
    double dx = to.x - from.x, dy = to.y - from.y, len = hypot(dx, dy);
    return (Point){ from.x + dx / len * far, from.y + dy / len * far, false };
}

static double distance(Point a, Point b) { return hypot(a.x - b.x, a.y - b.y); }

/* How long a corner's tangent may be on the edge from p to q: half of it, or all but what a round neighbour takes. */
static double share(Point p, Point q) { return q.round ? distance(p, q) / 2 : distance(p, q); }

/* From *pen round the corner at p towards next: a quadratic curve whose control point is near enough to a circle's. */
static void add_corner(Letter *l, Point *pen, Point before, Point p, Point next)
{
    double r = fmin(share(p, before), share(p, next));
    Point a = towards(p, before, r), b = towards(p, next, r);
    add_line(l, *pen, a);
    Point from = a;
    for (int i = 1; i <= ARC; i++) {
        /* a conic of weight cos 45 degrees is a quarter of a circle at a right angle */
        double t = (double)i / ARC, w = sqrt(0.5), u = 1 - t, sum = u * u + 2 * w * u * t + t * t;
        Point to = { (u * u * a.x + 2 * w * u * t * p.x + t * t * b.x) / sum,
                     (u * u * a.y + 2 * w * u * t * p.y + t * t * b.y) / sum, false };
        add_line(l, from, to);
        from = to;
    }
    *pen = b;
}

static void add_stroke(Letter *l, const Point *p, int count, bool closed)
{
    if (count == 1) {
        add_line(l, p[0], p[0]);
        return;
    }
    if (!closed) {
        Point pen = p[0];
        for (int i = 1; i + 1 < count; i++) {
            if (p[i].round) add_corner(l, &pen, p[i - 1], p[i], p[i + 1]);
            else add_line(l, pen, p[i]), pen = p[i];
        }
        add_line(l, pen, p[count - 1]);
        return;
    }
    Point start = towards(p[count - 1], p[0], distance(p[count - 1], p[0]) / 2), pen = start;
    for (int i = 0; i < count; i++) {
        Point before = p[(i + count - 1) % count], next = p[(i + 1) % count];
        if (p[i].round) add_corner(l, &pen, before, p[i], next);
        else add_line(l, pen, p[i]), pen = p[i];
    }
    add_line(l, pen, start);
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* dx, dy: where the strokes are put; only a letter's own strokes make it wider. */
static void add_strokes(Letter *l, const char *s, double dx, double dy)
{
    Point p[16];
    int count = 0;
    for (;; s++) {
        bool round = *s == '(';
        if (round) s++;
        if (*s == ' ' || *s == 'z' || !*s) {
            if (count) add_stroke(l, p, count, *s == 'z');
            if (*s == 'z') s++;
            count = 0;
            if (!*s) return;
            continue;
        }
        p[count++] = (Point){ digit(s[0]) + dx, digit(s[1]) - BASE_LINE + dy, round };
        if (dx == 0 && dy == 0) l->width = fmax(l->width, digit(s[0]));
        s++;
    }
}

static const char *strokes_of(uint32_t code)
{
    if (code >= 0x20 && code < 0x7F) return ascii[code - 0x20];
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (signs[i].code == code) return signs[i].strokes;
    return NULL;
}

/* A letter with an accent, if it is one of ours. */
static bool compose(Letter *l, uint32_t code)
{
    utf8proc_int32_t parts[4];
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code, parts, 4, UTF8PROC_DECOMPOSE, NULL);
    const char *base = n == 2 ? strokes_of((uint32_t)parts[0]) : NULL;
    for (size_t i = 0; base && i < sizeof accents / sizeof *accents; i++) {
        if ((utf8proc_int32_t)accents[i].code != parts[1]) continue;
        if (parts[0] == 'i') base = "0a03"; /* the accent takes its dot's place */
        add_strokes(l, base, 0, 0);
        bool capital = strchr(base, 'd') != NULL, below = parts[1] == 0x327 || parts[1] == 0x328;
        add_strokes(l, accents[i].strokes, l->width / 2 - 2 + (parts[1] == 0x307), capital && !below ? 2.5 : 1e-9);
        return true;
    }
    return false;
}

static void letter_init(Letter *l, uint32_t code)
{
    *l = (Letter){ .width = code == ' ' || code == 0xA0 ? 1 : 0 };
    const char *strokes = strokes_of(code);
    if (!strokes && compose(l, code)) return;
    add_strokes(l, strokes ? strokes : box, 0, 0);
}

static uint32_t next_code(const char **text)
{
    uint32_t code;
    *text += utf8_next(*text, strlen(*text), &code, NULL);
    return code;
}

static double spacing(const Pen *pen) { return SPACING + (pen->bold ? 0.5 : 0); }

double letters_width(const char *text, const Pen *pen)
{
    double units = 0;
    while (*text) {
        Letter l;
        letter_init(&l, next_code(&text));
        units += l.width + spacing(pen);
    }
    return units * pen->size;
}

static double distance_to_line(double x, double y, double x0, double y0, double x1, double y1)
{
    double dx = x1 - x0, dy = y1 - y0, len = dx * dx + dy * dy;
    double t = len > 0 ? fmin(fmax(((x - x0) * dx + (y - y0) * dy) / len, 0), 1) : 0;
    return hypot(x - x0 - t * dx, y - y0 - t * dy);
}

static void blend(uint8_t *p, Colour c, double a)
{
    p[0] = (uint8_t)lrint(p[0] + a * (c.r - p[0]));
    p[1] = (uint8_t)lrint(p[1] + a * (c.g - p[1]));
    p[2] = (uint8_t)lrint(p[2] + a * (c.b - p[2]));
}

/* The letter's origin is at left, y. */
static void draw_letter(Image *im, double left, double y, const Letter *l, const Pen *pen)
{
    double radius = (pen->bold ? 1.05 : 0.74) * pow(pen->size, 0.9);
    int x0 = (int)floor(left - 3 * pen->size), x1 = (int)ceil(left + (l->width + 3) * pen->size);
    int y0 = (int)floor(y - 16 * pen->size), y1 = (int)ceil(y + 5 * pen->size);
    for (int py = y0 < 0 ? 0 : y0; py < y1 && py < im->h; py++) {
        for (int px = x0 < 0 ? 0 : x0; px < x1 && px < im->w; px++) {
            double ux = (px + 0.5 - left) / pen->size, uy = (y - py - 0.5) / pen->size, nearest = 1e9;
            for (int i = 0; i < l->count; i++)
                nearest =
                    fmin(nearest, distance_to_line(ux, uy, l->line[i].x0, l->line[i].y0, l->line[i].x1, l->line[i].y1));
            double cover = fmin(fmax(radius + 0.5 - nearest * pen->size, 0), 1);
            if (cover > 0) blend(im->rgb + ((size_t)py * (size_t)im->w + (size_t)px) * 3, pen->colour, cover);
        }
    }
}

void letters_draw(Image *im, double x, double y, const char *text, const Pen *pen)
{
    double at = x + 0.5, base = floor(y) - 0.5; /* stems in the middle of pixels */
    while (*text && at < im->w) {
        Letter l;
        letter_init(&l, next_code(&text));
        draw_letter(im, at, base, &l, pen);
        at += (l.width + spacing(pen)) * pen->size;
    }
}

void letters_shorten(Str *out, const char *text, double most, const Pen *pen)
{
    static const char dots[] = "...";
    if (letters_width(text, pen) <= most) {
        str_add(out, text);
        return;
    }
    double room = most - letters_width(dots, pen);
    const char *end = text;
    for (const char *p = text; *p;) {
        Letter l;
        letter_init(&l, next_code(&p));
        room -= (l.width + spacing(pen)) * pen->size;
        if (room < 0) break;
        end = p;
    }
    while (end > text && end[-1] == ' ') end--;
    str_addn(out, text, (size_t)(end - text));
    str_add(out, dots);
}

void image_fill(Image *im, int x, int y, int w, int h, Colour c)
{
    int x1 = x + w < im->w ? x + w : im->w, y1 = y + h < im->h ? y + h : im->h;
    for (int py = y < 0 ? 0 : y; py < y1; py++)
        for (int px = x < 0 ? 0 : x; px < x1; px++)
            blend(im->rgb + ((size_t)py * (size_t)im->w + (size_t)px) * 3, c, 1);
}
