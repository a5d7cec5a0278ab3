/*
 * parts_edm.c - networks with EDM's noise (Karras et al. 2022) as single files: the tensors that mark them, and the configurations that
 * diffusers gives to them. See parts_internal.h.
 *
 * Sources: diffusers' loaders/single_file_utils.py (Playground v2.5: edm_mean, edm_std) and pipelines of CosXL; ComfyUI's
 * supported_models.py (edm_vpred.sigma_max, edm_vpred.sigma_min).
 */
#include <math.h>
#include <string.h>

#include "pipeline/parts_internal.h"
#include "weights/read.h"

enum { CHANNELS_MOST = 16 };

static const double PLAYGROUND_SCALING = 0.5;

#define PLAYGROUND                                                                                                     \
    "{\"_class_name\": \"EDMDPMSolverMultistepScheduler\", \"algorithm_type\": \"dpmsolver++\", "                      \
    "\"euler_at_final\": false, \"final_sigmas_type\": \"zero\", \"lower_order_final\": true, "                        \
    "\"num_train_timesteps\": 1000, \"prediction_type\": \"epsilon\", \"rho\": 7.0, \"sigma_data\": 0.5, "             \
    "\"sigma_max\": 80.0, \"sigma_min\": 0.002, \"solver_order\": 2, \"solver_type\": \"midpoint\"}"

#define COSXL                                                                                                          \
    "{\"_class_name\": \"EDMEulerScheduler\", \"num_train_timesteps\": 1000, \"prediction_type\": \"v_prediction\", "  \
    "\"sigma_data\": 1.0, \"sigma_max\": %.9g, \"sigma_min\": %.9g, \"sigma_schedule\": \"exponential\"}"

/* A mark's numbers, at most `most`; *count 0: the file has no such mark. */
static int read_mark(Weights *all, const char *name, float *out, size_t most, size_t *count, Err *e)
{
    const Weight *t = weights_find(all, name);
    *count = t ? weight_count(t) : 0;
    if (!t) return 0;
    if (!*count || *count > most) return err_set(e, "%s: %zu numbers, 1 to %zu were expected", name, *count, most);
    return weight_to_f32(t, out, e) ? err_in(e, name) : 0;
}

/* latents_mean, latents_std: a number for each channel of the latent. */
static int read_shift(FileEdm *out, Weights *all, Err *e)
{
    static const char *const marks[] = { "edm_mean", "edm_std" }, *const keys[] = { "latents_mean", "latents_std" };
    float v[2][CHANNELS_MOST] = { { 0 } };
    size_t count[2];
    for (int i = 0; i < 2; i++)
        if (read_mark(all, marks[i], v[i], CHANNELS_MOST, &count[i], e)) return -1;
    if (!count[0] && !count[1]) return 0;
    if (count[0] != count[1])
        return err_set(e, "edm_mean has %zu numbers and edm_std %zu: they belong together", count[0], count[1]);
    for (int i = 0; i < 2; i++) {
        str_addf(&out->shift, ", \"%s\": [", keys[i]);
        for (size_t k = 0; k < count[i]; k++) {
            if (!isfinite(v[i][k])) return err_set(e, "%s: NaN or infinity", marks[i]);
            str_addf(&out->shift, "%s%.9g", k ? ", " : "", (double)v[i][k]);
        }
        str_add(&out->shift, "]");
    }
    out->scaling = PLAYGROUND_SCALING;
    out->prediction = "epsilon";
    str_add(&out->scheduler, PLAYGROUND);
    return 0;
}

static int read_cosxl(FileEdm *out, Weights *all, Err *e)
{
    float most = 120, least = 0.002F;
    size_t there, ignored;
    if (read_mark(all, "edm_vpred.sigma_max", &most, 1, &there, e)) return -1;
    if (!there) return 0;
    if (read_mark(all, "edm_vpred.sigma_min", &least, 1, &ignored, e)) return -1;
    if (!(least > 0) || !(most > least) || !isfinite(most))
        return err_set(e, "edm_vpred: sigmas from %g to %g", (double)least, (double)most);
    out->prediction = "v_prediction";
    out->scaled_beside = true;
    str_addf(&out->scheduler, COSXL, (double)most, (double)least);
    return 0;
}

int parts_edm(FileEdm *out, Weights *all, Err *e)
{
    *out = (FileEdm){ 0 };
    int failed = read_shift(out, all, e);
    return !failed && !out->prediction ? read_cosxl(out, all, e) : failed;
}

void parts_edm_release(FileEdm *x)
{
    str_release(&x->scheduler);
    str_release(&x->shift);
}

void parts_shift_vae(const Parts *parts, Part *vae)
{
    size_t len = vae->config.len;
    bool plain = len && vae->config.s[len - 1] == '}' && !strstr(vae->config.s, "latents_mean") &&
                 strstr(vae->config.s, "\"AutoencoderKL\"");
    if (!parts->vae_shift.len || !plain) return;
    vae->config.s[--vae->config.len] = 0;
    str_addf(&vae->config, "%s}", parts->vae_shift.s);
}
