/*
 * compat.h - whose picture is wanted: the tools give other pictures for the same words, seed and settings.
 *
 * What differs, and where limn follows: the generator of the noise and of each step's (pipeline/generate.c), the timesteps and
 * the first scale (schedules.h), a few samplers (samplers.h), what brackets in a prompt mean (clip/emphasis.h). All of it is
 * told in docs/samplers.md.
 */
#ifndef LIMN_SCHEDULER_COMPAT_H
#define LIMN_SCHEDULER_COMPAT_H

typedef enum { COMPAT_DIFFUSERS, COMPAT_A1111, COMPAT_COMFYUI } Compat;

#endif
