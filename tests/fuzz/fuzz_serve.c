/*
 * fuzz_serve.c - bodies of requests, from any bytes, as far as to the order that they would be. The first byte chooses the route. The
 * queue takes none, as if the server was stopping.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serve/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Server server;

static void start(void)
{
    static char folder[] = "/tmp/limn-fuzz-XXXXXX";
    static Job options;
    Err e;
    if (!mkdtemp(folder) || folder_open(&server.at, folder, &e)) abort();
    job_init(&options);
    server.options = &options;
    server.folder = folder;
    server.models = catalogue_new(NULL, NULL, &e);
    server.queue = queue_new(1);
    pthread_mutex_init(&server.lock, NULL);
    queue_stop(server.queue);
}

/* Those of the tables that take a body of JSON. */
static const Route *choose(unsigned n)
{
    static const Route *const tables[] = { a1111_routes, a1111_lists, openai_routes, own_jobs };
    const Route *found[32];
    unsigned count = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const Route *r = tables[i]; r->method && count < 32; r++)
            if ((r->flags & ROUTE_JSON) && !strchr(r->path, '*')) found[count++] = r;
    return found[n % count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    if (!server.queue) start();
    const Route *route = choose(data[0]);
    Call call = {
        .server = &server, .method = route->method, .path = route->path, .tail = "", .client = "fuzz", .route = route
    };
    Reply reply = { 0 };
    str_addn(&call.body, (const char *)data + 1, size - 1);
    route->handle(&call, &reply);
    str_release(&call.body);
    str_release(&reply.body);
    return 0;
}
