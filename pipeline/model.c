/* model.c - see model.h. */
#include "pipeline/model.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/gemm.h"
#include "nn/scan.h"
#include "pipeline/adapters.h"
#include "pipeline/checking.h"
#include "pipeline/controls.h"
#include "pipeline/embeddings.h"
#include "pipeline/job.h"
#include "pipeline/parts.h"
#include "pipeline/precision.h"
#include "pipeline/seen.h"
#include "scheduler/config.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

static const double XL_CFG_SCALE = 5; /* diffusers' for networks that are told sizes; all others 7.5 */

static Bytes text_bytes(const Str *s) { return (Bytes){ (const unsigned char *)str_text(s), s->len }; }

/* limn.json next to model_index.json: the model's default settings, within the ranges of the command line. */
static int read_defaults(ModelDefaults *d, Config *c, Err *e)
{
    if (!c) return 0;
    d->width = config_int(c, "width", 0, 8, JOB_MAX_SIDE);
    d->height = config_int(c, "height", 0, 8, JOB_MAX_SIDE);
    d->steps = config_int(c, "steps", 0, 1, 1000);
    d->cfg_scale = config_num(c, "cfg_scale", 0, 0, 100);
    d->sampler = config_str(c, "sampler", NULL);
    d->schedule = config_str(c, "schedule", NULL);
    if (config_finish(c, e)) return -1;
    if (d->sampler && !sampler_find(d->sampler))
        return err_set(e, "limn.json: sampler \"%s\": there is none of that name (see: limn list samplers)",
                       d->sampler);
    if (d->schedule && !schedule_find(d->schedule))
        return err_set(e, "limn.json: schedule \"%s\": there is none of that name (see: limn list schedules)",
                       d->schedule);
    return 0;
}

/* The number of inputs in addition to the pooled text: the rest of the UNet's embedding width. */
static void count_ids(Model *m)
{
    int added = unet_added_width(m->unet), each = unet_added_id_width(m->unet);
    if (added) m->ids = (added - text_encoder_projection(m->text[m->texts - 1].encoder)) / each;
}

/* What limn.json left open, of a model for few steps. */
static void few_defaults(Model *m, const Parts *parts, const char *unet)
{
    ModelDefaults *d = &m->defaults;
    m->few = few_steps_of_model(unet ? unet : parts->path, parts->scheduler_class, unet_cond_width(m->unet) > 0);
    const FewSteps *f = &m->few;
    if (!f->what) return;
    if (!d->steps) d->steps = f->steps;
    if (d->cfg_scale <= 0) d->cfg_scale = f->cfg_scale;
    if (!d->sampler) d->sampler = f->sampler;
    if (!d->schedule) d->schedule = f->schedule;
    if (f->side && !d->width && !d->height) d->width = d->height = f->side;
}

/* What limn.json left open and the networks tell. */
static void complete_defaults(Model *m)
{
    if (m->defaults.cfg_scale <= 0 && m->ids) m->defaults.cfg_scale = XL_CFG_SCALE;
    if (m->defaults.cfg_scale <= 0) m->defaults.cfg_scale = seen_cfg_scale(m);
    int factor = vae_factor(m->vae);
    if (!m->defaults.width) m->defaults.width = unet_sample_width(m->unet) * factor;
    if (!m->defaults.height) m->defaults.height = unet_sample_size(m->unet) * factor;
}

int model_noise(const Model *m, const SchedulerRun *run, Noise *n, Err *e)
{
    const Parts *parts = m->files;
    SchedulerFile f = { .json = text_bytes(&parts->scheduler),
                        .where = parts->scheduler_where,
                        .of = parts->scheduler_class,
                        .pipeline = parts->pipeline };
    return scheduler_read(n, &f, run, e);
}

/* What the file's own class makes of it; another may be run where limn cannot honour its settings, so they are no matter yet. */
static int read_noise(Model *m, Parts *parts, Err *e)
{
    Err why;
    if (model_noise(m, NULL, &m->noise, &why)) {
        noise_release(&m->noise);
        if (model_noise(m, &(SchedulerRun){ .name = SCHEDULER_TRAINING }, &m->noise, e)) return -1;
    }
    const char *keys = m->noise.passed_over;
    if (strstr(keys, "predict_epsilon"))
        parts_note(parts,
                   "%s: predict_epsilon is no key of today's schedulers (a network that predicts the picture: "
                   "--prediction sample)",
                   parts->scheduler_where);
    if (keys[0]) parts_note(parts, "%s: passed over, as diffusers does: %s", parts->scheduler_where, keys);
    return noise_build(&m->noise, e) ? err_in(e, parts->scheduler_where) : 0;
}

/* All networks have the same life: config and weights in, errors named by file. */
static int bind_part(Model *m, Part *part, const ModelPaths *p, Err *e)
{
    Config *c = config_parse(text_bytes(&part->config), part->config_where, e);
    if (!c) return -1;
    config_pass_over(c);
    if (p->no_weights) weights_set_dry(part->weights);
    if (m->large) {
        weights_set_mapped(part->weights);
        weights_defer_check(part->weights);
    }
    int failed = part->class->bind(m, part, c, p, e);
    if (!failed && config_passed_over(c))
        parts_note(m->files, "%s: passed over, as diffusers does: %s", part->config_where, config_passed_over(c));
    config_free(c);
    if (failed && !str_starts(e->text, part->config_where)) err_in(e, part->where);
    return failed;
}

/* What the weights take: converted to memory of our own (vectors; types that products cannot read), or read in their file. */
static void weigh(Model *m)
{
    for (int k = 0; k < m->files->count; k++) {
        Weights *w = m->files->part[k].weights;
        for (size_t i = 0; w && i < weights_count(w); i++) {
            const Weight *t = weights_at(w, i);
            if (t->ndim >= 2 && scan_knows(t->dtype)) m->in_file += t->bytes;
            else m->own += weight_count(t) * sizeof(float);
        }
    }
    m->large = m->files->hashed_path && m->in_file > MODEL_SMALL; /* the built-in model has no files */
}

/* What is ours must fit. What the files hold need not: then they are read again and again, which the user is told. */
static int check_memory(Model *m, Err *e)
{
    char free_text[MEM_FREE_TEXT];
    size_t left = mem_available(GEMM_MAPPED, free_text);
    if (m->own > left) {
        double mb = (double)m->own * 1e-6;
        return err_set(e, "the model takes %.*f MB of memory, %s: close something or choose a smaller model", mb < 10,
                       mb, free_text);
    }
    left = mem_free();
    if (m->large && m->own + m->in_file > left)
        snprintf(
            m->warning, sizeof m->warning,
            "the model's weights are %.0f MB and %.0f MB of memory are free: its files will be read anew in every step",
            (double)m->in_file * 1e-6, (double)left * 1e-6);
    return 0;
}

size_t model_texts(const Model *m, size_t (*figure)(const TextEncoder *t))
{
    size_t sum = 0;
    for (int i = 0; i < m->texts; i++) sum += figure(m->text[i].encoder);
    return sum;
}

void model_rest(const Model *m, PartRole role)
{
    for (const Part *p = NULL; m->large && (p = parts_next(m->files, role, p));) weights_evict(p->weights);
}

/* Transformed weights are kept if requested, or if small compared with the free memory. */
static int keep_transformed(Model *m, const ModelPaths *p, Err *e)
{
    const char *why = NULL, *memory = p->memory ? p->memory : "normal";
    const Kernels *k = kernels_select(&why);
    bool high = strcmp(memory, "high") == 0, low = strcmp(memory, "low") == 0;
    Precision precision;
    if (!k) return err_usage(e, "%s", why);
    if (precision_choose(&precision, p->precision ? p->precision : "auto", k, unet_weight_bytes(m->unet), e)) return -1;
    bool rounded = precision_rounds_convs(precision);
    char free_text[MEM_FREE_TEXT];
    size_t need = unet_transformed_bytes(m->unet, rounded), left = mem_available(GEMM_MAPPED, free_text);
    if (low || (!high && (p->briefly || need > MODEL_SMALL || need > left / 8))) return 0;
    if (need > left)
        return err_set(e, "--memory high takes %.0f MB more for transformed weights, %s: use normal",
                       (double)need * 1e-6, free_text);
    return unet_keep_transformed(m->unet, k, rounded, e);
}

/* Vocabularies are sorted while networks are bound. */
typedef struct {
    Model *m;
    Err e;
    bool failed;
} Reading;

static void *read_tokenizers(void *arg)
{
    Reading *r = arg;
    int count = 0;
    for (const Part *p = NULL; !r->failed && (p = parts_next(r->m->files, ROLE_TEXT, p));) {
        const PartTokenizer *t = &p->tokenizer;
        Tokenizer **to = &r->m->text[count++].tokenizer;
        if (!t->where) continue;
        *to = tokenizer_new(&t->files, &r->e);
        r->failed = !*to;
        if (r->failed) err_in(&r->e, t->where);
    }
    return NULL;
}

static int bind_all(Model *m, const ModelPaths *p, Err *e)
{
    bool dry = p->no_weights;
    if (!dry && check_memory(m, e)) return -1;
    for (int i = 0; i < m->files->count; i++)
        if (part_present(&m->files->part[i]) && bind_part(m, &m->files->part[i], p, e)) return -1;
    if (m->large && !dry) model_check_later(m);
    return 0;
}

static int read_networks(Model *m, const ModelPaths *p, Err *e)
{
    Reading tokenizer = { .m = m };
    pthread_t thread;
    weigh(m);
    bool beside = pthread_create(&thread, NULL, read_tokenizers, &tokenizer) == 0;
    if (!beside) read_tokenizers(&tokenizer);
    int failed = bind_all(m, p, e);
    if (beside) pthread_join(thread, NULL);
    if (!tokenizer.failed) return failed;
    *e = tokenizer.e;
    return -1;
}

/* What only binding found. */
static void note_the_rest(Model *m)
{
    const Part *p = NULL;
    for (int i = 0; i < m->texts; i++) {
        const char *left_out = m->text[i].tokenizer ? tokenizer_left_out(m->text[i].tokenizer) : NULL;
        p = parts_next(m->files, ROLE_TEXT, p);
        if (left_out)
            parts_note(m->files,
                       "%s: the tokenizer adds %s, which the text encoder has no rows for: read as other words are",
                       p->tokenizer.where, left_out);
    }
    m->notes = str_text(&m->files->notes);
}

Model *model_open(const ModelPaths *p, Err *e)
{
    Model *m = mem_alloc(sizeof *m);
    Parts *parts = mem_alloc(sizeof *parts);

    m->files = parts;
    if (parts_open(parts, p, e)) goto fail;
    m->name = mem_strdup(parts->name);
    m->path = mem_strdup(parts->path);
    m->family = parts->family;
    m->note = parts->note;
    m->zero_negative = parts->zero_negative;
    m->scaled_beside = parts->scaled_beside;
    m->words = parts->words;
    if (read_noise(m, parts, e)) goto fail;
    if (read_defaults(&m->defaults, parts->defaults, e)) {
        err_in(e, parts->path);
        goto fail;
    }
    if (read_networks(m, p, e)) goto fail;
    if (!p->no_weights && keep_transformed(m, p, e)) goto fail;
    if (seen_open(m, p->no_weights, e)) goto fail;
    note_the_rest(m);
    count_ids(m);
    few_defaults(m, parts, p->unet);
    complete_defaults(m);
    return m;

fail:
    model_free(m);
    return NULL;
}

void model_free(Model *m)
{
    if (!m) return;
    model_check_drop(m);
    model_hash_drop(m);
    adapters_drop(m);
    controls_drop(m);
    seen_close(m);
    embeddings_drop(m);
    for (int i = 0; i < TEXTS_MAX; i++) {
        text_encoder_free(m->text[i].encoder);
        tokenizer_free(m->text[i].tokenizer);
    }
    unet_free(m->unet);
    vae_free(m->vae);
    noise_release(&m->noise);
    parts_release(m->files);
    free(m->files);
    free(m->name);
    free(m->path);
    free(m->replaced);
    free(m);
}
