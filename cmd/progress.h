/*
 * progress.h - one line on the terminal that is drawn over itself: picture, bar, step, seconds a step, time left.
 * Nothing where stderr is no terminal.
 */
#ifndef LIMN_CMD_PROGRESS_H
#define LIMN_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    bool shown;              /* stderr is a terminal and words are wanted */
    int picture, pictures;   /* 1 .. pictures */
    int steps_done;          /* of all pictures */
    int last;                /* steps done of this picture */
    double began;            /* progress_share(): when the first share was told */
    double first;            /* and how large it was */
    double started, working; /* when the last step began; seconds in steps so far */
} Progress;

void progress_init(Progress *p, bool wanted, int pictures);

/* "loading sprites", in place of the bar. */
void progress_say(Progress *p, const char *what);

void progress_picture(Progress *p, int picture);
void progress_step(Progress *p, int done, int steps); /* done == 0: the first begins */

/* "25:10", in at most 32 bytes. */
void progress_duration(char *buf, size_t size, double seconds);

enum { PROGRESS_MORE = 3 };

/* A line of another kind, what matters most first: head, bar, must and more, words. */
typedef struct {
    const char *head;                /* where the bar keeps its least length; "" */
    double share;                    /* of the bar, 0 .. 1 */
    int longest;                     /* cells of the bar at most */
    const char *must;                /* always there */
    const char *more[PROGRESS_MORE]; /* each whole, where it fits; the rest NULL */
    const char *words;               /* cut to what room is left; the bar then takes half of it at most; NULL */
} ProgressParts;

/* For a terminal of so many columns, in at most columns + 1 bytes of ASCII (words: any). */
void progress_compose(char *buf, int columns, const ProgressParts *parts);
void progress_show(Progress *p, const ProgressParts *parts);

/* Work of many kinds: what is done now, the share of all (0 .. 1), and the time left, reckoned from when it began. */
void progress_share(Progress *p, const char *what, double share);

/* Leaves an empty line, so that something else can be written. */
void progress_clear(Progress *p);

/* The bar's line for a terminal of so many columns; buf holds at least columns + 1 bytes. */
void progress_line(char *buf, int columns, const Progress *p, int done, int steps);

#endif
