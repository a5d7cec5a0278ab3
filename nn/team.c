/* team.c - see team.h. */
#include "nn/team.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

/* Waits until all are there. */
static void *wait(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* How many threads can exist at once in addition to this one. */
static int can_start(int wanted)
{
    pthread_t *threads = mem_array((size_t)wanted, sizeof *threads);
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    int count = 0;
    pthread_mutex_lock(&gate);
    while (count < wanted && pthread_create(&threads[count], NULL, wait, &gate) == 0) count++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    free(threads);
    return count;
}

int team_start(int wanted)
{
    static _Thread_local int size = 1; /* OpenMP's pool is one a thread as well */
    if (wanted > size) {
        int most = 1 + can_start(wanted - 1), got = 0;
        (void)most; /* which a compiler without OpenMP does not read */
#pragma omp parallel num_threads(most) reduction(+ : got)
        got++;
        size = got;
    }
    return wanted < size ? wanted : size;
}
