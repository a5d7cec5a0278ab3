/* listen.c - the listening socket. See http.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/http.h"

static bool is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* Numbers only: names would be asked of servers elsewhere. */
static int address_of(const char *host, int port, struct sockaddr_storage *at, socklen_t *len, Err *e)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;
    memset(at, 0, sizeof *at);
    if (strcasecmp(host, "localhost") == 0) host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *len = sizeof *v6;
        return 0;
    }
    return err_usage(e, "--host: \"%.60s\" is no address: numbers such as 127.0.0.1, 0.0.0.0 or ::1 are expected",
                     host);
}

/* A descriptor for each connection, where the system allows so many. */
static void allow_descriptors(void)
{
    enum { OTHERS = 256 };
    struct rlimit l;
    rlim_t want = HTTP_MAX_CONNECTIONS + HTTP_MAX_WAITING + OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= want) return;
    l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
}

int http_listen(Listener *l, const char *host, int port, Err *e)
{
    struct sockaddr_storage at;
    socklen_t len = 0;
    int on = 1;
    *l = (Listener){ .fd = -1, .loopback = is_loopback(host) };
    if (address_of(host, port, &at, &len, e)) return -1;
    allow_descriptors();
    l->fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0) return err_set(e, "cannot make a socket: %s", strerror(errno));
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l->fd, (struct sockaddr *)&at, len) || listen(l->fd, SOMAXCONN)) {
        int failed = err_set(e, "cannot listen on %.60s, port %d: %s%s", host, port, strerror(errno),
                             errno == EADDRINUSE ? "; another program does (--port chooses another)" : "");
        close(l->fd);
        return failed;
    }
    len = sizeof at;
    getsockname(l->fd, (struct sockaddr *)&at, &len);
    bool v6 = at.ss_family == AF_INET6;
    int got = ntohs(v6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port);
    snprintf(l->url, sizeof l->url, v6 ? "http://[%s]:%d" : "http://%s:%d", host, got);
    return 0;
}
