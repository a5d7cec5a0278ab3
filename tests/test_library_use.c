/* test_library_use.c - liblimn as programs misuse it: from several threads, from within its callbacks, with what belongs to it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/limn.h"
#include "tests/support.h"

static void set(limn_job *job, const char *option, const char *value)
{
    limn_error e;
    assert_int_equal(limn_job_set(job, option, value, &e), 0);
}

static limn_job *small_job(const char *prompt)
{
    limn_job *job = limn_job_new();
    set(job, "prompt", prompt);
    set(job, "width", "32");
    set(job, "height", "32");
    set(job, "steps", "3");
    set(job, "seed", "7");
    set(job, "threads", "1");
    return job;
}

/* ---- from within a callback ---- */

typedef struct {
    limn *own;
    limn_job *job;
    int asked, refused;
} Nested;

/* All that a callback could ask of the handle that calls it. */
static void ask(Nested *n)
{
    limn_error e;
    limn_picture *p;
    n->asked += 4;
    n->refused += limn_next(n->own, &p, &e) == -1 && e.code == LIMN_USAGE && !p;
    n->refused += limn_begin(n->own, n->job, &e) == -1 && e.code == LIMN_USAGE;
    n->refused += limn_load(n->own, n->job, &e) == -1 && e.code == LIMN_USAGE;
    n->refused += limn_seek(n->own, 1, &e) == -1 && strstr(e.text, "callbacks") != NULL;
    limn_end(n->own);
    limn_free(n->own);
}

static void nested_step(void *ctx, int picture, int step, int steps)
{
    (void)picture;
    (void)step;
    (void)steps;
    ask(ctx);
}

static void nested_say(void *ctx, const char *what)
{
    (void)what;
    ask(ctx);
}

static void nested_preview(void *ctx, int step, int steps, const limn_picture *so_far)
{
    size_t size;
    (void)step;
    (void)steps;
    assert_int_equal(limn_picture_width(so_far), 32);
    assert_null(limn_picture_png(so_far, &size));
    ask(ctx);
}

static void test_callbacks_cannot_ask_their_own_handle(void **state)
{
    (void)state;
    limn_error e;
    Nested n = { .job = small_job("a key") };
    limn_callbacks heard = {
        .size = sizeof heard, .ctx = &n, .step = nested_step, .say = nested_say, .preview = nested_preview
    };
    set(n.job, "preview", "1");
    n.own = limn_new(&heard, &e);
    limn_picture *p = limn_draw(n.own, n.job, &e), *again;
    assert_non_null(p);
    assert_true(n.asked > 20);
    assert_int_equal(n.refused, n.asked);
    assert_int_equal(limn_next(n.own, &again, &e), 0);
    limn_free(n.own);
    assert_int_equal(limn_picture_width(p), 32); /* a picture outlives its handle */
    limn_picture_free(p);
    limn_job_free(n.job);
}

/* ---- what belongs to the handle ---- */

static bool same(const limn_picture *a, const limn_picture *b)
{
    size_t n, m;
    const void *x = limn_picture_png(a, &n), *y = limn_picture_png(b, &m);
    return n == m && memcmp(x, y, n) == 0;
}

static void test_what_was_decided_can_be_begun(void **state)
{
    (void)state;
    limn_error e;
    limn *l = limn_new(NULL, &e);
    limn_job *job = small_job("a key");
    assert_int_equal(limn_job_unset(job, "seed", &e), 0);
    limn_picture *first = limn_draw(l, job, &e);
    assert_non_null(first);
    limn_job_free(job);
    for (int i = 0; i < 2; i++) {
        limn_picture *p = limn_draw(l, limn_decided(l), &e);
        assert_non_null(p);
        assert_true(same(p, first));
        limn_picture_free(p);
    }
    assert_int_equal(limn_load(l, limn_decided(l), &e), 0);
    assert_null(limn_decided(l));
    limn_end(l);
    limn_end(l);
    limn_picture_free(first);
    limn_free(l);
}

static void test_pictures_that_are_not_there(void **state)
{
    (void)state;
    limn_error e;
    limn_picture *p;
    limn *l = limn_new(NULL, &e);
    limn_job *job = small_job("a key");
    set(job, "count", "2");
    assert_int_equal(limn_seek(l, 1, &e), -1);
    assert_int_equal(limn_next(l, &p, NULL), -1);
    assert_int_equal(limn_begin(l, job, &e), 0);
    static const int none[] = { 0, -1, 3, 2147483647 };
    for (int i = 0; i < 4; i++) assert_int_equal(limn_seek(l, none[i], &e), -1);
    assert_int_equal(limn_seek(l, 2, &e), 0);
    assert_int_equal(limn_next(l, &p, &e), 1);
    limn_picture_free(p);
    for (int i = 0; i < 2; i++) assert_int_equal(limn_next(l, &p, &e), 0);
    set(job, "width", "33");
    assert_int_equal(limn_begin(l, job, &e), -1);
    assert_int_equal(e.code, LIMN_USAGE);
    assert_null(limn_decided(l));
    assert_int_equal(limn_next(l, &p, &e), -1);
    limn_free(l);
    limn_job_free(job);
}

/* ---- several threads ---- */

enum { THREADS = 3, PICTURES = 3 };

typedef struct {
    const char *prompt;
    int steps, after; /* cancelled when so many were done; 0: never */
    int cancelled, drawn;
    limn_picture *made[PICTURES];
} Worker;

static void count_step(void *ctx, int picture, int step, int steps)
{
    Worker *w = ctx;
    (void)picture;
    (void)steps;
    w->steps += step > 0;
}

static int is_cancelled(void *ctx)
{
    const Worker *w = ctx;
    return w->after && w->steps >= w->after;
}

/* Draws, is cancelled where its `after` says so, and tries again. Nothing is asserted off the main thread. */
static void *work(void *ctx)
{
    Worker *w = ctx;
    limn_error e;
    limn_callbacks heard = { .size = sizeof heard, .ctx = w, .step = count_step, .cancelled = is_cancelled };
    limn *l = limn_new(&heard, &e);
    limn_job *job = small_job(w->prompt);
    limn_job_set(job, "count", "3", &e);
    if (l && limn_begin(l, job, &e) == 0)
        while (w->drawn < PICTURES) {
            int got = limn_next(l, &w->made[w->drawn], &e);
            if (got == 0 || (got < 0 && e.code != LIMN_CANCELLED)) break;
            w->drawn += got > 0;
            w->cancelled += got < 0;
            if (got < 0) w->after = w->cancelled < 3 ? w->steps + 2 : 0;
        }
    limn_job_free(job);
    limn_free(l);
    return NULL;
}

static void test_handles_on_threads(void **state)
{
    (void)state;
    Worker alone = { .prompt = "a red potion" };
    Worker w[THREADS] = { { .prompt = "a red potion", .after = 1 },
                          { .prompt = "a red potion" },
                          { .prompt = "a red potion", .after = 2 } };
    pthread_t at[THREADS];
    work(&alone);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&at[i], NULL, work, &w[i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(at[i], NULL);
    assert_int_equal(alone.drawn, PICTURES);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(w[i].drawn, PICTURES);
        assert_int_equal(w[i].cancelled, i == 1 ? 0 : 3);
        for (int k = 0; k < PICTURES; k++) assert_true(same(w[i].made[k], alone.made[k]));
    }
    for (int k = 0; k < PICTURES; k++) {
        limn_picture_free(alone.made[k]);
        for (int i = 0; i < THREADS; i++) limn_picture_free(w[i].made[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_callbacks_cannot_ask_their_own_handle),
        cmocka_unit_test(test_what_was_decided_can_be_begun),
        cmocka_unit_test(test_pictures_that_are_not_there),
        cmocka_unit_test(test_handles_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
