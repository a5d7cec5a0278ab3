/* convert.c - limn convert: a model in another layout or precision. */
#include "convert/convert.h"

#include <cjson/cJSON.h>

#include "base/json.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/say.h"
#include "cmd/stdout.h"

static void on_warning(void *ctx, const char *text)
{
    const Job *j = ctx;
    if (!j->quiet) say(stderr, "limn: %s\n", text);
}

static void print(const Job *j, const char *out, const Converted *made)
{
    if (!j->json) {
        say_path(out);
        if (!j->quiet)
            say(stderr, "sha256 %s, %zu tensors, %.2f GB\n", made->sha256, made->tensors, (double)made->bytes * 1e-9);
        return;
    }
    cJSON *root = cJSON_CreateObject();
    json_add_text(root, "path", out);
    cJSON_AddStringToObject(root, "sha256", made->sha256);
    cJSON_AddNumberToObject(root, "tensors", (double)made->tensors);
    cJSON_AddNumberToObject(root, "bytes", (double)made->bytes);
    say_json(root);
}

int cmd_convert(const Args *a, Err *e)
{
    const Job *j = &a->job;
    Converted made;
    if (a->count != 2 || !*a->words[0] || !*a->words[1])
        return err_usage(e, "a model and a name are expected: limn convert IN OUT");
    const ConvertJob job = { .in = a->words[0],
                             .out = a->words[1],
                             .vae = j->vae,
                             .tokenizer = j->tokenizer,
                             .precision = j->to_precision,
                             .type = j->type,
                             .layout = j->layout,
                             .prune = j->prune };
    const Watch w = { .ctx = (void *)(size_t)j, .warn = on_warning, .cancelled = interrupt_asked };
    if (convert(&job, &w, &made, e)) return -1;
    print(j, job.out, &made);
    return stdout_flush(job.out, e);
}
