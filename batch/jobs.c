/* jobs.c - see jobs.h: where the bytes come from, and which reader they go to. */
#include "batch/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
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

enum { FORMATS = sizeof formats / sizeof *formats, SPOOL_FROM = 32 << 20 /* bytes */ };

struct Jobs {
    char *name;
    JobsHost host;
    Str own;    /* the text, while it is small */
    Bytes text; /* all of it */
    bool mapped;
    JobsFormat format;
    Cursor cursor;
    size_t number; /* of records read */
};

/* ---- shared by the readers ---- */

bool next_line(Cursor *c, Bytes *line)
{
    if (c->at == c->end) return false;
    size_t left = (size_t)(c->end - c->at), most = JOBS_MAX_RECORD + 1; /* more is refused: no need to find its end */
    if (left > most) left = most;
    const char *newline = memchr(c->at, '\n', left);
    size_t len = newline ? (size_t)(newline - c->at) : left;
    *line = (Bytes){ (const unsigned char *)c->at, len };
    c->at += len + (newline != NULL);
    return true;
}

int check_record(Bytes text, Err *e)
{
    if (text.len > JOBS_MAX_RECORD) return err_usage(e, "a job of more than %d bytes", JOBS_MAX_RECORD);
    return 0;
}

/* ---- bytes ---- */

/* Much text goes to a file without a name, which is mapped then: it may be larger than memory. */
typedef struct {
    const char *name;
    FILE *file;
    size_t total; /* bytes in it */
} Spool;

static int spool_failed(const Spool *s, Err *e)
{
    return err_set(e, "%s: a temporary file for it: %s", s->name, strerror(errno));
}

static int put_away(void *ctx, Str *text, Err *e)
{
    Spool *s = ctx;
    if (!s->file && text->len < SPOOL_FROM) return 0;
    if (!s->file && !(s->file = tmpfile())) return spool_failed(s, e);
    if (fwrite(str_text(text), 1, text->len, s->file) != text->len) return spool_failed(s, e);
    s->total += text->len;
    str_clear(text);
    return 0;
}

static int map_spool(Jobs *j, const Spool *s, Err *e)
{
    if (fflush(s->file)) return spool_failed(s, e);
    void *p = mmap(NULL, s->total, PROT_READ, MAP_PRIVATE, fileno(s->file), 0);
    if (p == MAP_FAILED) return err_set(e, "%s: cannot map %zu bytes: %s", s->name, s->total, strerror(errno));
    j->text = (Bytes){ p, s->total };
    j->mapped = true;
    return 0;
}

/*
 * The whole text is taken at once: it is gone through twice, first to check it and then to draw, and what is drawn must be what
 * was checked, whatever an editor does to the file meanwhile.
 */
static int take_text(Jobs *j, const char *path, Err *e)
{
    bool in = strcmp(path, "-") == 0;
    Spool spool = { .name = j->name };
    TextSource source = { .name = j->name, .cancelled = j->host.cancelled, .spill = put_away, .ctx = &spool };
    int failed = in ? text_read(STDIN_FILENO, &source, &j->own, e) : text_read_file(path, &source, &j->own, e);
    if (!failed && spool.total) failed = map_spool(j, &spool, e);
    if (!failed && !spool.total) j->text = (Bytes){ (const unsigned char *)str_text(&j->own), j->own.len };
    if (spool.file) fclose(spool.file);
    return failed;
}

/* ---- which format ---- */

/* Whether the first line is a table's, with "prompt" among its cells. */
static bool is_header(const char *p, const char *end, const char *separators)
{
    const char *line_end = memchr(p, '\n', (size_t)(end - p));
    if (line_end) end = line_end;
    if (end - p >= 4 && memcmp(p, "sep=", 4) == 0) return true;
    while (p < end) {
        size_t len = 0, from = 0;
        while (p + len < end && !strchr(separators, p[len])) len++;
        size_t to = len;
        while (from < to && strchr(" \"", p[from])) from++;
        while (to > from && strchr(" \"", p[to - 1])) to--;
        if (to - from == 6 && strncasecmp(p + from, "prompt", 6) == 0) return true;
        p += len + (p + len < end);
    }
    return false;
}

/* Whether the first line has no spaces, as a row of fields' names. */
static bool only_names(const char *p, const char *end)
{
    while (p < end && *p != '\n' && *p != ' ') p++;
    return p == end || *p == '\n';
}

/* Whether the line at p ends in }. */
static bool is_object_line(const char *p, const char *end)
{
    const char *newline = memchr(p, '\n', (size_t)(end - p)), *q = newline ? newline : end;
    while (q > p && strchr(" \t", q[-1])) q--;
    return q > p && q[-1] == '}';
}

/*
 * From the first character that is no space: { jsonl, or json where the line ends before the object; [ json; else the
 * first line: a header of fields with "prompt", or text.
 */
static JobsFormat guess(Bytes text)
{
    const char *p = (const char *)text.data, *end = p + text.len;
    while (p < end && strchr(" \t\n", *p)) p++;
    if (p < end && *p == '{') return is_object_line(p, end) ? JOBS_JSONL : JOBS_JSON;
    if (p < end && *p == '[') return JOBS_JSON;
    return is_header(p, end, ",;\t") ? JOBS_CSV : JOBS_TXT;
}

static int choose_format(JobsFormat *out, const char *path, const char *asked, Bytes text, Err *e)
{
    static const struct {
        const char *ending;
        JobsFormat format;
    } endings[] = { { ".jsonl", JOBS_JSONL }, { ".ndjson", JOBS_JSONL }, { ".json", JOBS_JSON }, { ".csv", JOBS_CSV },
                    { ".tsv", JOBS_CSV },     { ".tab", JOBS_CSV },      { ".txt", JOBS_TXT } };
    for (int f = 0; f < FORMATS; f++) {
        if (strcmp(asked, formats[f].name) != 0) continue;
        *out = (JobsFormat)f;
        return 0;
    }
    if (strcmp(path, "-") == 0) {
        *out = guess(text);
        return 0;
    }
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot, endings[i].ending) != 0) continue;
        *out = endings[i].format;
        const char *at = (const char *)text.data, *end = at + text.len;
        if (*out != JOBS_TXT) return 0;
        if (is_header(at, end, "\t")) *out = JOBS_CSV; /* Excel's "Unicode text" */
        else if (is_header(at, end, ",;") && only_names(at, end))
            return err_usage(
                e,
                "%s:1: this is the first row of a table: --format csv reads it, --format txt takes it as a "
                "prompt",
                path);
        return 0;
    }
    return err_usage(e, "%s: .jsonl, .json, .csv or .txt is expected; --format says which one it is", path);
}

/* ---- the interface ---- */

void jobs_rewind(Jobs *j)
{
    record_release(&j->cursor.columns);
    const char *text = (const char *)j->text.data;
    j->cursor = (Cursor){ .at = text, .end = text + j->text.len, .line = 1, .first = true };
    j->number = 0;
}

static Jobs *jobs_new(const char *name, const JobsHost *host)
{
    Jobs *j = mem_alloc(sizeof *j);
    j->name = mem_strdup(name);
    if (host) j->host = *host;
    return j;
}

Jobs *jobs_of(Bytes text, JobsFormat format, const char *name, const JobsHost *host, Err *e)
{
    Jobs *j = jobs_new(name, host);
    TextDecoder d = { .name = name };
    int failed = text_decode(&d, text, true, &j->own, e);
    text_decoder_release(&d);
    if (failed) {
        jobs_free(j);
        return NULL;
    }
    j->text = (Bytes){ (const unsigned char *)str_text(&j->own), j->own.len };
    j->format = format;
    jobs_rewind(j);
    return j;
}

/* It is the system that has no more to give, and not the user who named something wrong. */
static bool is_shortage(int why) { return why == EMFILE || why == ENFILE || why == ENOMEM || why == EIO; }

Jobs *jobs_open(const char *path, const char *format, const JobsHost *host, Err *e)
{
    Jobs *j = jobs_new(strcmp(path, "-") == 0 ? "stdin" : path, host);
    errno = 0;
    int failed = take_text(j, path, e), why = errno;
    if (failed && e->code != ERR_INTERRUPTED && !is_shortage(why)) e->code = ERR_USAGE;
    if (failed || choose_format(&j->format, path, format, j->text, e)) {
        jobs_free(j);
        return NULL;
    }
    jobs_rewind(j);
    return j;
}

void jobs_free(Jobs *j)
{
    if (!j) return;
    record_release(&j->cursor.columns);
    if (j->mapped) file_unmap(&j->text);
    str_release(&j->own);
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

int jobs_next_row(Jobs *j, Record *out, Err *e)
{
    *out = (Record){ 0 };
    int got = formats[j->format].read(&j->cursor, out, e);
    if (got < 0) {
        e->code = ERR_USAGE;
        return jobs_blame(j, j->cursor.line, e);
    }
    if (!got) return 0;
    out->number = ++j->number;
    return 1;
}

int jobs_next(Jobs *j, Record *out, Err *e)
{
    int got = jobs_next_row(j, out, e);
    if (got < 1) return got;
    return record_resolve(out, &j->host, e) ? jobs_blame(j, out->line, e) : 1;
}
