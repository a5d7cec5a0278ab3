/*
 * flow.c - networks trained by flow matching: where their steps are, and Euler's method. Liu et al. 2022, arXiv:2209.03003; Esser et al.
 * 2024, arXiv:2403.03206; as diffusers' FlowMatchEulerDiscreteScheduler has it.
 * Steps of InstaFlow's pipeline_rf.py (Liu et al. 2023, arXiv:2309.06380): its RectifiedFlowPipeline.
 *
 * There x = (1 - s) x0 + s noise; here that over 1 - s, so sigma = s / (1 - s), and pure noise lies at infinity (NOISE_INFINITE).
 */
#include <math.h>

#include "scheduler/sigmas.h"
#include "scheduler/step.h"

static double shifted(double shift, double s) { return shift * s / (1 + (shift - 1) * s); }

/*
 * diffusers shifts the ends, lays out steps between them, and shifts those again. The schedules karras, exponential and beta are between
 * the ends that come of it.
 */
int sigmas_flow(const Noise *n, const Schedule *schedule, Timeline *tl, Err *e)
{
    double least = shifted(n->flow_shift, 1.0 / n->timesteps);
    for (int i = 0; i < tl->steps; i++) {
        double s = i + 1 < tl->steps || i == 0 ? 1 + i * ((least - 1) / fmax(tl->steps - 1, 1)) : least;
        tl->sigma[i] = shifted(n->flow_shift, s);
    }
    for (int i = 0; n->flow_rectified && i < tl->steps; i++) tl->sigma[i] = 1 - (double)i / tl->steps;
    double ends[2] = { tl->sigma[tl->steps - 1], tl->sigma[0] }, stretch = (1 - ends[0]) / (1 - n->flow_end);
    for (int i = 0; n->flow_end > 0 && stretch > 0 && i < tl->steps; i++)
        tl->sigma[i] = 1 - (1 - tl->sigma[i]) / stretch;
    if (n->flow_end > 0) ends[0] = n->flow_end;

    bool own = schedule->fill == sigmas_karras || schedule->fill == sigmas_exponential || schedule->fill == sigmas_beta;
    if (!own && schedule->fill != sigmas_model)
        return err_usage(
            e,
            "schedule %s: it is for networks of timesteps, and this one was trained by flow matching: model, "
            "karras, exponential or beta was expected",
            schedule->name);
    Noise between = { .kind = NETWORK_EDM, .timesteps = 2, .sigmas = ends, .sigma_data = 1 }; /* only its ends count */
    if (own && schedule->fill(&between, tl, e)) return -1;
    for (int i = 0; i < tl->steps; i++) {
        double s = (float)tl->sigma[i];
        tl->t[i] = n->timesteps * s;
        tl->sigma[i] = s < 1 ? s / (1 - s) : NOISE_INFINITE;
    }
    return 0;
}

/* Along the noise in x, or with eta 1 along fresh noise (stochastic_sampling); between, that share of the variance is fresh. */
int flow_euler(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    double fresh = s->tuning.solver.stochastic ? 1 : s->eta;
    for (int i = 0; i < s->tl->steps; i++) {
        double to = sigma_to(s, i);
        if (denoised(s, x0, x, i, e)) return -1;
        slope_of(noise, x, x0, s->tl->sigma[i]);
        mix(x, 1, x0, to * sqrt(1 - fresh * fresh), noise);
        add_noise(s, to * fresh, noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}
