/* pull.c - limn pull: gets a model; the only command that opens a connection. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "hub/http.h"
#include "hub/pull.h"

/* What is known while it lasts. */
typedef struct {
    bool quiet;
    Progress progress;
    size_t files;
    uint64_t all, here; /* bytes; of files that were done before */
    char path[256];     /* the file at hand, and how much of it is there */
    uint64_t done;
} Pulling;

static void add_size(Str *out, uint64_t bytes)
{
    double v = (double)bytes;
    if (v < 1e6) str_addf(out, "%.0f kB", v * 1e-3);
    else if (v < 1e9) str_addf(out, "%.1f MB", v * 1e-6);
    else str_addf(out, "%.2f GB", v * 1e-9);
}

static void begins(void *ctx, size_t files, uint64_t bytes, uint64_t here)
{
    Pulling *p = ctx;
    Str line = { 0 };
    p->files = files;
    p->all = bytes == HTTP_UNKNOWN ? 0 : bytes;
    p->here = here;
    if (p->quiet) return;
    str_addf(&line, "%zu %s", files, files == 1 ? "file" : "files");
    if (p->all) str_add(&line, ", "), add_size(&line, p->all);
    if (here) str_add(&line, ", of which "), add_size(&line, here), str_add(&line, " are here already");
    say(stderr, "%s\n", str_text(&line));
    str_release(&line);
}

static void bytes(void *ctx, const char *path, uint64_t done, uint64_t size)
{
    Pulling *p = ctx;
    char shortened[SHOWN_MAX];
    (void)size;
    if (strncmp(p->path, path, sizeof p->path - 1) != 0) {
        p->here += p->done;
        snprintf(p->path, sizeof p->path, "%s", path);
    }
    p->done = done;
    double share = p->all ? (double)(p->here + done) / (double)p->all : 0;
    progress_share(&p->progress, shown(path, shortened), share < 1 ? share : 0.9999);
}

static void words(void *ctx, const char *text)
{
    Pulling *p = ctx;
    progress_clear(&p->progress);
    if (!p->quiet) warn_user(text);
}

static void put(const Job *j, const Str *path)
{
    if (!j->json) {
        say_path(str_text(path));
        return;
    }
    cJSON *root = cJSON_CreateObject();
    json_add_text(root, "path", str_text(path));
    say_json(root);
}

int cmd_pull(const Args *a, Err *e)
{
    const Job *j = &a->job;
    if (!a->count || !*a->words[0])
        return err_usage(e, "what shall be fetched? For example: limn pull stabilityai/sd-turbo");
    Pulling p = { .quiet = j->quiet };
    progress_init(&p.progress, !j->quiet, 1);
    HubPull pull = { .what = a->words[0],
                     .revision = j->revision,
                     .include = j->include,
                     .to = j->to,
                     .offline = j->offline,
                     .watch = { .ctx = &p, .bytes = bytes, .say = words, .stop = interrupt_asked },
                     .begins = begins };
    Str path = { 0 }, notes = { 0 };
    int failed = hub_pull(&pull, &path, &notes, e);
    progress_clear(&p.progress);
    for (const char *line = str_text(&notes); *line && !j->quiet; line += strcspn(line, "\n"), line += *line == '\n') {
        char *one = mem_strndup(line, strcspn(line, "\n"));
        note_user(one);
        free(one);
    }
    if (!failed) put(j, &path);
    str_release(&path);
    str_release(&notes);
    return failed;
}
