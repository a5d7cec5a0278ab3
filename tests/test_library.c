/* test_library.c - liblimn from inside: memory that runs out while limn works for somebody else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "lib/inside.h"
#include "tests/support.h"

static limn_job *small_job(void)
{
    limn_error e;
    limn_job *job = limn_job_new();
    assert_int_equal(limn_job_set(job, "prompt", "a key", &e), 0);
    assert_int_equal(limn_job_set(job, "width", "32", &e), 0);
    assert_int_equal(limn_job_set(job, "height", "32", &e), 0);
    assert_int_equal(limn_job_set(job, "steps", "2", &e), 0);
    assert_int_equal(limn_job_set(job, "threads", "1", &e), 0);
    return job;
}

#ifndef __SANITIZE_ADDRESS__ /* whose shadow needs more address space than any limit */
/* As much address space as there is now and a little more, and all of it taken. */
static void fill_memory(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu", &pages) != 1) _exit(4);
    fclose(f);
    size_t bytes = pages * (size_t)sysconf(_SC_PAGESIZE) + (1 << 20);
    struct rlimit limit = { bytes, bytes };
    if (setrlimit(RLIMIT_AS, &limit)) _exit(4);
    for (size_t piece = 1 << 20; piece; piece /= 4)
        while (malloc(piece)) {
        }
}

static limn_error last;

static void on_step(void *ctx, int picture, int step, int steps)
{
    (void)picture;
    (void)steps;
    if (step != 1) return;
    fill_memory();
    free(mem_alloc(100)); /* from the reserve */
    *(int *)ctx = 1;
}

static void ends_with_seven(size_t bytes, void *ctx)
{
    (void)bytes;
    (void)ctx;
    _exit(7);
}

/* What a child ends with. */
static int status_of(void (*work)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        work();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The picture at hand fails with a word, and the process goes on. */
static void memory_runs_out(void)
{
    int filled = 0;
    limn_callbacks told = { .size = sizeof told, .ctx = &filled, .step = on_step };
    limn *l = limn_new(&told, &last);
    limn_job *job = small_job();
    limn_picture *p = limn_draw(l, job, &last);
    if (p || !filled || last.code != LIMN_FAILED || !strstr(last.text, "out of memory")) _exit(3);
    limn_job_free(job);
    limn_free(l);
}

static void test_an_error_while_there_is_a_reserve(void **state)
{
    (void)state;
    assert_int_equal(status_of(memory_runs_out), 0);
}

static void reserve_runs_out(void)
{
    limn_job *job = small_job();
    fill_memory();
    for (;;)
        if (!mem_alloc(1 << 20)) limn_job_free(job);
}

static void reserve_runs_out_with_handler(void)
{
    limn_on_no_memory(ends_with_seven, NULL);
    reserve_runs_out();
}

static void test_the_handler_when_that_is_gone(void **state)
{
    (void)state;
    assert_int_equal(status_of(reserve_runs_out_with_handler), 7);
    assert_int_equal(status_of(reserve_runs_out), -SIGABRT);
}

static void no_reserve(void)
{
    limn_callbacks none = { .size = sizeof none };
    fill_memory();
    if (limn_new(&none, &last) || last.code != LIMN_FAILED || !strstr(last.text, "reserve") || limn_job_new()) _exit(3);
}

static void test_no_reserve_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(status_of(no_reserve), 0);
}
#endif

static void test_jobs(void **state)
{
    (void)state;
    limn_error e;
    char text[64], path[LIMN_PATH];
    uint8_t pixels[2 * 3 * 4] = { 255 };
    limn_job *job = small_job(), *copy;
    assert_int_equal(limn_job_get(job, "steps", text, sizeof text), 1);
    assert_string_equal(text, "2");
    assert_int_equal(limn_job_get(job, "prompt", text, 3), 5);
    assert_string_equal(text, "a ");
    assert_int_equal(limn_job_get(job, "sampler", text, sizeof text), -1);
    assert_int_equal(limn_job_get(job, "output", NULL, 0), -1);
    assert_int_equal(limn_job_set(job, "width", "31x", &e), -1);
    assert_int_equal(e.code, LIMN_USAGE);
    assert_int_equal(limn_job_set(job, "nope", "1", NULL), -1);
    assert_int_equal(limn_job_unset(job, "steps", &e), 0);
    assert_int_equal(limn_job_get(job, "steps", text, sizeof text), -1);
    assert_int_equal(limn_job_pixels(job, pixels, 2, 3, 4, path, &e), 0);
    copy = limn_job_copy(job);
    limn_job_free(job);
    assert_int_equal(access(path, R_OK), 0);
    limn_job_free(copy);
    copy = limn_job_new();
    assert_int_equal(limn_job_pixels(copy, pixels, 2, 3, 2, path, &e), -1);
    assert_int_equal(limn_job_pixels(copy, pixels, 0, 3, 1, path, &e), -1);
    limn_job_free(copy);
    limn_job_free(NULL);
}

static void test_pictures_one_by_one(void **state)
{
    (void)state;
    limn_error e;
    char seed[32];
    limn_picture *p;
    limn *l = limn_new(NULL, &e);
    limn_job *job = small_job();
    assert_int_equal(limn_next(l, &p, &e), -1);
    assert_int_equal(e.code, LIMN_USAGE);
    assert_int_equal(limn_job_set(job, "count", "2", &e), 0);
    assert_int_equal(limn_begin(l, job, &e), 0);
    limn_job_free(job);
    assert_true(limn_job_get(limn_decided(l), "seed", seed, sizeof seed) > 0);
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(limn_next(l, &p, &e), 1);
        assert_int_equal(limn_picture_seed(p), strtoull(seed, NULL, 10) + i);
        limn_picture_free(p);
    }
    assert_int_equal(limn_next(l, &p, &e), 0);
    assert_null(p);
    limn_end(l);
    assert_null(limn_decided(l));
    limn_free(l);
    limn_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_ADDRESS__ /* whose shadow needs more address space than any limit */
        cmocka_unit_test(test_an_error_while_there_is_a_reserve),
        cmocka_unit_test(test_the_handler_when_that_is_gone),
        cmocka_unit_test(test_no_reserve_is_an_error),
#endif
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_pictures_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
