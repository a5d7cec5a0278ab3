/*
 * cores.h - how many processors this process may use: those that it may run on (taskset, cpusets), and no more than its control
 * groups grant time of (docker --cpus, a pod's limits, CPUQuota= of systemd). More threads than that wait for each other.
 *
 * Source: sched_setaffinity(2); Linux, Documentation/scheduler/sched-bwc.rst and cgroup-v2.rst (cpu.max). Threads: any.
 */
#ifndef LIMN_BASE_CORES_H
#define LIMN_BASE_CORES_H

/* 1 or more. A part of a processor counts as one. */
int cores_allowed(void);

/* The processors whose time the control groups grant, 0: no limit. root: as groups_each() has it. */
int cores_granted_under(const char *root);

#endif
