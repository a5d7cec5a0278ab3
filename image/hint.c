/* hint.c - see hint.h. Source: Mikubill/sd-webui-controlnet (annotators and their defaults); OpenCV 4.11 (blur, area). */
#include "image/hint.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "image/canny.h"

static size_t pixels_of(const Image *im) { return (size_t)im->w * (size_t)im->h; }

static void put_grey(Image *im, size_t pixel, uint8_t v) { memset(im->rgb + 3 * pixel, v, 3); }

/* ---- ways -------------------------------------------------------------------------------------------------------------- */

static void make_edges(Image *im, const double *n)
{
    Samples found = canny((Samples){ im->rgb, im->w, im->h, 3 }, &(Canny){ n[0], n[1], 3, false });
    for (size_t i = 0; i < pixels_of(im); i++) put_grey(im, i, found.data[i]);
    free(found.data);
}

/* What is dark becomes a white line. */
static void make_lines(Image *im, const double *n)
{
    for (size_t i = 0; i < pixels_of(im); i++) {
        const uint8_t *p = im->rgb + 3 * i;
        uint8_t least = p[0] < p[1] ? p[0] : p[1];
        if (p[2] < least) least = p[2];
        put_grey(im, i, least < n[0] ? 255 : 0);
    }
}

/* What is light in all colours becomes white. */
static void make_threshold(Image *im, const double *n)
{
    for (size_t i = 0; i < pixels_of(im); i++) {
        const uint8_t *p = im->rgb + 3 * i;
        put_grey(im, i, p[0] > n[0] && p[1] > n[0] && p[2] > n[0] ? 255 : 0);
    }
}

static void make_invert(Image *im, const double *n)
{
    (void)n;
    for (size_t i = 0; i < 3 * pixels_of(im); i++) im->rgb[i] = (uint8_t)(255 - im->rgb[i]);
}

/* A share of one pixel in the mean over an area. */
typedef struct {
    int from, to;
    float share;
} Share;

/* All shares along one axis, rising: parts of a pixel count by how much of it is inside. Returns how many. */
static size_t shares_of(Share *s, int from, int to)
{
    double scale = (double)from / to;
    size_t n = 0;
    for (int i = 0; i < to; i++) {
        double a = i * scale, b = a + scale, width = fmin(scale, from - a);
        int last = (int)floor(b) < from - 1 ? (int)floor(b) : from - 1,
            first = (int)ceil(a) < last ? (int)ceil(a) : last;
        if (first - a > 1e-3) s[n++] = (Share){ first - 1, i, (float)((first - a) / width) };
        for (int k = first; k < last; k++) s[n++] = (Share){ k, i, (float)(1 / width) };
        if (b - last > 1e-3) s[n++] = (Share){ last, i, (float)(fmin(fmin(b - last, 1), width) / width) };
    }
    return n;
}

/* w x h divides the picture's sides: sums are whole numbers. */
static void shrink_evenly(Image *im, int w, int h)
{
    int fx = im->w / w, fy = im->h / h, area = fx * fy;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int i = 0; i < area; i++)
                    sum += im->rgb[((size_t)(y * fy + i / fx) * (size_t)im->w + (size_t)(x * fx + i % fx)) * 3 +
                                   (size_t)c];
                int mean = fx == 2 && fy == 2 ? (sum + 2) >> 2 : (int)lrintf((float)sum * (1.0f / (float)area));
                im->rgb[((size_t)y * (size_t)w + (size_t)x) * 3 + (size_t)c] =
                    (uint8_t)mean; /* behind what is still read */
            }
}

static void shrink(Image *im, int w, int h)
{
    size_t row = 3 * (size_t)w;
    Share *along = mem_array((size_t)im->w + 2 * (size_t)w, sizeof *along),
          *down = mem_array((size_t)im->h + 2 * (size_t)h, sizeof *down);
    size_t columns = shares_of(along, im->w, w), rows = shares_of(down, im->h, h);
    float *line = mem_array(row, sizeof *line), *sum = mem_array(row, sizeof *sum);
    for (size_t j = 0; j < rows; j++) {
        const uint8_t *in = im->rgb + (size_t)down[j].from * 3 * (size_t)im->w;
        memset(line, 0, row * sizeof *line);
        for (size_t k = 0; k < columns; k++)
            for (int c = 0; c < 3; c++) line[3 * along[k].to + c] += (float)in[3 * along[k].from + c] * along[k].share;
        bool first = !j || down[j].to != down[j - 1].to, last = j + 1 == rows || down[j].to != down[j + 1].to;
        for (size_t k = 0; k < row; k++) sum[k] = first ? down[j].share * line[k] : sum[k] + down[j].share * line[k];
        for (size_t k = 0; last && k < row; k++) im->rgb[(size_t)down[j].to * row + k] = (uint8_t)lrintf(sum[k]);
    }
    free(sum);
    free(line);
    free(down);
    free(along);
}

/* A picture of a low resolution, which a tile network is asked to fill with detail. */
static void make_tile(Image *im, const double *n)
{
    int w = (int)(im->w / n[0]), h = (int)(im->h / n[0]);
    if (n[0] < 1.1 || w < 1 || h < 1) return;
    if (im->w % w == 0 && im->h % h == 0) shrink_evenly(im, w, h);
    else shrink(im, w, h);
    im->w = w;
    im->h = h;
}

static int mirrored(int i, int n)
{
    if (n == 1) return 0;
    i = abs(i) % (2 * (n - 1));
    return i < n ? i : 2 * (n - 1) - i;
}

/* A Gaussian kernel's weights in 1/256, whose errors are carried on so that they sum to 256: OpenCV's for 8 bits. */
static int *gaussian(double sigma, int *size)
{
    int count = *size = (int)lrint(sigma * 6 + 1) | 1;
    double *exact = mem_array((size_t)count, sizeof *exact), sum = 0, carried = 0;
    int *w = mem_array((size_t)count, sizeof *w), centre = 256;
    for (int i = 0, middle = count / 2; i < count; i++) {
        double x = i - middle;
        sum += exact[i] = exp(-x * x / (2 * sigma * sigma));
    }
    for (int i = 0; i < count / 2; i++) {
        double v = exact[i] / sum * 256 + carried;
        w[i] = w[count - 1 - i] = (int)lrint(v);
        carried = v - w[i];
        centre -= 2 * w[i];
    }
    w[count / 2] = centre;
    free(exact);
    return w;
}

static void blur_pixels(const uint16_t *in, uint32_t *out, int count, size_t step, const int *w, int size)
{
    for (int i = 0; i < count; i++) {
        uint32_t sum = 0;
        for (int k = 0; k < size; k++) sum += (uint32_t)w[k] * in[(size_t)mirrored(i + k - size / 2, count) * step];
        out[(size_t)i * step] = sum;
    }
}

static void make_blur(Image *im, const double *n)
{
    int size, *w = gaussian(n[0], &size);
    size_t row = 3 * (size_t)im->w, all = row * (size_t)im->h;
    uint16_t *x = mem_array(all, sizeof *x);
    uint32_t *y = mem_array(all, sizeof *y);
    for (size_t i = 0; i < all; i++) x[i] = im->rgb[i];
    for (int r = 0; r < im->h; r++)
        for (size_t c = 0; c < 3; c++) {
            size_t at = (size_t)r * row + c;
            blur_pixels(x + at, y + at, im->w, 3, w, size);
        }
    for (size_t i = 0; i < all; i++) x[i] = (uint16_t)(y[i] > 65535 ? 65535 : y[i]); /* 8.8 fixed point */
    for (size_t k = 0; k < row; k++) blur_pixels(x + k, y + k, im->h, row, w, size);
    for (size_t i = 0; i < all; i++) {
        uint32_t v = (y[i] + (1U << 15)) >> 16;
        im->rgb[i] = (uint8_t)(v > 255 ? 255 : v);
    }
    free(y);
    free(x);
    free(w);
}

static double linear_of(double v) { return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4); }

/* L of CIE Lab, 0..255. The original swaps red and blue here, which changes what it calls luminance; this is the true one. */
static void make_luminance(Image *im, const double *n)
{
    (void)n;
    for (size_t i = 0; i < pixels_of(im); i++) {
        const uint8_t *p = im->rgb + 3 * i;
        double y = 0.212671 * linear_of(p[0] / 255.0) + 0.715160 * linear_of(p[1] / 255.0) +
                   0.072169 * linear_of(p[2] / 255.0);
        double l = y > 0.008856 ? 116 * cbrt(y) - 16 : 903.3 * y;
        put_grey(im, i, (uint8_t)lrint(fmin(fmax(l * 2.55, 0), 255)));
    }
}

const HintWay hint_ways[] = {
    { "edges",
      "canny",
      2,
      { 100, 200 },
      { 0, 0 },
      { 10000, 10000 },
      make_edges,
      "Canny's, as OpenCV finds them: edges:LOW:HIGH:FILE" },
    { "lines",
      "scribble, scribble_threshold",
      1,
      { 127, 0 },
      { 0, 0 },
      { 256, 0 },
      make_lines,
      "what is darker than N in some colour, white on black: lines:N:FILE" },
    { "threshold",
      "binary",
      1,
      { 127, 0 },
      { 0, 0 },
      { 255, 0 },
      make_threshold,
      "what is lighter than N in every colour, white on black: threshold:N:FILE" },
    { "invert",
      "negative",
      0,
      { 0, 0 },
      { 0, 0 },
      { 0, 0 },
      make_invert,
      "black for white: for lineart on white paper" },
    { "tile",
      "tile_resample",
      1,
      { 1, 0 },
      { 1, 0 },
      { 64, 0 },
      make_tile,
      "N times smaller, by the mean of each area: tile:N:FILE" },
    { "blur",
      "blur_gaussian, gaussian",
      1,
      { 9, 0 },
      { 0.3, 0 },
      { 64, 0 },
      make_blur,
      "Gaussian, of N pixels' deviation: blur:N:FILE" },
    { "luminance",
      "recolor_luminance, grey, gray",
      0,
      { 0, 0 },
      { 0, 0 },
      { 0, 0 },
      make_luminance,
      "grey, by L of CIE Lab" },
    { .name = NULL },
};

/* ---- by name ------------------------------------------------------------------------------------------------------------ */

/*
 * What else tools call a preprocessor, and what to do instead; a name stands for all that go on behind it with '_' or '+'. The
 * first row counts. Source: sd-webui-controlnet's list of modules.
 */
static const struct {
    const char *names, *says;
} elsewhere[] = {
    { "scribble_xdog, lineart_standard, recolor_intensity, shuffle, tile_colorfix, color",
      "limn does not make that map: make it elsewhere and bring it as a picture" },
    { "pose, openpose, dwpose, dw_openpose, animal_openpose, densepose, depth, midas, zoe, leres, normal, normalbae, "
      "hed, softedge, "
      "pidinet, teed, lineart, mlsd, seg, segment, segmentation, oneformer, uniformer, face, facexlib, mediapipe_face, "
      "scribble, t2ia",
      "only a network can make that map of a picture, and limn has none: bring the map as a picture" },
    { "ip_adapter, revision, clip_vision, faceid, instant_id",
      "that is no map: a picture that acts in addition to the prompt is given by --ip-adapter" },
    { "inpaint", "that is no map: a part of a picture is drawn anew by --init-image and --mask" },
    { "reference", "that is no map, and limn has nothing of the kind" },
};

void hint_names(Str *out)
{
    for (const HintWay *w = hint_ways; w->name; w++) str_addf(out, "%s%s", out->len ? ", " : "", w->name);
}

/* Whether a list of names, parted by commas, has it; '-' counts as '_'. family: or the beginning of it. */
static bool has(const char *list, const char *name, bool family)
{
    for (const char *p = list; p; p = strchr(p, ',')) {
        p += strspn(p, ", ");
        size_t i = 0, end = strcspn(p, ",");
        while (i < end && name[i] && p[i] == (name[i] == '-' ? '_' : name[i])) i++;
        bool goes_on = family && (name[i] == '_' || name[i] == '-' || name[i] == '+');
        if (i == end && (!name[i] || goes_on)) return true;
    }
    return false;
}

const HintWay *hint_way_find(const char *name)
{
    for (const HintWay *w = hint_ways; w->name; w++)
        if (has(w->name, name, false) || has(w->aliases, name, false)) return w;
    return NULL;
}

static int no_way(const char *name, const char *text, Err *e)
{
    Nearest n = nearest_to(name);
    Str names = { 0 };
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (has(elsewhere[i].names, name, true)) return err_usage(e, "\"%.40s\": %s", name, elsewhere[i].says);
    for (const HintWay *w = hint_ways; w->name; w++) nearest_try(&n, w->name);
    hint_names(&names);
    if (n.best)
        err_usage(e, "\"%.60s\": there is no such file, and no way \"%.40s\" of making a map; did you mean %s?", text,
                  name, n.best);
    else
        err_usage(e, "\"%.60s\": there is no such file, and no way \"%.40s\" of making a map (there are: %s)", text,
                  name, str_text(&names));
    str_release(&names);
    return -1;
}

/* The number at p up to ':'; false: there is none. */
static bool number_at(const char **p, double *out)
{
    char *end;
    size_t len = strspn(*p, "0123456789.");
    if (!len || (*p)[len] != ':') return false;
    *out = strtod(*p, &end);
    if (end != *p + len) return false;
    *p = end + 1;
    return true;
}

int hint_spec_parse(HintSpec *s, const char *text, Err *e)
{
    char name[40];
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz_-+0123456789");
    *s = (HintSpec){ .file = text };
    if (!*text) return err_usage(e, "no file is named");
    if (!len || text[len] != ':' || len >= sizeof name || file_named(text)) return 0;
    memcpy(name, text, len);
    name[len] = '\0';
    s->way = hint_way_find(name);
    if (!s->way) return no_way(name, text, e);
    const char *p = text + len + 1;
    memcpy(s->numbers, s->way->usual, sizeof s->numbers);
    for (int i = 0; i < s->way->numbers; i++) {
        double v;
        if (!number_at(&p, &v)) {
            if (i && s->way->numbers > i)
                return err_usage(e, "%s takes %d numbers or none: %s", s->way->name, s->way->numbers, s->way->help);
            break;
        }
        if (v < s->way->least[i] || v > s->way->most[i])
            return err_usage(e, "%s: %g is not a number from %g to %g", s->way->name, v, s->way->least[i],
                             s->way->most[i]);
        s->numbers[i] = v;
    }
    if (!*p) return err_usage(e, "%s: no file is named behind it", s->way->name);
    s->file = p;
    return 0;
}
