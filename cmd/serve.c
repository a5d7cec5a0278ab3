/* serve.c - limn serve: pictures over HTTP. */
#include "serve/serve.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/fence.h"
#include "cmd/interrupt.h"
#include "cmd/say.h"
#include "cmd/stdout.h"
#include "nn/kernels.h"

/* Where it listens: one line that a script can wait for. */
static int tell(const Serve *s, const Job *j, int resumed, Err *e)
{
    if (j->json) {
        cJSON *line = cJSON_CreateObject();
        cJSON_AddStringToObject(line, "url", serve_url(s));
        cJSON_AddNumberToObject(line, "resumed", resumed);
        say_json(line);
    } else {
        say(stdout, "%s\n", serve_url(s));
    }
    if (resumed && !j->quiet)
        fprintf(stderr,
                j->resume ? "limn: jobs of before that go on: %d\n"
                          : "limn: jobs of before that are given up: %d (--resume goes on with them)\n",
                resumed);
    return stdout_flush("the address", e);
}

int cmd_serve(const Args *a, Err *e)
{
    Serve *s;
    int resumed = 0;
    const char *why = NULL;
    if (!kernels_select(&why)) return err_usage(e, "%s", why);
    int failed = serve_listen(&s, &a->job, e) ||
                 fence_server(command_find("serve"), a, serve_folder(s), serve_socket(s), e) ||
                 serve_open(s, &resumed, e) || tell(s, &a->job, resumed, e) || serve_run(s, interrupted, e);
    serve_close(s);
    return failed ? -1 : 0;
}
