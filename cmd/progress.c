/* progress.c - see progress.h. */
#include "cmd/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

enum { USUAL_COLUMNS = 80, MOST_COLUMNS = 200, SHORTEST_BAR = 8, SHORT_BAR = 20, LONGEST_BAR = 40, LEAST_WORDS = 8 };

int progress_columns(void)
{
    struct winsize size;
    int n = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : USUAL_COLUMNS;
    return n < MOST_COLUMNS ? n : MOST_COLUMNS;
}

void progress_init(Progress *p, bool wanted, int pictures)
{
    const char *term = getenv("TERM");
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    *p = (Progress){ .shown = wanted && isatty(STDERR_FILENO) && !dumb, .picture = 1, .pictures = pictures };
}

/* Over the line as it is; the last column stays free, where some terminals wrap. */
static void show(const char *line)
{
    fprintf(stderr, "\r%.*s\033[K", progress_columns() - 1, line);
    fflush(stderr);
}

void progress_clear(Progress *p)
{
    if (p->shown) show("");
}

void progress_say(Progress *p, const char *what)
{
    if (p->shown) show(what);
}

void progress_picture(Progress *p, int picture)
{
    p->picture = picture;
    p->last = 0;
}

void progress_duration(char *buf, size_t size, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s < 60) snprintf(buf, size, "%ld s", s);
    else if (s < 3600) snprintf(buf, size, "%ld:%02ld", s / 60, s % 60);
    else snprintf(buf, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

/* Appends a piece when it fits into the columns that are left. */
static void add(char *buf, int columns_left, const char *piece)
{
    if (strlen(buf) + strlen(piece) <= (size_t)columns_left) strcat(buf, piece);
}

static void add_bar(char *buf, int bar, double share)
{
    int full = (int)(bar * share);
    size_t at = strlen(buf);
    buf[at++] = '[';
    for (int i = 0; i < bar; i++) buf[at++] = i < full ? '=' : i == full ? '>' : ' ';
    buf[at++] = ']';
    buf[at++] = ' ';
    buf[at] = 0;
}

/* As much of a text as there are columns for, in whole characters. */
static void add_words(char *buf, int columns, const char *words)
{
    size_t len = strlen(words);
    if (columns < LEAST_WORDS) return;
    if (len > (size_t)columns) len = (size_t)columns;
    while (len && ((unsigned char)words[len] & 0xC0) == 0x80) len--; /* it would begin within a character */
    strncat(buf, words, len);
}

void progress_compose(char *buf, int width, const ProgressParts *p)
{
    char tail[MOST_COLUMNS + 1] = "";
    add(tail, width, p->must);
    for (int i = 0; i < PROGRESS_MORE && p->more[i]; i++) add(tail, width, p->more[i]);
    int room = width - (int)strlen(tail) - 3, head = (int)strlen(p->head); /* [ ] and a space */
    bool has_head = room - head >= SHORTEST_BAR;
    if (has_head) room -= head;
    int bar = p->words && room / 2 > SHORTEST_BAR ? room / 2 : p->words && room > SHORTEST_BAR ? SHORTEST_BAR : room;
    buf[0] = 0;
    if (has_head) strcat(buf, p->head);
    if (bar >= SHORTEST_BAR) add_bar(buf, bar < p->longest ? bar : p->longest, p->share);
    strcat(buf, tail);
    if (p->words) add_words(buf, width - (int)strlen(buf), p->words);
}

void progress_show(Progress *p, const ProgressParts *parts)
{
    char line[MOST_COLUMNS + 1];
    if (!p->shown) return;
    progress_compose(line, progress_columns() - 1, parts);
    show(line);
}

void progress_share(Progress *p, const char *what, double share)
{
    if (!p->shown) return;
    double now = clock_now();
    if (p->began == 0) {
        p->began = now;
        p->first = share;
    }
    char tail[80], left[32] = "";
    double done = share - p->first;
    if (done > 0.01 && share < 1) {
        progress_duration(left, sizeof left, (now - p->began) / done * (1 - share));
        strcat(left, " left  ");
    }
    snprintf(tail, sizeof tail, "%3.0f %%  %s", 100 * share, left);
    progress_show(p, &(ProgressParts){ .head = "", .share = share, .longest = SHORT_BAR, .must = tail, .words = what });
}

void progress_line(char *buf, int width, const Progress *p, int done, int steps)
{
    char head[32] = "", count[32], left[32], time[48], each_text[48];
    ProgressParts parts = { .head = head, .share = (double)done / steps, .longest = LONGEST_BAR, .must = count };
    double each = p->steps_done ? p->working / p->steps_done : 0;
    if (p->pictures > 1) snprintf(head, sizeof head, "%d/%d ", p->picture, p->pictures);
    snprintf(count, sizeof count, "%d/%d", done, steps);
    if (done == steps) {
        parts.more[0] = "  decoding"; /* the latents; the next thing seen is the file's name */
    } else if (each > 0) {
        progress_duration(left, sizeof left, each * ((double)(p->pictures - p->picture) * steps + (steps - done)));
        snprintf(time, sizeof time, "  %s left", left);
        snprintf(each_text, sizeof each_text, each < 0.1 ? "  %.3f s/step" : "  %.2f s/step", each);
        parts.more[0] = time;
        parts.more[1] = each_text;
    }
    progress_compose(buf, width, &parts);
}

void progress_step(Progress *p, int done, int steps)
{
    double now = clock_now();
    if (done > p->last) {
        p->working += now - p->started;
        p->steps_done += done - p->last;
    }
    p->last = done;
    p->started = now;
    if (!p->shown) return;
    char line[MOST_COLUMNS + 1];
    progress_line(line, progress_columns() - 1, p, done, steps);
    show(line);
}
