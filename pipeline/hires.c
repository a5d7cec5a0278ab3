/* hires.c - see hires.h. */
#include "pipeline/hires.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/resample.h"
#include "pipeline/checking.h"
#include "pipeline/precision.h"
#include "pipeline/ways.h"
#include "upscale/upscale.h"

static const double STRENGTH = 0.7; /* A1111's page has it so */

/* ---- what is asked for ---- */

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = mem_strdup(text);
}

void hires_prompts(Job *out, const Job *said)
{
    static const char *const second[] = { "prompt-2", NULL }, *const second_negative[] = { "negative-prompt-2", NULL };
    if (said->hires_prompt) {
        set_text(&out->prompt, said->hires_prompt);
        job_reset_all(out, second);
    }
    if (said->hires_negative_prompt) {
        set_text(&out->negative_prompt, said->hires_negative_prompt);
        out->negative_given = true;
        job_reset_all(out, second_negative);
    }
}

/*
 * The second pass's job: the same picture, larger. What is left open is as in the first pass, and is written into it. The picture that
 * the first one starts from is in its result already. automatic: no schedule was asked for, so that another sampler has its own.
 */
static void job_of(Job *out, Job *said, const Generator *g, bool automatic)
{
    static const char *const schedule[] = { "schedule", NULL };
    static const char *const first_only[] = { "hires",
                                              "hires-steps",
                                              "hires-strength",
                                              "hires-with",
                                              "hires-sampler",
                                              "hires-cfg-scale",
                                              "hires-schedule",
                                              "hires-prompt",
                                              "hires-negative-prompt",
                                              "hires-sha256",
                                              "latents",
                                              "init-image",
                                              "init-image-sha256",
                                              "init-background",
                                              "timesteps",
                                              NULL };
    int factor = vae_factor(g->m->vae);
    if (!said->hires_steps) said->hires_steps = said->steps;
    if (said->hires_strength < 0) said->hires_strength = STRENGTH;
    if (!said->hires_with) set_text(&said->hires_with, ways[0].name);
    job_copy(out, said);
    job_reset_all(out, first_only);
    hires_prompts(out, said);
    const Way *way = way_find(said->hires_with);
    out->second_pass = way && way->latent ? 1 : 2;
    out->width = (int)(said->width * said->hires) / factor * factor;
    out->height = (int)(said->height * said->hires) / factor * factor;
    out->steps = said->hires_steps;
    out->region_scale = (double)out->width / said->width;
    out->first_steps = recipe_counted_steps(g->recipe.sampler, said->steps);
    out->strength = said->hires_strength;
    if (said->hires_cfg_scale >= 0) out->cfg_scale = said->hires_cfg_scale;
    if (said->hires_schedule) set_text(&out->schedule, said->hires_schedule);
    if (!said->hires_sampler) return;
    if (automatic && !said->hires_schedule) job_reset_all(out, schedule);
    set_text(&out->sampler, said->hires_sampler);
    out->eta = -1;
}

static int open_network(Generator *g, Err *e)
{
    Job *said = &g->recipe.said;
    const Way *way = way_find(said->hires_with);
    g->way = way;
    if (way) {
        set_text(&said->hires_with, way->name);
        return 0;
    }
    g->upscaler = upscaler_open(said->hires_with, e);
    if (!g->upscaler) return err_in(e, "--hires-with");
    const char *found = upscaler_sha256(g->upscaler);
    if (said->hires_sha256 && strcmp(said->hires_sha256, found) != 0)
        return err_set(e, "--hires-with: %s has SHA-256 %.10s..., the one that is meant %.10s...", said->hires_with,
                       found, said->hires_sha256);
    set_text(&said->hires_sha256, found);
    return 0;
}

/* What the second pass chose where it is another thing than the first one's. */
static void write_down(Job *said, const Job *second)
{
    if (said->hires_sampler) set_text(&said->hires_sampler, second->sampler);
    if (said->hires_schedule || strcmp(said->schedule, second->schedule) != 0)
        set_text(&said->hires_schedule, second->schedule);
    set_text(&said->vae_tile, second->vae_tile);
    said->refiner_at = second->refiner_at;
    if (second->refiner_sha256) set_text(&said->refiner_sha256, second->refiner_sha256);
}

int hires_begin(Generator *g, const Job *asked, Err *e)
{
    Job *said = &g->recipe.said;
    Job j;
    if (!hires_wanted(said)) return 0;
    job_of(&j, said, g, !asked->schedule);
    int failed = open_network(g, e);
    Share share = g->share;
    share.texts = g->own_texts ? g->own_texts : g->share.texts;
    share.firsts = NULL;
    Watch watch = g->watch;
    watch.note = NULL; /* what is advised is about the first */
    Generator *to = failed ? NULL : generator_new(g->m, &j, &share, &watch, e);
    job_release(&j);
    if (failed) return -1;
    if (!to) return err_in(e, "the second pass (--hires)");
    g->larger = to;
    g->share.batch = to->share.batch; /* what there is room for */
    g->share.steps = g->share.latents = false;
    write_down(said, &to->recipe.said);
    return 0;
}

void hires_end(Generator *g)
{
    generator_free(g->larger);
    upscaler_free(g->upscaler);
    g->larger = NULL;
    g->upscaler = NULL;
}

size_t hires_memory(const Generator *g, int batch)
{
    Job said, j;
    if (!hires_wanted(&g->recipe.said)) return 0;
    job_copy(&said, &g->recipe.said);
    job_of(&j, &said, g, false);
    size_t need = generator_memory(g->m, &j, batch);
    job_release(&j);
    job_release(&said);
    return need;
}

/* ---- the run ---- */

/* A1111 cuts off what is beyond a whole level. */
static Image pixels_of(Tensor image)
{
    Image im;
    image_init(&im, image.w, image.h);
    for (size_t i = 0; i < tensor_len(image); i++) {
        float v = image.data[i] / 2 + 0.5F;
        im.rgb[i] = (uint8_t)(255 * (v > 1 ? 1 : v > 0 ? v : 0));
    }
    return im;
}

static bool on_tile(void *ctx, int done, int tiles)
{
    const Generator *g = ctx;
    (void)done;
    (void)tiles;
    return !g->watch.cancelled || !g->watch.cancelled(g->watch.ctx);
}

static int enlarge(Generator *g, const Image *small, Image *out, Err *e)
{
    int w = g->larger->recipe.said.width, h = g->larger->recipe.said.height;
    if (!g->upscaler) {
        Samples s = resample((Samples){ small->rgb, small->w, small->h, 3 }, w, h, RESAMPLE_LANCZOS);
        *out = (Image){ .w = w, .h = h, .rgb = s.data };
        return 0;
    }
    UpscaleHow how = {
        .threads = g->nn.threads, .precision = precision_beside(g->recipe.precision), .progress = on_tile, .ctx = g
    };
    return upscaler_enlarge(g->upscaler, small, w, h, &how, out, e);
}

/* The picture of one latent, larger, encoded again into `to`. */
static int by_pixels(Generator *g, Tensor x, Tensor to, Err *e)
{
    size_t mark = g->nn.arena->used;
    Image small, large;
    Tensor image = picture_decode(g, x);
    if (g->nn.k->find_bad(image.data, tensor_len(image)) < tensor_len(image))
        return err_set(
            e, "the VAE gave NaN or infinity: the first pass's latent is out of its range (guidance too high?)");
    small = pixels_of(image);
    arena_reset(g->nn.arena, mark);
    int failed = enlarge(g, &small, &large, e);
    image_release(&small);
    if (failed) return -1;
    g->larger->init.picture = large;
    failed = start_encode_mean(g->larger, to, e);
    image_release(&g->larger->init.picture);
    return failed;
}

/* All latents, larger, into the second generator. */
static int make_larger(Generator *g, Tensor x, Err *e)
{
    Recipe *r = &g->larger->recipe;
    Tensor all = { .n = x.n, .h = r->h, .w = r->w, .c = x.c };
    free(g->larger->second_source);
    g->larger->second_source = mem_array(tensor_len(all), sizeof *all.data);
    all.data = g->larger->second_source;
    if (g->way && g->way->latent) {
        way_scale(g->way, all, x);
        return 0;
    }
    for (int i = 0; i < x.n; i++)
        if (generator_check(g, e) || by_pixels(g, tensor_slice(x, i, 1), tensor_slice(all, i, 1), e)) return -1;
    return 0;
}

bool hires_takes(const Generator *g, const Job *j)
{
    Job second;
    job_copy(&second, j);
    hires_prompts(&second, &g->recipe.said);
    bool takes = generator_takes(g->larger, &second);
    job_release(&second);
    return takes;
}

/* What each request says, but for prompts that the second pass has of its own; heap. */
static Request *own_requests(const Job *said, const Request *requests, int n)
{
    Request *out = mem_array((size_t)n, sizeof *out);
    for (int i = 0; i < n; i++) {
        out[i] = requests[i];
        if (said->hires_prompt) out[i].prompt = NULL;
        if (said->hires_negative_prompt) out[i].negative_prompt = NULL;
    }
    return out;
}

int hires_run(Generator *g, const Request *requests, Tensor x, Picture *out, Err *e)
{
    Generator *to = g->larger;
    if (make_larger(g, x, e)) return -1;
    arena_reset(&g->arena, 0);
    arena_rest(&g->arena);
    Request *own = own_requests(&g->recipe.said, requests, x.n);
    int failed = generator_run(to, own, x.n, out, e);
    free(own);
    g->time.evals += to->time.evals;
    g->time.sample += to->time.sample;
    g->time.decode = to->time.decode;
    g->time.text += to->time.text;
    g->time.before = to->time.before;
    if (!failed) trace_adopt(&g->trace, &to->trace, "hires.");
    arena_rest(&to->arena);
    return failed;
}
