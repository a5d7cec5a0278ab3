/* panels.c - see panels.h. */
#include "nn/panels.h"

#include <string.h>

#include "base/mem.h"

long panel_row(const Panels *p, size_t i, size_t j)
{
    size_t n = (size_t)p->n, half = PANEL / 2;
    size_t row = !p->paired ? i * PANEL + j : j < half ? i * half + j : n / 2 + i * half + j - half;
    bool there = !p->paired ? row < n : i * half + j % half < n / 2;
    return there ? (long)row : -1;
}

static bool bad16(const unsigned char *at, uint16_t exponent)
{
    uint16_t h;
    memcpy(&h, at, sizeof h);
    return (h & exponent) == exponent;
}

static bool bad32(const unsigned char *at)
{
    uint32_t f;
    memcpy(&f, at, sizeof f);
    return (f & 0x7f800000u) == 0x7f800000u;
}

/* One panel's worth of a matrix in a file. */
typedef struct {
    PanelType type;
    uint16_t exponent; /* all ones: NaN or infinity */
    size_t item, k, taps;
    const unsigned char *row[PANEL]; /* NULL: filled with zeros */
} FilePanel;

/* Items at .. at + n - 1 of all rows, n <= PANEL, to their rows of the panel. Returns whether one is bad. */
static bool pack_block(const Kernels *kernels, unsigned char *panel, const FilePanel *s, size_t at, size_t n)
{
    _Alignas(64) unsigned char x[PANEL * PANEL * 4], y[PANEL * PANEL * 4];
    size_t line = PANEL * s->item, bytes = n * s->item, channels = s->k / s->taps;
    for (size_t j = 0; j < PANEL; j++) {
        if (n < PANEL || !s->row[j]) memset(x + j * line, 0, line);
        if (s->row[j]) memcpy(x + j * line, s->row[j] + at * s->item, n < PANEL ? bytes : line);
    }
    bool bad = s->type == PANEL_F32 ? kernels->pack32((uint32_t *)(void *)y, (uint32_t *)(void *)x)
                                    : kernels->pack16((uint16_t *)(void *)y, (uint16_t *)(void *)x, s->exponent);
    for (size_t i = 0, t = at % s->taps, c = at / s->taps; i < n; i++) {
        memcpy(panel + (t * channels + c) * line, y + i * line, line);
        if (++t == s->taps) t = 0, c++;
    }
    return bad;
}

/* Returns the first bad place of a row, or k. */
static size_t find_bad(const FilePanel *s, size_t j)
{
    size_t at = 0;
    while (at < s->k && !(s->type == PANEL_F32 ? bad32(s->row[j] + 4 * at) : bad16(s->row[j] + 2 * at, s->exponent)))
        at++;
    return at;
}

size_t panels_pack(const Panels *p, void *dst, const unsigned char *const *rows, int taps)
{
    const Kernels *kernels = kernels_select(&(const char *){ NULL });
    size_t k = (size_t)p->k, item = panel_item(p->type), total = k * (size_t)p->n, bad = total;

#pragma omp parallel for schedule(dynamic) reduction(min : bad) if (total > 65536)
    for (size_t i = 0; i < panels_of(p); i++) {
        FilePanel s = { p->type, p->type == PANEL_F16 ? 0x7c00 : 0x7f80, item, k, (size_t)taps, { NULL } };
        unsigned char *panel = (unsigned char *)dst + i * k * PANEL * item;
        bool found = false;
        for (size_t j = 0; j < PANEL; j++) {
            long row = panel_row(p, i, j);
            if (row >= 0) s.row[j] = rows[row];
        }
        mem_touch(panel, k * PANEL * item);
        for (size_t at = 0; at < k; at += PANEL)
            found |= pack_block(kernels, panel, &s, at, k - at < PANEL ? k - at : PANEL);
        for (size_t j = 0; found && j < PANEL; j++) {
            size_t at = s.row[j] ? find_bad(&s, j) : k, whole = (size_t)panel_row(p, i, j) * k + at;
            if (at < k && whole < bad) bad = whole;
        }
    }
    return bad;
}

const float *panel_f32(const Kernels *kernels, const Panels *p, size_t i, PanelRange r, float *buffer)
{
    size_t at = (i * (size_t)p->k + r.first) * PANEL;
    switch (p->type) {
    case PANEL_F32: return (const float *)p->data + at;
    case PANEL_F16: kernels->panel_f16(buffer, (const uint16_t *)p->data + at, r.k * PANEL); break;
    case PANEL_BF16: kernels->panel_bf16(buffer, (const uint16_t *)p->data + at, r.k * PANEL); break;
    }
    return buffer;
}

void panel_pairs(const Kernels *kernels, const Panels *p, size_t i, PanelRange r, float *buffer, uint16_t *pairs)
{
    kernels->pair_bf16(pairs, panel_f32(kernels, p, i, r, buffer), r.k);
}
