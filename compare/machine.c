/* machine.c - see machine.h. The processor's name is that of proc_cpuinfo(5). */
#include "compare/machine.h"

#include <stdio.h>
#include <string.h>

#include "nn/kernels.h"

enum { CPU_WORDS = 64 };

/* "model name : AMD EPYC 9R14"; "" where there is none. */
static void cpu_words(char out[CPU_WORDS])
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    *out = 0;
    while (f && !*out && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", strlen("model name")) != 0 || !colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(out, CPU_WORDS, "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    if (f) fclose(f);
}

void machine_words(char out[MACHINE_WORDS], int threads)
{
    char cpu[CPU_WORDS];
    const char *why;
    const Kernels *k = kernels_select(&why);
    cpu_words(cpu);
    snprintf(out, MACHINE_WORDS, "%s%s%s, %d thread%s", cpu, *cpu ? ", " : "", k ? k->name : "", threads,
             threads == 1 ? "" : "s");
}
