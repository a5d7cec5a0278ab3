/*
 * test_adapter.c - adapters of every kind against what LyCORIS and peft make of the same weights (tests/golden/adapters/make.py),
 * weight by weight, for every kernel set; and files that are broken.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "adapter/info.h"
#include "base/mem.h"
#include "nn/nn.h"
#include "nn/patch.h"
#include "tests/files.h"
#include "tests/support.h"
#include "weights/safetensors.h"

static const double LIMIT = 2e-6; /* of the L2 norm; measured: at most 6e-7 */

#define FOLDER "tests/golden/adapters/"

/* The layers of base.safetensors, bound as a UNet's are. */
typedef struct {
    Bytes file;
    Weights *weights;
    Linear to_q, proj;
    Conv proj_in, conv1;
    BoundMemory bound;
} Layers;

static void layers_open(Layers *l)
{
    Err e;
    Binder b;
    *l = (Layers){ .weights = weights_new() };
    assert_int_equal(file_map(&l->file, FOLDER "base.safetensors", &e), 0);
    assert_int_equal(safetensors_read(l->weights, l->file, &e), 0);
    binder_init(&b, l->weights, &e);
    bind_enter(&b, "down_blocks.0");
    assert_int_equal(bind_linear(&b, &l->to_q, "attentions.0.transformer_blocks.0.attn1.to_q", 24, 40, false), 0);
    assert_int_equal(bind_linear_geglu(&b, &l->proj, "attentions.0.transformer_blocks.0.ff.net.0.proj", 8, 48), 0);
    assert_int_equal(bind_conv(&b, &l->proj_in, "attentions.0.proj_in", 12, 36, 1), 0);
    assert_int_equal(bind_conv(&b, &l->conv1, "resnets.0.conv1", 6, 12, 3), 0);
    l->bound = binder_take(&b);
}

static void layers_close(Layers *l)
{
    bound_release(&l->bound);
    weights_free(l->weights);
    file_unmap(&l->file);
}

/* A matrix as products read it, row by row. */
static float *read_back(const Kernels *k, const Panels *w)
{
    float *rows = mem_array((size_t)w->n * (size_t)w->k, sizeof *rows),
          *piece = mem_array((size_t)w->k * PANEL, sizeof *piece);
    for (size_t panel = 0; panel < panels_of(w); panel++) {
        PanelPiece at = { panel, 0, (size_t)w->k };
        panel_f32(k, w, at, at, piece);
        for (size_t j = 0; j < PANEL; j++) {
            long row = panel_row(w, panel, j);
            for (size_t i = 0; row >= 0 && i < (size_t)w->k; i++)
                rows[(size_t)row * (size_t)w->k + i] = piece[i * PANEL + j];
        }
    }
    free(piece);
    return rows;
}

/* Every tensor that was expected. Returns how many. */
static int compare(const Layers *l, const Kernels *k, const char *path)
{
    Bytes file;
    Err e;
    Weights *w = weights_new();
    int found = 0;
    assert_int_equal(file_map(&file, path, &e), 0);
    assert_int_equal(safetensors_read(w, file, &e), 0);
    for (size_t i = 0; i < l->bound.matrix_count; i++) {
        const BoundMatrix *m = &l->bound.matrices[i];
        const Weight *t = weights_find(w, m->name);
        if (!t) continue;
        size_t n = weight_count(t);
        float *want = mem_array(n, sizeof *want), *got = read_back(k, m->w);
        assert_int_equal(n, (size_t)m->w->n * (size_t)m->w->k);
        assert_int_equal(weight_to_f32(t, want, &e), 0);
        assert_error(relative_l2(got, want, n), LIMIT, "%s %s %s", k->name, path, m->name);
        free(want);
        free(got);
        found++;
    }
    for (size_t i = 0; i < l->bound.vector_count; i++) {
        const BoundVector *v = &l->bound.vectors[i];
        const Weight *t = weights_find(w, v->name);
        if (!t || v->order) continue;
        float want[64];
        assert_true(weight_count(t) <= 64);
        assert_int_equal(weight_to_f32(t, want, &e), 0);
        assert_error(relative_l2(*v->at, want, weight_count(t)), LIMIT, "%s %s", path, v->name);
    }
    weights_free(w);
    file_unmap(&file);
    return found;
}

static void check(Layers *l, const char *name, float strength)
{
    char path[128], want[128];
    Str notes = { 0 };
    Err e = { 0 };
    AdapterTarget unet = { NETWORK_UNET, &l->bound, 2, strength };
    AdapterTargets to = { .target = &unet, .count = 1, .family = "custom" };
    snprintf(path, sizeof path, FOLDER "%s.safetensors", name);
    snprintf(want, sizeof want, FOLDER "%s_%.1f.safetensors", name, (double)strength);
    Adapter *a = adapter_lay(path, &to, &notes, &e);
    if (!a) fail_msg("%s: %s", name, e.text);
    for (const Kernels *const *k = kernels_rows; *k; k++)
        if (kernels_supported(*k)) assert_true(compare(l, *k, want) > 0);
    adapter_free(a);
    assert_int_equal(notes.len, 0);
}

static void test_kinds(void **state)
{
    static const struct {
        const char *name;
        bool less; /* also at 0.6: LyCORIS' DoRA means another thing by it, and peft merges at 1 */
    } cases[] = { { "locon", true },     { "loha", true },  { "lokr", true },         { "glora", true },
                  { "ia3", true },       { "oft", true },   { "boft", true },         { "dora_in", false },
                  { "dora_out", false }, { "peft", false }, { "peft_rslora", false }, { "peft_dora", false },
                  { "peft_bias", false } };
    Layers l;
    (void)state;
    layers_open(&l);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(&l, cases[i].name, 1);
        if (cases[i].less) check(&l, cases[i].name, 0.6f);
    }
    /* taken off, all is as it was */
    for (size_t i = 0; i < l.bound.matrix_count; i++) assert_null(l.bound.matrices[i].w->patch);
    assert_int_equal(compare(&l, kernels_select(&(const char *){ NULL }), FOLDER "base.safetensors"), 4);
    layers_close(&l);
}

/* One over the other: DoRA and OFT take the weights as those before them left them, whichever are taken off first. */
static void test_order(void **state)
{
    Layers l;
    Err e = { 0 };
    Str notes = { 0 };
    const Kernels *k = kernels_select(&(const char *){ NULL });
    (void)state;
    layers_open(&l);
    AdapterTarget unet = { NETWORK_UNET, &l.bound, 2, 1 };
    AdapterTargets to = { .target = &unet, .count = 1, .family = "custom" };
    Adapter *first = adapter_lay(FOLDER "locon.safetensors", &to, &notes, &e);
    float *after_one = read_back(k, &l.to_q.w);
    Adapter *second = adapter_lay(FOLDER "oft.safetensors", &to, &notes, &e);
    Adapter *third = adapter_lay(FOLDER "dora_out.safetensors", &to, &notes, &e);
    if (!first || !second || !third) fail_msg("%s", e.text);
    float *after_all = read_back(k, &l.to_q.w);
    size_t n = 40 * 24;
    assert_true(relative_l2(after_all, after_one, n) > 1e-2);
    adapter_free(third);
    adapter_free(second);
    float *again = read_back(k, &l.to_q.w);
    assert_memory_equal(again, after_one, n * sizeof *again);
    adapter_free(first);
    assert_int_equal(compare(&l, k, FOLDER "base.safetensors"), 4);
    free(after_one);
    free(after_all);
    free(again);
    layers_close(&l);
}

/* Every file cut short, and every byte of its header changed in turn: an error or an adapter, nothing else. */
static void test_broken(void **state)
{
    static const char *const names[] = { "locon", "lokr", "boft", "peft_dora" };
    Layers l;
    layers_open(&l);
    AdapterTarget unet = { NETWORK_UNET, &l.bound, 2, 1 };
    AdapterTargets to = { .target = &unet, .count = 1, .family = "custom", .partial = true };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        Bytes file;
        Err e;
        Str notes = { 0 };
        snprintf(path, sizeof path, FOLDER "%s.safetensors", names[i]);
        assert_int_equal(file_map(&file, path, &e), 0);
        for (size_t at = 0; at < file.len; at += at < 600 ? 5 : 211) {
            unsigned char *copy = mem_alloc(file.len);
            memcpy(copy, file.data, file.len);
            copy[at] = (unsigned char)(copy[at] ^ (1 << at % 8));
            put_file(*state, "broken.safetensors", (Bytes){ copy, at % 5 ? file.len : at });
            char *broken = path_in(*state, "broken.safetensors");
            adapter_free(adapter_lay(broken, &to, &notes, &e));
            str_release(&notes);
            free(broken);
            free(copy);
        }
        file_unmap(&file);
    }
    for (size_t i = 0; i < l.bound.matrix_count; i++) assert_null(l.bound.matrices[i].w->patch);
    layers_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_kinds), cmocka_unit_test(test_order),
                                        cmocka_unit_test_setup_teardown(test_broken, folder_setup, folder_teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
