/* test_serve.c - who is let in, whose turn it is, models by name, what a request may not ask for. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"
#include "serve/server.h"
#include "tests/support.h"

static void hosts_and_origins(void **state)
{
    (void)state;
    static char host[] = "192.168.1.5", allow[] = "limn.example, other", cors[] = "https://good.example";
    const Guard g = { .host = host, .allow = allow, .cors = cors };
    static const char *const good[] = { "localhost",  "LOCALHOST:7860",   "127.0.0.1:1",  "[::1]",
                                        "[::1]:7860", "192.168.1.5:7860", "limn.example", "other:80" };
    static const char *const bad[] = { "",
                                       "evil.example",
                                       "localhost.evil.example",
                                       "localhost:80:80",
                                       "localhost:x",
                                       "127.0.0.1x",
                                       "example",
                                       "limn.example.",
                                       "[::1",
                                       ":80",
                                       "a,b" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(guard_host(&g, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(guard_host(&g, bad[i]));
    assert_false(guard_host(&g, NULL));
    assert_true(guard_origin(&g, NULL, NULL, "localhost:7860"));
    assert_true(guard_origin(&g, "http://localhost:7860", "same-origin", "localhost:7860"));
    assert_true(guard_origin(&g, "https://good.example", "cross-site", "localhost:7860"));
    assert_false(guard_origin(&g, "http://localhost:7861", NULL, "localhost:7860"));
    assert_false(guard_origin(&g, "https://good.example.evil", "cross-site", "localhost:7860"));
    assert_false(guard_origin(&g, "null", NULL, "localhost:7860"));
    assert_false(guard_origin(&g, NULL, "same-site", "localhost:7860"));
    assert_null(guard_cors(&g, "https://evil.example"));
    assert_null(guard_cors(&g, ""));
}

static void keys(void **state)
{
    (void)state;
    static char key[] = "correct-horse";
    const Guard g = { .key = key }, open = { 0 };
    Str basic = { 0 };
    str_add(&basic, "Basic ");
    base64_add(&basic, (Bytes){ (const unsigned char *)"me:correct-horse", 16 });
    assert_true(guard_key(&g, "Bearer correct-horse"));
    assert_true(guard_key(&g, "bearer   correct-horse"));
    assert_true(guard_key(&g, str_text(&basic)));
    assert_true(guard_key(&open, NULL));
    static const char *const wrong[] = { "",
                                         "Bearer",
                                         "Bearer ",
                                         "Bearer correct-hors",
                                         "Bearer correct-horse ",
                                         "correct-horse",
                                         "Basic correct-horse",
                                         "Basic ====",
                                         "Digest correct-horse" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(guard_key(&g, wrong[i]));
    assert_false(guard_key(&g, NULL));
    str_release(&basic);
}

static Order *order_of(Queue *q, const char *client, int count)
{
    Err e;
    Job *j = mem_array(1, sizeof *j);
    job_init(j);
    j->count = count;
    Order *o = order_new(API_OWN, client, j, 1);
    assert_int_equal(queue_add(q, o, &e), 0);
    return o;
}

/* Whose pictures are drawn, in their order. */
static void turns(Queue *q, char *out)
{
    for (Order *o; (o = queue_take(q, 0)); out++) {
        *out = *o->client;
        queue_made(q, o, &(Made){ .infotext = mem_strdup("") });
    }
    *out = 0;
}

static void everyone_has_a_turn(void **state)
{
    (void)state;
    char order[32];
    Queue *q = queue_new(16);
    Order *a = order_of(q, "a", 4), *second = order_of(q, "a", 1), *b = order_of(q, "b", 2), *c = order_of(q, "c", 1);
    turns(q, order);
    assert_string_equal(order, "abcabaaa");
    assert_true(order_ended(q, a) && order_ended(q, second) && second->made_count == 1 && b->made_count == 2);
    queue_drop(q, a);
    queue_drop(q, second);
    queue_drop(q, b);
    queue_drop(q, c);
    queue_free(q);
}

static void full_cancelled_stopping(void **state)
{
    (void)state;
    Err e;
    char order[32];
    Queue *q = queue_new(2);
    Order *a = order_of(q, "a", 1), *b = order_of(q, "b", 1);
    Job *j = mem_array(1, sizeof *j);
    job_init(j);
    Order *more = order_new(API_OWN, "b", j, 1);
    assert_int_equal(queue_add(q, more, &e), -1);
    assert_non_null(strstr(e.text, "full"));
    assert_true(queue_cancel(q, a));
    assert_false(queue_cancel(q, a));
    assert_int_equal(queue_add(q, more, &e), 0);
    /* who has nothing that waits gets in, up to twice as many */
    Order *c = order_of(q, "c", 1), *d = order_of(q, "d", 1);
    Job *i = mem_array(1, sizeof *i);
    job_init(i);
    Order *fifth = order_new(API_OWN, "e", i, 1);
    assert_int_equal(queue_add(q, fifth, &e), -1);
    order_free(fifth);
    turns(q, order);
    assert_string_equal(order, "bcdb");
    assert_int_equal(a->state, ORDER_CANCELLED);
    queue_stop(q);
    Job *k = mem_array(1, sizeof *k);
    job_init(k);
    Order *late = order_new(API_OWN, "c", k, 1);
    assert_int_equal(queue_add(q, late, &e), -1);
    order_free(late);
    queue_drop(q, a);
    queue_drop(q, b);
    queue_drop(q, more);
    queue_drop(q, c);
    queue_drop(q, d);
    queue_free(q);
}

static void models_are_names(void **state)
{
    (void)state;
    Err e;
    Str path = { 0 };
    Catalogue *c = catalogue_new("/models/v1-5.safetensors", NULL, &e);
    assert_non_null(c);
    static const char *const good[] = { "v1-5.safetensors", "v1-5", "v1-5.safetensors [6ce0161689]" };
    static const char *const bad[] = { "",   "/models/v1-5.safetensors", "../models/v1-5",
                                       "v1", "v1-5.safetensors/",        "V1-5",
                                       ".",  "sprites.safetensors" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        str_clear(&path);
        assert_int_equal(catalogue_find(c, good[i], &path, &e), 0);
        assert_string_equal(str_text(&path), "/models/v1-5.safetensors");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(catalogue_find(c, bad[i], &path, &e), -1);
    str_release(&path);
    catalogue_free(c);
}

static void a_request_names_no_file(void **state)
{
    (void)state;
    Err e;
    Job options;
    Wish w;
    Server s = { .options = &options, .folder = "/tmp" };
    job_init(&options);
    pthread_mutex_init(&s.lock, NULL);
    s.models = catalogue_new(NULL, NULL, &e);
    wish_init(&w, &s);
    for (const Option *o = job_options; o->name; o++) {
        if (o->type != OPT_PATH && o->type != OPT_LINES) continue;
        if (str_ends(o->name, "-sha256")) continue;
        assert_int_equal(wish_set(&w, o->name, "/etc/passwd", &e), -1);
    }
    assert_int_equal(wish_set(&w, "threads", "4", &e), -1);
    assert_int_equal(wish_set(&w, "steps", "20", &e), 0);
    wish_release(&w);
    catalogue_free(s.models);
    pthread_mutex_destroy(&s.lock);
    job_release(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_and_origins),   cmocka_unit_test(keys),
        cmocka_unit_test(everyone_has_a_turn), cmocka_unit_test(full_cancelled_stopping),
        cmocka_unit_test(models_are_names),    cmocka_unit_test(a_request_names_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
