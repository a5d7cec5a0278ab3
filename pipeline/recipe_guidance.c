/* recipe_guidance.c - a job's methods of guidance, which of them can be combined, and in which model. See recipe.h. */
#include <string.h>

#include "base/mem.h"

#include "pipeline/recipe_internal.h"
#include "pipeline/selfs.h"

static const char *const USUAL_LAYERS = "mid"; /* of PAG and SEG, diffusers' */
static const double SEG_SIGMA = 100;           /* the authors' */

/* Each makes the guided output in its own way. */
static int check_one_way(const Job *j, Err *e)
{
    const struct {
        const char *name;
        bool on;
    } ways[] = { { "cfg-zero-star", j->cfg_zero_star },
                 { "apg", j->apg > 0 || j->apg_threshold > 0 || j->apg_momentum > 0 },
                 { "perp-neg", j->perp_neg > 0 },
                 { "mimic-scale", j->mimic_scale > 0 } };
    const char *first = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!ways[i].on) continue;
        if (first)
            return err_usage(e, "%s: not together with --%s: each makes the guided picture in its own way",
                             ways[i].name, first);
        first = ways[i].name;
    }
    return 0;
}

static int check_sag(const Recipe *r, const Model *m, Err *e)
{
    int h = r->h, w = r->w, factor = vae_factor(m->vae);
    const Job *j = &r->said;
    if (unet_middle_self(m->unet, &h, &w) < 0)
        return err_usage(e, "sag: this model has no self-attention in its middle, which it goes by");
    if (r->w <= 4 || r->h <= 4)
        return err_usage(e, "sag: %dx%d is too small to blur, at least %d pixels a side are expected", j->width,
                         j->height, 5 * factor);
    if (r->window)
        return err_usage(e, "sag: not together with --diffusion-tile, where nothing looks at the whole picture");
    if (j->refiner) return err_usage(e, "sag: not together with --refiner");
    if (j->reuse_negative > 1)
        return err_usage(e, "sag: not together with --reuse-negative: it goes by the negative prompt's evaluation");
    return 0;
}

static int check(const Recipe *r, const Model *m, Err *e)
{
    const Job *j = &r->said;
    const Guidance *g = &r->guidance;
    if (check_one_way(j, e)) return -1;
    if (j->pag_adaptive > 0 && j->pag < 0) return err_usage(e, "pag-adaptive: there is no --pag, such as --pag 3");
    if (j->pag_layers && j->pag < 0) return err_usage(e, "pag-layers: there is no --pag, such as --pag 3");
    if ((j->seg_layers || j->seg_sigma > 0) && j->seg < 0)
        return err_usage(e, "seg-sigma, seg-layers: there is no --seg, such as --seg 3");
    if (j->mimic_percentile > 0 && j->mimic_scale < 0)
        return err_usage(e, "mimic-percentile: there is no --mimic-scale, such as --mimic-scale 7");
    if (j->ngms_all && j->ngms < 0) return err_usage(e, "ngms-all: there is no --ngms, such as --ngms 0.5");
    bool negative = guidance_wants(g, BRANCH_NEGATIVE);
    if (j->reuse_negative > 1 && negative && r->sampler->adaptive)
        return err_usage(e, "reuse-negative: the sampler %s chooses its own steps", r->sampler->name);
    return j->sag > 0 ? check_sag(r, m, e) : 0;
}

/* A guidance-distilled model (LCM) is told the scale instead: diffusers' do_classifier_free_guidance. */
static void choose_guidance(Recipe *r, const Model *m)
{
    const Job *j = &r->said;
    Guidance *g = &r->guidance;
    bool on = (j->cfg_scale > 1 || r->sampler->cfg_pp) && !unet_cond_width(m->unet);
    if (r->beside == BESIDE_PICTURE && j->image_cfg_scale < 1) on = false; /* as in diffusers */
    *g = (Guidance){ .scale = on ? (float)j->cfg_scale : 1,
                     .both = on && r->sampler->cfg_pp,
                     .comfyui = r->compat == COMPAT_COMFYUI,
                     .limited = j->guidance_interval != NULL };
    for (int i = 0; guides[i].name; i++)
        for (int k = 0; k < GUIDE_VALUES && guides[i].options[k]; k++)
            g->value[i][k] = job_number(j, guides[i].options[k]);
    job_interval(j->guidance_interval, r->timeline.steps, &g->from, &g->end);
    int steps = r->timeline.steps, evals = sampler_evals(r->sampler, &r->timeline);
    g->evaluations = evals > steps ? (evals + steps - 1) / steps * steps : steps;
}

/* The self-attentions that are disturbed. */
static int choose_selfs(Recipe *r, const Model *m, Err *e)
{
    Job *j = &r->said;
    bool pag = guidance_wants(&r->guidance, BRANCH_IDENTITY), seg = guidance_wants(&r->guidance, BRANCH_SMOOTHED);
    if (pag && !j->pag_layers) j->pag_layers = mem_strdup(USUAL_LAYERS);
    if (seg && !j->seg_layers) j->seg_layers = mem_strdup(USUAL_LAYERS);
    if (seg && j->seg_sigma < 0) j->seg_sigma = SEG_SIGMA;
    if (pag && selfs_find(m->unet, "pag-layers", j->pag_layers, &r->self_at[SELF_IDENTITY], e)) return -1;
    return seg ? selfs_find(m->unet, "seg-layers", j->seg_layers, &r->self_at[SELF_BLURRED], e) : 0;
}

/* ---- the network itself ---- */

/* b1, b2, s1, s2 as the authors found them, by the family. */
static const struct {
    const char *family;
    double value[4];
} freeu_usual[] = { { "SD 1.x", { 1.5, 1.6, 0.9, 0.2 } },
                    { "SD 2.x", { 1.4, 1.6, 0.9, 0.2 } },
                    { "SD XL", { 1.3, 1.4, 0.9, 0.2 } } };

static int choose_freeu(Recipe *r, const Model *m, Err *e)
{
    Job *j = &r->said;
    double *value[] = { &j->freeu_b1, &j->freeu_b2, &j->freeu_s1, &j->freeu_s2 };
    size_t own = 0, count = sizeof freeu_usual / sizeof *freeu_usual;
    for (size_t i = 0; i < count; i++)
        if (strcmp(m->family, freeu_usual[i].family) == 0) own = i;
    for (int i = 0; i < 4; i++) {
        if (!j->freeu && *value[i] >= 0)
            return err_usage(e, "freeu-b1, freeu-b2, freeu-s1, freeu-s2: there is no --freeu, such as --freeu v1");
        if (j->freeu && *value[i] < 0) *value[i] = freeu_usual[own].value[i];
    }
    if (!j->freeu) return 0;
    r->freeu = (UNetFreeU){ .version = strcmp(j->freeu, "v2") == 0 ? 2 : 1,
                            .by_channels = r->compat != COMPAT_DIFFUSERS,
                            .b = { j->freeu_b1, j->freeu_b2 },
                            .s = { j->freeu_s1, j->freeu_s2 } };
    return 0;
}

/* What takes less work. */
static int check_shortcuts(const Recipe *r, const Model *m, Err *e)
{
    const Job *j = &r->said;
    bool deep = j->deepcache > 1, fewer = j->tome > 0 || j->hypertile;
    if (deep && r->sampler->adaptive)
        return err_usage(e, "deepcache: the sampler %s chooses its own steps", r->sampler->name);
    if (deep && r->window) return err_usage(e, "deepcache: not together with --diffusion-tile");
    if (deep && j->refiner && r->compat == COMPAT_A1111)
        return err_usage(e, "deepcache: not together with --refiner as A1111 hands over, within a run");
    if (j->tome > 0 && j->hypertile)
        return err_usage(e, "tome: not together with --hypertile: both change what the same attentions see");
    if (j->hypertile_depth && !j->hypertile)
        return err_usage(e, "hypertile-depth: there is no --hypertile, such as --hypertile 256");
    if (fewer && !(j->hypertile && j->hypertile_depth) && !unet_attends_at_full_size(m->unet))
        return err_usage(e, "%s: this model has no self-attention at its largest level, which is where it would save",
                         j->hypertile ? "hypertile" : "tome");
    return 0;
}

int recipe_choose_guidance(Recipe *r, const Model *m, Err *e)
{
    choose_guidance(r, m);
    if (check(r, m, e) || choose_selfs(r, m, e)) return -1;
    return choose_freeu(r, m, e) || check_shortcuts(r, m, e) ? -1 : 0;
}
