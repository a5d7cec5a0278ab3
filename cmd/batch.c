/* batch.c - limn batch: many pictures from a file of jobs, which can be stopped and go on at any moment. */
#include "cmd/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/made.h"
#include "base/mem.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "output/extras.h"
#include "output/output.h"
#include "output/template.h"
#include "pipeline/advice.h"

static ExpandMode mode_of(const Job *j)
{
    return strcmp(j->expand, "all") == 0 ? EXPAND_ALL : strcmp(j->expand, "off") == 0 ? EXPAND_OFF : EXPAND_RANDOM;
}

/* "{dir}/..." where no field is called dir: the folder is the one that a batch without --output has. */
static int settle_folder(Batch *b, Err *e)
{
    static const char dir[] = "{dir}/";
    char *pattern = b->names.pattern;
    Record first;
    if (strcmp(b->names.folder, ".") != 0 || !pattern || !str_starts(pattern, dir)) return 0;
    jobs_rewind(b->jobs);
    int got = jobs_next(b->jobs, &first, e);
    bool field = got > 0 && record_find(&first, "dir");
    record_release(&first);
    if (got < 0) return -1;
    if (field) return 0;
    b->names.pattern = mem_strdup(pattern + strlen(dir));
    free(pattern);
    free(b->names.folder);
    b->names.folder = mem_strdup(b->names.stem);
    return 0;
}

/* {date} is that of the first picture: names must not change at midnight. */
static void set_date(Batch *b)
{
    const char *known = b->manifest ? manifest_date(b->manifest) : NULL;
    if (known) memcpy(b->date, known, 11);
    else template_date(b->date);
}

static bool takes(const Option *o) { return command_takes(command_find("batch"), o); }

void batch_note(void *ctx, const char *text)
{
    Batch *b = ctx;
    Str line = { 0 };
    if (b->options->quiet) return;
    str_addf(&line, "note: %s", text);
    report_line(&b->report, str_text(&line));
    str_release(&line);
}

/* What every way of using a batch begins with. */
static int batch_open(Batch *b, const char *jobs, Err *e)
{
    const Job *j = b->options;
    report_init(&b->report, j);
    if (output_is_stdout(j)) return err_usage(e, "--output: a folder or names are expected, not stdout");
    advise_run(j, &(Watch){ .ctx = b, .note = batch_note });
    if (shard_parse(&b->shard, j->shard, e)) return -1;
    if (j->keep_going && j->fail_fast) return err_usage(e, "--keep-going and --fail-fast: one of them");
    if (j->merge && j->shard) return err_usage(e, "--merge joins all shards: --shard has no meaning beside it");
    if (j->shard && (j->sheet || j->atlas))
        return err_usage(e, "%s is made of all pictures: give it to limn batch without --shard when they are there",
                         j->sheet ? "--sheet" : "--atlas");
    if (j->merge && j->dry_run) return err_usage(e, "--merge and --dry-run: one of them");
    JobsHost host = { takes, interrupted, j->prompt, j->output };
    b->jobs = jobs_open(jobs, j->format, &host, e);
    if (!b->jobs || name_plan(&b->names, j->output, jobs, e) || settle_folder(b, e)) return -1;
    if (extras_check(j, b->names.folder, e)) return -1;
    b->wildcards = wildcards_new(j->wildcards, mode_of(j), interrupted);
    b->setup = (Setup){ j, b->wildcards, mode_of(j), &b->names, b->date, interrupted };
    b->plan = plan_new(b->jobs, &b->setup);
    return interrupt_check(e);
}

static void batch_close(Batch *b)
{
    plan_free(b->plan);
    jobs_free(b->jobs);
    wildcards_free(b->wildcards);
    name_plan_release(&b->names);
    place_close(&b->place);
    manifest_close(b->manifest);
    folder_close(&b->folder);
    index_release(&b->files);
    report_release(&b->report);
    free(b->wanted);
    for (int i = 0; i < b->seen_count; i++) free(b->seen[i].path);
}

/* The folder as it is, without touching it. */
static int look(Batch *b, Err *e)
{
    bool there = file_named(b->names.folder);
    if (there && folder_open(&b->folder, b->names.folder, e)) return -1;
    b->manifest = manifest_read(there ? &b->folder : NULL, e);
    if (!b->manifest) return -1;
    set_date(b);
    return 0;
}

/* The folder is ours: the lock, and the place for half-written files. */
static int take_folder(Batch *b, Err *e)
{
    folder_close(&b->folder);
    if (folder_make(&b->folder, b->names.folder, e)) return -1;
    if (b->options->sheet && (made_check(&b->folder, "sheet.png", e) || made_check(&b->folder, "index.html", e)))
        return -1;
    b->manifest = manifest_open(&b->folder, &b->shard, e);
    if (!b->manifest || place_open(&b->place, &b->folder, &b->shard, e)) return -1;
    set_date(b);
    return 0;
}

/*
 * A folder that is there is taken first and surveyed then, so that nobody changes it meanwhile. One that is not is made only
 * when nothing speaks against the jobs.
 */
static int draw_all(Batch *b, Err *e)
{
    bool there = file_is_dir(b->names.folder);
    if ((there ? take_folder(b, e) : look(b, e)) || batch_survey(b, e)) return -1;
    if (!there) {
        manifest_close(b->manifest);
        b->manifest = NULL;
        if (take_folder(b, e)) return -1;
        if (manifest_count(b->manifest) && batch_survey(b, e)) return -1; /* somebody was faster */
    }
    return batch_run(b, e);
}

static int merge(Batch *b, Err *e)
{
    if (!file_is_dir(b->names.folder))
        return err_set(e, "%s: there is no such folder: nothing was drawn yet", b->names.folder);
    return take_folder(b, e) || batch_merge(b, e) || batch_extras(b, e) ? -1 : 0;
}

int cmd_batch(const Args *a, Err *e)
{
    Batch b = { .options = &a->job };
    if (!a->count || !*a->words[0])
        return err_usage(
            e,
            "a file of jobs is expected: limn batch jobs.jsonl, or - for stdin (limn batch --help shows the formats)");
    int failed = batch_open(&b, a->words[0], e);
    if (!failed && a->job.dry_run) failed = look(&b, e) || batch_survey(&b, e) || batch_dry_run(&b, e);
    else if (!failed && a->job.merge) failed = merge(&b, e);
    else if (!failed) failed = draw_all(&b, e);
    report_clear(&b.report);
    batch_close(&b);
    return failed ? -1 : 0;
}
