/*
 * recipe_sigmas.c - where a run's steps are: its schedule, or timesteps that are given, how many are left out where it starts from a
 * picture, and what the sampler is told of it.
 */
#include "pipeline/recipe_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* diffusers' PNDMScheduler has a list of timesteps in which the second one stands twice. */
static bool plms_as_diffusers(const Recipe *r)
{
    return r->compat == COMPAT_DIFFUSERS && strcmp(r->sampler->name, "plms") == 0 && !r->said.second_pass;
}

void recipe_tune(Recipe *r)
{
    const Job *j = &r->said;
    r->tuning = (Tuning){ .compat = r->compat };
    if (r->compat == COMPAT_DIFFUSERS) r->tuning.solver = r->noise.solver;
    if (j->solver_order) r->tuning.solver.order = j->solver_order;
    int left_out = j->steps - (int)(j->steps * j->strength);
    r->tuning.cut = plms_as_diffusers(r) && r->from_picture && left_out > 0;
    r->tuning.first_twice = r->tuning.cut && left_out == 1;
    r->tuning.churn = fmax(j->s_churn, 0);
    r->tuning.tmin = fmax(j->s_tmin, 0);
    r->tuning.tmax = fmax(j->s_tmax, 0);
    r->tuning.noise_less = j->s_noise < 0 ? 0 : 1 - j->s_noise;
}

/*
 * How many of the steps are left out at the start. diffusers: the last int(steps * strength) are run. A1111 (modules/
 * sd_samplers_common.py, setup_img2img_steps): one more where the sampler works on sigmas. ComfyUI (comfy/samplers.py,
 * KSampler.set_steps): the schedule is made longer, so that as many steps as were asked for are run.
 */
static int steps_left_out(const Recipe *r, int planned)
{
    const Job *j = &r->said;
    int run = (int)(j->steps * j->strength);
    bool timesteps = r->sampler->family == FAMILY_DDIM;
    if (r->compat == COMPAT_A1111) run = (int)(fmin(j->strength, 0.999) * j->steps) + !timesteps;
    if (r->compat == COMPAT_COMFYUI) run = j->steps;
    if (j->second_pass) run = j->steps - (timesteps && r->compat == COMPAT_A1111);
    if (plms_as_diffusers(r) && run + 1 < planned)
        run++; /* its list has a timestep twice, and is cut one entry later */
    return run < planned ? planned - run : 0;
}

static int planned_steps(const Recipe *r)
{
    const Job *j = &r->said;
    bool longer = r->compat == COMPAT_COMFYUI && r->from_picture && j->strength > 0 && j->strength < 0.9999;
    if (j->second_pass) return (int)(j->steps / fmin(j->strength, 0.999)); /* A1111's, whoever is followed */
    return longer ? (int)(j->steps / j->strength) : j->steps;
}

static int start_later(Recipe *r, Err *e)
{
    const Job *j = &r->said;
    Timeline *tl = &r->timeline;
    int out = steps_left_out(r, tl->steps);
    bool from_noise = (r->masked && !j->soft_mask) || r->beside == BESIDE_PICTURE;
    r->pure_noise = from_noise && j->strength >= 1 && r->compat == COMPAT_DIFFUSERS;
    if (out >= tl->steps)
        return err_usage(e, "strength %g: none of %d steps would be run; the least that runs one is %.3g", j->strength,
                         j->steps, ceil(1000.0 / j->steps) / 1000);
    bool before = r->compat == COMPAT_A1111 && r->sampler->family == FAMILY_DDIM && out > 0;
    r->first_sigma = tl->sigma[before ? out - 1 : out];
    timeline_skip(tl, out);
    if (j->second_pass) memset(tl->before, 0, sizeof tl->before); /* A1111's pass counts anew */
    return 0;
}

/* Timesteps that are given say all of where the steps are. */
static int check_timesteps(const Recipe *r, int count, Err *e)
{
    const Job *j = &r->said;
    if (j->steps != count) return err_usage(e, "timesteps: they are %d, and steps is %d", count, j->steps);
    if (strcmp(j->schedule, "model") != 0)
        return err_usage(e, "timesteps: they stand in the place of a schedule; leave out %s", j->schedule);
    if (r->from_picture && r->compat == COMPAT_COMFYUI && j->strength < 1)
        return err_usage(e, "timesteps: ComfyUI's strength makes a schedule longer, which a list cannot be; leave out "
                            "--strength, or --compat");
    return 0;
}

int recipe_choose_sigmas(Recipe *r, const Timeline *given, Err *e)
{
    Job *j = &r->said;
    const Schedule *schedule = schedule_find(j->schedule);
    if (schedule) schedule = schedule_for(schedule, r->compat);
    if (!schedule)
        return err_usage(e, "schedule %s: there is none of that name (see: limn list schedules)", j->schedule);
    recipe_set_text(&j->schedule, schedule->name);
    if (given) {
        timeline_copy(&r->timeline, given);
        r->first_sigma = given->sigma[0]; /* of a run from a picture: the noise that is laid on it */
        return 0;
    }
    double *timesteps;
    int count = job_timesteps(j->timesteps, &timesteps);
    TimelinePlan plan = { .schedule = schedule,
                          .family = r->sampler->family,
                          .steps = planned_steps(r),
                          .compat = r->compat,
                          .drop = r->sampler->drops[r->compat] };
    int failed = count ? check_timesteps(r, count, e) : 0;
    if (count) {
        plan.timesteps = timesteps;
        plan.steps = count;
    }
    if (!failed) failed = timeline_plan(&r->timeline, &plan, &r->noise, e);
    free(timesteps);
    if (failed) return -1;
    return r->from_picture ? start_later(r, e) : 0;
}
