/* open.c - a batch is opened, its folder looked at or taken, and closed again. See batch.h. */
#include <stdlib.h>
#include <string.h>

#include "base/made.h"
#include "base/mem.h"
#include "batch/batch.h"
#include "output/extras.h"
#include "output/template.h"

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

int batch_open(Batch *b, const Job *options, const char *jobs, bool (*takes)(const Option *o), const BatchWatch *w,
               bool (*cancelled)(void), Err *e)
{
    const Job *j = options;
    *b = (Batch){ .options = options, .watch = *w };
    if (shard_parse(&b->shard, j->shard, e)) return -1;
    if (j->keep_going && j->fail_fast) return err_usage(e, "--keep-going and --fail-fast: one of them");
    if (j->merge && j->shard) return err_usage(e, "--merge joins all shards: --shard has no meaning with it");
    if (j->shard && (j->sheet || j->atlas))
        return err_usage(e, "%s is made of all pictures: give it to limn batch without --shard when they are there",
                         j->sheet ? "--sheet" : "--atlas");
    if (j->merge && j->dry_run) return err_usage(e, "--merge and --dry-run: one of them");
    JobsHost host = { takes, cancelled, j->prompt, j->output };
    b->jobs = jobs_open(jobs, j->format, &host, e);
    if (!b->jobs || name_plan(&b->names, j->output, jobs, e) || settle_folder(b, e)) return -1;
    if (extras_check(j, b->names.folder, e)) return -1;
    b->wildcards = wildcards_new(j->wildcards, mode_of(j), cancelled);
    b->setup = (Setup){ j, b->wildcards, mode_of(j), &b->names, b->date, cancelled };
    b->plan = plan_new(b->jobs, &b->setup);
    return watch_check(&b->watch.watch, e);
}

void batch_close(Batch *b)
{
    plan_free(b->plan);
    jobs_free(b->jobs);
    wildcards_free(b->wildcards);
    name_plan_release(&b->names);
    place_close(&b->place);
    manifest_close(b->manifest);
    folder_close(&b->folder);
    index_release(&b->files);
    free(b->wanted);
    for (int i = 0; i < b->seen_count; i++) free(b->seen[i].path);
}

int batch_look(Batch *b, Err *e)
{
    bool there = file_named(b->names.folder);
    if (there && folder_open(&b->folder, b->names.folder, e)) return -1;
    b->manifest = manifest_read(there ? &b->folder : NULL, e);
    if (!b->manifest) return -1;
    set_date(b);
    return 0;
}

int batch_take_folder(Batch *b, Err *e)
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
int batch_draw(Batch *b, Err *e)
{
    bool there = file_is_dir(b->names.folder);
    if ((there ? batch_take_folder(b, e) : batch_look(b, e)) || batch_survey(b, e)) return -1;
    if (!there) {
        manifest_close(b->manifest);
        b->manifest = NULL;
        if (batch_take_folder(b, e)) return -1;
        if (manifest_count(b->manifest) && batch_survey(b, e)) return -1; /* somebody was faster */
    }
    return batch_run(b, e) || batch_extras(b, e) ? -1 : 0;
}
