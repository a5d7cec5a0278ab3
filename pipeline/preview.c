/*
 * preview.c - see preview.h. The linear maps are those that ComfyUI publishes (comfy/latent_formats.py, latent_rgb_factors): figures
 * found by regression over real pictures' latents.
 */
#include "pipeline/preview.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/resample.h"
#include "pipeline/parts.h"

/* rgb = (z F + bias) / 2 + 0.5 for latents z of VAEs with that scaling factor, 4 channels and 8 pixels a latent. */
typedef struct {
    float scaling;
    float factors[4][3], bias[3];
} Linear4;

static const Linear4 linear[] = {
    { 0.18215f, /* SD 1.x and 2.x */
      { { .3512f, .2297f, .3227f },
        { .3250f, .4974f, .2350f },
        { -.2829f, .1762f, .2721f },
        { -.2120f, -.2616f, -.7177f } },
      { 0, 0, 0 } },
    { 0.13025f, /* SDXL */
      { { .3651f, .4232f, .4341f },
        { -.2533f, -.0042f, .1068f },
        { .1076f, .1111f, -.0362f },
        { -.3165f, -.2492f, -.2188f } },
      { .1084f, -.0175f, -.0011f } },
};

struct Preview {
    const Vae *vae; /* NULL: by a linear map */
    const Linear4 *map;
    int factor, tile; /* tile: in latents; 0: whole */
    Nn nn;
    Arena arena;
    Vae *own; /* --preview-vae */
    Parts *files;
};

/* ---- by a VAE -------------------------------------------------------------------------------------------------------- */

static int open_vae(Preview *p, const Model *m, const char *path, Err *e)
{
    const Part *part;
    p->files = mem_alloc(sizeof *p->files);
    if (parts_open_codec(p->files, path, "--preview-vae", &part, e)) return -1;
    Config *c = config_parse((Bytes){ (const unsigned char *)str_text(&part->config), part->config.len },
                             part->config_where, e);
    if (!c) return -1;
    config_pass_over(c);
    p->own = vae_new(c, part->weights, false, e);
    config_free(c);
    if (!p->own) return str_starts(e->text, "--preview-vae") ? -1 : err_in(e, "--preview-vae");
    int has = vae_latent_channels(p->own), wants = vae_latent_channels(m->vae);
    if (has == wants && vae_factor(p->own) == vae_factor(m->vae)) return 0;
    return err_set(
        e, "--preview-vae: %s: latents of %d channels, %d pixels wide; this model's have %d channels and are %d wide",
        path, has, vae_factor(p->own), wants, vae_factor(m->vae));
}

static Tensor decode(Preview *p, Tensor x0)
{
    Nn nn = p->nn;
    nn.arena = &p->arena;
    Tensor z = tensor_like(&p->arena, x0);
    vae_unscale(p->vae, z, x0);
    return p->tile ? vae_decode_tiled(&nn, p->vae, z, p->tile) : vae_decode(&nn, p->vae, z);
}

static size_t measure(Preview *p, int h, int w)
{
    arena_init_dry(&p->arena);
    decode(p, (Tensor){ NULL, 1, h, w, vae_latent_channels(p->vae) });
    size_t need = p->arena.peak;
    arena_release(&p->arena);
    return need;
}

/* The run has its own memory already: what is left is shared with the system's cache of the model's files. */
static int reserve(Preview *p, int h, int w, Err *e)
{
    char left[MEM_FREE_TEXT];
    size_t available = mem_available(0, left), need = measure(p, h, w);
    if (need > available / 2) {
        p->tile = vae_min_tile(p->vae);
        need = measure(p, h, w);
    }
    if (need > available)
        return err_set(e, "--preview: a preview takes %.0f MB, %s: leave it out, or draw smaller", (double)need * 1e-6,
                       left);
    return arena_init(&p->arena, need, e);
}

/* ---- which way ------------------------------------------------------------------------------------------------------- */

static const Linear4 *map_of(const Model *m)
{
    if (vae_latent_channels(m->vae) != 4 || vae_factor(m->vae) != 8) return NULL;
    for (size_t i = 0; i < sizeof linear / sizeof *linear; i++)
        if (fabsf(vae_scaling_factor(m->vae) - linear[i].scaling) < 1e-5f) return &linear[i];
    return NULL;
}

static int choose(Preview *p, const Model *m, const char *vae, Err *e)
{
    if (vae) {
        if (open_vae(p, m, vae, e)) return -1;
        p->vae = p->own;
    } else if (vae_is_tiny(m->vae) || !m->files->hashed_path) {
        p->vae = m->vae;
        return 0;
    }
    if (p->vae || (p->map = map_of(m))) return 0;
    if (m->large)
        return err_usage(e,
                         "--preview: no colours are known for the latents of this model's VAE (%d channels, scaling "
                         "factor %g): give "
                         "a tiny autoencoder that fits with --preview-vae",
                         vae_latent_channels(m->vae), (double)vae_scaling_factor(m->vae));
    p->vae = m->vae;
    return 0;
}

Preview *preview_new(const Model *m, const char *vae, const Nn *nn, int h, int w, Err *e)
{
    Preview *p = mem_alloc(sizeof *p);
    p->nn = *nn;
    p->factor = vae_factor(m->vae);
    if (!choose(p, m, vae, e) && !(p->vae && reserve(p, h, w, e))) return p;
    preview_free(p);
    return NULL;
}

void preview_free(Preview *p)
{
    if (!p) return;
    vae_free(p->own);
    if (p->files) parts_release(p->files);
    free(p->files);
    arena_release(&p->arena);
    free(p);
}

/* ---- pixels ---------------------------------------------------------------------------------------------------------- */

static uint8_t sample_of(const Linear4 *map, const float *z, int colour)
{
    float v = map->bias[colour];
    for (int k = 0; k < 4; k++) v += z[k] * map->factors[k][colour];
    v = 255 * (v / 2 + 0.5f);
    return (uint8_t)(v > 0 ? v < 255 ? lrintf(v) : 255 : 0); /* a NaN is black */
}

static void by_map(const Preview *p, Tensor x0, Image *out)
{
    Samples small = { mem_array(tensor_rows(x0), 3), x0.w, x0.h, 3 };
    for (size_t i = 0; i < tensor_rows(x0); i++)
        for (int colour = 0; colour < 3; colour++)
            small.data[3 * i + (size_t)colour] = sample_of(p->map, x0.data + 4 * i, colour);
    Samples large = resample(small, x0.w * p->factor, x0.h * p->factor, RESAMPLE_BILINEAR);
    *out = (Image){ large.w, large.h, large.data, NULL };
    free(small.data);
}

void preview_image(Preview *p, Tensor x0, Image *out)
{
    if (p->map) {
        by_map(p, x0, out);
        return;
    }
    image_from_tensor(out, decode(p, x0));
    arena_reset(&p->arena, 0);
}
