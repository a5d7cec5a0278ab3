/* choose.c - which of diffusers' classes a model's file is of, and which is run: see classes.h. */
#include <string.h>

#include "base/str.h"
#include "scheduler/classes.h"
#include "scheduler/config.h"

#define COMMON_KEYS                                                                                                    \
    (KEY(NUM_TRAIN_TIMESTEPS) | KEY(BETA_START) | KEY(BETA_END) | KEY(BETA_SCHEDULE) | KEY(TRAINED_BETAS) |            \
     KEY(PREDICTION_TYPE) | KEY(TIMESTEP_SPACING) | KEY(STEPS_OFFSET) | KEY(RESCALE_BETAS_ZERO_SNR))
#define SIGMA_KEYS (KEY(USE_KARRAS_SIGMAS) | KEY(USE_EXPONENTIAL_SIGMAS) | KEY(USE_BETA_SIGMAS))

/* Samplers that diffusers does not have. */
static const SchedulerClass further[] = {
    { SCHEDULER_KDIFFUSION, "", BETA_LINEAR, 0.0001, 0.02, SPACING_LINSPACE, COMMON_KEYS | SIGMA_KEYS, 0,
      .predicts_x0 = true, .karras_range = true },
    { SCHEDULER_TRAINING, "", BETA_SCALED_LINEAR, 0.00085, 0.012, SPACING_LEADING,
      COMMON_KEYS | KEY(ORIGINAL_INFERENCE_STEPS) | KEY(TIMESTEP_SCALING), 0, .predicts_x0 = true },
};

/* Classes of diffusers for networks of another kind. */
static const struct {
    const char *name, *why;
} foreign[] = {
    { "FlowMatch",
      "of those for networks that were trained by flow matching limn has FlowMatchEulerDiscreteScheduler only" },
    { "ConsistencyDecoder", "it belongs to a decoder of its own kind, which limn does not run" },
    { "ScoreSde", "its network gives scores of an SDE of its own, which limn does not run" },
    { "KarrasVe", "its network is one of pixels, which limn does not run" },
    { "VQDiffusion", "its network gives classes of a VQ-VAE, which limn does not run" },
    { "Amused", "its network gives tokens, which limn does not run" },
    { "UnCLIP", "it belongs to a network of image embeddings, which limn does not run" },
    { "DDPMWuerstchen", "its network is Wuerstchen's, which limn does not run" },
    { "Cogvideo", "its network draws videos, which limn does not run" },
};

/* The class of that name. Error: one that limn does not have. */
static int find_class(const SchedulerClass **out, const char *name, Err *e)
{
    if (str_starts(name, "Flax")) name += strlen("Flax"); /* the same under JAX */
    *out = scheduler_class_find(name);
    for (size_t i = 0; !*out && i < sizeof further / sizeof *further; i++)
        if (strcmp(further[i].name, name) == 0) *out = &further[i];
    if (*out) return 0;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (str_starts(name, foreign[i].name)) return err_set(e, "the scheduler is a %.60s: %s", name, foreign[i].why);
    return err_set(
        e,
        "the scheduler is a %.60s, which limn does not know; one of Stable Diffusion's such as DDIMScheduler "
        "or EulerDiscreteScheduler was expected",
        name);
}

/* Networks of one kind, and schedulers that are for no other. The class that is asked for may be none of diffusers'. */
static int check_kind(const SchedulerClass *file, const char *asked, Err *e)
{
    static const char *const words[] = { [NETWORK_DISCRETE] = "predicts the noise at a timestep",
                                         [NETWORK_EDM] = "has EDM's noise",
                                         [NETWORK_CONSISTENCY] = "is a consistency model",
                                         [NETWORK_FLOW] = "was trained by flow matching" };
    if (!asked || strcmp(asked, SCHEDULER_TRAINING) == 0 || (file && strcmp(asked, file->name) == 0)) return 0;
    const SchedulerClass *c = scheduler_class_find(asked);
    NetworkKind own = file ? file->kind : NETWORK_DISCRETE, wants = c ? c->kind : NETWORK_DISCRETE;
    if (own == wants || (own <= NETWORK_EDM && wants <= NETWORK_EDM)) return 0;
    if (own > NETWORK_EDM)
        return err_usage(e, "the network %s: the sampler %s draws with it, no other does", words[own], file->sampler);
    return err_usage(e, "the sampler %s is for a network that %s, and this one %s: %s is the like of it", c->sampler,
                     words[wants], words[own], wants == NETWORK_FLOW ? "euler" : "lcm");
}

int scheduler_choose(const SchedulerClass **file, const SchedulerClass **run, const char *of, const char *asked, Err *e)
{
    if (of && find_class(file, of, e)) return -1;
    if (check_kind(*file, asked, e)) return -1;
    if (*file && (!asked || (*file)->kind != NETWORK_DISCRETE)) *run = *file;
    else if (find_class(run, asked ? asked : SCHEDULER_TRAINING, e)) return -1;
    return 0;
}
