/* merge.c - limn batch --merge: the shards' manifests become one, in the order of the jobs; what is missing is told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch/batch.h"

typedef struct {
    Batch *b;
    FILE *out;
    MergeCount *count;
} Merge;

static void tell(const Merge *m, const char *what, const Item *i, const char *why)
{
    const BatchWatch *w = &m->b->watch;
    if (w->merging) w->merging(w->watch.ctx, m->b, what, i, why);
}

static void take(Merge *m, const Item *i)
{
    Batch *b = m->b;
    Entry entry;
    bool fresh;
    index_add(&b->files, index_hash(str_text(&i->file)), &fresh);
    b->total = i->index;
    if (!manifest_find(b->manifest, str_text(&i->file), &entry)) {
        m->count->missing++;
        tell(m, "missing", i, NULL);
        return;
    }
    fprintf(m->out, "%s\n", str_text(&entry.line));
    if (entry.status != STATUS_DONE) {
        m->count->failed++;
        tell(m, "failed", i, entry.error);
    } else if (strcmp(entry.key, i->key) != 0) {
        m->count->damaged++;
        tell(m, "changed", i, "drawn from another job");
    } else if (!place_whole(&b->folder, str_text(&i->file), entry.bytes, entry.sha256)) {
        m->count->damaged++;
        tell(m, "damaged", i, "the file is not what the manifest says");
    }
    str_release(&entry.line);
}

/* Lines of pictures that are not in this job file: another batch's, which has the same folder. */
static int keep_line(void *ctx, const char *line, size_t len)
{
    FILE *out = ctx;
    return fwrite(line, 1, len, out) == len && fputc('\n', out) != EOF ? 0 : -1;
}

static int write_lines(Merge *m, Err *e)
{
    Batch *b = m->b;
    Item item;
    int got;
    plan_rewind(b->plan);
    while ((got = plan_next(b->plan, &item, e)) > 0) {
        take(m, &item);
        item_release(&item);
        if (watch_check(&b->watch.watch, e)) return -1;
    }
    if (got == 0 && b->total == 0) return err_usage(e, "%s: no jobs in it", jobs_name(b->jobs));
    return got;
}

static int write_all(Merge *m, Err *e)
{
    Batch *b = m->b;
    int fd = place_new_manifest(&b->place, e);
    if (fd < 0) return -1;
    m->out = fdopen(fd, "w");
    if (!m->out) {
        close(fd);
        return err_set(e, "%s: cannot write there: %s", b->place.staging.path, strerror(errno));
    }
    int failed = write_lines(m, e);
    bool written = !failed && manifest_others(b->manifest, &b->files, keep_line, m->out) == 0;
    written = written && fflush(m->out) == 0 && fsync(fd) == 0;
    int why = errno;
    if (fclose(m->out) && written) written = false, why = errno;
    if (failed) return -1;
    return written ? 0 : err_set(e, "%s%s: cannot write: %s", b->folder.path, manifest_name, strerror(why));
}

int batch_merge(Batch *b, MergeCount *count, Err *e)
{
    *count = (MergeCount){ 0 };
    Merge m = { .b = b, .count = count };
    if (write_all(&m, e) || place_manifest(&b->place, manifest_name, e)) return -1;
    manifest_replaced(b->manifest);
    return 0;
}
