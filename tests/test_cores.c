/*
 * test_cores.c - what control groups grant of processors, over trees of /proc and /sys as containers and batch systems
 * have them.
 */
#define _GNU_SOURCE
#include "tests/support.h"

#include <sched.h>

#include "base/cores.h"
#include "tests/files.h"

#define V1                                                                                                             \
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"                                      \
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
#define V2 "31 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"

static void expect(void **state, int cores) { assert_int_equal(cores_granted_under(*state), cores); }

static void none(void **state)
{
    expect(state, 0);
    put_text(*state, "proc/self/cgroup", "0::/a\n");
    put_text(*state, "proc/self/mountinfo", V2);
    expect(state, 0);
    put_text(*state, "sys/fs/cgroup/a/cpu.max", "max 100000\n");
    expect(state, 0);
}

/* docker --cpus, a pod's limit; a part of a processor is one; the least of all on the way up holds. */
static void v2(void **state)
{
    put_text(*state, "proc/self/cgroup", "0::/pod/one\n");
    put_text(*state, "proc/self/mountinfo", V2);
    put_text(*state, "sys/fs/cgroup/pod/one/cpu.max", "400000 100000\n");
    expect(state, 4);
    put_text(*state, "sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
    expect(state, 2);
    put_text(*state, "sys/fs/cgroup/pod/one/cpu.max", "20000 50000");
    expect(state, 1);
    put_text(*state, "sys/fs/cgroup/pod/one/cpu.max", "7 0\n");
    expect(state, 2);
    put_text(*state, "sys/fs/cgroup/pod/cpu.max", "9223372036854775807 1\n");
    expect(state, 0);
}

static void v1(void **state)
{
    put_text(*state, "proc/self/cgroup", "5:cpuset:/other\n4:cpu,cpuacct:/job\n0::/\n");
    put_text(*state, "proc/self/mountinfo", V1);
    put_text(*state, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
    put_text(*state, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    expect(state, 0);
    put_text(*state, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
    expect(state, 3);
}

static void affinity(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_in_range(cores_allowed(), 1, CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cores_allowed(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(none, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(v2, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(v1, folder_setup, folder_teardown),
        cmocka_unit_test(affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
