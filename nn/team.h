/*
 * team.h - OpenMP's threads. Its library ends the program if it cannot create one (a limit on processes, a
 * control group's), so limn never asks for more than it can get.
 */
#ifndef LIMN_NN_TEAM_H
#define LIMN_NN_TEAM_H

/*
 * Starts the calling thread's team and keeps it for later computations on this thread.
 * Returns the number of threads, including the calling one: 1 to wanted.
 */
int team_start(int wanted);

#endif
