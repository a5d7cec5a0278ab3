/* test_panels.c - weights from a file's rows to panels, by every kernel set: each value in its place, nothing else read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/panels.h"
#include "nn/scan.h"

/* A value that is finite in each type, and different for neighbours. */
static uint32_t value(DType type, size_t i)
{
    uint32_t v = (uint32_t)(i * 2654435761u);
    if (type == DT_F32) return v & 0xbfffffffu;
    return (v >> 16) & (type == DT_F16 ? 0xbbffu : 0xbfffu);
}

/* The float that has such bits, in plain arithmetic. */
static float float_of(DType type, uint32_t bits)
{
    float f;
    if (type == DT_BF16) bits <<= 16;
    if (type == DT_F16) {
        int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        float size = (float)(exponent ? 1024 + fraction : fraction) * 0x1p-24f;
        for (int i = 1; i < exponent; i++) size *= 2;
        return bits >> 15 ? -size : size;
    }
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint16_t nearest_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t below = bits >> 16, rest = bits & 0xffff;
    if (!(bits & 0x7f800000u)) return (uint16_t)(below & 0x8000); /* subnormal: the product takes it for zero */
    return (uint16_t)(below + (rest > 0x8000 || (rest == 0x8000 && (below & 1))));
}

/* Each tensor stands at an odd address of a block of its own, which ends with it: beyond it AddressSanitizer watches. */
typedef struct {
    Panels p;
    size_t each; /* rows of a tensor */
    unsigned char *block[PANELS_JOINED];
} Case;

static Case case_of(DType type, int parts, int n, int k, bool paired)
{
    Case c = { .p = { .parts = parts, .k = k, .n = n * parts, .paired = paired }, .each = (size_t)n };
    size_t item = dtype_size(type), count = (size_t)n * (size_t)k;
    for (int i = 0; i < parts; i++) {
        c.p.type[i] = type;
        c.block[i] = malloc(count * item + 1);
        c.p.data[i] = c.block[i] + 1;
        for (size_t at = 0; at < count; at++) {
            uint32_t v = value(type, (size_t)i * count + at);
            memcpy(c.block[i] + 1 + at * item, &v, item);
        }
    }
    return c;
}

static void case_release(Case *c)
{
    for (int i = 0; i < PANELS_JOINED; i++) free(c->block[i]);
}

static float expected(const Case *c, size_t panel, size_t at, size_t j)
{
    long row = panel_row(&c->p, panel, j);
    return row < 0 || at >= (size_t)c->p.k
               ? 0
               : float_of(c->p.type[0], value(c->p.type[0], (size_t)row * (size_t)c->p.k + at));
}

enum { GUARD = 64, DEEPEST = 150 };

static void check_piece(const Case *c, const Kernels *kernels, PanelPiece piece, bool pairs)
{
    static float out[(DEEPEST + 2) * PANEL + GUARD];
    size_t depth = pairs ? (piece.k + 1) / 2 : piece.k, size = depth * PANEL * sizeof *out;
    memset(out, 0xa5, sizeof out);
    if (pairs) panel_pairs(kernels, &c->p, piece, (PanelPiece){ 1, 0, 40 }, (uint16_t *)(void *)out);
    else panel_f32(kernels, &c->p, piece, (PanelPiece){ 1, 0, 40 }, out);
    for (size_t i = 0; i < depth * PANEL; i++) {
        size_t at = i / PANEL, j = i % PANEL;
        uint32_t want, got;
        if (pairs) {
            bool second = 2 * at + 1 < piece.k;
            want = nearest_bf16(expected(c, piece.panel, piece.first + 2 * at, j));
            if (second) want |= (uint32_t)nearest_bf16(expected(c, piece.panel, piece.first + 2 * at + 1, j)) << 16;
        } else {
            float f = expected(c, piece.panel, piece.first + at, j);
            memcpy(&want, &f, sizeof want);
        }
        memcpy(&got, out + i, sizeof got);
        if (pairs && c->p.type[0] == DT_BF16) /* which keep a subnormal: the product takes it for zero all the same */
            for (int half = 0; half < 32; half += 16)
                if (!(got >> half & 0x7f80)) got &= ~(0x7fu << half);
        if (got != want)
            fail_msg("%s %s: type %d, %d parts, n %d, k %d: panel %zu, %zu + %zu, column %zu holds %x, not %x",
                     kernels->name, pairs ? "pairs" : "f32", (int)c->p.type[0], c->p.parts, c->p.n, c->p.k, piece.panel,
                     piece.first, at, j, got, want);
    }
    for (size_t i = size; i < sizeof out; i++) assert_int_equal(((unsigned char *)out)[i], 0xa5);
}

/* All of each panel at once, and cut in two. */
static void check(const Case *c)
{
    size_t k = (size_t)c->p.k;
    for (const Kernels *const *row = kernels_rows; *row; row++)
        for (int pairs = 0; kernels_supported(*row) && pairs <= ((*row)->panel_pairs != NULL); pairs++)
            for (size_t i = 0; i < panels_of(&c->p); i++) {
                check_piece(c, *row, (PanelPiece){ i, 0, k }, pairs);
                if (k < 3) continue;
                check_piece(c, *row, (PanelPiece){ i, 0, k / 3 }, pairs);
                check_piece(c, *row, (PanelPiece){ i, k / 3, k - k / 3 }, pairs);
            }
}

static const int ns[] = { 1, 2, 31, 32, 33, 64, 70 }, ks[] = { 1, 2, 15, 16, 17, 31, 32, 33, 64, DEEPEST };
#define EACH(i, list) for (size_t i = 0; i < sizeof(list) / sizeof *(list); i++)

static void test_places(void **state)
{
    (void)state;
    for (DType type = DT_F32; type <= DT_BF16; type++)
        EACH(n, ns) EACH(k, ks) for (int paired = 0; paired < 2; paired++)
        {
            if (paired && ns[n] % 2) continue;
            Case c = case_of(type, 1, ns[n], ks[k], paired);
            check(&c);
            case_release(&c);
        }
}

static void test_joined(void **state)
{
    (void)state;
    for (DType type = DT_F32; type <= DT_BF16; type++)
        for (int parts = 2; parts <= PANELS_JOINED; parts++) EACH(n, ns)
            {
                Case c = case_of(type, parts, ns[n], 37, false);
                check(&c);
                case_release(&c);
            }
}

/* Every half and every bfloat16 that is finite. */
static void test_values(void **state)
{
    (void)state;
    for (DType type = DT_F16; type <= DT_BF16; type++) {
        uint16_t *all = malloc(65536 * sizeof *all), none = type == DT_F16 ? 0x7c00 : 0x7f80;
        for (uint32_t i = 0; i < 65536; i++) all[i] = (uint16_t)((i & none) == none ? i & ~(uint32_t)none : i);
        const Panels p = { .data = { (unsigned char *)all }, .type = { type }, .k = 2048, .n = PANEL };
        for (const Kernels *const *row = kernels_rows; *row; row++) {
            if (!kernels_supported(*row)) continue;
            static float out[2048 * PANEL];
            panel_f32(*row, &p, (PanelPiece){ 0, 0, 2048 }, (PanelPiece){ 0 }, out);
            for (size_t i = 0; i < 65536; i++) {
                float want = float_of(type, all[i % PANEL * 2048 + i / PANEL]);
                assert_memory_equal(&out[i], &want, sizeof want);
            }
        }
        free(all);
    }
}

/* The first of two bad values is told, wherever they are. */
static void test_scan(void **state)
{
    (void)state;
    static const struct {
        DType type;
        size_t item;
        uint32_t bad, fine;
    } rows[] = { { DT_F32, 4, 0xff800000u, 0xff7fffffu },
                 { DT_F16, 2, 0x7c01, 0x7f80 & 0xfbff },
                 { DT_BF16, 2, 0xff80, 0x7c00 } };
    enum { COUNT = 3000017 };
    EACH(i, rows)
    {
        unsigned char *data = malloc(COUNT * rows[i].item + 1);
        for (size_t k = 0; k < COUNT; k++) memcpy(data + 1 + k * rows[i].item, &rows[i].fine, rows[i].item);
        Weight t = {
            .name = (char *)(size_t) "x", .dtype = rows[i].type, .ndim = 1, .shape = { COUNT }, .data = data + 1
        };
        Err e;
        assert_int_equal(scan_weight(&t, false, &e), 0);
        static const size_t places[] = {
            COUNT - 1, COUNT - 8, 2500000, 1048577, 17, 0
        }; /* each is the first from then on */
        EACH(k, places)
        {
            char want[100];
            memcpy(data + 1 + places[k] * rows[i].item, &rows[i].bad, rows[i].item);
            assert_int_equal(scan_weight(&t, false, &e), -1);
            snprintf(want, sizeof want, "tensor x holds NaN or infinity (element %zu)", places[k]);
            assert_non_null(strstr(e.text, want));
        }
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_places), cmocka_unit_test(test_joined),
                                        cmocka_unit_test(test_values), cmocka_unit_test(test_scan) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
