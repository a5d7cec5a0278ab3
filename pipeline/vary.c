/* vary.c - see vary.h. A1111: modules/processing.py, setup_prompts() and process_images_inner(), all_seeds and all_subseeds. */
#include "pipeline/vary.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool varies(const Job *j) { return j->variation_strength > 0; }

/* From the prompt to another one in even parts. */
static bool goes(const Job *j) { return j->blend_prompt && j->blend < 0; }

/* How far picture index of the count is from the first to the last. */
static double part_of(const Job *j, int index) { return j->count > 1 ? (index - 1) / (double)(j->count - 1) : 0; }

Request vary_request(const Job *j, int index, Job *told)
{
    Request r = { .seed = j->seed };
    job_copy(told, j);
    if (goes(j)) {
        told->blend = part_of(j, index);
        r.blended = true;
        r.blend = told->blend;
    }
    if (j->interpolate >= 0) {
        told->variation_seed = j->interpolate;
        told->variation_strength = part_of(j, index);
    } else if (varies(j)) {
        told->variation_seed = j->variation_seed + (goes(j) ? 0 : index - 1);
    } else {
        if (!goes(j)) r.seed += (uint64_t)index - 1;
        return r;
    }
    r.varied = true;
    r.variation_seed = (uint64_t)told->variation_seed;
    r.variation_strength = told->variation_strength;
    return r;
}

int vary_check(Job *j, uint32_t random, Err *e)
{
    if (j->interpolate >= 0 && (varies(j) || j->variation_seed >= 0))
        return err_usage(
            e, "--interpolate: it goes all the way to another seed; leave out --variation-seed and -strength");
    if (j->interpolate >= 0 && j->count < 2)
        return err_usage(e, "--interpolate: how many pictures? --count 5 draws both ends and three between them");
    if (varies(j) && j->variation_seed < 0) j->variation_seed = random;
    return 0;
}

int vary_choose(Job *j, Err *e)
{
    uint32_t seeds[2];
    if (getrandom(seeds, sizeof seeds, 0) != sizeof seeds)
        return err_set(e, "no random seed from the system: %s; give one with --seed", strerror(errno));
    if (!j->has_seed) j->seed = seeds[0];
    j->has_seed = true;
    if (vary_check(j, seeds[1], e)) return -1;
    if (j->seed > UINT64_MAX - (uint64_t)(j->count - 1))
        return err_usage(e, "--seed: %llu leaves no room for --count %d below 2^64", (unsigned long long)j->seed,
                         j->count);
    return 0;
}
