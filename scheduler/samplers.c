/*
 * samplers.c - see samplers.h: the table. Each sampler is one function, named after its paper, over x0 = D(x; sigma), in the file
 * of its family (step.h lists them).
 *
 * x = x0 + sigma * noise throughout (variance exploding), also where the paper or diffusers has alpha * x0 + sigma * noise:
 * the two differ by a factor that the denoiser knows. Scalars are double, latents float32.
 */
#include "scheduler/samplers.h"

#include <stddef.h>
#include <string.h>

#include "scheduler/names.h"
#include "scheduler/step.h"

#define ODE             .kind = SAMPLER_ODE
#define ANCESTRAL       .kind = SAMPLER_ANCESTRAL, .eta = 1, .takes_eta = true, .ensd = true
#define SDE             .kind = SAMPLER_SDE, .eta = 1, .takes_eta = true
#define MULTISTEP       .multistep = true
#define KARRAS          .automatic = "karras"
#define EXPONENTIAL     .automatic = "exponential"
#define AS(class)       .as = { .name = #class "Scheduler" }
#define NAMED(class, a) .as = { #class "Scheduler", true, ALGORITHM_##a }

/* clang-format off */
const Sampler samplers[] = {
    { "euler", "Euler", "sample_euler, k_euler, EDMEulerScheduler, EulerDiscreteScheduler",
      "Karras et al. 2022, arXiv:2206.00364", "straight steps along the slope",
      "the plain one; Turbo and Lightning models", euler, FAMILY_SIGMA, ODE, .order = 1, AS(EulerDiscrete) },
    { "euler_ancestral", "Euler a", "sample_euler_ancestral, k_euler_a, k_euler_ancestral, EulerAncestralDiscreteScheduler",
      "Crowson 2022, k-diffusion", "Euler, with fresh noise each step",
      "variety; the picture does not settle as steps grow", euler_ancestral, FAMILY_SIGMA, ANCESTRAL, .order = 1, AS(EulerAncestralDiscrete) },
    { "heun", "Heun", "sample_heun, k_heun, HeunDiscreteScheduler",
      "Karras et al. 2022, arXiv:2206.00364", "the mean of the slopes at both ends of a step",
      "converged pictures, as a reference", heun, FAMILY_SIGMA, ODE, .order = 2, AS(HeunDiscrete) },
    { "heunpp2", "HeunPP2", "sample_heunpp2, heun++2",
      "Wang et al. 2023, arXiv:2310.14558", "Heun with a look two sigmas ahead, weighted by sigma",
      "few steps with time to spare for each", heunpp2, FAMILY_SIGMA, ODE, .order = 1 },
    { "dpm_2", "DPM2", "sample_dpm_2, k_dpm_2, kdpm_2, dpm2, KDPM2DiscreteScheduler",
      "Lu et al. 2022, arXiv:2206.00927", "the slope half way in log sigma",
      "as Heun, and smoother at few steps", dpm_2, FAMILY_KDPM, ODE, .order = 2, KARRAS, .drops = { false, true, true }, AS(KDPM2Discrete) },
    { "dpm_2_ancestral", "DPM2 a", "sample_dpm_2_ancestral, k_dpm_2_a, k_dpm_2_ancestral, kdpm_2_a, dpm2 a, "
      "KDPM2AncestralDiscreteScheduler",
      "Lu et al. 2022, arXiv:2206.00927", "DPM2, with fresh noise each step",
      "variety, with finer detail than Euler a", dpm_2_ancestral, FAMILY_KDPM, ANCESTRAL, .order = 2, KARRAS,
      .drops = { false, true, true }, AS(KDPM2AncestralDiscrete) },
    { "lms", "LMS", "sample_lms, k_lms, LMSDiscreteScheduler",
      "Crowson 2022, k-diffusion", "Adams and Bashforth's method over four slopes, in sigma",
      "old seeds; from 30 steps on", lms, FAMILY_SIGMA, ODE, MULTISTEP, .order = 3, AS(LMSDiscrete) },
    { "dpm_fast", "DPM fast", "sample_dpm_fast, k_dpm_fast",
      "Lu et al. 2022, arXiv:2206.00927", "third-order steps, N evaluations in all; even in log sigma",
      "10 to 20 evaluations; the schedule gives only the ends", dpm_fast, FAMILY_SIGMA, ODE, .takes_eta = true, .ensd = true,
      .order = 2 },
    { "dpm_adaptive", "DPM adaptive", "sample_dpm_adaptive, k_dpm_ad, k_dpm_adaptive",
      "Lu et al. 2022, arXiv:2206.00927", "third-order steps, as long as the error allows",
      "when no number of steps is known; --steps does not count", dpm_adaptive, FAMILY_SIGMA, ODE, .takes_eta = true,
      .ensd = true, .order = 3, .adaptive = true },
    { "dpmpp_2s_ancestral", "DPM++ 2S a", "sample_dpmpp_2s_ancestral, k_dpmpp_2s_a, k_dpmpp_2s_ancestral, dpmpp_2s_a",
      "Lu et al. 2022, arXiv:2211.01095", "two stages a step, with fresh noise each step",
      "variety and detail at 10 to 20 steps", dpmpp_2s_ancestral, FAMILY_SIGMA, ANCESTRAL, .order = 2, KARRAS },
    { "dpmpp_2s", "DPM++ 2S", "DPMSolverSinglestepScheduler",
      "Lu et al. 2022, arXiv:2211.01095", "steps of two evaluations, N evaluations in all",
      "as DPM++ 2M, without a memory", dpmpp_2s, FAMILY_SINGLE, ODE, .order = 2, NAMED(DPMSolverSinglestep, DATA) },
    { "dpmpp_3s", "DPM++ 3S", "",
      "Lu et al. 2022, arXiv:2211.01095", "steps of three evaluations, N evaluations in all",
      "smooth models without guidance, many steps", dpmpp_3s, FAMILY_SINGLE, ODE, .order = 3, NAMED(DPMSolverSinglestep, DATA) },
    { "dpmpp_2s_sde", "DPM++ 2S SDE", "",
      "Lu et al. 2022, arXiv:2211.01095", "DPM++ 2S of the reverse SDE",
      "as diffusers' singlestep scheduler has it", dpmpp_2s_sde, FAMILY_SINGLE, SDE, .order = 2,
      NAMED(DPMSolverSinglestep, SDE_DATA) },
    { "dpmpp_3s_sde", "DPM++ 3S SDE", "",
      "Lu et al. 2022, arXiv:2211.01095", "DPM++ 3S of the reverse SDE",
      "as diffusers' singlestep scheduler has it", dpmpp_3s_sde, FAMILY_SINGLE, SDE, .order = 3,
      NAMED(DPMSolverSinglestep, SDE_DATA) },
    { "dpmsolver_2s", "DPM-Solver 2S", "",
      "Lu et al. 2022, arXiv:2206.00927", "DPM++ 2S on the noise in place of the estimate",
      "without guidance", dpmsolver_2s, FAMILY_SINGLE, ODE, .order = 2, NAMED(DPMSolverSinglestep, NOISE) },
    { "dpmsolver_3s", "DPM-Solver 3S", "",
      "Lu et al. 2022, arXiv:2206.00927", "DPM++ 3S on the noise in place of the estimate",
      "without guidance, many steps", dpmsolver_3s, FAMILY_SINGLE, ODE, .order = 2, NAMED(DPMSolverSinglestep, NOISE) },
    { "dpmpp_sde", "DPM++ SDE", "sample_dpmpp_sde, k_dpmpp_sde, dpmpp_sde_gpu, DPMSolverSDEScheduler",
      "Lu et al. 2022, arXiv:2211.01095", "two stages a step, with a Brownian tree's noise",
      "detail at 8 to 15 steps", dpmpp_sde, FAMILY_SIGMA, SDE, .order = 2, KARRAS, AS(DPMSolverSDE) },
    { "dpmpp_2m", "DPM++ 2M", "sample_dpmpp_2m, k_dpmpp_2m, EDMDPMSolverMultistepScheduler, DPMSolverMultistepScheduler",
      "Lu et al. 2022, arXiv:2211.01095", "remembers one estimate",
      "the default choice: good from 15 to 25 steps", dpmpp_2m, FAMILY_DPM, ODE, MULTISTEP, .order = 2, KARRAS, NAMED(DPMSolverMultistep, DATA) },
    { "dpmpp_2m_v2", "DPM++ 2M v2", "dpm++2mv2, dpmpp_2mv2, dpm++2m_v2",
      "Lu et al. 2022, arXiv:2211.01095", "DPM++ 2M with neighbouring steps evened out; stable-diffusion.cpp",
      "pictures of stable-diffusion.cpp's", dpmpp_2m_v2, FAMILY_SIGMA, ODE, MULTISTEP, .order = 1, KARRAS },
    { "dpmpp_3m", "DPM++ 3M", "",
      "Lu et al. 2022, arXiv:2211.01095", "remembers two estimates",
      "low guidance and 20 steps or more", dpmpp_3m, FAMILY_DPM, ODE, MULTISTEP, .order = 2, KARRAS, NAMED(DPMSolverMultistep, DATA) },
    { "dpmpp_2m_sde", "DPM++ 2M SDE", "sample_dpmpp_2m_sde, k_dpmpp_2m_sde, dpmpp_2m_sde_gpu",
      "Lu et al. 2022, arXiv:2211.01095", "DPM++ 2M of the reverse SDE",
      "detail; errors of few steps are corrected by the noise", dpmpp_2m_sde, FAMILY_DPM, SDE, MULTISTEP, .order = 2,
      EXPONENTIAL, NAMED(DPMSolverMultistep, SDE_DATA) },
    { "dpmpp_2m_sde_heun", "DPM++ 2M SDE Heun", "k_dpmpp_2m_sde_heun, dpmpp_2m_sde_heun_gpu",
      "Lu et al. 2022, arXiv:2211.01095", "the same with Heun's correction",
      "as DPM++ 2M SDE, a little smoother", dpmpp_2m_sde_heun, FAMILY_DPM, SDE, MULTISTEP, .order = 2, EXPONENTIAL, NAMED(DPMSolverMultistep, SDE_DATA) },
    { "dpmpp_3m_sde", "DPM++ 3M SDE", "sample_dpmpp_3m_sde, k_dpmpp_3m_sde, dpmpp_3m_sde_gpu",
      "Crowson 2023, k-diffusion", "DPM++ 3M of the reverse SDE",
      "30 steps or more", dpmpp_3m_sde, FAMILY_DPM, SDE, MULTISTEP, .order = 2, EXPONENTIAL, .drops = { false, true, false }, NAMED(DPMSolverMultistep, SDE_DATA) },
    { "dpmsolver_2m", "DPM-Solver 2M", "",
      "Lu et al. 2022, arXiv:2206.00927", "DPM++ 2M on the noise in place of the estimate",
      "models of that time, without guidance", dpmsolver_2m, FAMILY_DPM, ODE, MULTISTEP, .order = 2,
      NAMED(DPMSolverMultistep, NOISE) },
    { "dpmsolver_3m", "DPM-Solver 3M", "",
      "Lu et al. 2022, arXiv:2206.00927", "DPM++ 3M on the noise in place of the estimate",
      "models of that time, without guidance", dpmsolver_3m, FAMILY_DPM, ODE, MULTISTEP, .order = 2,
      NAMED(DPMSolverMultistep, NOISE) },
    { "dpmsolver_2m_sde", "DPM-Solver 2M SDE", "",
      "Lu et al. 2022, arXiv:2211.01095", "DPM-Solver 2M of the reverse SDE",
      "many steps", dpmsolver_2m_sde, FAMILY_DPM, .kind = SAMPLER_SDE, .eta = 1, MULTISTEP, NAMED(DPMSolverMultistep, SDE_NOISE) },
    { "sa_solver", "SA Solver", "SASolverScheduler",
      "Xue et al. 2023, arXiv:2309.05019", "a stochastic multistep predictor, corrected by the next evaluation",
      "detail at 15 to 30 steps", sa_solver, FAMILY_DEIS, SDE, MULTISTEP, .order = 2, AS(SASolver) },
    { "ddim", "DDIM", "k_ddim, DDIMScheduler",
      "Song et al. 2020, arXiv:2010.02502", "along the estimate; with eta 1 as random as DDPM",
      "v-prediction models, old seeds", ddim, FAMILY_DDIM, ODE, .takes_eta = true, .order = 1, AS(DDIM) },
    { "ddpm", "DDPM", "k_ddpm, DDPMScheduler",
      "Ho et al. 2020, arXiv:2006.11239", "the way back of the training's Markov chain",
      "hundreds of steps; research", ddpm, FAMILY_DDPM, .kind = SAMPLER_ANCESTRAL, .eta = 1, AS(DDPM) },
    { "plms", "PLMS", "k_plms, PNDMScheduler",
      "Liu et al. 2022, arXiv:2202.09778", "Adams and Bashforth's weights on four outputs",
      "old seeds: Stable Diffusion's first sampler", plms, FAMILY_DDIM, ODE, MULTISTEP, .order = 2, AS(PNDM) },
    { "pndm", "PNDM", "",
      "Liu et al. 2022, arXiv:2202.09778", "PLMS, begun by three steps of Runge and Kutta",
      "models of pixels without guidance", pndm, FAMILY_DDIM, ODE, MULTISTEP, .order = 2, AS(PNDM) },
    { "unipc", "UniPC", "sample_unipc, uni_pc, UniPCMultistepScheduler",
      "Zhao et al. 2023, arXiv:2302.04867", "a multistep predictor, corrected by the next evaluation",
      "5 to 15 steps", unipc, FAMILY_UNIPC, ODE, MULTISTEP, .order = 3, .drops = { false, false, true }, AS(UniPCMultistep) },
    { "unipc_bh1", "UniPC bh1", "uni_pc_bh1",
      "Zhao et al. 2023, arXiv:2302.04867", "UniPC with B(h) = h",
      "5 to 10 steps without guidance", unipc_bh1, FAMILY_UNIPC, ODE, MULTISTEP, .order = 3, .drops = { false, false, true }, AS(UniPCMultistep) },
    { "unipc_bh2", "UniPC bh2", "uni_pc_bh2",
      "Zhao et al. 2023, arXiv:2302.04867", "UniPC with B(h) = e^h - 1",
      "5 to 15 steps with guidance", unipc_bh2, FAMILY_UNIPC, ODE, MULTISTEP, .order = 3, .drops = { false, false, true }, AS(UniPCMultistep) },
    { "deis", "DEIS", "sample_deis, DEISMultistepScheduler",
      "Zhang and Chen 2023, arXiv:2204.13902", "the slopes' polynomial, exactly integrated",
      "10 to 20 steps", deis, FAMILY_DEIS, ODE, MULTISTEP, .order = 2, AS(DEISMultistep) },
    { "ipndm", "IPNDM", "sample_ipndm",
      "Zhang and Chen 2023, arXiv:2204.13902", "Adams and Bashforth's weights on four slopes, as if even",
      "10 to 20 steps", ipndm, FAMILY_SIGMA, ODE, MULTISTEP, .order = 2 },
    { "ipndm_v", "IPNDM_V", "sample_ipndm_v",
      "Zhou et al. 2024, arXiv:2312.00094", "the same for steps of different length",
      "10 to 20 steps", ipndm_v, FAMILY_SIGMA, ODE, MULTISTEP, .order = 2 },
    { "lcm", "LCM", "sample_lcm, LCMScheduler",
      "Luo et al. 2023, arXiv:2310.04378", "to the estimate, and fresh noise up to the next sigma",
      "latent consistency models, 1 to 8 steps", lcm, FAMILY_LCM, .kind = SAMPLER_ANCESTRAL, .eta = 1, AS(LCM) },
    { "tcd", "TCD", "k_tcd, TCDScheduler",
      "Zheng et al. 2024, arXiv:2402.19159", "along the estimate below the goal, then fresh noise; eta is gamma",
      "trajectory consistency models, 1 to 8 steps", tcd, FAMILY_TCD, .kind = SAMPLER_ANCESTRAL, .eta = 0.3,
      .takes_eta = true, AS(TCD) },
    { "cm", "CM", "consistency, CMStochasticIterativeScheduler",
      "Song et al. 2023, arXiv:2303.01469", "to the estimate, and fresh noise up to the next sigma",
      "consistency models that are not latent ones (those: lcm); no other network", cm, FAMILY_LCM, .kind = SAMPLER_ANCESTRAL,
      .eta = 1, .only = NETWORK_CONSISTENCY, AS(CMStochasticIterative) },
    { "flow_euler", "Flow Match Euler", "flow_match_euler, FlowMatchEulerDiscreteScheduler",
      "Esser et al. 2024, arXiv:2403.03206", "straight steps along the flow; --eta 1: fresh noise in each",
      "networks trained by flow matching; no other", flow_euler, FAMILY_FLOW, ODE, .takes_eta = true, .order = 1,
      .only = NETWORK_FLOW, AS(FlowMatchEulerDiscrete) },
    { "restart", "Restart", "k_restart",
      "Xu et al. 2023, arXiv:2306.14878", "Heun, that goes back up near the end; from 20 steps on",
      "the last bit of quality, with time to spare", restart, FAMILY_SIGMA, .kind = SAMPLER_ANCESTRAL, .eta = 1, KARRAS },
    { "euler_cfg_pp", "Euler CFG++", "sample_euler_cfg_pp",
      "Chung et al. 2024, arXiv:2406.08070", "Euler, back up with the noise seen without the prompt",
      "guidance 0.5 to 2", euler_cfg_pp, FAMILY_SIGMA, ODE, .order = 1, .cfg_pp = true },
    { "euler_ancestral_cfg_pp", "Euler a CFG++", "sample_euler_ancestral_cfg_pp",
      "Chung et al. 2024, arXiv:2406.08070", "the same with fresh noise each step",
      "guidance 0.5 to 2, variety", euler_ancestral_cfg_pp, FAMILY_SIGMA, ANCESTRAL, .order = 1, .cfg_pp = true },
    { "ddim_cfg_pp", "DDIM CFG++", "",
      "Chung et al. 2024, arXiv:2406.08070", "the same as DDIM; a 12.5th of --cfg-scale counts, as in A1111",
      "guidance as usual (7.5), softer", ddim_cfg_pp, FAMILY_DDIM, ODE, .takes_eta = true, .order = 1, .cfg_pp = true, AS(DDIM) },
    { "dpmpp_2m_cfg_pp", "DPM++ 2M CFG++", "sample_dpmpp_2m_cfg_pp",
      "Chung et al. 2024, arXiv:2406.08070", "DPM++ 2M that remembers the estimate without the prompt",
      "guidance 0.5 to 2", dpmpp_2m_cfg_pp, FAMILY_SIGMA, ODE, MULTISTEP, .order = 2, .cfg_pp = true },
    { "dpmpp_2s_ancestral_cfg_pp", "DPM++ 2S a CFG++", "sample_dpmpp_2s_ancestral_cfg_pp",
      "Chung et al. 2024, arXiv:2406.08070", "DPM++ 2S a along the estimate without the prompt",
      "guidance 0.5 to 2, variety", dpmpp_2s_ancestral_cfg_pp, FAMILY_SIGMA, ANCESTRAL, .order = 2, .cfg_pp = true },
    { "res_multistep_cfg_pp", "Res Multistep CFG++", "sample_res_multistep_cfg_pp",
      "Chung et al. 2024, arXiv:2406.08070", "res_multistep that remembers the estimate without the prompt",
      "guidance 0.5 to 2", res_multistep_cfg_pp, FAMILY_SIGMA, ODE, MULTISTEP, .order = 2, .cfg_pp = true },
    { "res_multistep_ancestral_cfg_pp", "Res Multistep a CFG++", "sample_res_multistep_ancestral_cfg_pp",
      "Chung et al. 2024, arXiv:2406.08070", "the same with fresh noise each step",
      "guidance 0.5 to 2, variety", res_multistep_ancestral_cfg_pp, FAMILY_SIGMA, ANCESTRAL, MULTISTEP, .order = 2, .cfg_pp = true },
    { "gradient_estimation_cfg_pp", "Gradient Estimation CFG++", "sample_gradient_estimation_cfg_pp",
      "Chung et al. 2024, arXiv:2406.08070", "gradient_estimation by the slope without the prompt",
      "guidance 0.5 to 2", gradient_estimation_cfg_pp, FAMILY_SIGMA, ODE, MULTISTEP, .order = 1, .cfg_pp = true },
    { "res_multistep", "Res Multistep", "sample_res_multistep",
      "Zhang et al. 2023, arXiv:2308.02157", "an exponential integrator that remembers one estimate",
      "as DPM++ 2M; 15 to 25 steps", res_multistep, FAMILY_SIGMA, ODE, MULTISTEP, .order = 2 },
    { "res_multistep_ancestral", "Res Multistep a", "sample_res_multistep_ancestral",
      "Zhang et al. 2023, arXiv:2308.02157", "the same with fresh noise each step",
      "variety", res_multistep_ancestral, FAMILY_SIGMA, ANCESTRAL, MULTISTEP, .order = 2 },
    { "gradient_estimation", "Gradient Estimation", "sample_gradient_estimation",
      "Permenter and Yuan 2024, arXiv:2306.04848", "Euler along twice the slope less the last one",
      "few steps, without guidance above 5", gradient_estimation, FAMILY_SIGMA, ODE, MULTISTEP, .order = 1 },
    { "er_sde", "ER SDE", "sample_er_sde",
      "Cui et al. 2023, arXiv:2309.06169", "an SDE with less noise at low sigma; remembers two estimates",
      "detail at 15 to 30 steps", er_sde, FAMILY_SIGMA, .kind = SAMPLER_SDE, .eta = 1, MULTISTEP },
    { "seeds_2", "SEEDS 2", "sample_seeds_2",
      "Gonzalez et al. 2023, arXiv:2305.14267", "an exponential integrator of the SDE, two stages",
      "many steps, detail", seeds_2, FAMILY_SIGMA, SDE, .order = 2 },
    { "seeds_3", "SEEDS 3", "sample_seeds_3",
      "Gonzalez et al. 2023, arXiv:2305.14267", "the same with three stages",
      "many steps, detail", seeds_3, FAMILY_SIGMA, SDE, .order = 3 },
    { "exp_heun_2_x0", "Exp Heun 2 x0", "sample_exp_heun_2_x0",
      "Gonzalez et al. 2023, arXiv:2305.14267", "Heun in log sigma, on the estimate",
      "converged pictures with fewer steps than Heun", exp_heun_2_x0, FAMILY_SIGMA, ODE, .order = 2 },
    { "exp_heun_2_x0_sde", "Exp Heun 2 x0 SDE", "sample_exp_heun_2_x0_sde",
      "Gonzalez et al. 2023, arXiv:2305.14267", "the same of the reverse SDE",
      "many steps, detail", exp_heun_2_x0_sde, FAMILY_SIGMA, SDE, .order = 2 },
    { 0 },
};
/* clang-format on */

static const Sampler *find_n(const char *name, size_t len)
{
    char text[64];
    if (len >= sizeof text) return NULL;
    memcpy(text, name, len);
    text[len] = '\0';
    for (const Sampler *s = samplers; s->name; s++)
        if (names_have(s->name, text) || names_have(s->a1111, text) || names_have(s->aliases, text)) return s;
    return NULL;
}

const Sampler *sampler_split(const char *name, const char **schedule)
{
    *schedule = NULL;
    if (!name) return NULL;
    const Sampler *s = find_n(name, strlen(name));
    if (s) return s;
    for (size_t len = strlen(name); len > 0; len--) { /* the shortest end that is a schedule's name */
        if (!strchr(" _-", name[len]) || !name[len]) continue;
        const Schedule *end = schedule_find(name + len + 1);
        s = end ? find_n(name, len) : NULL;
        if (!s) continue;
        *schedule = end->name;
        return s;
    }
    return NULL;
}

double sampler_eta(const Sampler *s, Compat compat) { return compat == COMPAT_DIFFUSERS && s->run == tcd ? 0 : s->eta; }

const Sampler *sampler_find(const char *name)
{
    const char *schedule;
    return sampler_split(name, &schedule);
}

bool sampler_deterministic(const Sampler *s, double eta)
{
    return s->kind == SAMPLER_ODE && !(s->takes_eta && eta > 0);
}

/* For a dry run, which never calls it. */
static int no_network(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx, (void)x0, (void)x, (void)sigma, (void)e;
    return -1;
}

int sampler_evals(const Sampler *s, const Timeline *tl)
{
    Noise noise;
    Arena dry;
    Err e;
    if (s->adaptive) return 0;
    noise_defaults(&noise);
    arena_init_dry(&dry);
    Denoiser d = { .noise = &noise, .exact = no_network, .guidance = { .scale = 1 }, .arena = &dry };
    Tensor x = tensor_new(&dry, 1, 1, 1, 1);
    return sampler_run(s, &(Sampling){ .d = &d, .x = x, .tl = tl, .eta = s->eta, .arena = &dry }, &e) ? 0 : d.evals;
}

int sampler_run(const Sampler *sampler, const Sampling *s, Err *e)
{
    size_t mark = s->arena->used;
    int rc = sampler->run(s, e);
    s->d->unguided = (Tensor){ 0 };
    arena_reset(s->arena, mark);
    return rc;
}
