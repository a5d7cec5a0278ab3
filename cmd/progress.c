/* progress.c - see progress.h. */
#include "cmd/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { USUAL_COLUMNS = 80, MOST_COLUMNS = 200, SHORTEST_BAR = 8, LONGEST_BAR = 40 };

double progress_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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

/* A bar and what stands behind it, or less where there is no room. */
static void add_bar(char *buf, int room, double share)
{
    if (room < SHORTEST_BAR) return;
    int bar = room < LONGEST_BAR ? room : LONGEST_BAR, full = (int)(bar * share);
    size_t at = strlen(buf);
    buf[at++] = '[';
    for (int i = 0; i < bar; i++) buf[at++] = i < full ? '=' : i == full ? '>' : ' ';
    buf[at++] = ']';
    buf[at++] = ' ';
    buf[at] = 0;
}

void progress_share(Progress *p, const char *what, double share)
{
    if (!p->shown) return;
    double now = progress_now();
    if (p->began == 0) {
        p->began = now;
        p->first = share;
    }
    char line[MOST_COLUMNS + 1] = "", tail[256], left[32] = "";
    double done = share - p->first;
    if (done > 0.01 && share < 1) {
        progress_duration(left, sizeof left, (now - p->began) / done * (1 - share));
        strcat(left, " left  ");
    }
    snprintf(tail, sizeof tail, "%3.0f %%  %s", 100 * share, left);
    int width = progress_columns() - 1, room = width - (int)strlen(tail) - 3;
    add_bar(line, room < LONGEST_BAR / 2 ? room : LONGEST_BAR / 2, share);
    add(line, width, tail);
    int words = width - (int)strlen(line);
    if (words > 8) strncat(line, what, (size_t)words);
    show(line);
}

void progress_line(char *buf, int width, const Progress *p, int done, int steps)
{
    char head[32] = "", tail[128], piece[64], left[32];
    if (p->pictures > 1) snprintf(head, sizeof head, "%d/%d ", p->picture, p->pictures);

    /* what matters most comes first: narrow terminals show only that */
    snprintf(tail, sizeof tail, "%d/%d", done, steps);
    double each = p->steps_done ? p->working / p->steps_done : 0;
    if (done == steps) {
        add(tail, width, "  decoding"); /* the latents; the next thing seen is the file's name */
    } else if (each > 0) {
        progress_duration(left, sizeof left, each * ((double)(p->pictures - p->picture) * steps + (steps - done)));
        snprintf(piece, sizeof piece, "  %s left", left);
        add(tail, width, piece);
        snprintf(piece, sizeof piece, each < 0.1 ? "  %.3f s/step" : "  %.2f s/step", each);
        add(tail, width, piece);
    }

    int room = width - (int)strlen(tail) - 3; /* [ ] and a space */
    if (room - (int)strlen(head) >= SHORTEST_BAR) room -= (int)strlen(head);
    else head[0] = 0;
    buf[0] = 0;
    strcat(buf, head);
    add_bar(buf, room, (double)done / steps);
    add(buf, width, tail);
}

void progress_step(Progress *p, int done, int steps)
{
    double now = progress_now();
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
