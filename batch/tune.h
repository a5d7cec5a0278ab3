/*
 * tune.h - how many pictures at once are fastest, found while the work is done: 1, 2, 4, ... until more is no faster.
 */
#ifndef LIMN_BATCH_TUNE_H
#define LIMN_BATCH_TUNE_H

enum { TUNE_MOST = 32 };

/* Zeroed to begin with. One for each kind of picture (size, guidance, model). */
typedef struct {
    int size;                     /* being tried, or 0 */
    int runs;                     /* of that size */
    int best;                     /* 0: none yet */
    double best_time, least_time; /* seconds a picture: of the best; of this size so far */
    int settled;                  /* no more is tried */
} Tune;

/* The size of the next run. */
int tune_size(const Tune *t);

/* Tells how long a run took. Runs of another size than was asked for (the end of a file) do not count. */
void tune_ran(Tune *t, int size, double seconds);

/* There is no memory for more than that. */
void tune_limit(Tune *t, int size);

#endif
