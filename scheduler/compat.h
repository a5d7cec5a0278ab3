/*
 * compat.h - which tool to follow: the tools draw different pictures for the same prompt, seed and settings.
 *
 * The differences, and where limn handles them: the generator of the first noise and of each step's (pipeline/generate.c), the
 * timesteps and the first scale (schedules.h), a few samplers (samplers.h), what brackets in a prompt mean (clip/emphasis.h). All
 * of it is described in docs/samplers.md.
 */
#ifndef LIMN_SCHEDULER_COMPAT_H
#define LIMN_SCHEDULER_COMPAT_H

typedef enum { COMPAT_DIFFUSERS, COMPAT_A1111, COMPAT_COMFYUI } Compat;

#endif
