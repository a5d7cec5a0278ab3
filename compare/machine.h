/* machine.h - on what a picture was drawn, so that seconds of several machines are not taken for those of one. */
#ifndef LIMN_COMPARE_MACHINE_H
#define LIMN_COMPARE_MACHINE_H

enum { MACHINE_WORDS = 120 };

/* "AMD EPYC 9R14, avx512bf16, 2 threads": the processor where the system tells (Linux), the kernel set, threads. */
void machine_words(char out[MACHINE_WORDS], int threads);

#endif
