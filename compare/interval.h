/*
 * interval.h - statistics of a sample: a mean with its confidence interval, and a share with its bound.
 * Source: Student 1908, "The probable error of a mean"; Clopper and Pearson 1934, "The use of confidence or fiducial limits".
 */
#ifndef LIMN_COMPARE_INTERVAL_H
#define LIMN_COMPARE_INTERVAL_H

#define INTERVAL_CONFIDENCE 0.95

/* The mean of n > 0 values; between low and high the mean of all of their kind lies, with INTERVAL_CONFIDENCE. n 1: NAN, NAN. */
typedef struct {
    int n;
    double mean, low, high;
} Interval;

Interval interval_of_mean(const double *v, int n);

/*
 * Of n tried, k had it: the least share of their kind that has it, one-sided, with a confidence that is shared among so many
 * tries: 1 - (1 - INTERVAL_CONFIDENCE) / tries, Bonferroni's correction for one that was chosen from them.
 */
double interval_least_share(int k, int n, int tries);

/* Student's t with so many degrees of freedom that lies within -t .. t with that confidence. */
double student_t(double confidence, int degrees);

#endif
