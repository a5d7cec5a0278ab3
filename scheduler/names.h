/*
 * names.h - one thing under the names that several tools have for it: "dpmpp_2m", "DPM++ 2M", "DPMSolverMultistepScheduler".
 */
#ifndef LIMN_SCHEDULER_NAMES_H
#define LIMN_SCHEDULER_NAMES_H

#include <stdbool.h>

/*
 * Whether asked is one of the names, a list parted by commas. Case, spaces, '_' and '-' do not count: "Euler a" is
 * "euler_a". NULL and "" are no name.
 */
bool names_have(const char *names, const char *asked);

#endif
