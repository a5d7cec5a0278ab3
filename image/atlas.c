/* atlas.c - see atlas.h. Pictures are read twice, to measure and to place them: one page is all that memory holds. */
#include "image/atlas.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"
#include "base/version.h"
#include "image/png.h"
#include "image/skyline.h"

enum { WIDTHS = 24 }; /* tried for a page's shape */

typedef struct {
    int w, h;                  /* as it was drawn */
    int left, top, kept, tall; /* what is not transparent; kept x tall pixels */
    int page;
} Sprite;

typedef struct {
    const AtlasFrame *frames;
    const AtlasShape *shape;
    size_t count;
    Sprite *sprites;
    Box *boxes, **order; /* boxes with their padding */
    struct {
        int w, h;
    } * pages;
    int page_count;
    Folder folder;
    Str base; /* FILE without its ending */
} Atlas;

/* The largest side of a page. */
static int most_side(const AtlasShape *s)
{
    int most = s->side;
    while (s->power_of_two && most & (most - 1)) most &= most - 1;
    return most;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static Sprite measure(const Image *im)
{
    Sprite s = { .w = im->w, .h = im->h, .kept = im->w, .tall = im->h };
    if (!im->alpha) return s;
    int left = im->w, right = -1, top = im->h, bottom = -1;
    for (int y = 0; y < im->h; y++)
        for (int x = 0; x < im->w; x++) {
            if (!im->alpha[(size_t)y * (size_t)im->w + (size_t)x]) continue;
            if (x < left) left = x;
            if (x > right) right = x;
            if (y < top) top = y;
            bottom = y;
        }
    if (right < 0) left = right = top = bottom = 0; /* nothing to see: one pixel */
    s.left = left;
    s.top = top;
    s.kept = right - left + 1;
    s.tall = bottom - top + 1;
    return s;
}

static int measure_all(Atlas *a, Err *e)
{
    for (size_t i = 0; i < a->count; i++) {
        Image im;
        if (png_load(a->frames[i].in, a->frames[i].path, &im, e)) return -1;
        Sprite s = a->sprites[i] = measure(&im);
        image_release(&im);
        int room = most_side(a->shape) - 2 * a->shape->padding;
        if (s.kept > room || s.tall > room)
            return err_usage(e, "%.300s: %dx%d pixels do not fit on a page of %d with a padding of %d",
                             a->frames[i].path, s.kept, s.tall, most_side(a->shape), a->shape->padding);
        a->boxes[i] = (Box){ s.kept + a->shape->padding, s.tall + a->shape->padding, -1, 0 };
    }
    return 0;
}

/* ---- packing --------------------------------------------------------------------------------------------------------- */

static int power_above(int v)
{
    int p = 1;
    while (p < v) p *= 2;
    return p;
}

/* The k-th width to try, none more than the most; the last is that. */
static int width_at(const AtlasShape *s, int k, int widest, double area)
{
    double w =
        s->power_of_two ? ldexp(power_above(widest + s->padding), k) : sqrt(area) * (0.8 + 0.05 * k) + s->padding;
    if (w < widest + s->padding) w = widest + s->padding;
    return k == WIDTHS - 1 || w > most_side(s) ? most_side(s) : (int)w;
}

/*
 * The page that holds all of `order` in the least area, of widths from a square's up and the heights that they come to; none:
 * best_w and best_h stay as they are.
 */
static void fit_all(const Atlas *a, Box *const *order, size_t count, int *best_w, int *best_h)
{
    const AtlasShape *s = a->shape;
    double area = 0, least = INFINITY;
    int widest = 0, most = most_side(s), pad = s->padding;
    for (size_t i = 0; i < count; i++) {
        area += (double)order[i]->w * order[i]->h;
        if (order[i]->w > widest) widest = order[i]->w;
    }
    if (area > (double)most * most) return;
    for (int k = 0, w = 0; k < WIDTHS && w < most; k++) {
        int used_w, used_h;
        w = width_at(s, k, widest, area);
        if (skyline_pack(order, count, w - pad, most - pad, &used_w, &used_h) < count) continue;
        int page_w = s->power_of_two ? w : used_w + pad, page_h = used_h + pad;
        if (s->power_of_two) page_h = power_above(page_h);
        double longer = page_w > page_h ? page_w : page_h, shorter = page_w > page_h ? page_h : page_w;
        double size = longer * shorter * (1 + 0.05 * (longer / shorter - 1)); /* rather a little waste than a strip */
        if (size >= least) continue;
        least = size;
        *best_w = page_w;
        *best_h = page_h;
    }
}

/* One page of what is left of order; the rest stays at its front. Returns how many are left. */
static size_t pack_page(Atlas *a, Box **order, size_t count)
{
    int w = most_side(a->shape), h = w, used_w, used_h, pad = a->shape->padding;
    fit_all(a, order, count, &w, &h);
    skyline_pack(order, count, w - pad, h - pad, &used_w, &used_h);
    if (!a->shape->power_of_two) {
        w = used_w + pad;
        h = used_h + pad;
    }
    a->pages = mem_grow(a->pages, (size_t)(a->page_count + 1) * sizeof *a->pages);
    a->pages[a->page_count].w = w;
    a->pages[a->page_count].h = h;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (order[i]->x < 0) order[left++] = order[i];
        else a->sprites[order[i] - a->boxes].page = a->page_count;
    }
    a->page_count++;
    return left;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static void add_page_name(const Atlas *a, int page, const char *ending, Str *out)
{
    str_add(out, str_text(&a->base));
    if (page) str_addf(out, "-%d", page);
    str_add(out, ending);
}

static void paste(Image *page, const Image *im, const Sprite *s, const Box *b, int pad)
{
    for (int y = 0; y < s->tall; y++) {
        size_t to = (size_t)(b->y + pad + y) * (size_t)page->w + (size_t)(b->x + pad);
        size_t from = (size_t)(s->top + y) * (size_t)im->w + (size_t)s->left;
        memcpy(page->rgb + to * 3, im->rgb + from * 3, (size_t)s->kept * 3);
        if (im->alpha) memcpy(page->alpha + to, im->alpha + from, (size_t)s->kept);
        else memset(page->alpha + to, 255, (size_t)s->kept);
    }
}

static int write_image(const Atlas *a, int page, Str *written, Err *e)
{
    Image sheet;
    Bytes png = { 0 };
    Str path = { 0 };
    int failed = 0;
    image_init(&sheet, a->pages[page].w, a->pages[page].h);
    sheet.alpha = mem_array((size_t)sheet.w * (size_t)sheet.h, 1);
    for (size_t i = 0; i < a->count && !failed; i++) {
        Image im;
        if (a->sprites[i].page != page) continue;
        failed = png_load(a->frames[i].in, a->frames[i].path, &im, e);
        if (failed) break;
        if (im.w == a->sprites[i].w && im.h == a->sprites[i].h)
            paste(&sheet, &im, &a->sprites[i], &a->boxes[i], a->shape->padding);
        else failed = err_set(e, "%.400s changed while the atlas was made", a->frames[i].path);
        image_release(&im);
    }
    add_page_name(a, page, ".png", &path);
    if (!failed)
        failed = png_encode(&sheet, NULL, 0, &png, e) || folder_write(&a->folder, path_last(str_text(&path)), png, e);
    if (!failed) str_addf(written, "%s\n", str_text(&path));
    image_release(&sheet);
    free((void *)(size_t)png.data);
    str_release(&path);
    return failed ? -1 : 0;
}

static void add_rect(cJSON *to, const char *key, const int rect[4])
{
    static const char *const names[] = { "x", "y", "w", "h" };
    cJSON *r = cJSON_AddObjectToObject(to, key);
    for (int i = 0; i < 4; i++)
        if (rect[i] >= 0) cJSON_AddNumberToObject(r, names[i], rect[i]);
}

static void add_frame(const Atlas *a, size_t i, cJSON *frames)
{
    const Sprite *s = &a->sprites[i];
    int pad = a->shape->padding, no = -1;
    cJSON *f = cJSON_CreateObject();
    add_rect(f, "frame", (int[]){ a->boxes[i].x + pad, a->boxes[i].y + pad, s->kept, s->tall });
    cJSON_AddFalseToObject(f, "rotated");
    cJSON_AddBoolToObject(f, "trimmed", s->kept != s->w || s->tall != s->h);
    add_rect(f, "spriteSourceSize", (int[]){ s->left, s->top, s->kept, s->tall });
    add_rect(f, "sourceSize", (int[]){ no, no, s->w, s->h });
    Str name = { 0 };
    utf8_add(&name, a->frames[i].name, strlen(a->frames[i].name));
    cJSON_AddItemToObject(frames, str_text(&name), f);
    str_release(&name);
}

static int write_json(const Atlas *a, int page, Str *written, Err *e)
{
    Str path = { 0 }, image = { 0 };
    cJSON *root = cJSON_CreateObject(), *frames = cJSON_AddObjectToObject(root, "frames");
    for (size_t i = 0; i < a->count; i++)
        if (a->sprites[i].page == page) add_frame(a, i, frames);

    cJSON *meta = cJSON_AddObjectToObject(root, "meta");
    add_page_name(a, page, ".png", &image);
    cJSON_AddStringToObject(meta, "app", "limn");
    cJSON_AddStringToObject(meta, "version", LIMN_VERSION);
    cJSON_AddStringToObject(meta, "image", path_last(str_text(&image)));
    cJSON_AddStringToObject(meta, "format", "RGBA8888");
    add_rect(meta, "size", (int[]){ -1, -1, a->pages[page].w, a->pages[page].h });
    cJSON_AddStringToObject(meta, "scale", "1");
    if (page == 0 && a->page_count > 1) {
        cJSON *others = cJSON_AddArrayToObject(meta, "related_multi_packs");
        for (int p = 1; p < a->page_count; p++) {
            Str other = { 0 };
            add_page_name(a, p, ".json", &other);
            cJSON_AddItemToArray(others, cJSON_CreateString(path_last(str_text(&other))));
            str_release(&other);
        }
    }
    char *text = cJSON_Print(root);
    add_page_name(a, page, ".json", &path);
    int failed = folder_write_text(&a->folder, path_last(str_text(&path)), text, e);
    if (!failed) str_addf(written, "%s\n", str_text(&path));
    cJSON_free(text);
    cJSON_Delete(root);
    str_release(&path);
    str_release(&image);
    return failed;
}

static void add_base(Str *base, const char *file)
{
    str_add(base, file);
    if (!str_ends(file, ".json") && !str_ends(file, ".png")) return;
    base->len -= str_ends(file, ".png") ? 4 : 5;
    base->s[base->len] = 0;
}

int atlas_check(const char *file, Err *e)
{
    Str base = { 0 };
    add_base(&base, file);
    int failed = 0;
    if (!base.len || str_ends(str_text(&base), "/"))
        failed = err_usage(e, "\"%.400s\" has no name before its ending", file);
    else failed = file_check_writable(str_text(&base), e);
    str_release(&base);
    return failed;
}

int atlas_write(const char *file, const AtlasFrame *frames, size_t count, const AtlasShape *shape, Str *written, Err *e)
{
    Atlas a = { .frames = frames, .shape = shape, .count = count };
    a.sprites = mem_array(count + 1, sizeof *a.sprites);
    a.boxes = mem_array(count + 1, sizeof *a.boxes);
    a.order = mem_array(count + 1, sizeof *a.order);
    add_base(&a.base, file);

    const char *name;
    int failed = count ? measure_all(&a, e) : err_set(e, "there is no picture for an atlas");
    if (!failed) failed = folder_of(&a.folder, str_text(&a.base), &name, e);
    skyline_order(a.order, a.boxes, count);
    for (size_t left = failed ? 0 : count; left;) left = pack_page(&a, a.order, left);
    for (int p = 0; p < a.page_count && !failed; p++) failed = write_image(&a, p, written, e);
    for (int p = a.page_count - 1; p >= 0 && !failed; p--) failed = write_json(&a, p, written, e);

    free(a.sprites);
    free(a.boxes);
    free(a.order);
    free(a.pages);
    str_release(&a.base);
    folder_close(&a.folder);
    return failed;
}
