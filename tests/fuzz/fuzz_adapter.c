/*
 * fuzz_adapter.c - a LoRA of any bytes, laid over four layers of the kinds there are (all of what is read of them afterwards), and
 * described; the same bytes as a textual inversion.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "adapter/adapter.h"
#include "adapter/embedding.h"
#include "adapter/info.h"
#include "nn/nn.h"
#include "nn/patch.h"
#include "pipeline/describe_adapter.h"
#include "pipeline/describe_embedding.h"
#include "pipeline/synthetic.h"
#include "tests/fuzz/work.h"
#include "weights/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bound once: what is laid over them is taken off again. */
static const BoundMemory *layers(void)
{
    static Linear to_q, proj;
    static Conv proj_in, conv1;
    static BoundMemory bound;
    static Synthetic *made;
    Err e;
    Binder b;
    if (made) return &bound;
    made = synthetic_new(DT_F16, false, 1);
    binder_init(&b, synthetic_weights(made), &e);
    bind_enter(&b, "down_blocks.0");
    if (bind_linear(&b, &to_q, "attentions.0.transformer_blocks.0.attn1.to_q", 24, 40, false) ||
        bind_linear_geglu(&b, &proj, "attentions.0.transformer_blocks.0.ff.net.0.proj", 8, 48) ||
        bind_conv(&b, &proj_in, "attentions.0.proj_in", 12, 36, 1) ||
        bind_conv(&b, &conv1, "resnets.0.conv1", 6, 12, 3))
        abort();
    bound = binder_take(&b);
    return &bound;
}

static void read_all(const BoundMemory *b)
{
    enum { MOST = 64 };
    static float out[MOST * PANEL];
    const Kernels *k = kernels_select(&(const char *){ NULL });
    for (size_t i = 0; i < b->matrix_count; i++) {
        const Panels *w = b->matrices[i].w;
        for (size_t panel = 0; panel < panels_of(w); panel++) {
            PanelPiece at = { panel, 0, (size_t)w->k };
            if (w->k > MOST) at.k = MOST;
            panel_f32(k, w, at, at, out);
        }
    }
}

static void lay(const char *path, float strength, bool partial)
{
    Err e;
    Str notes = { 0 };
    AdapterTarget unet = { NETWORK_UNET, layers(), 2, strength };
    AdapterTargets to = { .target = &unet, .count = 1, .partial = partial, .rounded = partial, .family = "SD 1.x" };
    Adapter *a = adapter_lay(path, &to, &notes, &e);
    if (a) read_all(layers());
    adapter_free(a);
    for (size_t i = 0; i < layers()->matrix_count; i++)
        if (layers()->matrices[i].w->patch) abort();
    str_release(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    Str out = { 0 };
    Weights *w = weights_new();
    const char *path = work_file("x.safetensors", data, size);
    lay(path, 0.6f, false);
    lay(path, 1, true);
    if (safetensors_read(w, (Bytes){ data, size }, &e) == 0) {
        if (adapter_is(w)) describe_adapter("x", w, (Bytes){ data, size }, size % 2, &out, &e);
        if (embedding_is(w)) describe_embedding("x", w, size % 2, &out, &e);
        Embedding x;
        embedding_read(&x, w, &e);
        embedding_release(&x);
    }
    weights_free(w);
    str_release(&out);
    return 0;
}
