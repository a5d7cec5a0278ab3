/* batch_report.c - what a batch says: a line on the terminal, names or JSON on stdout, failures on stderr. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/visible.h"
#include "cmd/batch.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "cmd/stdout.h"
#include "weights/json.h"

enum { LONGEST_LINE = 256, SHORTEST_BAR = 8, LONGEST_BAR = 24 };

static const double OFTEN = 0.1; /* seconds from one drawing of the line to the next */

void report_init(Report *r, const Job *options)
{
    const char *term = getenv("TERM");
    bool smart = term && *term && strcmp(term, "dumb") != 0;
    *r = (Report){ .json = options->json, .quiet = options->quiet };
    r->bar = !options->quiet && smart && isatty(STDERR_FILENO);
    r->names = !options->json && (options->verbose || !isatty(STDOUT_FILENO));
}

void report_release(Report *r) { str_release(&r->prompt); }

static void show(const char *line)
{
    fprintf(stderr, "\r%.*s\033[K", progress_columns() - 1, line);
    fflush(stderr);
}

void report_clear(Report *r)
{
    if (r->bar) show("");
}

void report_say(Report *r, const char *what)
{
    if (r->bar) show(what);
}

void report_line(Report *r, const char *text)
{
    Err line;
    err_set(&line, "%s", text); /* which takes care of control characters */
    report_clear(r);
    fprintf(stderr, "limn: %s\n", line.text);
}

/* ---- rates ---- */

static double per_minute(const Report *r)
{
    double seconds = progress_now() - r->start;
    return seconds > 0 ? 60 * (double)r->drawn / seconds : 0;
}

static double seconds_left(const Report *r)
{
    double rate = per_minute(r);
    uint64_t rest = r->total - r->done - r->failed;
    return rate > 0 ? 60 * (double)rest / rate : 0;
}

/* ---- the line ---- */

static void add_bar(Str *line, int bar, double share)
{
    int full = (int)(share * bar);
    str_add(line, "[");
    for (int i = 0; i < bar; i++) str_add(line, i < full ? "=" : i == full ? ">" : " ");
    str_add(line, "] ");
}

/* What matters most comes first: numbers, rate, time left; the bar and the prompt where there is room. */
static void draw_line(Report *r, double at_hand)
{
    char left[32], text[LONGEST_LINE];
    Str numbers = { 0 }, line = { 0 };
    int columns = progress_columns() - 1;
    double share = r->total ? ((double)(r->done + r->failed) + at_hand) / (double)r->total : 1;
    str_addf(&numbers, "%" PRIu64 "/%" PRIu64, r->done + r->failed, r->total);
    if (r->drawn) {
        progress_duration(left, sizeof left, seconds_left(r));
        str_addf(&numbers, "  %.*f/min  %s left", per_minute(r) < 10 ? 1 : 0, per_minute(r), left);
    }
    if (r->failed) str_addf(&numbers, "  %llu failed", (unsigned long long)r->failed);
    int room = columns - (int)numbers.len - 3;
    if (room >= SHORTEST_BAR)
        add_bar(&line, room / 2 < LONGEST_BAR ? (room / 2 > SHORTEST_BAR ? room / 2 : SHORTEST_BAR) : LONGEST_BAR,
                share < 1 ? share : 1);
    str_add(&line, str_text(&numbers));
    room = columns - (int)line.len - 2;
    if (room >= 8 && r->prompt.len) {
        snprintf(text, sizeof text, "  %.*s", room, str_text(&r->prompt));
        size_t len = strlen(text);
        while (len && ((unsigned char)text[len - 1] & 0xC0) == 0x80) len--; /* no half character: it is cut before */
        if (len && ((unsigned char)text[len - 1] & 0x80)) len--;
        if (strlen(str_text(&r->prompt)) <= (size_t)room) len = strlen(text);
        str_addn(&line, text, len);
    }
    show(str_text(&line));
    r->shown = progress_now();
    str_release(&numbers);
    str_release(&line);
}

void report_prompt(Report *r, const char *prompt)
{
    str_clear(&r->prompt);
    str_addf(&r->prompt, "%.200s", prompt);
    visible_mask(r->prompt.s, false);
}

void report_step(Report *r, int done, int steps, int pictures)
{
    if (r->bar && progress_now() - r->shown > OFTEN) draw_line(r, (double)pictures * done / (steps ? steps : 1));
}

/* ---- events ---- */

void report_plan(Report *r, const Batch *b)
{
    r->total = b->mine - b->left;
    r->done = b->there;
    r->start = progress_now();
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

int report_task(Report *r, const Batch *b, const Task *t, Err *e)
{
    r->drawn++;
    if (t->failed) r->failed++;
    else r->done++;
    if (t->failed && t->refused) r->refused++;
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
        cJSON_AddNumberToObject(event, "done", (double)r->done);
        cJSON_AddNumberToObject(event, "failed", (double)r->failed);
        cJSON_AddNumberToObject(event, "total", (double)r->total);
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
    if (r->bar) draw_line(r, 0);
    return stdout_flush("what is drawn is in place, but stdout cannot be written", e);
}

void report_end(Report *r, const Batch *b, double seconds)
{
    uint64_t drawn = r->drawn - r->failed;
    report_clear(r);
    if (r->json) {
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "event", "end");
        cJSON_AddNumberToObject(event, "drawn", (double)drawn);
        cJSON_AddNumberToObject(event, "there", (double)b->there);
        cJSON_AddNumberToObject(event, "failed", (double)(r->failed + b->left));
        cJSON_AddNumberToObject(event, "total", (double)b->mine);
        char number[32];
        snprintf(number, sizeof number, "%.1f", seconds);
        cJSON_AddRawToObject(event, "seconds", number);
        say_json(event);
    }
    if (r->quiet || !r->drawn) return;
    char took[32];
    progress_duration(took, sizeof took, seconds);
    say(stderr, "%llu picture%s in %s, %s", (unsigned long long)drawn, drawn == 1 ? "" : "s", b->names.folder, took);
    if (seconds > 0 && drawn)
        fprintf(stderr, ", %.*f a minute", 60 * (double)drawn / seconds < 10 ? 1 : 0, 60 * (double)drawn / seconds);
    if (r->failed) fprintf(stderr, "; %llu failed", (unsigned long long)r->failed);
    fputs("\n", stderr);
}

/* What the model has refused is left out the next time, unless --retry-failed was given, and so would be again. */
int report_failures(const Report *r, const Batch *b, Err *e)
{
    uint64_t missing = r->failed + b->left, refused = b->options->retry_failed ? 0 : r->refused + b->left;
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
