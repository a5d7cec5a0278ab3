/* memory.c - how much memory a run takes, from a dry pass over the same code, and the arena for it. See generator.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/gemm.h"
#include "pipeline/blend.h"
#include "pipeline/control.h"
#include "pipeline/generator.h"

enum {
    LOW_TILE = 48,     /* latents, with --memory low */
    FINISHED = 16,     /* bytes a pixel of a finished picture and of its file being made */
    LONG_PROMPT = 100, /* pieces of 75 tokens, from where on the prompt is what takes the memory */
};

size_t memory_measure(Generator *g, int n)
{
    Arena real = g->arena;
    Err e;
    const Prompts **same = mem_array((size_t)n, sizeof *same);
    for (int i = 0; i < n; i++) same[i] = &g->prompts;
    arena_init_dry(&g->arena);
    encode_prompts(g, same, n);
    blend_prompts(g, same, NULL, n, &e);
    start_measure(g); /* as generator_new() does: the picture is encoded while the embeddings are there */
    control_measure(g);
    network_prepare(g);
    generator_draw(g, NULL, n, NULL, &e);
    size_t need = g->arena.peak;
    g->arena = real;
    free(same);
    return need;
}

int memory_low_tile(const Model *m)
{
    int least = vae_min_tile(m->vae);
    return least < LOW_TILE ? LOW_TILE : least;
}

/* The largest tile that fits into what memory is left, the whole picture where it does. */
static void largest_tile(Generator *g, size_t available)
{
    int least = vae_min_tile(g->m->vae), sizes[] = { VAE_WHOLE, 256, 128, 96, 64, 48, least };
    bool low = g->recipe.memory == MEMORY_LOW;
    size_t count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < count; i++) {
        g->tile = sizes[i];
        if (g->tile != VAE_WHOLE && g->tile < least) continue;
        if (low && (!g->tile || g->tile > LOW_TILE) && i + 1 < count) continue;
        if (memory_measure(g, 1) < available / 10 * 9) break;
    }
    /* what was chosen is what made the picture: another machine may have other memory */
    char chosen[16] = "off";
    if (g->tile != VAE_WHOLE) snprintf(chosen, sizeof chosen, "%d", g->tile * vae_factor(g->m->vae));
    free(g->recipe.said.vae_tile);
    g->recipe.said.vae_tile = mem_strdup(chosen);
}

/* The VAE's tile: as asked for, or as it fits. */
static int choose_tile(Generator *g, size_t available, Err *e)
{
    const char *asked = g->recipe.said.vae_tile;
    int least = vae_min_tile(g->m->vae), factor = vae_factor(g->m->vae);
    g->tile = VAE_WHOLE;
    if (strcmp(asked, "off") == 0) return 0;
    if (strcmp(asked, "auto") == 0) {
        largest_tile(g, available);
        return 0;
    }
    g->tile = atoi(asked) / factor;
    if (g->tile < least)
        return err_usage(e, "vae-tile %s: a tile of this model has at least %d pixels", asked, least * factor);
    return 0;
}

int memory_reserve(Generator *g, Err *e)
{
    char left[MEM_FREE_TEXT];
    size_t available = mem_available((size_t)g->nn.threads * GEMM_MAPPED, left);
    const Job *j = &g->recipe.said;
    size_t finished = (size_t)j->width * (size_t)j->height * FINISHED;
    available -= finished < available ? finished : available;
    if (choose_tile(g, available, e)) return -1; /* for one: a picture is the same in whatever company */
    size_t need = memory_measure(g, g->share.batch);
    while (need > available && g->share.batch > 1 && g->share.shrink) need = memory_measure(g, g->share.batch /= 2);
    g->time.memory = need;
    if (need > available && g->share.batch > 1)
        return err_set(e, "%d pictures of %dx%d at once need %.0f MB besides the model, %s: draw fewer at once",
                       g->share.batch, j->width, j->height, (double)need * 1e-6, left);
    if (need > available && g->prompts.rows > LONG_PROMPT)
        return err_set(
            e, "a prompt in %d pieces needs %.0f MB besides the model, %s: shorten it, or --long-prompt truncate",
            g->prompts.rows, (double)need * 1e-6, left);
    if (need > available)
        return err_set(e, "a picture of %dx%d needs %.0f MB besides the model, %s: choose a smaller size%s%s", j->width,
                       j->height, (double)need * 1e-6, left, g->tile == VAE_WHOLE ? ", or --vae-tile auto" : "",
                       g->recipe.window ? "" : ", or --diffusion-tile 512");
    return arena_init(&g->arena, need, e);
}
