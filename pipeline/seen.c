/* seen.c - see seen.h. */
#include "pipeline/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/parts.h"
#include "weights/component.h"

static const double SMALL_CFG_SCALE = 9, SHOWN_CFG_SCALE = 10;

static Source *folder_of(const Model *m)
{
    return m->files->sources[0] && source_has(m->files->sources[0], "model_index.json") ? m->files->sources[0] : NULL;
}

static int read_noise(Seen *s, Source *from, const char *folder, Err *e)
{
    Str name = { 0 };
    Bytes json;
    str_addf(&name, "%s/scheduler_config.json", folder);
    int failed = source_get(from, name.s, &json, e);
    if (!failed) {
        SchedulerFile file = { .json = json, .where = name.s };
        failed = scheduler_read(&s->noise, &file, &(SchedulerRun){ .name = SCHEDULER_TRAINING }, e) ||
                 noise_build(&s->noise, e);
        if (failed) err_in(e, name.s);
    }
    str_release(&name);
    return failed ? -1 : 0;
}

/* The weights of one of the folder's parts. */
static int read_weights(Source *from, const char *folder, Weights *w, Err *e)
{
    Str file = { 0 };
    int failed = component_find(from, folder, &file, e) || component_read(from, file.s, w, e);
    str_release(&file);
    return failed ? -1 : 0;
}

static int read_encoder(Seen *s, Source *from, bool dry, Err *e)
{
    ControlEncoder *c = mem_alloc(sizeof *c);
    Bytes config;
    s->encoder = c;
    c->path = mem_strdup("image_encoder");
    c->weights = weights_new();
    if (source_get(from, "image_encoder/config.json", &config, e) || read_weights(from, c->path, c->weights, e))
        return -1;
    size_t bytes = 0;
    for (size_t i = 0; i < weights_count(c->weights); i++) bytes += weights_at(c->weights, i)->bytes;
    if (bytes > MODEL_SMALL) weights_set_mapped(c->weights);
    if (dry) weights_set_dry(c->weights);
    return control_encoder_bind(c, config, e) ? err_in(e, c->path) : 0;
}

/* [1, width] of the file, on the heap. */
static int read_row(const Weights *w, const char *name, int width, float **out, Err *e)
{
    const Weight *t = weights_find(w, name);
    if (!t || weight_count(t) != (size_t)width)
        return err_set(e, "%s: %d numbers are expected, as wide as the image encoder's vector", name, width);
    *out = mem_array((size_t)width, sizeof **out);
    return weight_to_f32(t, *out, e);
}

static int read_normaliser(Seen *s, Source *from, Err *e)
{
    int width = image_encoder_projection(s->encoder->net);
    Weights *w = weights_new();
    int failed = read_weights(from, "image_normalizer", w, e) || read_row(w, "mean", width, &s->mean, e) ||
                 read_row(w, "std", width, &s->deviation, e);
    weights_free(w);
    return failed ? err_in(e, "image_normalizer") : 0;
}

static int read_parts(Model *m, Seen *s, Source *from, bool dry, Err *e)
{
    int width = unet_label_width(m->unet);
    if (!width) return read_noise(s, from, "low_res_scheduler", e);
    if (read_noise(s, from, "image_noising_scheduler", e) || read_encoder(s, from, dry, e)) return -1;
    if (2 * image_encoder_projection(s->encoder->net) != width)
        return err_set(e,
                       "the image encoder gives vectors of %d, the UNet takes %d numbers: they do not belong together",
                       image_encoder_projection(s->encoder->net), width);
    return read_normaliser(s, from, e);
}

int seen_open(Model *m, bool dry, Err *e)
{
    if (!unet_label_width(m->unet) && !unet_labels(m->unet)) return 0;
    Source *from = folder_of(m);
    m->seen = mem_alloc(sizeof *m->seen);
    if (!from)
        return err_set(e, "its UNet has class labels, and what they are made of is in diffusers' folder of the model: "
                          "give that");
    return read_parts(m, m->seen, from, dry, e) ? err_in(e, source_name(from)) : 0;
}

void seen_close(Model *m)
{
    Seen *s = m->seen;
    if (!s) return;
    control_encoder_close(s->encoder);
    noise_release(&s->noise);
    free(s->mean);
    free(s->deviation);
    free(s);
    m->seen = NULL;
}

double seen_cfg_scale(const Model *m)
{
    if (!m->seen) return 0;
    return unet_label_width(m->unet) ? SHOWN_CFG_SCALE : SMALL_CFG_SCALE;
}
