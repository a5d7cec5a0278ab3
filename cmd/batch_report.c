/* batch_report.c - what a batch says: a line on the terminal, names or JSON on stdout, failures on stderr. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/visible.h"
#include "cmd/batch.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "cmd/stdout.h"

enum { LONGEST_BAR = 24 };

static const double OFTEN = 0.1; /* seconds from one drawing of the line to the next */

void report_init(Report *r, const Job *options)
{
    *r = (Report){ .json = options->json, .quiet = options->quiet };
    progress_init(&r->progress, !options->quiet, 1);
    r->names = !options->json && (options->verbose || !isatty(STDOUT_FILENO));
}

void report_release(Report *r) { str_release(&r->prompt); }

void report_clear(Report *r) { progress_clear(&r->progress); }
void report_say(Report *r, const char *what) { progress_say(&r->progress, what); }

/* A failure, or a warning, in one line on stderr. */
static void report_line(Report *r, const char *text)
{
    Err line;
    err_set(&line, "%s", text); /* which takes care of control characters */
    report_clear(r);
    fprintf(stderr, "limn: %s\n", line.text);
}

/* ---- rates ---- */

static double per_minute(const Report *r)
{
    double seconds = clock_now() - r->start;
    return seconds > 0 ? 60 * (double)r->b->run.drawn / seconds : 0;
}

static double seconds_left(const Report *r)
{
    double rate = per_minute(r);
    uint64_t rest = r->b->run.total - r->b->run.done - r->b->run.failed;
    return rate > 0 ? 60 * (double)rest / rate : 0;
}

/* ---- the line ---- */

static void draw_line(Report *r, double at_hand)
{
    char count[64], left[32], rate[64] = "", failures[48] = "";
    uint64_t total = r->b->run.total, gone = r->b->run.done + r->b->run.failed, failed = r->b->run.failed;
    double share = total ? ((double)gone + at_hand) / (double)total : 1;
    Str words = { 0 };
    snprintf(count, sizeof count, "%" PRIu64 "/%" PRIu64, gone, total);
    if (r->b->run.drawn) {
        progress_duration(left, sizeof left, seconds_left(r));
        snprintf(rate, sizeof rate, "  %.*f/min  %s left", per_minute(r) < 10 ? 1 : 0, per_minute(r), left);
    }
    if (failed) snprintf(failures, sizeof failures, "  %" PRIu64 " failed", failed);
    if (r->prompt.len) str_addf(&words, "  %s", str_text(&r->prompt));
    progress_show(&r->progress, &(ProgressParts){ .head = "",
                                                  .share = share < 1 ? share : 1,
                                                  .longest = LONGEST_BAR,
                                                  .must = count,
                                                  .more = { rate, failures },
                                                  .words = words.len ? words.s : NULL });
    r->shown = clock_now();
    str_release(&words);
}

/* ---- BatchWatch ---- */

static void on_say(void *ctx, const char *what) { report_say(ctx, what); }

static void on_line(Report *r, const char *what, const char *text)
{
    if (r->quiet) return;
    Str line = { 0 };
    str_addf(&line, "%s: %s", what, text);
    report_line(r, str_text(&line));
    str_release(&line);
}

static void on_warning(void *ctx, const char *text) { on_line(ctx, "warning", text); }
static void on_note(void *ctx, const char *text) { on_line(ctx, "note", text); }

static void on_drawing(void *ctx, const char *prompt, int pictures)
{
    Report *r = ctx;
    r->at_hand = pictures;
    str_clear(&r->prompt);
    str_addf(&r->prompt, "%.200s", prompt);
    visible_mask(r->prompt.s, false);
}

static void on_step(void *ctx, int done, int steps)
{
    Report *r = ctx;
    if (r->progress.shown && r->b && clock_now() - r->shown > OFTEN)
        draw_line(r, (double)r->at_hand * done / (steps ? steps : 1));
}

static void on_file(void *ctx, const char *path)
{
    if (((const Report *)ctx)->names) say_path(path);
}

/* Of --merge. */
static void on_merging(void *ctx, const Batch *b, const char *what, const Item *i, const char *why)
{
    if (((const Report *)ctx)->json) return;
    say(stdout, "%s %s/%s%s%s\n", what, b->names.folder, str_text(&i->file), why ? ": " : "", why ? why : "");
}

/* ---- events ---- */

static void on_begin(void *ctx, const Batch *b)
{
    Report *r = ctx;
    r->b = b;
    r->start = clock_now();
    if (r->json) {
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "event", "start");
        json_add_text(event, "folder", b->names.folder);
        cJSON_AddNumberToObject(event, "pictures", (double)b->total);
        if (b->shard.of > 1) cJSON_AddNumberToObject(event, "shard", (double)b->shard.at);
        if (b->shard.of > 1) cJSON_AddNumberToObject(event, "shards", (double)b->shard.of);
        cJSON_AddNumberToObject(event, "total", (double)b->mine);
        cJSON_AddNumberToObject(event, "there", (double)b->there);
        cJSON_AddNumberToObject(event, "todo", (double)b->todo);
        say_json(event);
        fflush(stdout);
    }
    if (r->quiet || (!b->there && !b->left && !b->damaged)) return;
    report_clear(r);
    fprintf(stderr, "%llu of %llu pictures are there; %llu to draw", (unsigned long long)b->there,
            (unsigned long long)b->mine, (unsigned long long)b->todo);
    if (b->damaged)
        fprintf(stderr, ", %llu of them because their files are missing or damaged", (unsigned long long)b->damaged);
    if (b->left)
        fprintf(stderr, "; %llu that the model refused before are left out (--retry-failed)",
                (unsigned long long)b->left);
    fputs("\n", stderr);
}

static int on_task(void *ctx, const Batch *b, const Task *t, Err *e)
{
    Report *r = ctx;
    if (t->failed) {
        Str text = { 0 };
        str_addf(&text, "%s:%zu: %s: %s", jobs_name(b->jobs), t->item.line, str_text(&t->item.file), t->e.text);
        report_line(r, str_text(&text));
        str_release(&text);
    }
    if (r->json) {
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "event", t->failed ? "failed" : "done");
        Str path = { 0 };
        str_addf(&path, "%s/%s", b->names.folder, str_text(&t->item.file));
        json_add_text(event, "path", str_text(&path));
        str_release(&path);
        cJSON_AddNumberToObject(event, "done", (double)b->run.done);
        cJSON_AddNumberToObject(event, "failed", (double)b->run.failed);
        cJSON_AddNumberToObject(event, "total", (double)b->run.total);
        char number[32];
        snprintf(number, sizeof number, "%.2f", per_minute(r));
        cJSON_AddRawToObject(event, "per_minute", number);
        snprintf(number, sizeof number, "%.1f", seconds_left(r));
        cJSON_AddRawToObject(event, "seconds_left", number);
        cJSON_AddRawToObject(event, "picture", str_text(&t->line));
        say_json(event);
    } else if (r->names && !t->failed) {
        report_clear(r);
        Str path = { 0 };
        str_addf(&path, "%s/%s", b->names.folder, str_text(&t->item.file));
        say_path(str_text(&path));
        str_release(&path);
    }
    if (r->progress.shown) draw_line(r, 0);
    return stdout_flush("what is drawn is in place, but stdout cannot be written", e);
}

static void on_end(void *ctx, const Batch *b, double seconds)
{
    Report *r = ctx;
    uint64_t drawn = b->run.drawn - b->run.failed;
    report_clear(r);
    if (r->json) {
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "event", "end");
        cJSON_AddNumberToObject(event, "drawn", (double)drawn);
        cJSON_AddNumberToObject(event, "there", (double)b->there);
        cJSON_AddNumberToObject(event, "failed", (double)(b->run.failed + b->left));
        cJSON_AddNumberToObject(event, "total", (double)b->mine);
        char number[32];
        snprintf(number, sizeof number, "%.1f", seconds);
        cJSON_AddRawToObject(event, "seconds", number);
        say_json(event);
    }
    if (r->quiet || !b->run.drawn) return;
    char took[32];
    progress_duration(took, sizeof took, seconds);
    say(stderr, "%llu picture%s in %s, %s", (unsigned long long)drawn, drawn == 1 ? "" : "s", b->names.folder, took);
    if (seconds > 0 && drawn)
        fprintf(stderr, ", %.*f a minute", 60 * (double)drawn / seconds < 10 ? 1 : 0, 60 * (double)drawn / seconds);
    if (b->run.failed) fprintf(stderr, "; %llu failed", (unsigned long long)b->run.failed);
    fputs("\n", stderr);
}

/* What the model has refused is left out the next time, unless --retry-failed was given, and so would be again. */
int report_failures(const Batch *b, Err *e)
{
    uint64_t missing = b->run.failed + b->left, refused = b->options->retry_failed ? 0 : b->run.refused + b->left;
    Str next = { 0 };
    if (!missing) return 0;
    if (!refused) str_add(&next, "the same command tries them again");
    else if (refused == missing) str_add(&next, "the model refused them; --retry-failed tries them again");
    else
        str_addf(
            &next,
            "the same command tries %llu of them again, and with --retry-failed the %llu that the model refused too",
            (unsigned long long)(missing - refused), (unsigned long long)refused);
    err_set(e, "%llu of %llu pictures failed: see %s/manifest*.jsonl; %s", (unsigned long long)missing,
            (unsigned long long)b->mine, b->names.folder, str_text(&next));
    str_release(&next);
    return -1;
}

/* ---- --merge ---- */

static void put_merged(const Batch *b, const MergeCount *n)
{
    uint64_t done = b->total - n->missing - n->failed - n->damaged;
    printf("{\"event\":\"merged\",\"total\":%llu,\"done\":%llu,\"missing\":%llu,\"failed\":%llu,\"damaged\":%llu}\n",
           (unsigned long long)b->total, (unsigned long long)done, (unsigned long long)n->missing,
           (unsigned long long)n->failed, (unsigned long long)n->damaged);
}

int report_merged(const Batch *b, const MergeCount *n, Err *e)
{
    if (b->options->json) put_merged(b, n);
    if (n->missing + n->failed + n->damaged)
        return err_set(e,
                       "of %llu pictures %llu are missing, %llu failed, %llu are damaged or changed; limn batch "
                       "without --merge draws them",
                       (unsigned long long)b->total, (unsigned long long)n->missing, (unsigned long long)n->failed,
                       (unsigned long long)n->damaged);
    if (!b->options->quiet) say(stderr, "all %llu pictures are in %s\n", (unsigned long long)b->total, b->names.folder);
    return 0;
}

BatchWatch report_watch(Report *r)
{
    return (BatchWatch){ .watch = { .ctx = r,
                                    .say = on_say,
                                    .warn = on_warning,
                                    .step = on_step,
                                    .cancelled = interrupt_asked,
                                    .note = on_note },
                         .begin = on_begin,
                         .drawing = on_drawing,
                         .task = on_task,
                         .end = on_end,
                         .file = on_file,
                         .merging = on_merging };
}
