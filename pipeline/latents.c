/* latents.c - see latents.h. */
#include "pipeline/latents.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "weights/safetensors.h"
#include "weights/weights.h"

static const Weight *choose(Weights *w)
{
    const Weight *t = weights_find(w, "noise");
    if (!t) t = weights_find(w, "latents");
    return t || weights_count(w) != 1 ? t : weights_at(w, 0);
}

static float *convert(const Weight *t, Tensor shape, Err *e)
{
    char found[128] = "none called noise or latents";
    if (t) weight_shape_text(t, found, sizeof found);
    if (!t || t->ndim != 4 || t->shape[0] != 1 || t->shape[1] != shape.c || t->shape[2] != shape.h ||
        t->shape[3] != shape.w) {
        err_usage(e, "initial latents of shape [1, %d, %d, %d] expected, found %s", shape.c, shape.h, shape.w, found);
        return NULL;
    }
    float *nchw = mem_array(weight_count(t), sizeof *nchw);
    shape.data = mem_array(weight_count(t), sizeof *nchw);
    int failed = weight_to_f32(t, nchw, e);
    tensor_from_nchw(shape, nchw);
    free(nchw);
    if (!failed) return shape.data;
    free(shape.data);
    return NULL;
}

float *latents_read(const char *path, Tensor shape, Err *e)
{
    Bytes file;
    if (file_map(&file, path, e)) return NULL;
    Weights *w = weights_new();
    float *x = safetensors_read(w, file, e) ? NULL : convert(choose(w), shape, e);
    weights_free(w);
    file_unmap(&file);
    if (!x) err_in(e, path);
    return x;
}
