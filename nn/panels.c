/* panels.c - see panels.h. */
#include "nn/panels.h"

#include <string.h>

long panel_row(const Panels *p, size_t i, size_t j)
{
    size_t n = (size_t)p->n, half = PANEL / 2;
    size_t row = !p->paired ? i * PANEL + j : j < half ? i * half + j : n / 2 + i * half + j - half;
    bool there = !p->paired ? row < n : i * half + j % half < n / 2;
    return there ? (long)row : -1;
}

static bool bad16(uint16_t h, uint16_t exponent) { return (h & exponent) == exponent; }

static bool bad32(uint32_t f) { return (f & 0x7f800000u) == 0x7f800000u; }

/* One output channel into column j of its panel: 16-bit values. Returns the index of the first bad one, or k. */
static size_t column16(uint16_t *panel, const unsigned char *src, size_t k, size_t taps, uint16_t exponent)
{
    size_t channels = k / taps, bad = k;
    for (size_t c = 0, at = 0; c < channels; c++)
        for (size_t t = 0; t < taps; t++, at++) {
            uint16_t h;
            memcpy(&h, src + 2 * at, 2);
            if (bad16(h, exponent) && at < bad) bad = at;
            panel[(t * channels + c) * PANEL] = h;
        }
    return bad;
}

static size_t column32(float *panel, const unsigned char *src, size_t k, size_t taps)
{
    size_t channels = k / taps, bad = k;
    for (size_t c = 0, at = 0; c < channels; c++)
        for (size_t t = 0; t < taps; t++, at++) {
            uint32_t f;
            memcpy(&f, src + 4 * at, 4);
            if (bad32(f) && at < bad) bad = at;
            memcpy(&panel[(t * channels + c) * PANEL], &f, 4);
        }
    return bad;
}

size_t panels_pack(const Panels *p, void *dst, const unsigned char *const *rows, int taps)
{
    size_t k = (size_t)p->k, item = panel_item(p->type), total = k * (size_t)p->n, bad = total;
    uint16_t exponent = p->type == PANEL_F16 ? 0x7c00 : 0x7f80;

#pragma omp parallel for schedule(dynamic) reduction(min : bad) if (total > 65536)
    for (size_t i = 0; i < panels_of(p); i++) {
        unsigned char *panel = (unsigned char *)dst + i * k * PANEL * item;
        if (panel_cols(p, i) * (p->paired ? 2 : 1) < PANEL) memset(panel, 0, k * PANEL * item);
        for (size_t j = 0; j < PANEL; j++) {
            long row = panel_row(p, i, j);
            if (row < 0) continue;
            const unsigned char *from = rows[row];
            void *column = panel + j * item;
            size_t at = p->type == PANEL_F32 ? column32(column, from, k, (size_t)taps)
                                             : column16(column, from, k, (size_t)taps, exponent);
            if (at < k && (size_t)row * k + at < bad) bad = (size_t)row * k + at;
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
