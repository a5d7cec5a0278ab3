/* test_panels.c - weights from a file's rows to panels: every element in its place, bad values found, odd sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/panels.h"

/* A value that is finite in each type, and different for neighbours. */
static uint32_t value(PanelType type, size_t i)
{
    uint32_t v = (uint32_t)(i * 2654435761u);
    if (type == PANEL_F32) return v & 0xbfffffffu;
    return (v >> 16) & (type == PANEL_F16 ? 0xbbffu : 0xbfffu);
}

static uint32_t infinity(PanelType type)
{
    return type == PANEL_F32 ? 0xff800000u : type == PANEL_F16 ? 0x7c00u : 0xff80u;
}

/* Matrices begin at an odd address, as in files. */
typedef struct {
    Panels p;
    size_t channels, taps, item, count;
    unsigned char *file, *packed;
    const unsigned char **rows;
} Case;

static void case_open(Case *c, PanelType type, int n, size_t channels, size_t taps)
{
    c->p.type = type;
    c->p.n = n;
    c->p.k = (int)(channels * taps);
    c->channels = channels;
    c->taps = taps;
    c->item = panel_item(type);
    c->count = (size_t)n * channels * taps;
    c->file = malloc(c->count * c->item + 1);
    c->rows = calloc((size_t)n, sizeof *c->rows);
    for (size_t i = 0; i < c->count; i++) {
        uint32_t v = value(type, i);
        memcpy(c->file + 1 + i * c->item, &v, c->item);
    }
    for (size_t i = 0; i < (size_t)n; i++) c->rows[i] = c->file + 1 + i * channels * taps * c->item;
    c->packed = aligned_alloc(64, (panels_bytes(&c->p) + 63) / 64 * 64);
    memset(c->packed, 0x55, panels_bytes(&c->p));
}

static void case_close(Case *c)
{
    free(c->file);
    free(c->rows);
    free(c->packed);
}

static size_t pack(Case *c) { return panels_pack(&c->p, c->packed, c->rows, (int)c->taps); }

static void check_places(const Case *c)
{
    size_t k = (size_t)c->p.k;
    for (size_t i = 0; i < panels_of(&c->p); i++)
        for (size_t r = 0; r < k; r++)
            for (size_t j = 0; j < PANEL; j++) {
                uint32_t got = 0, want = 0;
                long row = panel_row(&c->p, i, j);
                size_t at = r % c->channels * c->taps + r / c->channels;
                memcpy(&got, c->packed + ((i * k + r) * PANEL + j) * c->item, c->item);
                if (row >= 0) memcpy(&want, c->rows[row] + at * c->item, c->item);
                if (got != want)
                    fail_msg("type %d, n %d, %zu channels, %zu taps: panel %zu row %zu column %zu holds %x, not %x",
                             (int)c->p.type, c->p.n, c->channels, c->taps, i, r, j, got, want);
            }
}

static const int ns[] = { 1, 2, 31, 32, 33, 64, 70 };
static const size_t channels_of[] = { 1, 3, 32, 37, 64 }, taps_of[] = { 1, 9 };
#define EACH(i, list) for (size_t i = 0; i < sizeof(list) / sizeof *(list); i++)

static void test_places(void **state)
{
    (void)state;
    for (PanelType type = PANEL_F32; type <= PANEL_BF16; type++)
        EACH(n, ns) EACH(ch, channels_of) EACH(t, taps_of) for (int paired = 0; paired < 2; paired++)
        {
            if (paired && ns[n] % 2) continue;
            Case c = { .p.paired = paired };
            case_open(&c, type, ns[n], channels_of[ch], taps_of[t]);
            assert_int_equal(pack(&c), c.count);
            check_places(&c);
            case_close(&c);
        }
}

/* The first of two bad values is told, wherever they are. */
static void test_bad(void **state)
{
    (void)state;
    for (PanelType type = PANEL_F32; type <= PANEL_BF16; type++)
        for (int paired = 0; paired < 2; paired++) {
            Case c = { .p.paired = paired };
            case_open(&c, type, 70, 37, 9);
            uint32_t bad = infinity(type);
            for (size_t at = 0; at < c.count; at += 997) {
                size_t later = at + (c.count - at) / 2, place[] = { at, later };
                for (int i = 0; i < 2; i++) memcpy(c.file + 1 + place[i] * c.item, &bad, c.item);
                assert_int_equal(pack(&c), at);
                for (int i = 0; i < 2; i++) {
                    uint32_t v = value(type, place[i]);
                    memcpy(c.file + 1 + place[i] * c.item, &v, c.item);
                }
            }
            assert_int_equal(pack(&c), c.count);
            case_close(&c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_places), cmocka_unit_test(test_bad) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
