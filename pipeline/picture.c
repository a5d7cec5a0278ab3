/* picture.c - latents to pixels. See generator.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/finish.h"
#include "pipeline/generator.h"

Tensor picture_decode(Generator *g, Tensor x)
{
    Nn nn = generator_nn_beside(g);
    Tensor z = tensor_like(nn.arena, x);
    if (g->m->large) nn.evict_rows = 1; /* each layer has its turn once */
    vae_unscale(g->m->vae, z, x);
    return g->tile == VAE_WHOLE ? vae_decode(&nn, g->m->vae, z) : vae_decode_tiled(&nn, g->m->vae, z, g->tile);
}

static void cut_out(const Generator *g, Image *im)
{
    double plain;
    if (finish_image(&g->recipe.said, im, &plain)) return;
    char text[160];
    snprintf(text, sizeof text,
             "--transparent: the background is not plain (only %.0f %% of the border has one colour); all stays opaque",
             100 * plain);
    watch_warn(&g->watch, text);
}

/* x [1, h, w, c] to pixels. The VAE takes pictures one by one: they are large, and together they are no faster. */
static int finish_one(Generator *g, Tensor x, Picture *out, Err *e)
{
    size_t mark = g->nn.arena->used, len = tensor_len(x);
    Tensor image = picture_decode(g, x);
    int failed = 0;
    if (!out) goto done;

    if (g->recipe.said.trace) {
        const Timeline *tl = &g->recipe.timeline;
        trace_image(&g->trace, "latents", -1, x, timeline_shown(tl, tl->steps));
        trace_image(&g->trace, "image", -1, image, 1);
    }
    if (g->nn.k->find_bad(image.data, tensor_len(image)) < tensor_len(image)) {
        failed = err_set(e, "the VAE gave NaN or infinity: the latent is out of its range (guidance too high?) or its "
                            "weights are damaged");
        goto done;
    }
    image_from_tensor(&out->image, image);
    init_overlay(&g->init, &out->image);
    cut_out(g, &out->image);
    if (g->share.latents) {
        out->latent = mem_array(len, sizeof *out->latent);
        memcpy(out->latent, x.data, len * sizeof *out->latent);
    }
done:
    arena_reset(g->nn.arena, mark);
    return failed;
}

/* What each step of picture k predicted, as pictures. They need no more memory than the last one. */
static int finish_steps(Generator *g, int k, Picture *out, Err *e)
{
    int c = vae_latent_channels(g->m->vae), w = g->recipe.w, h = g->recipe.h;
    size_t each = (size_t)h * (size_t)w * (size_t)c, steps = (size_t)g->recipe.timeline.steps;
    out->steps = mem_array(steps, sizeof *out->steps);
    for (; out->step_count < (int)steps; out->step_count++) {
        if (generator_check(g, e)) return -1;
        size_t mark = g->nn.arena->used;
        float *x0 = g->run.x0 + ((size_t)k * steps + (size_t)out->step_count) * each;
        Tensor image = picture_decode(g, (Tensor){ x0, 1, h, w, c });
        image_from_tensor(&out->steps[out->step_count], image);
        arena_reset(g->nn.arena, mark);
    }
    return 0;
}

int picture_finish(Generator *g, Tensor x, Picture *out, Err *e)
{
    for (int i = 0; i < (out ? x.n : 1); i++) {
        if (generator_check(g, e)) return -1; /* decoding takes as long as steps do */
        if (finish_one(g, tensor_slice(x, i, 1), out ? &out[i] : NULL, e)) return -1;
        if (out && g->run.x0 && finish_steps(g, i, &out[i], e)) return -1;
    }
    return 0;
}

void picture_release(Picture *p)
{
    image_release(&p->image);
    free(p->latent);
    for (int i = 0; i < p->step_count; i++) image_release(&p->steps[i]);
    free(p->steps);
    *p = (Picture){ 0 };
}
