/* peak.h - how much memory a stretch of work takes at most. */
#ifndef LIMN_COMPARE_PEAK_H
#define LIMN_COMPARE_PEAK_H

/* Begins a stretch: forgets what was the most so far, where the system can (Linux). */
void peak_start(void);

/* The most resident memory since peak_start(), or else since the program began, in 2^20 bytes. */
double peak_mb(void);

#endif
