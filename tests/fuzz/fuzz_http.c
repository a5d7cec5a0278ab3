/*
 * fuzz_http.c - what comes over the wire, from any bytes, through the HTTP library, the guards and the reading of forms, as far as to the
 * order that it would be: the queue has no room. The first byte chooses what stands before the others: nothing, or the headers of a
 * form or of a batch file whose body they are.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Server server;
static struct sockaddr_in at;

static bool never(void) { return false; }

static void start(void)
{
    static const Route *const routes[] = { a1111_routes,  a1111_lists, a1111_extras, a1111_state, a1111_control_routes,
                                           openai_routes, own_jobs,    own_routes,   NULL };
    static char folder[] = "/tmp/limn-fuzz-XXXXXX";
    static Job options;
    static Listener listener;
    socklen_t len = sizeof at;
    Err e;
    if (!mkdtemp(folder) || folder_open(&server.at, folder, &e)) abort();
    job_init(&options);
    server.options = &options;
    server.folder = folder;
    server.models = catalogue_new(NULL, NULL, &e);
    server.queue = queue_new(0);
    pthread_mutex_init(&server.lock, NULL);
    if (http_listen(&listener, "127.0.0.1", 0, &e)) abort();
    if (getsockname(listener.fd, (struct sockaddr *)(void *)&at, &len)) abort();
    if (!http_start(&server, &listener, routes, never, &e)) abort();
}

static void send_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n <= 0) return; /* it has had enough */
        p += n;
        size -= (size_t)n;
    }
}

static void send_headers(int fd, unsigned which, size_t size)
{
    static const char *const lines[][2] = {
        { "/v1/images/edits", "multipart/form-data; boundary=b" },
        { "/v1/images/variations", "multipart/form-data; boundary=\"b\"" },
        { "/jobs", "application/x-ndjson" },
    };
    char text[256];
    if (!which) return;
    int n = snprintf(text, sizeof text,
                     "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     lines[which - 1][0], lines[which - 1][1], size);
    send_all(fd, text, (size_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char answer[4096];
    if (!size) return 0;
    if (!server.queue) start();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)(void *)&at, sizeof at)) abort();
    send_headers(fd, data[0] % 4, size - 1);
    send_all(fd, data + 1, size - 1);
    shutdown(fd, SHUT_WR);
    while (recv(fd, answer, sizeof answer, 0) > 0) {
    }
    close(fd);
    return 0;
}
