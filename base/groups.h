/*
 * groups.h - the control groups that bound this process. Batch systems, containers and systemd limit memory and processors by them.
 *
 * Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cgroups.rst; proc(5) for mountinfo; cgroups(7).
 * Threads: any.
 */
#ifndef LIMN_BASE_GROUPS_H
#define LIMN_BASE_GROUPS_H

#include <stdbool.h>

/* One group: the folder of its files, and whether they are of version 2. */
typedef void GroupSeen(void *ctx, bool second, const char *dir);

/*
 * Calls seen() for the process's own group and for each one above it, up to where the hierarchy is mounted, of version 1 (of the
 * controller, "memory" or "cpu") and of version 2. root: below which /proc and /sys are, "" but for tests.
 */
void groups_each(const char *root, const char *controller, GroupSeen *seen, void *ctx);

#endif
