/*
 * team.h - the threads that OpenMP computes with. Its library ends the program where one cannot be had (a limit on processes, a
 * control group's), so it is asked for no more than can.
 */
#ifndef LIMN_NN_TEAM_H
#define LIMN_NN_TEAM_H

/*
 * Starts the calling thread's team and keeps it: what computes on this thread afterwards has it at hand, and asks for no more.
 * Returns how many there are, the calling one among them: 1 to wanted.
 */
int team_start(int wanted);

#endif
