/* extend.c - see extend.h. */
#include "pipeline/extend.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/fit.h"
#include "pipeline/job.h"

static int malformed(const char *text, Err *e)
{
    return err_usage(e, "\"%.60s\" is not pixels at the sides, such as left=64,bottom=32 or all=64", text);
}

/* Where a side's number goes; NULL: no side is called so. */
static int *side(Extend *x, const char *name, size_t len)
{
    const struct {
        const char *name;
        int *at;
    } sides[] = { { "left", &x->left }, { "top", &x->top }, { "right", &x->right }, { "bottom", &x->bottom } };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (strlen(sides[i].name) == len && memcmp(sides[i].name, name, len) == 0) return sides[i].at;
    return NULL;
}

int extend_parse(const char *text, Extend *out, Err *e)
{
    *out = (Extend){ 0 };
    for (const char *p = text; p && *p;) {
        size_t len = strcspn(p, "=,"), digits = p[len] == '=' ? strspn(p + len + 1, "0123456789") : 0;
        const char *end = p + len + 1 + digits;
        bool all = len == 3 && memcmp(p, "all", 3) == 0;
        int *at = all ? &out->left : side(out, p, len);
        if (!at || !digits || digits > 5 || (*end && (*end != ',' || !end[1]))) return malformed(text, e);
        long v = strtol(p + len + 1, NULL, 10);
        if (v > JOB_MAX_SIDE)
            return err_usage(e, "\"%.60s\": at most %d pixels can be added at a side", text, JOB_MAX_SIDE);
        *at = (int)v;
        if (all) out->top = out->right = out->bottom = (int)v;
        p = end + (*end == ',');
    }
    if (text && !(out->left | out->top | out->right | out->bottom)) return malformed(text, e);
    return 0;
}

static Region canvas(const Extend *x, int w, int h)
{
    return (Region){ -x->left, -x->top, w + x->left + x->right, h + x->top + x->bottom };
}

Samples extend_picture(Samples in, const Extend *x) { return fit_window(in, canvas(x, in.w, in.h)); }

Samples extend_mask(Samples in, const Extend *x, int inside)
{
    Region all = canvas(x, in.w, in.h);
    Samples out = { mem_array((size_t)all.w * (size_t)all.h, 1), all.w, all.h, 1 };
    int left = x->left ? x->left + inside : 0, right = all.w - (x->right ? x->right + inside : 0);
    int top = x->top ? x->top + inside : 0, bottom = all.h - (x->bottom ? x->bottom + inside : 0);
    for (int i = 0; i < all.h; i++)
        for (int k = 0; k < all.w; k++) {
            bool old = k >= left && k < right && i >= top && i < bottom;
            size_t from = (size_t)(i - x->top) * (size_t)in.w + (size_t)(k - x->left);
            out.data[(size_t)i * (size_t)all.w + (size_t)k] = !old ? 255 : in.data ? in.data[from] : 0;
        }
    return out;
}
