/* test_mem_free.c - what control groups leave, over trees of /proc and /sys that are made up after real machines. */
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/files.h"

enum { MB = 1 << 20 };

/* A line of mountinfo as the kernel writes one. */
#define V2_MOUNT(root)                                                                                                 \
    "25 30 0:22 / /proc rw,nosuid - proc proc rw\n31 23 0:26 " root                                                    \
    " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT(root)                                                                                                 \
    "32 31 0:29 " root " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"                               \
    "35 31 0:32 " root " /sys/fs/cgroup/memory rw,relatime shared:12 - cgroup cgroup rw,memory\n"

static void put_limit(const char *dir, const char *group, const char *file, const char *text)
{
    Str name = { 0 };
    str_addf(&name, "sys/fs/cgroup%s/%s", group, file);
    put_text(dir, name.s, text);
    str_release(&name);
}

static void put_v2(const char *dir, const char *group, const char *max, const char *current)
{
    put_limit(dir, group, "memory.max", max);
    put_limit(dir, group, "memory.current", current);
}

static void put_proc(const char *dir, const char *group, const char *mounts)
{
    put_text(dir, "proc/meminfo",
             "MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:   10485760 kB\n");
    put_text(dir, "proc/self/cgroup", group);
    put_text(dir, "proc/self/mountinfo", mounts);
}

static void expect_mb(void **state, size_t mb) { assert_int_equal(mem_free_under(*state), mb * MB); }

static void no_groups(void **state)
{
    put_proc(*state, "", "");
    expect_mb(state, 10240);
}

/* A systemd scope: the limit is at the group's own folder, or above it. */
static void v2_nested(void **state)
{
    put_proc(*state, "0::/user.slice/user-1000.slice/run-r5.scope\n", V2_MOUNT("/"));
    put_limit(*state, "", "cgroup.procs", ""); /* the root has no memory.max */
    put_v2(*state, "/user.slice", "max\n", "9000000000\n");
    put_v2(*state, "/user.slice/user-1000.slice", "max\n", "629145600\n");
    put_v2(*state, "/user.slice/user-1000.slice/run-r5.scope", "max\n", "104857600\n");
    expect_mb(state, 10240);
    put_v2(*state, "/user.slice/user-1000.slice/run-r5.scope", "314572800\n", "104857600\n");
    expect_mb(state, 200);
    put_v2(*state, "/user.slice/user-1000.slice", "734003200\n", "629145600\n"); /* 100 MB for all of the user's */
    expect_mb(state, 100);
    put_limit(*state, "/user.slice/user-1000.slice/run-r5.scope", "memory.high", "157286400\n");
    expect_mb(state, 50);
    put_v2(*state, "/user.slice", "1048576\n", "629145600\n"); /* more in it than a limit that was lowered allows */
    expect_mb(state, 0);
}

/* Files that the group holds can be dropped. */
static void v2_cached(void **state)
{
    put_proc(*state, "0::/a\n", V2_MOUNT("/"));
    put_v2(*state, "/a", "314572800\n", "304087040\n");
    put_limit(*state, "/a", "memory.stat",
              "anon 10485760\nfile 293601280\ninactive_anon 0\nactive_anon 1\ninactive_file 104857600\nactive_file "
              "94371840\n");
    expect_mb(state, 200);
}

/* A container with a namespace of its own, without one, and one whose process was moved out of what it sees. */
static void v2_container(void **state)
{
    put_proc(*state, "0::/\n", V2_MOUNT("/"));
    put_v2(*state, "", "209715200\n", "104857600\n");
    expect_mb(state, 100);
    put_proc(*state, "0::/docker/4f3\n", V2_MOUNT("/docker/4f3"));
    expect_mb(state, 100);
    put_proc(*state, "0::/docker/4f3/inner\n", V2_MOUNT("/docker/4f3"));
    put_v2(*state, "/inner", "52428800\n", "0\n");
    expect_mb(state, 50);
    put_proc(*state, "0::/docker/4f35\n", V2_MOUNT("/docker/4f3")); /* another, whose name begins so */
    expect_mb(state, 100);
    put_proc(*state, "0::/../../inner\n", V2_MOUNT("/"));
    expect_mb(state, 100);
}

#define UNLIMITED "9223372036854771712\n"

static void put_v1(const char *dir, const char *group, const char *limit, const char *usage)
{
    Str at = { 0 };
    str_addf(&at, "/memory%s", group);
    put_limit(dir, at.s, "memory.limit_in_bytes", limit);
    put_limit(dir, at.s, "memory.usage_in_bytes", usage);
    str_release(&at);
}

#define V1_GROUP(path)                                                                                                 \
    "9:name=systemd:/x\n4:memory:" path "\n3:cpuset:/\n2:cpu,cpuacct:/elsewhere\n1:hugetlb_memory:/no\n0::/\n"

/* Slurm's step within its job, on a machine of version 1; the unified hierarchy has no memory controller there. */
static void v1_nested(void **state)
{
    put_proc(*state, V1_GROUP("/slurm/uid_1000/job_7/step_0"),
             V1_MOUNT("/") "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put_v1(*state, "", UNLIMITED, "9000000000\n");
    put_v1(*state, "/slurm", UNLIMITED, "800000000\n");
    put_v1(*state, "/slurm/uid_1000", UNLIMITED, "800000000\n");
    put_v1(*state, "/slurm/uid_1000/job_7", UNLIMITED, "800000000\n");
    put_v1(*state, "/slurm/uid_1000/job_7/step_0", UNLIMITED, "800000000\n");
    expect_mb(state, 10240);
    put_v1(*state, "/slurm/uid_1000/job_7", "838860800\n", "629145600\n");
    expect_mb(state, 200);
    put_v1(*state, "/slurm/uid_1000/job_7/step_0", "157286400\n", "104857600\n");
    expect_mb(state, 50);
    put_limit(*state, "/memory/slurm/uid_1000/job_7/step_0", "memory.stat",
              "cache 9\ninactive_file 1\ntotal_inactive_file 10485760\ntotal_active_file 10485760\n");
    expect_mb(state, 70);
}

static void v1_container(void **state)
{
    put_proc(*state, V1_GROUP("/docker/4f3"), V1_MOUNT("/docker/4f3"));
    put_v1(*state, "", "157286400\n", "104857600\n");
    expect_mb(state, 50);
}

static void odd_files(void **state)
{
    put_proc(*state, "garbage\n0::\n::::\n4:memory\n", "1 2\n - cgroup2\n35 31 0:32 / /sys/fs/cgroup rw - cgroup2\n\n");
    put_v2(*state, "", "1048576\n", "0\n");
    expect_mb(state, 10240);
    put_proc(*state, "0::/a b\n", "31 23 0:26 / /sys/fs/cg\\040roup rw - cgroup2 none rw\n");
    put_text(*state, "sys/fs/cg roup/a b/memory.max", "104857600");
    put_text(*state, "sys/fs/cg roup/a b/memory.current", "0");
    expect_mb(state, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_groups, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(v2_nested, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(v2_cached, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(v2_container, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(v1_nested, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(v1_container, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(odd_files, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
