/* vae.c - see vae.h: which class an autoencoder is of, and what they share. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "vae/vae_internal.h"

static const VaeClass *const classes[] = { &vae_kl, &vae_tiny };

/* The class that the config names; AutoencoderKL where it names none. Another name is that one's to refuse. */
static const VaeClass *class_of(Config *c)
{
    const char *name = config_str(c, "_class_name", NULL);
    for (size_t i = 0; name && i < sizeof classes / sizeof *classes; i++)
        if (strcmp(classes[i]->name, name) == 0) return classes[i];
    return &vae_kl;
}

Vae *vae_new(Config *c, Weights *w, bool encoder, Err *e) { return class_of(c)->open(c, w, encoder, e); }

void vae_free(Vae *v)
{
    if (v) v->class->free(v);
}

int vae_factor(const Vae *v) { return v->factor; }
int vae_latent_channels(const Vae *v) { return v->latent; }
float vae_scaling_factor(const Vae *v) { return v->scaling; }
bool vae_draws(const Vae *v) { return v->draws; }
bool vae_is_tiny(const Vae *v) { return v->class == &vae_tiny; }
size_t vae_bytes(const Vae *v) { return v->memory.bytes; }
size_t vae_borrowed(const Vae *v) { return v->memory.borrowed; }

Tensor vae_decode(Nn *nn, const Vae *v, Tensor z) { return v->class->decode(nn, v, z); }

Tensor vae_decode_tiled(Nn *nn, const Vae *v, Tensor z, int tile)
{
    assert(tile >= vae_min_tile(v));
    return v->class->decode_tiled(nn, v, z, tile);
}

Tensor vae_encode(Nn *nn, const Vae *v, Tensor image)
{
    assert(v->has_encoder && image.c == 3);
    return v->class->encode(nn, v, image);
}

void vae_sample(Tensor out, Tensor moments, const float *noise)
{
    size_t z = (size_t)out.c;
    assert(moments.c == 2 * out.c && tensor_rows(moments) == tensor_rows(out));
    for (size_t r = 0; r < tensor_rows(out); r++)
        for (size_t k = 0; k < z; k++)
            out.data[r * z + k] =
                moments.data[r * 2 * z + k] + expf(0.5f * moments.data[(r * 2 + 1) * z + k]) * noise[r * z + k];
}

/* diffusers' StableDiffusionXLPipeline. */
void vae_unscale(const Vae *v, Tensor z, Tensor x)
{
    size_t c = (size_t)x.c;
    for (size_t i = 0; z.data && i < tensor_len(z); i++)
        z.data[i] = v->shifted ? x.data[i] * v->std[i % c] / v->scaling + v->mean[i % c] : x.data[i] / v->scaling;
}

void vae_scale(const Vae *v, Tensor x)
{
    size_t c = (size_t)x.c;
    for (size_t i = 0; x.data && i < tensor_len(x); i++)
        x.data[i] = v->shifted ? (x.data[i] - v->mean[i % c]) * v->scaling / v->std[i % c] : x.data[i] * v->scaling;
}

/* ---- tiles --------------------------------------------------------------------------------------------------------- */

int vae_min_tile(const Vae *v) { return 3 * v->halo; }

int span_count(const Vae *v, int size, int tile)
{
    int core = tile - 2 * v->halo;
    return size <= tile ? 1 : (size + core - 1) / core;
}

Span span_at(const Vae *v, int size, int tile, bool wrap, int i)
{
    int count = span_count(v, size, tile);
    Span s = { .core_from = (int)((long long)size * i / count), .core_to = (int)((long long)size * (i + 1) / count) };
    s.from = s.core_from - v->halo;
    s.to = s.core_to + v->halo;
    if (count == 1 || (!wrap && s.from < 0)) s.from = 0;
    if (count == 1 || (!wrap && s.to > size)) s.to = size;
    return s;
}

Tensor tile_crop(Nn *nn, Tensor x, Span y, Span w)
{
    Tensor t = tensor_new(nn->arena, 1, y.to - y.from, w.to - w.from, x.c);
    size_t pixel = (size_t)x.c;
    for (int i = 0; t.data && i < t.h; i++) {
        size_t from = (size_t)((y.from + i + x.h) % x.h) * (size_t)x.w;
        for (int k = 0; k < t.w; k++)
            memcpy(t.data + ((size_t)i * (size_t)t.w + (size_t)k) * pixel,
                   x.data + (from + (size_t)((w.from + k + x.w) % x.w)) * pixel, pixel * sizeof(float));
    }
    return t;
}

void tile_paste(Tensor image, Tensor tile, Span y, Span x, int factor)
{
    size_t row = (size_t)((x.core_to - x.core_from) * factor) * 3;
    for (int i = (y.core_from - y.from) * factor; tile.data && i < (y.core_to - y.from) * factor; i++)
        memcpy(image.data + ((size_t)(y.from * factor + i) * (size_t)image.w + (size_t)(x.core_from * factor)) * 3,
               tile.data + ((size_t)i * (size_t)tile.w + (size_t)((x.core_from - x.from) * factor)) * 3,
               row * sizeof(float));
}
