/*
 * step.h - what the samplers share: mixing latents, calling the network, adding noise. Internal to scheduler/.
 *
 * In a dry arena the arithmetic does nothing, so that a sampler's dry run only counts its allocations and evaluations.
 */
#ifndef LIMN_SCHEDULER_STEP_H
#define LIMN_SCHEDULER_STEP_H

#include "scheduler/samplers.h"

/* out = a * x + b * y; out may be x or y. Coefficients are rounded to float32, as in the tools. */
void mix(Tensor out, double a, Tensor x, double b, Tensor y);
/* x += a * y */
void add(Tensor x, double a, Tensor y);
/* out = dx/dsigma = (x - x0) / sigma */
void slope_of(Tensor out, Tensor x, Tensor x0, double sigma);

/* x0 = D(x; sigma_i), with the timeline's timestep. */
int denoised(const Sampling *s, Tensor x0, Tensor x, int i, Err *e);
/* x0 = D(x; sigma) for another sigma within step i. */
int denoised_at(const Sampling *s, Tensor x0, Tensor x, double sigma, int i, Err *e);

/* The sigma where step i ends. */
static inline double sigma_to(const Sampling *s, int i) { return s->tl->to[i]; }

/*
 * Ends step i: x, which is at sigma_to(s, i), from now on counts as at sigma[i + 1] (see Timeline). Calls
 * after_step().
 */
int step_done(const Sampling *s, int i, Tensor x0, Err *e);

/*
 * Between the two evaluations of step i, x is at an intermediate sigma, or at the step's end. diffusers' pipelines count
 * evaluations, and restore the kept part of a mask after each; `sigma`: of the noise that they then add to it.
 */
void half_done(const Sampling *s, Tensor x, double sigma);

/*
 * A step from sigma to `to` with the share eta of fresh noise: it goes down to sigma `down`, then adds noise of `up`, so that
 * down^2 + up^2 = to^2. eta 1 is as random as DDPM. Song et al. 2020, arXiv:2010.02502, eq. 16, in this scale.
 */
void split_noise(double sigma, double to, double eta, double *down, double *up);

/* x += amount * s_noise * fresh noise; noise is a buffer for it. Draws nothing for amount 0. */
void add_noise(const Sampling *s, double amount, Tensor noise);

/*
 * Raises x from sigma_i to the returned sigma by adding noise. Karras et al. 2022, arXiv:2206.00364, algorithm 2. k-diffusion
 * draws the noise of every step, also of those outside tmin .. tmax.
 */
double churn(const Sampling *s, int i, Tensor noise);
/* x0 = D(x; hat), where hat is sigma_i, or the higher one from churn(). */
int denoised_hat(const Sampling *s, Tensor x0, double hat, int i, Err *e);

/* out = noise of the SDE between two sigmas, of unit variance: from the Brownian tree if the tool uses one, else fresh. */
void sde_noise(const Sampling *s, Tensor out, double sigma, double to);
void tree_noise(const Sampling *s, Tensor out, double sigma, double to);

/* The clipped estimate that some of diffusers' schedulers take (clip_sample, thresholding). */
bool clips(const Sampling *s);
void clip(const Sampling *s, Tensor x0);

/* The order to use in a step: the row's, or the user's, but at most `most`. */
int order_of(const Sampling *s, int own, int most);

static inline double s_noise(const Sampling *s) { return 1 - s->tuning.noise_less; }

/* A history of the last few tensors: history[0] the newest. */
void history_rotate(Tensor *history, int count);

#define SAMPLER(name) int name(const Sampling *s, Err *e)

/* euler.c */
SAMPLER(euler);
SAMPLER(euler_ancestral);
SAMPLER(heun);
SAMPLER(heunpp2);
SAMPLER(euler_cfg_pp);
SAMPLER(euler_ancestral_cfg_pp);
SAMPLER(restart);
/* dpm.c */
SAMPLER(dpm_2);
SAMPLER(dpm_2_ancestral);
SAMPLER(dpm_fast);
SAMPLER(dpm_adaptive);
/* dpmpp.c */
SAMPLER(dpmpp_2s_ancestral);
SAMPLER(dpmpp_2s_ancestral_cfg_pp);
SAMPLER(dpmpp_2m);
SAMPLER(dpmpp_2m_v2);
SAMPLER(dpmpp_3m);
SAMPLER(dpmpp_2m_cfg_pp);
SAMPLER(dpmsolver_2m);
SAMPLER(dpmsolver_3m);
SAMPLER(dpmsolver_2m_sde);
/* singlestep.c */
SAMPLER(dpmpp_2s);
SAMPLER(dpmpp_3s);
SAMPLER(dpmpp_2s_sde);
SAMPLER(dpmpp_3s_sde);
SAMPLER(dpmsolver_2s);
SAMPLER(dpmsolver_3s);
/* sa_solver.c */
SAMPLER(sa_solver);
/* sde.c */
SAMPLER(dpmpp_sde);
SAMPLER(dpmpp_2m_sde);
SAMPLER(dpmpp_2m_sde_heun);
SAMPLER(dpmpp_3m_sde);
SAMPLER(er_sde);
SAMPLER(seeds_2);
SAMPLER(seeds_3);
SAMPLER(exp_heun_2_x0);
SAMPLER(exp_heun_2_x0_sde);
/* multistep.c */
SAMPLER(lms);
SAMPLER(ipndm);
SAMPLER(ipndm_v);
SAMPLER(deis);
SAMPLER(res_multistep);
SAMPLER(res_multistep_ancestral);
SAMPLER(gradient_estimation);
/* cfg_pp.c */
SAMPLER(res_multistep_cfg_pp);
SAMPLER(res_multistep_ancestral_cfg_pp);
SAMPLER(gradient_estimation_cfg_pp);
/* pndm.c */
SAMPLER(plms);
SAMPLER(pndm);
/* unipc.c */
SAMPLER(unipc);
SAMPLER(unipc_bh1);
SAMPLER(unipc_bh2);
/* ddim.c */
SAMPLER(ddim);
SAMPLER(ddim_cfg_pp);
SAMPLER(ddpm);
SAMPLER(lcm);
SAMPLER(tcd);
/* consistency.c */
SAMPLER(cm);
/* flow.c */
SAMPLER(flow_euler);

#endif
