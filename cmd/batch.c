/* batch.c - limn batch: many pictures from a file of jobs; it can be stopped and resumed at any time. */
#include "cmd/batch.h"

#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "output/output.h"
#include "pipeline/advice.h"

static bool takes(const Option *o) { return command_takes(command_find("batch"), o); }

static int merge(Batch *b, Err *e)
{
    MergeCount n;
    if (!file_is_dir(b->names.folder))
        return err_set(e, "%s: there is no such folder: nothing was drawn yet", b->names.folder);
    return batch_take_folder(b, e) || batch_merge(b, &n, e) || report_merged(b, &n, e) || batch_extras(b, e) ? -1 : 0;
}

static int run(Batch *b, Report *r, Err *e)
{
    if (b->options->dry_run) return batch_look(b, e) || batch_survey(b, e) || batch_dry_run(b, r, e) ? -1 : 0;
    if (b->options->merge) return merge(b, e);
    return batch_draw(b, e) || report_failures(b, e) ? -1 : 0;
}

int cmd_batch(const Args *a, Err *e)
{
    Batch b = { .options = &a->job };
    Report r;
    if (!a->count || !*a->words[0])
        return err_usage(
            e,
            "a file of jobs is expected: limn batch jobs.jsonl, or - for stdin (limn batch --help shows the formats)");
    if (output_is_stdout(&a->job)) return err_usage(e, "--output: a folder or names are expected, not stdout");
    report_init(&r, &a->job);
    BatchWatch watch = report_watch(&r);
    advise_run(&a->job, &watch.watch);
    int failed = batch_open(&b, &a->job, a->words[0], takes, &watch, interrupted, e) || run(&b, &r, e);
    report_clear(&r);
    batch_close(&b);
    report_release(&r);
    return failed ? -1 : 0;
}
