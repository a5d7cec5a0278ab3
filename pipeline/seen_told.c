/* seen_told.c - see seen_told.h. */
#include "pipeline/seen_told.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/checking.h"

/* ---- unCLIP: the picture's vector ---------------------------------------------------------------------------------------- */

static Tensor vector_of(Generator *g, const Image *im)
{
    const ControlEncoder *c = g->m->seen->encoder;
    Nn nn = generator_nn(g);
    int side = image_encoder_side(c->net);
    Tensor pixels = tensor_new(nn.arena, 1, side, side, 3);
    if (pixels.data) control_encoder_pixels(im, pixels);
    return image_encoder_forward(&nn, c->net, pixels, false);
}

void seen_measure(Generator *g)
{
    size_t mark = g->nn.arena->used;
    if (g->recipe.shown) vector_of(g, NULL);
    arena_reset(g->nn.arena, mark);
}

int seen_encode(Generator *g, Err *e)
{
    size_t mark = g->nn.arena->used;
    Tensor v = vector_of(g, &g->init.picture);
    size_t len = tensor_len(v);
    bool bad = g->nn.k->find_bad(v.data, len) < len;
    g->shown = mem_array(len, sizeof *g->shown);
    memcpy(g->shown, v.data, len * sizeof *g->shown);
    arena_reset(g->nn.arena, mark);
    weights_evict(g->m->seen->encoder->weights);
    image_release(&g->init.picture);
    return bad ? err_set(e, "the image encoder gave NaN or infinity: its weights are damaged") : 0;
}

/* ---- noise on what is seen ------------------------------------------------------------------------------------------------ */

/* diffusers' add_noise at a timestep, in float32: how much of the picture stays, and how much noise there is. */
typedef struct {
    float stays, noise;
} NoiseShare;

static NoiseShare share_at(const Noise *n, int t)
{
    float ac = (float)n->alphas_cumprod[t < n->timesteps ? t : n->timesteps - 1];
    return (NoiseShare){ sqrtf(ac), sqrtf(1 - ac) };
}

/* The low-resolution picture in -1..1, the same for both halves of guidance. */
static void draw_small(Generator *g, Tensor x, Rng *rng)
{
    const Image *im = &g->init.picture;
    NoiseShare share = share_at(&g->m->seen->noise, (int)g->recipe.said.noise_level);
    int halves = guidance_prompts(&g->recipe.guidance);
    Tensor out = tensor_new(g->nn.arena, halves * x.n, x.h, x.w, 3), first = tensor_slice(out, 0, x.n);
    fresh_noise(first, rng, g->nn.arena);
    size_t len = tensor_len(first), each = len / (size_t)x.n;
    for (size_t i = 0; out.data && i < len; i++)
        out.data[i] = share.stays * (2 * ((float)im->rgb[i % each] / 255) - 1) + share.noise * out.data[i];
    for (int i = 1; out.data && i < halves; i++) memcpy(out.data + (size_t)i * len, out.data, len * sizeof *out.data);
    g->run.beside = out;
}

/* The vector of one picture with its noise, then the sinusoid of how much that is. to [1, 1, 1, 2 width]; noise [width]. */
static void write_label(const Generator *g, Tensor to, const float *noise, const float *level)
{
    const Seen *s = g->m->seen;
    NoiseShare share = share_at(&s->noise, (int)g->recipe.said.noise_level);
    size_t width = (size_t)to.c / 2;
    for (size_t i = 0; i < width; i++) {
        float v = (g->shown[i] - s->mean[i]) / s->deviation[i];
        to.data[i] = (share.stays * v + share.noise * noise[i]) * s->deviation[i] + s->mean[i];
    }
    memcpy(to.data + width, level, width * sizeof *level);
}

/* The negative prompts' rows, which come first, are zeros. */
static void draw_label(Generator *g, Tensor x, Rng *rng)
{
    int width = unet_label_width(g->m->unet) / 2, halves = guidance_prompts(&g->recipe.guidance);
    float level = (float)g->recipe.said.noise_level;
    Nn nn = generator_nn(g);
    Tensor out = tensor_new(nn.arena, halves * x.n, 1, 1, 2 * width);
    size_t mark = nn.arena->used;
    Tensor noise = tensor_new(nn.arena, x.n, 1, 1, width),
           sinusoid = nn_timestep_embedding(&nn, &level, 1, width, true, 0);
    fresh_noise(noise, rng, nn.arena);
    if (out.data) memset(out.data, 0, tensor_len(out) * sizeof *out.data);
    for (int i = 0; out.data && i < x.n; i++)
        write_label(g, tensor_slice(out, out.n - x.n + i, 1), tensor_slice(noise, i, 1).data, sinusoid.data);
    arena_reset(nn.arena, mark);
    g->run.label = out;
}

void seen_draw(Generator *g, Tensor x, Rng *rng)
{
    if (g->recipe.beside == BESIDE_SMALL) draw_small(g, x, rng);
    if (g->recipe.shown) draw_label(g, x, rng);
}
