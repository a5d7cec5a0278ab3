/* flip.c - see flip.h. Equations are the paper's; a picture is worked on in bands of rows, so that memory stays small. */
#include "image/flip.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/colour.h"

enum { BAND = 64, PAD = 10, TAPS = 2 * PAD + 1 }; /* rows of a band; the widest filter's radius, and its taps */

#define COLOUR_POWER  0.7   /* q_c, eq. 6 */
#define COLOUR_KNEE   0.4   /* p_c */
#define COLOUR_BELOW  0.95  /* p_t: what a difference up to the knee becomes at most */
#define FEATURE_WIDTH 0.082 /* w, degrees */
#define FEATURE_POWER 0.5   /* q_f, eq. 12 */

static const double PI = 3.14159265358979323846;

/* A filter over rows and columns: [TAPS], 0 beyond its radius. */
typedef float Filter[TAPS];

typedef struct {
    Filter lightness, red_green, blue_yellow[2]; /* how finely the eye sees each; the last is a sum of two */
    Filter gauss, slope, curve;                  /* features: a Gaussian, its first and second derivative */
} Filters;

/* ---- filters ---- */

/* The contrast sensitivity's Gaussian in space, eq. 4, that lies `degrees` from the centre. */
static double sensitivity(double degrees, double a, double b)
{
    return a * sqrt(PI / b) * exp(-PI * PI * degrees * degrees / b);
}

/* Of a sum of two, which does not separate: its factor over one axis, of which the square has the plane's weight. */
static double part_of_sum(double degrees, double a, double b)
{
    return sqrt(a * sqrt(PI / b)) * exp(-PI * PI * degrees * degrees / b);
}

/* sum: what the weights come to. */
static void scale_to_one(Filter f, double sum)
{
    for (int i = 0; i < TAPS; i++) f[i] = (float)(f[i] / sum);
}

static double sum_of(const Filter f)
{
    double sum = 0;
    for (int i = 0; i < TAPS; i++) sum += f[i];
    return sum;
}

/* Table 1 of the paper: a and b of the sensitivities. All are cut off where the widest has three deviations. */
static void make_spatial(Filters *f)
{
    const double widest = 0.04;
    int radius = (int)ceil(3 * sqrt(widest / (2 * PI * PI)) * FLIP_PIXELS_PER_DEGREE);
    assert(radius == PAD);
    for (int i = -radius; i <= radius; i++) {
        double x = i / FLIP_PIXELS_PER_DEGREE;
        f->lightness[PAD + i] = (float)sensitivity(x, 1, 0.0047);
        f->red_green[PAD + i] = (float)sensitivity(x, 1, 0.0053);
        f->blue_yellow[0][PAD + i] = (float)part_of_sum(x, 34.1, 0.04);
        f->blue_yellow[1][PAD + i] = (float)part_of_sum(x, 13.5, 0.025);
    }
    scale_to_one(f->lightness, sum_of(f->lightness));
    scale_to_one(f->red_green, sum_of(f->red_green));
    double both = hypot(sum_of(f->blue_yellow[0]), sum_of(f->blue_yellow[1]));
    scale_to_one(f->blue_yellow[0], both);
    scale_to_one(f->blue_yellow[1], both);
}

/* Positive weights come to 1, negative ones to -1. */
static void balance(Filter f)
{
    double positive = 0, negative = 0;
    for (int i = 0; i < TAPS; i++) *(f[i] > 0 ? &positive : &negative) += f[i];
    for (int i = 0; i < TAPS; i++) f[i] = (float)(f[i] / (f[i] > 0 ? positive : -negative));
}

static void make_features(Filters *f)
{
    double deviation = FEATURE_WIDTH / 2 * FLIP_PIXELS_PER_DEGREE;
    int radius = (int)ceil(3 * deviation);
    assert(radius <= PAD);
    for (int i = -radius; i <= radius; i++) {
        double g = exp(-i * i / (2 * deviation * deviation));
        f->gauss[PAD + i] = (float)g;
        f->slope[PAD + i] = (float)(-i * g);
        f->curve[PAD + i] = (float)((i * i / (deviation * deviation) - 1) * g);
    }
    scale_to_one(f->gauss, sum_of(f->gauss));
    balance(f->slope);
    balance(f->curve);
}

/* ---- colours ---- */

/* Linear sRGB to CIE XYZ over that of white (D65), and back. */
static const double to_xyz[3][3] = { { 10135552 / 23359437.0, 8788810 / 23359437.0, 4435075 / 23359437.0 },
                                     { 2613072 / 12288897.0, 8788810 / 12288897.0, 887015 / 12288897.0 },
                                     { 1425312 / 80288307.0, 8788810 / 80288307.0, 70074185 / 80288307.0 } };
static const double from_xyz[3][3] = { { 3.08034198828, -1.537398969489, -0.542943018792 },
                                       { -0.921178396165, 1.875929983695, 0.04524841247 },
                                       { 0.052881292876, -0.204011206124, 1.151129913248 } };

static void multiply(const double m[3][3], const double v[3], double out[3])
{
    for (int i = 0; i < 3; i++) out[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
}

/* Lightness, red against green, blue against yellow, linear in light: the paper's YCxCz. */
static void to_opponents(const double xyz[3], double out[3])
{
    out[0] = 116 * xyz[1] - 16;
    out[1] = 500 * (xyz[0] - xyz[1]);
    out[2] = 200 * (xyz[1] - xyz[2]);
}

static void from_opponents(const double v[3], double xyz[3])
{
    xyz[1] = (v[0] + 16) / 116;
    xyz[0] = xyz[1] + v[1] / 500;
    xyz[2] = xyz[1] - v[2] / 200;
}

/* CIELAB of linear RGB; dark colours look less colourful (Hunt), eq. 5. */
static void to_looks(const double rgb[3], double out[3])
{
    double xyz[3];
    multiply(to_xyz, rgb, xyz);
    for (int i = 0; i < 3; i++) {
        const double delta = 6.0 / 29;
        xyz[i] = xyz[i] > delta * delta * delta ? cbrt(xyz[i]) : xyz[i] / (3 * delta * delta) + 4.0 / 29;
    }
    to_opponents(xyz, out);
    out[1] *= 0.01 * out[0];
    out[2] *= 0.01 * out[0];
}

/* Abasi et al.'s distance: lightness and colour add up. */
static double distance(const double a[3], const double b[3])
{
    return fabs(a[0] - b[0]) + hypot(a[1] - b[1], a[2] - b[2]);
}

/* Of the two colours that are farthest apart, green and blue. */
static double largest_distance(void)
{
    const double green[3] = { 0, 1, 0 }, blue[3] = { 0, 0, 1 };
    double a[3], b[3];
    to_looks(green, a);
    to_looks(blue, b);
    return pow(distance(a, b), COLOUR_POWER);
}

/* 0 .. 1; most of it for differences up to the knee, eq. 8. largest: largest_distance(). */
static double colour_error(const double a[3], const double b[3], double largest)
{
    double d = pow(distance(a, b), COLOUR_POWER), knee = COLOUR_KNEE * largest;
    return d < knee ? d * COLOUR_BELOW / knee : COLOUR_BELOW + (d - knee) / (largest - knee) * (1 - COLOUR_BELOW);
}

/* ---- a band of rows ---- */

/* One picture's. Opponents with PAD rows above and below, beyond an edge its last row; the rest without them. */
typedef struct {
    float *opponent[3]; /* [rows + 2 PAD, w] */
    float *seen[3];     /* [rows, w] opponents as the eye sees them */
    float *edge, *point;
} Band;

typedef struct {
    const Filters *f;
    int w, h, rows;
    float *across, *sum, *other; /* room: [rows + 2 PAD, w], and twice [rows, w] */
    float *line;                 /* [w + 2 PAD] a row with what lies beyond its edges */
    Band band[2];
} Work;

static void work_init(Work *k, const Filters *f, int w, int h)
{
    *k = (Work){ .f = f, .w = w, .h = h };
    size_t inner = (size_t)w * BAND, padded = (size_t)w * (BAND + 2 * PAD);
    k->across = mem_array(padded, sizeof *k->across);
    k->sum = mem_array(inner, sizeof *k->sum);
    k->other = mem_array(inner, sizeof *k->other);
    k->line = mem_array((size_t)w + 2 * PAD, sizeof *k->line);
    for (int i = 0; i < 2; i++) {
        for (int c = 0; c < 3; c++) {
            k->band[i].opponent[c] = mem_array(padded, sizeof(float));
            k->band[i].seen[c] = mem_array(inner, sizeof(float));
        }
        k->band[i].edge = mem_array(inner, sizeof(float));
        k->band[i].point = mem_array(inner, sizeof(float));
    }
}

static void work_release(Work *k)
{
    free(k->across);
    free(k->sum);
    free(k->other);
    free(k->line);
    for (int i = 0; i < 2; i++) {
        for (int c = 0; c < 3; c++) {
            free(k->band[i].opponent[c]);
            free(k->band[i].seen[c]);
        }
        free(k->band[i].edge);
        free(k->band[i].point);
    }
}

static int within(int i, int n) { return i < 0 ? 0 : i < n ? i : n - 1; }

/* out [rows, w] = in [rows + 2 PAD, w] filtered over its rows and then its columns. */
static void filter(const Work *k, float *out, const float *in, const Filter over_rows, const Filter over_columns)
{
    int w = k->w;
    for (int y = 0; y < k->rows + 2 * PAD; y++) {
        const float *line = in + (size_t)y * (size_t)w;
        float *to = k->across + (size_t)y * (size_t)w;
        for (int x = 0; x < w + 2 * PAD; x++) k->line[x] = line[within(x - PAD, w)];
        memset(to, 0, (size_t)w * sizeof *to);
        for (int i = 0; i < TAPS; i++)
            for (int x = 0; x < w; x++) to[x] += over_rows[i] * k->line[x + i];
    }
    memset(out, 0, (size_t)k->rows * (size_t)w * sizeof *out);
    for (int y = 0; y < k->rows; y++) {
        for (int i = 0; i < TAPS; i++) {
            const float *line = k->across + (size_t)(y + i) * (size_t)w;
            float *to = out + (size_t)y * (size_t)w;
            for (int x = 0; x < w; x++) to[x] += over_columns[i] * line[x];
        }
    }
}

static void read_band(const Work *k, Band *b, const Image *im, const float light[256], int top)
{
    for (int y = 0; y < k->rows + 2 * PAD; y++) {
        const uint8_t *line = im->rgb + (size_t)within(top + y - PAD, k->h) * (size_t)k->w * 3;
        for (int x = 0; x < k->w; x++) {
            double rgb[3] = { light[line[3 * x]], light[line[3 * x + 1]], light[line[3 * x + 2]] }, xyz[3], v[3];
            multiply(to_xyz, rgb, xyz);
            to_opponents(xyz, v);
            for (int c = 0; c < 3; c++) b->opponent[c][(size_t)y * (size_t)k->w + (size_t)x] = (float)v[c];
        }
    }
}

static void see(const Work *k, Band *b)
{
    const Filters *f = k->f;
    filter(k, b->seen[0], b->opponent[0], f->lightness, f->lightness);
    filter(k, b->seen[1], b->opponent[1], f->red_green, f->red_green);
    filter(k, b->seen[2], b->opponent[2], f->blue_yellow[0], f->blue_yellow[0]);
    filter(k, k->sum, b->opponent[2], f->blue_yellow[1], f->blue_yellow[1]);
    for (size_t i = 0; i < (size_t)k->rows * (size_t)k->w; i++) b->seen[2][i] += k->sum[i];
}

/* The length of a derivative over both axes, of lightness from 0 to 1, eq. 9 and 10. */
static void find_features(const Work *k, float *out, const Band *b, const Filter derivative)
{
    filter(k, k->sum, b->opponent[0], derivative, k->f->gauss);
    filter(k, k->other, b->opponent[0], k->f->gauss, derivative);
    for (size_t i = 0; i < (size_t)k->rows * (size_t)k->w; i++) out[i] = hypotf(k->sum[i], k->other[i]) / 116;
}

static void looks_at(const Band *b, size_t i, double out[3])
{
    double v[3] = { b->seen[0][i], b->seen[1][i], b->seen[2][i] }, xyz[3], rgb[3];
    from_opponents(v, xyz);
    multiply(from_xyz, xyz, rgb);
    for (int c = 0; c < 3; c++) rgb[c] = fmin(fmax(rgb[c], 0), 1);
    to_looks(rgb, out);
}

/* Pixel i's error, eq. 11 and 12: a difference counts more where features differ. */
static double pixel_error(const Work *k, size_t i, double largest)
{
    const Band *a = &k->band[0], *b = &k->band[1];
    double x[3], y[3], features = (double)fmaxf(fabsf(a->edge[i] - b->edge[i]), fabsf(a->point[i] - b->point[i]));
    looks_at(a, i, x);
    looks_at(b, i, y);
    return pow(colour_error(x, y, largest), 1 - pow(features / sqrt(2), FEATURE_POWER));
}

/* ---- where it is largest ---- */

/* The picture in cells of about half a degree: sums of errors. Two by two of them are a square; one row or column is all. */
typedef struct {
    int columns, rows, w, h;
    double *sum; /* [rows][columns] */
} Cells;

/* How many cells a side has: one where there would be two. */
static int cells_of(int side)
{
    int n = (int)lround(side / (FLIP_PIXELS_PER_DEGREE / 2));
    return n < 3 ? 1 : n;
}

static void cells_init(Cells *c, int w, int h)
{
    *c = (Cells){ .columns = cells_of(w), .rows = cells_of(h), .w = w, .h = h };
    c->sum = mem_array((size_t)c->columns * (size_t)c->rows, sizeof *c->sum);
}

static void cells_add(Cells *c, int x, int y, double error)
{
    int column = (int)((int64_t)x * c->columns / c->w), row = (int)((int64_t)y * c->rows / c->h);
    c->sum[row * c->columns + column] += error;
}

/* Pixels of the cells first .. first + n - 1 along a side. */
static int64_t cells_span(int first, int n, int cells, int side)
{
    int64_t from = ((int64_t)first * side + cells - 1) / cells, to = ((int64_t)(first + n) * side + cells - 1) / cells;
    return to - from;
}

static double cells_worst(const Cells *c)
{
    int across = c->columns > 1 ? 2 : 1, down = c->rows > 1 ? 2 : 1;
    double worst = 0;
    for (int row = 0; row + down <= c->rows; row++) {
        for (int column = 0; column + across <= c->columns; column++) {
            double sum = 0;
            for (int y = 0; y < down; y++)
                for (int x = 0; x < across; x++) sum += c->sum[(row + y) * c->columns + column + x];
            int64_t pixels = cells_span(column, across, c->columns, c->w) * cells_span(row, down, c->rows, c->h);
            worst = fmax(worst, sum / (double)pixels);
        }
    }
    return worst;
}

FlipError flip_error(const Image *a, const Image *b)
{
    const Image *pictures[] = { a, b };
    float light[256];
    Filters f = { 0 };
    Work k;
    Cells cells;
    double sum = 0, largest = largest_distance();
    assert(a->w == b->w && a->h == b->h);
    srgb_linear_table(light);
    make_spatial(&f);
    make_features(&f);
    work_init(&k, &f, a->w, a->h);
    cells_init(&cells, a->w, a->h);
    for (int top = 0; top < a->h; top += BAND) {
        k.rows = a->h - top < BAND ? a->h - top : BAND;
        for (int i = 0; i < 2; i++) {
            read_band(&k, &k.band[i], pictures[i], light, top);
            see(&k, &k.band[i]);
            find_features(&k, k.band[i].edge, &k.band[i], f.slope);
            find_features(&k, k.band[i].point, &k.band[i], f.curve);
        }
        for (int y = 0; y < k.rows; y++) {
            for (int x = 0; x < a->w; x++) {
                double error = pixel_error(&k, (size_t)y * (size_t)a->w + (size_t)x, largest);
                sum += error;
                cells_add(&cells, x, top + y, error);
            }
        }
    }
    FlipError out = { sum / ((double)a->w * a->h), cells_worst(&cells) };
    work_release(&k);
    free(cells.sum);
    return out;
}
