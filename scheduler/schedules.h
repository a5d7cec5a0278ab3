/*
 * schedules.h - which sigmas a run of N steps visits: a table, one row a schedule.
 */
#ifndef LIMN_SCHEDULER_SCHEDULES_H
#define LIMN_SCHEDULER_SCHEDULES_H

#include "base/err.h"
#include "scheduler/noise.h"

typedef struct {
    const char *name; /* "karras" */
    const char *help; /* one line: what it is, source */
    /*
     * sigma[steps + 1], falling, sigma[steps] = 0. t[steps]: the timestep to feed the network for each where the schedule
     * is made of timesteps; NAN where it is to be looked up from sigma (noise_timestep).
     */
    int (*fill)(const Noise *n, int steps, double *sigma, double *t, Err *e);
} Schedule;

extern const Schedule schedules[]; /* ends with name NULL */

const Schedule *schedule_find(const char *name); /* NULL when there is none; ComfyUI, A1111 and diffusers spellings too */

#endif
