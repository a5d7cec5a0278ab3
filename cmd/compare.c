/* compare.c - limn compare: measures the cells of a grid, or given pictures; result files and messages. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cores.h"
#include "base/magic.h"
#include "base/mem.h"
#include "base/shell.h"
#include "cmd/command.h"
#include "cmd/draw.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/prompt.h"
#include "cmd/say.h"
#include "compare/contact.h"
#include "compare/document.h"
#include "compare/pictures.h"
#include "compare/report.h"
#include "image/sheet.h"
#include "nn/kernels.h"
#include "output/output.h"

enum { MOST_FOLDERS = 99999 };

static const uint64_t usual_seed = 1; /* not a random one: the same command again goes on where it was stopped */

/* ---- CompareWatch ---- */

typedef struct {
    const Job *job;
    Progress progress;
} Teller;

static void on_warning(void *ctx, const char *text)
{
    Teller *t = ctx;
    if (t->job->quiet) return;
    progress_clear(&t->progress);
    warn_user(text);
}

static void on_note(void *ctx, const char *text)
{
    Teller *t = ctx;
    if (t->job->quiet) return;
    progress_clear(&t->progress);
    note_user(text);
}

static void on_progress(void *ctx, const char *what, double share)
{
    Str line = { 0 };
    for (; *what; what++) str_addn(&line, (unsigned char)*what < 32 ? " " : what, 1);
    progress_share(&((Teller *)ctx)->progress, str_text(&line), share);
    str_release(&line);
}

/* ---- where the results go ---- */

/* The folder of --output, or a fresh one that this makes. */
static int choose_folder(const Job *j, Str *dir, Err *e)
{
    if (j->output) {
        if (output_is_stdout(j)) return err_usage(e, "--output: a folder is expected, not stdout");
        str_add(dir, j->output);
        while (dir->len > 1 && dir->s[dir->len - 1] == '/') dir->s[--dir->len] = 0;
        if (str_ends(dir->s, ".png") && !file_is_dir(dir->s))
            return err_usage(
                e, "--output: \"%.200s\": a folder is expected, for a sheet, a report and a picture of each cell",
                dir->s);
        return 0;
    }
    for (int i = 1; i <= MOST_FOLDERS; i++) {
        str_clear(dir);
        str_addf(dir, "limn-compare-%05d", i);
        if (mkdir(dir->s, 0777) == 0) return 0;
        if (errno != EEXIST) return err_set(e, "%s: the folder cannot be made: %s", dir->s, strerror(errno));
    }
    return err_set(e, "limn-compare-%05d and all before it are there; choose a folder with -o", MOST_FOLDERS);
}

/* What this made, while there is nothing in it. */
static void drop_folder(const char *dir)
{
    static const char *const parts[] = { "/cells/latents", "/cells", "" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        Str path = { 0 };
        str_addf(&path, "%s%s", dir, parts[i]);
        rmdir(str_text(&path));
        str_release(&path);
    }
}

static char *command_text(const Args *a)
{
    Str s = { 0 };
    str_add(&s, "limn compare");
    for (char **p = a->argv; *p; p++) {
        str_add(&s, " ");
        shell_add(&s, *p);
    }
    return s.s;
}

/* ---- what is said ---- */

static void print_conclusions(const Conclusions *k)
{
    for (int i = 0; i < k->section_count; i++) {
        const Section *s = &k->sections[i];
        say(stdout, "%s%s:\n", i ? "\n" : "", s->title);
        for (int l = 0; l < s->count; l++) say(stdout, "  %s\n", s->lines[l]);
    }
}

static void print_files(const Comparison *c, int pages)
{
    int drawn = 0, reused = 0;
    for (int i = 0; i < c->count; i++) {
        drawn += !c->cells[i].error;
        reused += c->cells[i].reused;
    }
    say(stdout, "\nIn %s: report.html, %s, compare.csv, compare.json, cells (%d picture%s", c->dir,
        pages > 1 ? "sheets" : "sheet.png", drawn, drawn == 1 ? "" : "s");
    if (c->merge) printf(", of shards");
    else if (reused) printf(", %d from an earlier run", reused);
    printf(")\n");
    if (pages > 1)
        printf("The sheet is larger than %d pixels a side: it is in %d files, sheet-1.png to sheet-%d.png\n",
               SHEET_MAX_SIDE, pages, pages);
}

static int write_all(const Comparison *c, const Conclusions *k, const cJSON *doc, int *pages, Err *e)
{
    Str csv = { 0 };
    document_csv(c, &csv);
    const Folder *in = &c->store.folder;
    char *json = cJSON_Print(doc);
    int failed = folder_write_text(in, "compare.csv", str_text(&csv), e) ||
                 folder_write_text(in, "compare.json", json, e) || contact_write(c, k, pages, e) ||
                 report_write(in, doc, e);
    cJSON_free(json);
    str_release(&csv);
    return failed ? -1 : 0;
}

/* ---- cells ---- */

/* Error: a picture that cells should have been measured against could not be drawn. */
static int missing_references(const Comparison *c, Err *e)
{
    const char *why = NULL;
    int missing = 0;
    for (int i = 0; i < c->reference_count; i++) {
        if (!c->references[i].error) continue;
        if (!missing++) why = c->references[i].error;
    }
    return missing ? err_set(e, "%d of %d converged pictures could not be drawn (%.200s); what is drawn is in %s",
                             missing, c->reference_count, why, c->dir)
                   : 0;
}

/* Error: so many of them could not be drawn, and why the first could not. */
static int failed_cells(const Comparison *c, int of, Err *e)
{
    const char *why = NULL;
    for (int i = 0; i < c->count && !why; i++)
        if (c->cells[i].mine) why = c->cells[i].error;
    return err_set(e, "%d of %d cells failed (%.200s); the others are in %s", c->failed, of, why ? why : "?", c->dir);
}

static int finish(const Comparison *c, Teller *t, const char *command, Err *e)
{
    Conclusions k = { 0 };
    cJSON *doc = NULL;
    int pages = 1;
    progress_say(&t->progress, "writing the report");
    int failed = conclude(&k, c, e);
    if (!failed) {
        doc = document_json(c, &k, command);
        failed = write_all(c, &k, doc, &pages, e);
    }
    progress_clear(&t->progress);
    if (!failed && c->base->json) {
        say_json(doc);
        doc = NULL;
    } else if (!failed) {
        print_conclusions(&k);
        print_files(c, pages);
    }
    if (!failed) failed = missing_references(c, e);
    if (!failed && c->failed) failed = failed_cells(c, c->count, e);
    if (!failed && c->unmeasured)
        failed = err_set(e, "%d of %d cells could not be measured (%.200s); what is drawn is in %s", c->unmeasured,
                         c->count, c->unmeasured_why, c->dir);
    cJSON_Delete(doc);
    conclusions_release(&k);
    return failed ? -1 : 0;
}

/* What a shard has done. */
typedef struct {
    int own, reused, references, converged;
} ShardCount;

static ShardCount count_shard(const Comparison *c)
{
    ShardCount n = { 0 };
    for (int i = 0; i < c->count; i++) {
        n.own += c->cells[i].mine;
        n.reused += c->cells[i].mine && c->cells[i].reused;
    }
    for (int i = 0; i < c->reference_count; i++) {
        n.references += c->references[i].mine;
        n.converged += c->references[i].mine && c->references[i].file;
    }
    return n;
}

static cJSON *shard_json(const Comparison *c, const ShardCount *n)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "shard", (double)c->shard.at);
    cJSON_AddNumberToObject(o, "shards", (double)c->shard.of);
    cJSON_AddNumberToObject(o, "cells", n->own - c->failed);
    cJSON_AddNumberToObject(o, "from_an_earlier_run", n->reused);
    cJSON_AddNumberToObject(o, "failed", c->failed);
    cJSON_AddNumberToObject(o, "converged_pictures", n->converged);
    return o;
}

/* A shard has drawn its part; there is nothing to conclude yet. */
static int finish_shard(const Comparison *c, Teller *t, Err *e)
{
    ShardCount n = count_shard(c);
    progress_clear(&t->progress);
    if (c->base->json) {
        say_json(shard_json(c, &n));
    } else {
        say(stdout, "In %s: shard %llu/%llu, %d of all %d cells", c->dir, (unsigned long long)c->shard.at,
            (unsigned long long)c->shard.of, n.own - c->failed, c->count);
        if (n.reused) say(stdout, " (%d from an earlier run)", n.reused);
        if (c->reference_count) say(stdout, ", %d of %d converged pictures", n.converged, c->reference_count);
        say(stdout, "\nWhen all shards are there, the same command with --merge in place of --shard measures them\n");
    }
    if (c->failed) return failed_cells(c, n.own, e);
    return missing_references(c, e);
}

/* Shards draw into one folder, which the command names. */
static int check_shards(const Job *j, Err *e)
{
    Shard s;
    if (shard_parse(&s, j->shard, e)) return -1;
    if (j->shard && j->merge) return err_usage(e, "--merge joins all shards: --shard has no meaning with it");
    if ((j->shard || j->merge) && !j->output)
        return err_usage(e, "%s: -o DIR is expected, the folder of all shards", j->shard ? "--shard" : "--merge");
    return 0;
}

static int compare_cells(const Args *a, Job *j, const char *command, Err *e)
{
    Comparison c = { 0 };
    Teller t = { .job = j };
    CompareWatch watch = { .watch = { .ctx = &t, .warn = on_warning, .cancelled = interrupt_asked, .note = on_note },
                           .progress = on_progress };
    Str dir = { 0 };
    Grid check;
    bool has_prompt_axis = j->axes && (str_starts(j->axes, "prompt=") || strstr(j->axes, "\nprompt="));
    const char *why = NULL;
    if (!kernels_select(&why)) return err_usage(e, "%s", why);
    if (j->prompts && (a->count || *j->prompt || has_prompt_axis))
        return err_usage(e, "--prompts: its file has the prompts; leave out the other one");
    if (!j->prompts && !(has_prompt_axis && !a->count) && prompt_read(a, "compare", j, e)) return -1;

    /* what makes no sense is told before a folder is made */
    if (check_shards(j, e)) return -1;
    int failed = grid_init(&check, j, e);
    grid_release(&check);
    if (failed || choose_folder(j, &dir, e)) {
        str_release(&dir);
        return -1;
    }
    if (!j->has_seed) {
        j->seed = usual_seed;
        j->has_seed = true;
    }
    if (!j->threads) j->threads = cores_allowed();
    omp_set_num_threads(j->threads);
    progress_init(&t.progress, !j->quiet, 1);
    failed = comparison_run(&c, j, str_text(&dir), &watch, e);
    if (!failed) failed = c.shard.of > 1 ? finish_shard(&c, &t, e) : finish(&c, &t, command, e);
    progress_clear(&t.progress);
    if (failed && e->code == ERR_INTERRUPTED && !j->quiet)
        say(stderr, "limn: what is drawn is in %s; the same command with -o %s goes on\n", str_text(&dir),
            str_text(&dir));
    comparison_release(&c);
    if (!j->output) drop_folder(str_text(&dir));
    str_release(&dir);
    return failed ? -1 : 0;
}

/* ---- given pictures ---- */

static bool is_picture(const char *word)
{
    size_t len = strlen(word);
    return (len > 4 && (strcmp(word + len - 4, ".png") == 0 || strcmp(word + len - 4, ".PNG") == 0)) ||
           file_exists(word);
}

/* Rather a picture than a prompt that a file happens to be called as. */
static bool is_picture_file(const char *word)
{
    Bytes file;
    Err unused;
    if (str_ends(word, ".png") || str_ends(word, ".PNG")) return true;
    if (file_map(&file, word, &unused)) return false;
    MagicKind kind = magic_of(file).kind;
    file_unmap(&file);
    return kind == MAGIC_PNG || kind == MAGIC_PICTURE;
}

static int compare_pictures(const Args *a, const Job *j, const char *command, Err *e)
{
    Pictures p;
    Str dir = { 0 };
    if (j->shard || j->merge)
        return err_usage(e, "%s: given pictures are measured at once", j->shard ? "--shard" : "--merge");
    int failed = pictures_measure(&p, a->words, a->count, e);
    if (!failed && j->output) failed = choose_folder(j, &dir, e) || pictures_write(&p, str_text(&dir), command, e);
    if (!failed && j->json) {
        cJSON *doc = pictures_json(&p, command);
        say_json(doc);
    } else if (!failed) {
        Str table = { 0 };
        pictures_table(&p, &table);
        say(stdout, "%s", str_text(&table));
        str_release(&table);
        if (j->output) say(stdout, "\nIn %s: report.html, sheet.png, compare.csv, compare.json\n", str_text(&dir));
    }
    if (!failed && p.failed) {
        const char *first = "";
        for (int i = p.count - 1; i >= 0; i--)
            if (p.rows[i].error) first = p.rows[i].error;
        failed = err_set(e, "%s%s", first, p.failed > 1 ? " (and others could not be measured)" : "");
    }
    pictures_release(&p);
    str_release(&dir);
    return failed ? -1 : 0;
}

int cmd_compare(const Args *a, Err *e)
{
    int pictures = 0;
    for (int i = 0; i < a->count; i++) pictures += is_picture(a->words[i]);
    char *command = command_text(a);
    Job j;
    job_copy(&j, &a->job);
    int failed;
    if (a->count > 1 && pictures) failed = compare_pictures(a, &j, command, e);
    else if (a->count > 1)
        failed = err_usage(
            e,
            "%d words where one prompt or several PNG files are expected: put the prompt in quotes, \"%.60s %.60s%s\"",
            a->count, a->words[0], a->words[1], a->count > 2 ? " ..." : "");
    else if (a->count && pictures && is_picture_file(a->words[0]))
        failed =
            err_usage(e, "\"%.200s\" alone: what shall it be compared with? limn compare A.png B.png", a->words[0]);
    else failed = compare_cells(a, &j, command, e);
    job_release(&j);
    free(command);
    return failed ? -1 : 0;
}
