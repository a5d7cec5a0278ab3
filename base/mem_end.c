/* mem_end.c - how a program ends that is out of memory; apart from mem.c, since a library may not (lib/memory.c). See mem.h. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

void mem_end_program(size_t size)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    static _Thread_local bool here;
    char text[96];
    if (here) _exit(ERR_FAILED); /* what follows ran out itself */
    here = true;
    if (atomic_flag_test_and_set(&told))
        for (;;) pause(); /* another thread ends the program */
    int n = snprintf(text, sizeof text, "limn: out of memory: %zu more bytes could not be had\n", size);
    fflush(stdout); /* the paths of what is done */
    file_remove_temporary();
    ssize_t unused = write(STDERR_FILENO, text, (size_t)n);
    (void)unused;
    _exit(ERR_FAILED);
}
