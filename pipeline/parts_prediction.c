/*
 * parts_prediction.c - what a single file's UNet predicts, and the scheduler_config.json that it must have had. See parts_internal.h.
 */
#define _GNU_SOURCE /* strcasestr */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "weights/read.h"

static bool has_word(const char *text, const char *const *words)
{
    for (; text && *words; words++)
        if (strcasestr(text, *words)) return true;
    return false;
}

/* Where nothing else tells, ComfyUI looks at how far a bias of the last block spreads: in v models further than this. */
static const double V_SPREAD = 0.09;

/* The standard deviation of that bias; NaN: it is not there, or all one value. */
static double spread_of_bias(const Weights *unet)
{
    const Weight *t = weights_find(unet, "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias");
    Err ignored;
    size_t n = t ? weight_count(t) : 0;
    float *v = mem_array(n + 1, sizeof *v);
    double sum = 0, squares = 0;
    bool read = n && !weight_to_f32(t, v, &ignored);
    for (size_t i = 0; read && i < n; i++) {
        sum += v[i];
        squares += (double)v[i] * v[i];
    }
    free(v);
    double variance = n ? squares / (double)n - sum / (double)n * (sum / (double)n) : 0;
    return read && variance > 0 ? sqrt(variance) : NAN;
}

/* What a model predicts cannot be seen from shapes: the signs are asked in turn, the surest first. */
static Prediction guess_prediction(const Parts *parts, const Weights *all, int in, int context, char **note)
{
    static const char *const v_words[] = { "v_prediction", "v-pred", "vpred", "v_pred", "768-v", "768v", NULL };
    static const char *const v_sizes[] = { "768", NULL };
    static const char *const eps_words[] = { "epsilon", "512-base", "2-base", "2-1-base", "2.1-base",
                                             "_512",    "-512",     "turbo",  NULL };
    static const char *const x0_words[] = { "1step_x0", "1step-x0", NULL }; /* SDXL-Lightning's for one step */
    static const char *const keys[] = { "modelspec.prediction_type", "prediction_type", "modelspec.architecture",
                                        "modelspec.resolution", NULL };
    if (weights_find(all, "v_pred")) return PREDICT_V;
    if (has_word(parts->name, x0_words)) return PREDICT_SAMPLE;

    for (const char *const *k = keys; *k; k++) {
        char *value = weights_metadata(parts->file[0].bytes, *k);
        bool v = has_word(value, v_words) || (value && strcmp(value, "v") == 0);
        bool eps = has_word(value, eps_words);
        bool v_size = context == 1024 && has_word(value, v_sizes);
        free(value);
        if (v || v_size) return PREDICT_V;
        if (eps) return PREDICT_EPSILON;
    }
    if (has_word(parts->name, v_words)) return PREDICT_V;
    if (context != 1024 || in != 4) return PREDICT_EPSILON; /* inpainting and depth were made from 2.0 base */

    const Weight *step = weights_find(all, "global_step");
    int64_t value = 0;
    if (step && step->dtype == DT_I64 && step->bytes == sizeof value) memcpy(&value, step->data, sizeof value);
    if (value) return value == 875000 ? PREDICT_EPSILON : PREDICT_V; /* 2.0 base; 110000: 2.1 */
    if (has_word(parts->name, eps_words)) return PREDICT_EPSILON;
    if (has_word(parts->name, v_sizes)) return PREDICT_V;
    bool v = !(spread_of_bias(parts_next(parts, ROLE_NETWORK, NULL)->weights) <= V_SPREAD);
    Str text = { 0 };
    str_addf(&text, "SD 2.x, taken for %s; if it draws only noise, use --prediction %s",
             v ? "a v-prediction model (768) as most are" : "one that predicts epsilon (512), as its weights look",
             v ? "epsilon" : "v_prediction");
    *note = text.s;
    return v ? PREDICT_V : PREDICT_EPSILON;
}

/* diffusers gives to a single file what the folders of SD 1.5, 2.1 and XL have; but for what the configuration says. */
void parts_describe_noise(Parts *parts, const FileConfig *c, const FileNoise *n)
{
    bool euler = str_starts(n->class, "Euler");
    const char *class = n->zero_snr && !euler ? "DDIMScheduler" : n->class;
    str_addf(&parts->scheduler,
             "{\"_class_name\": \"%s\", \"num_train_timesteps\": %d, \"beta_schedule\": \"%s\", \"beta_start\": %.9g, "
             "\"beta_end\": %.9g, \"clip_sample\": false, \"set_alpha_to_one\": false, \"skip_prk_steps\": true, "
             "\"steps_offset\": 1, \"prediction_type\": \"%s\"%s}",
             class, c->steps, c->beta_schedule, c->beta_start, c->beta_end, n->prediction,
             n->zero_snr ? ", \"timestep_spacing\": \"trailing\", \"rescale_betas_zero_snr\": true"
             : euler     ? ", \"timestep_spacing\": \"leading\", \"use_karras_sigmas\": false"
                         : "");
    parts->scheduler_where = mem_strdup("scheduler of a single file");
}

/* What the UNet predicts: as the configuration says, or else guessed; where they differ, that is told. */
const char *parts_prediction(Parts *parts, const Weights *all, const FileConfig *c, int in, int context)
{
    static const char *const names[] = {
        [PREDICT_EPSILON] = "epsilon", [PREDICT_V] = "v_prediction", [PREDICT_SAMPLE] = "sample"
    };
    const char *guess = names[guess_prediction(parts, all, in, context, &parts->note)];
    if (!c->prediction) return guess;
    free(parts->note);
    parts->note = NULL;
    if (strcmp(c->prediction, guess) != 0) parts_note(parts, "%s says %s: taken from it", c->path, c->prediction);
    return c->prediction;
}
