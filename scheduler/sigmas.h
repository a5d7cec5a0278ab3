/*
 * sigmas.h - the rules that fill a timeline (sigmas.c, sigma_tables.c), one per schedule; schedules.c has the table. Internal to
 * scheduler/.
 *
 * A rule fills tl->sigma[0 .. steps - 1], and tl->t if it is based on timesteps; entries left NAN are looked up. It may change
 * tl->steps (up to the model's timesteps), and set in tl->to where steps end, if not at the next sigma. Error: too many steps.
 */
#ifndef LIMN_SCHEDULER_SIGMAS_H
#define LIMN_SCHEDULER_SIGMAS_H

#include "scheduler/schedules.h"

#define RULE(name) int name(const Noise *n, Timeline *tl, Err *e)

RULE(sigmas_model);
RULE(sigmas_leading);
RULE(sigmas_trailing);
RULE(sigmas_linspace);
RULE(sigmas_karras);
RULE(sigmas_karras_old);
RULE(sigmas_exponential);
RULE(sigmas_lu);
RULE(sigmas_beta);
RULE(sigmas_beta_comfyui);
RULE(sigmas_normal);
RULE(sigmas_sgm_uniform);
RULE(sigmas_simple);
RULE(sigmas_ddim_uniform);
RULE(sigmas_kl_optimal);
RULE(sigmas_kl_optimal_comfyui);
RULE(sigmas_ays);
RULE(sigmas_ays_sdxl);
RULE(sigmas_ays_comfyui);
RULE(sigmas_ays_sdxl_comfyui);
RULE(sigmas_ays_32);
RULE(sigmas_ays_32_sdxl);
RULE(sigmas_gits);
RULE(sigmas_laplace);
RULE(sigmas_laplace_comfyui);
RULE(sigmas_linear_quadratic);
RULE(sigmas_sd_turbo);
RULE(sigmas_vp);

/* The user's timesteps in tl->t, whatever the schedule. */
RULE(sigmas_given);

/* A1111's own layouts of DDIM and PLMS, and of UniPC, whatever the schedule (modules/sd_samplers_timesteps.py). */
RULE(sigmas_compvis_ddim);
RULE(sigmas_compvis_unipc);

/* For networks of another kind. given: tl->t holds the user's timesteps (consistency.c, flow.c). */
int sigmas_consistency(const Noise *n, Timeline *tl, bool given, Err *e);
int sigmas_flow(const Noise *n, const Schedule *schedule, Timeline *tl, Err *e);

#endif
