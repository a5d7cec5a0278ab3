/* jobs.c - see jobs.h: where the bytes come from, and which reader they go to. */
#include "batch/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "batch/readers.h"

static const struct {
    const char *name;
    int (*read)(Cursor *c, Record *out, Err *e);
} formats[] = {
    [JOBS_JSONL] = { "jsonl", read_jsonl },
    [JOBS_JSON] = { "json", read_json },
    [JOBS_CSV] = { "csv", read_csv },
    [JOBS_TXT] = { "txt", read_txt },
};

enum { FORMATS = sizeof formats / sizeof *formats, SPOOL_PIECE = 1 << 16 };

struct Jobs {
    char *name;
    Bytes text;
    bool mapped;
    JobsFormat format;
    Cursor cursor;
    size_t number; /* of records read */
};

/* ---- shared by the readers ---- */

bool next_line(Cursor *c, Bytes *line)
{
    if (c->at == c->end) return false;
    size_t left = (size_t)(c->end - c->at), most = JOBS_MAX_RECORD + 2; /* more is refused: no need to find its end */
    if (left > most) left = most;
    const char *newline = memchr(c->at, '\n', left);
    size_t len = newline ? (size_t)(newline - c->at) : left;
    *line = (Bytes){ (const unsigned char *)c->at, len && c->at[len - 1] == '\r' ? len - 1 : len };
    c->at += len + (newline != NULL);
    return true;
}

int check_record(Bytes text, Err *e)
{
    if (text.len > JOBS_MAX_RECORD) return err_usage(e, "a job of more than %d bytes", JOBS_MAX_RECORD);
    const unsigned char *nul = memchr(text.data, 0, text.len);
    return nul ? err_usage(e, "a NUL byte (the %zuth of the job): this is not text", (size_t)(nul - text.data) + 1) : 0;
}

/* ---- bytes ---- */

/* All of stdin into a file without a name, which is then mapped: it is read twice, and may be larger than memory. */
static int spool(Bytes *out, Err *e)
{
    FILE *f = tmpfile();
    char *piece = mem_alloc(SPOOL_PIECE);
    int failed = f ? 0 : err_set(e, "stdin: no temporary file for it: %s", strerror(errno));
    size_t total = 0;
    while (!failed) {
        ssize_t n = read(STDIN_FILENO, piece, SPOOL_PIECE);
        if (n < 0) failed = err_set(e, errno == EINTR ? "interrupted" : "stdin: %s", strerror(errno));
        if (n <= 0) break;
        if (fwrite(piece, 1, (size_t)n, f) != (size_t)n)
            failed = err_set(e, "stdin: its temporary file: %s", strerror(errno));
        total += (size_t)n;
    }
    if (!failed && fflush(f)) failed = err_set(e, "stdin: its temporary file: %s", strerror(errno));
    *out = (Bytes){ (const unsigned char *)"", 0 };
    if (!failed && total) {
        void *p = mmap(NULL, total, PROT_READ, MAP_PRIVATE, fileno(f), 0);
        if (p == MAP_FAILED) failed = err_set(e, "stdin: cannot map %zu bytes: %s", total, strerror(errno));
        else *out = (Bytes){ p, total };
    }
    free(piece);
    if (f) fclose(f);
    return failed;
}

/* ---- which format ---- */

/* From the first character that is no space: { jsonl, [ json; else the first line: a header of fields with "prompt", or text. */
static JobsFormat guess(Bytes text)
{
    const char *p = (const char *)text.data, *end = p + text.len;
    if (text.len >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
    while (p < end && strchr(" \t\r\n", *p) && *p) p++;
    if (p < end && *p == '{') return JOBS_JSONL;
    if (p < end && *p == '[') return JOBS_JSON;
    const char *line_end = memchr(p, '\n', (size_t)(end - p));
    size_t len = (size_t)((line_end ? line_end : end) - p);
    bool separated = memchr(p, ',', len) || memchr(p, ';', len) || memchr(p, '\t', len);
    bool plain = true;
    for (size_t i = 0; i < len; i++) plain = plain && p[i] != ' ';
    for (size_t i = 0; separated && plain && i + 6 <= len; i++)
        if (memcmp(p + i, "prompt", 6) == 0) return JOBS_CSV;
    return JOBS_TXT;
}

static int choose_format(JobsFormat *out, const char *path, const char *asked, Bytes text, Err *e)
{
    const char *dot = strrchr(path, '.');
    bool as_named = strcmp(asked, "auto") == 0;
    if (as_named && strcmp(path, "-") == 0) {
        *out = guess(text);
        return 0;
    }
    for (int f = 0; f < FORMATS; f++) {
        if (strcmp(as_named ? (dot ? dot + 1 : "") : asked, formats[f].name) != 0) continue;
        *out = (JobsFormat)f;
        return 0;
    }
    if (as_named && dot && strcmp(dot, ".ndjson") == 0) *out = JOBS_JSONL;
    else if (as_named && dot && strcmp(dot, ".tsv") == 0) *out = JOBS_CSV;
    else if (as_named)
        return err_usage(e, "%s: .jsonl, .json, .csv or .txt is expected; --format says which one it is", path);
    return 0;
}

/* ---- the interface ---- */

void jobs_rewind(Jobs *j)
{
    record_release(&j->cursor.columns);
    const char *text = (const char *)j->text.data;
    j->cursor = (Cursor){ .at = text, .end = text + j->text.len, .line = 1, .first = true };
    j->number = 0;
    if (j->text.len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) j->cursor.at += 3;
}

Jobs *jobs_of(Bytes text, JobsFormat format, const char *name)
{
    Jobs *j = mem_alloc(sizeof *j);
    j->name = mem_strdup(name);
    j->text = text;
    j->format = format;
    jobs_rewind(j);
    return j;
}

Jobs *jobs_open(const char *path, const char *format, Err *e)
{
    Bytes text;
    JobsFormat chosen = JOBS_TXT;
    bool in = strcmp(path, "-") == 0;
    if (in ? spool(&text, e) : file_map(&text, path, e)) {
        e->code = ERR_USAGE;
        return NULL;
    }
    if (choose_format(&chosen, path, format, text, e)) {
        file_unmap(&text);
        return NULL;
    }
    Jobs *j = jobs_of(text, chosen, in ? "stdin" : path);
    j->mapped = true;
    return j;
}

void jobs_free(Jobs *j)
{
    if (!j) return;
    record_release(&j->cursor.columns);
    if (j->mapped) file_unmap(&j->text);
    free(j->name);
    free(j);
}

const char *jobs_name(const Jobs *j) { return j->name; }

int jobs_blame(const Jobs *j, size_t line, Err *e)
{
    ErrCode code = e->code;
    err_set(e, "%s:%zu: %s", j->name, line, e->text);
    e->code = code;
    return -1;
}

int jobs_next(Jobs *j, Record *out, Err *e)
{
    *out = (Record){ 0 };
    int got = formats[j->format].read(&j->cursor, out, e);
    if (got < 0) {
        e->code = ERR_USAGE;
        return jobs_blame(j, j->cursor.line, e);
    }
    if (!got) return 0;
    out->number = ++j->number;
    return record_resolve(out, e) ? jobs_blame(j, out->line, e) : 1;
}
