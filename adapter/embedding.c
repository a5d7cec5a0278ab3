/* embedding.c - see embedding.h. */
#include "adapter/embedding.h"

#include <stdlib.h>
#include <string.h>

#include "adapter/info.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/json.h"

/* Names of tensors that are no word. */
static const char *const layouts[] = { "emb_params", "clip_l", "clip_g", NULL };

static const struct {
    size_t widths[EMBEDDING_ENCODERS];
    const char *family;
} families[] = {
    { { 768, 0 }, "SD 1.x" }, { { 1024, 0 }, "SD 2.x" }, { { 768, 1280 }, "SD XL" }, { { 1280, 0 }, "SD XL refiner" }
};

static bool is_layout(const char *name)
{
    for (const char *const *p = layouts; *p; p++)
        if (strcmp(name, *p) == 0) return true;
    return str_starts(name, "string_to_param.");
}

/* What the file is instead, by its tensors' names; NULL. A word may be any name that is none of a network's. */
static const char *other_kind(Weights *w)
{
    const char *kind = adapter_file_kind(w);
    return kind && !strstr(kind, "textual inversion") ? kind : NULL;
}

bool embedding_is(Weights *w)
{
    size_t count = weights_count(w);
    if (!count || count > EMBEDDING_ENCODERS || other_kind(w)) return false;
    for (size_t i = 0; i < count; i++)
        if (!is_layout(weights_at(w, i)->name) && (count > 1 || weights_at(w, i)->ndim > 2)) return false;
    return is_layout(weights_at(w, 0)->name) || !strchr(weights_at(w, 0)->name, '.');
}

static int read_one(Embedding *out, const Weight *t, int at, Err *e)
{
    char name[SHOWN_MAX], shape[128];
    size_t count = weight_count(t), vectors = t->ndim > 1 ? (size_t)t->shape[0] : 1;
    if ((t->ndim != 1 && t->ndim != 2) || !count || vectors > EMBEDDING_MAX)
        return err_set(e, "the tensor \"%s\" has shape %s; expected [vectors, width] of at most %d vectors",
                       shown(t->name, name), weight_shape_text(t, shape, sizeof shape), EMBEDDING_MAX);
    if (at && (int)vectors != out->vectors)
        return err_set(e, "it has %d vectors for one text encoder and %zu for the other", out->vectors, vectors);
    out->vectors = (int)vectors;
    out->of[at].width = count / vectors;
    out->of[at].values = mem_array(count, sizeof(float));
    return weight_to_f32(t, out->of[at].values, e) ? err_in(e, shown(t->name, name)) : 0;
}

int embedding_read(Embedding *out, Weights *w, Err *e)
{
    char name[SHOWN_MAX];
    size_t count = weights_count(w);
    *out = (Embedding){ 0 };
    if (!count) return err_set(e, "there is nothing in it");
    if (other_kind(w)) return err_set(e, "it is %s, and no textual inversion", other_kind(w));
    for (size_t i = 0; i < count; i++) {
        const Weight *t = weights_at(w, i);
        if (count > EMBEDDING_ENCODERS || (count > 1 && !is_layout(t->name)))
            return err_set(e, "the tensor \"%s\" is none of a textual inversion's (emb_params, or clip_l and clip_g)",
                           shown(t->name, name));
        if (!is_layout(t->name)) out->token = mem_strdup(t->name);
        if (read_one(out, t, (int)i, e)) return -1;
    }
    if (count == 2 && out->of[0].width > out->of[1].width) {
        float *values = out->of[0].values;
        size_t width = out->of[0].width;
        out->of[0] = out->of[1];
        out->of[1].values = values;
        out->of[1].width = width;
    }
    return 0;
}

void embedding_release(Embedding *x)
{
    for (int i = 0; i < EMBEDDING_ENCODERS; i++) free(x->of[i].values);
    free(x->token);
    *x = (Embedding){ 0 };
}

const char *embedding_family(const Embedding *x)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (x->of[0].width == families[i].widths[0] && x->of[1].width == families[i].widths[1])
            return families[i].family;
    return NULL;
}

int embedding_check_file(const char *path, Bytes file, Err *e)
{
    static const char *const ends[] = { ".pt", ".bin", ".ckpt", ".pth", NULL };
    bool zip = file.len > 4 && memcmp(file.data, "PK\3\4", 4) == 0,
         pickle = file.len > 2 && file.data[0] == 0x80 && file.data[1] <= 5;
    for (const char *const *end = ends; *end && !zip; end++) zip = str_ends(path, *end);
    if (!zip && !pickle) return 0;
    return err_set(
        e, "it is a pickle, which may run code: limn reads .safetensors (docs/adapters.md says how to convert it)");
}
