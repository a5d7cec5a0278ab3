/* test_door.c - serve/door.h, with times of its own: who is let in, who is closed when. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support.h"
#include "base/clock.h"
#include "serve/door.h"

static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

typedef struct {
    Door *door;
    struct sockaddr_in at;
    atomic_int in[64]; /* sockets that came in */
    atomic_int count;
    bool refuse;
} House;

static bool come_in(void *ctx, int fd, const struct sockaddr *from, socklen_t len)
{
    House *h = ctx;
    (void)len;
    assert_int_equal(from->sa_family, AF_INET);
    if (h->refuse) {
        close(fd);
        return false;
    }
    atomic_store(&h->in[atomic_load(&h->count)], fd);
    atomic_fetch_add(&h->count, 1);
    return true;
}

static void open_house(House *h, DoorRules rules)
{
    Err e;
    socklen_t len = sizeof h->at;
    memset(h, 0, sizeof *h);
    h->at.sin_family = AF_INET;
    h->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&h->at, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&h->at, &len), 0);
    assert_int_equal(door_open(&h->door, fd, &rules, &(DoorWay){ h, come_in, NULL }, &e), 0);
}

static void shut_house(House *h)
{
    door_shut(h->door);
    door_free(h->door);
}

static int client(const House *h)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&h->at, sizeof h->at), 0);
    return fd;
}

/* The next that comes in after so many. */
static int came_in(House *h, int before)
{
    double until = clock_now() + 10;
    while (atomic_load(&h->count) <= before && clock_now() < until) usleep(2000);
    assert_true(atomic_load(&h->count) > before);
    return atomic_load(&h->in[before]);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void leave(House *h, int fd)
{
    door_left(h->door, fd);
    close(fd);
}

/* What the server says until it closes; "": it says nothing. Fails where it does not close within some seconds. */
static const char *hear_end(int fd, char text[256])
{
    size_t n = 0;
    double until = clock_now() + 10;
    for (ssize_t got = 1; got > 0 && n<255; n += got> 0 ? (size_t)got : 0) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        assert_true(clock_now() < until && poll(&p, 1, 10000) == 1);
        got = recv(fd, text + n, 255 - n, 0);
    }
    text[n] = 0;
    close(fd);
    return text;
}

static const DoorRules usual = {
    .places = 8, .inside = 2, .an_address = 8, .headers = 1000, .wait = 60, .rate = 1e4, .grace = 60
};

/* Nobody is let in before the headers are there, and who does not end them is closed. */
static void test_headers(void **state)
{
    House h;
    char text[256];
    DoorRules rules = usual;
    (void)state;
    rules.wait = 0.5;
    open_house(&h, rules);
    int silent = client(&h), slow = client(&h), good = client(&h), broken = client(&h);
    double start = clock_now();
    say(slow, "GET / HTTP/1.1\r\n");
    say(broken, "\r\n\r\n");
    for (size_t i = 0; i < sizeof request - 1; i++) assert_int_equal(send(good, request + i, 1, 0), 1);
    leave(&h, came_in(&h, 0));
    close(good);
    assert_string_equal(hear_end(silent, text), "");
    assert_non_null(strstr(hear_end(slow, text), "408"));
    assert_non_null(strstr(hear_end(broken, text), "408"));
    assert_true(clock_now() - start > 0.4);
    assert_int_equal(atomic_load(&h.count), 1);
    shut_house(&h);
}

/* Headers that do not end are the library's to refuse. */
static void test_long_headers(void **state)
{
    House h;
    (void)state;
    open_house(&h, usual);
    int c = client(&h);
    for (int i = 0; i < 100; i++) say(c, "X-Something: else\r\n");
    leave(&h, came_in(&h, 0));
    close(c);
    shut_house(&h);
}

/* Who has ended in the middle of them gets the library's answer at once. */
static void test_half_a_request(void **state)
{
    House h;
    (void)state;
    open_house(&h, usual);
    int before = client(&h), late = client(&h);
    double start = clock_now();
    say(before, "GET / HTTP/1.1\r\nHost: x");
    shutdown(before, SHUT_WR);
    leave(&h, came_in(&h, 0));
    say(late, "GET / HT");
    usleep(50000);
    shutdown(late, SHUT_WR);
    leave(&h, came_in(&h, 1));
    assert_true(clock_now() - start < 5);
    close(before);
    close(late);
    shut_house(&h);
}

/* The one that waits longest gives way, and with two inside a third waits for a place. */
static void test_crowd(void **state)
{
    House h;
    char text[256];
    DoorRules rules = usual;
    (void)state;
    rules.an_address = 5;
    open_house(&h, rules);
    int first = client(&h), c[5];
    usleep(300000);
    for (int i = 0; i < 5; i++) c[i] = client(&h);
    assert_string_equal(hear_end(first, text), "");
    for (int i = 0; i < 3; i++) say(c[i], request);
    int a = came_in(&h, 0), b = came_in(&h, 1);
    usleep(100000);
    assert_int_equal(atomic_load(&h.count), 2);
    door_idle(h.door, a, 60); /* gives way: it is shut, and its thread says so */
    char byte;
    while (recv(a, &byte, 1, MSG_DONTWAIT) > 0) {
    }
    struct pollfd p = { .fd = a, .events = POLLIN };
    assert_true(poll(&p, 1, 10000) == 1);
    leave(&h, a);
    int third = came_in(&h, 2);
    /* all five are busy: the next is told so */
    say(c[3], request);
    say(c[4], request);
    usleep(300000);
    int more = client(&h), even_more = client(&h);
    say(more, request);
    leave(&h, b);
    leave(&h, third);
    for (int i = 3; i < 5; i++) leave(&h, came_in(&h, i));
    close(more);
    close(even_more);
    for (int i = 0; i < 5; i++) close(c[i]);
    shut_house(&h);
}

static void test_full(void **state)
{
    House h;
    char text[256];
    DoorRules rules = usual;
    (void)state;
    rules.an_address = 2;
    open_house(&h, rules);
    int c[2] = { client(&h), client(&h) };
    say(c[0], request);
    say(c[1], request);
    int a = came_in(&h, 0), b = came_in(&h, 1);
    int refused = client(&h);
    assert_non_null(strstr(hear_end(refused, text), "503"));
    leave(&h, a);
    leave(&h, b);
    close(c[0]);
    close(c[1]);
    shut_house(&h);
}

/* Inside: a time by which a stage must be over, and a reply that nobody reads. */
static void test_time(void **state)
{
    House h;
    char text[256];
    DoorRules rules = usual;
    (void)state;
    rules.grace = 0.5;
    open_house(&h, rules);
    int late = client(&h);
    say(late, request);
    int a = came_in(&h, 0);
    door_busy(h.door, a, clock_now() + 0.2);
    hear_end(late, text);
    leave(&h, a);
    int idle = client(&h);
    say(idle, request);
    a = came_in(&h, 1);
    door_idle(h.door, a, 0.2);
    hear_end(idle, text);
    leave(&h, a);

    int reader = client(&h), sleeper = client(&h);
    say(reader, request);
    a = came_in(&h, 2);
    say(sleeper, request);
    int b = came_in(&h, 3);
    door_busy(h.door, a, 0);
    door_busy(h.door, b, 0);
    static char much[4 << 20];
    double until = clock_now() + 10;
    ssize_t n;
    while (((n = send(b, much, sizeof much, MSG_DONTWAIT | MSG_NOSIGNAL)) >= 0 || errno == EAGAIN) &&
           clock_now() < until) {
        assert_true(send(a, much, 1000, MSG_DONTWAIT | MSG_NOSIGNAL) > 0); /* one who reads goes on */
        assert_true(recv(reader, much, sizeof much, 0) > 0);
        usleep(10000);
    }
    assert_true(clock_now() < until);
    assert_int_equal(errno, EPIPE);
    leave(&h, a);
    leave(&h, b);
    close(reader);
    close(sleeper);
    shut_house(&h);
}

/* A way in that is closed, and one where nobody can be served. */
static void test_shut(void **state)
{
    House h;
    char text[256];
    (void)state;
    open_house(&h, usual);
    h.refuse = true;
    int c = client(&h);
    say(c, request);
    hear_end(c, text);
    int waits = client(&h);
    say(waits, "GET /");
    usleep(300000);
    shut_house(&h);
    assert_non_null(strstr(hear_end(waits, text), "503"));
    int none = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(none, (struct sockaddr *)&h.at, sizeof h.at), -1);
    close(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers), cmocka_unit_test(test_long_headers), cmocka_unit_test(test_half_a_request),
        cmocka_unit_test(test_crowd),   cmocka_unit_test(test_full),         cmocka_unit_test(test_time),
        cmocka_unit_test(test_shut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
