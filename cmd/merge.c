/* merge.c - limn merge: one checkpoint out of several. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "pipeline/merge.h"
#include "weights/quantise.h"
#include "weights/read.h"

static void warn(void *ctx, const char *text)
{
    (void)ctx;
    warn_user(text);
}

static void progress(void *ctx, double share) { progress_share(ctx, "merging", share); }

/* "0.7,0.3" */
static int read_weights(const char *text, double out[MERGE_MOST], Err *e)
{
    int count = 0;
    for (const char *p = text;; p++) {
        char *end;
        double v = strtod(p, &end);
        if (end == p || !(v > -1000 && v < 1000) || (*end && *end != ','))
            return err_usage(e, "--weights \"%.60s\": expected a number for each model, as in 0.7,0.3", text);
        if (count < MERGE_MOST) out[count] = v;
        count++;
        if (!*end) return count;
        p = end;
    }
}

static int choose_weights(const Job *j, Merge *m, Err *e)
{
    if (j->weights && j->difference >= 0) return err_usage(e, "--weights and --difference: one of them");
    if (j->difference >= 0) {
        if (m->count != 3)
            return err_usage(e, "--difference wants three models, A + x (B - C): there are %d", m->count);
        m->weight[0] = 1;
        m->weight[1] = j->difference;
        m->weight[2] = -j->difference;
        return 0;
    }
    for (int i = 0; i < m->count; i++) m->weight[i] = 1.0 / m->count;
    int given = j->weights ? read_weights(j->weights, m->weight, e) : m->count;
    if (given < 0) return -1;
    return given == m->count ? 0 : err_usage(e, "--weights %s: %d numbers for %d models", j->weights, given, m->count);
}

int cmd_merge(const Args *a, Err *e)
{
    const Job *j = &a->job;
    Progress bar;
    Watch watch = { .ctx = &bar, .warn = j->quiet ? NULL : warn, .cancelled = interrupt_asked };
    Merge m = { .job = j, .to = j->output, .watch = &watch, .progress = progress };
    if (a->count > MERGE_MOST) return err_usage(e, "%d models; at most %d are merged at once", a->count, MERGE_MOST);
    for (; m.count < a->count; m.count++) m.path[m.count] = a->words[m.count];
    if (!m.count || (m.count == 1 && !j->lora && !j->type))
        return err_usage(
            e, "which models? For example: limn merge A.safetensors B.safetensors --weights 0.7,0.3 -o C.safetensors");
    if (!m.to || !weights_ending(m.to))
        return err_usage(e, "%s%sexpected -o FILE.safetensors or FILE.gguf", m.to ? m.to : "", m.to ? ": " : "");
    if (choose_weights(j, &m, e)) return -1;
    m.retype = j->type && quantise_type(j->type, &m.type);
    Str notes = { 0 };
    progress_init(&bar, !j->quiet, 1);
    int failed = merge_run(&m, &notes, e);
    progress_clear(&bar);
    for (const char *p = str_text(&notes); *p && !failed && !j->quiet; p += strcspn(p, "\n"), p += *p == '\n') {
        char *line = mem_strndup(p, strcspn(p, "\n"));
        note_user(line);
        free(line);
    }
    if (!failed) say_path(m.to);
    str_release(&notes);
    return failed;
}
