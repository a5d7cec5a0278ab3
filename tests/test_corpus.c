/*
 * test_corpus.c - the seeds of every fuzz target (tests/fuzz/corpus/fuzz_NAME), and each cut short and with a byte flipped at some
 * places, through the target's own entry. `make fuzz` searches on from there.
 *
 * The Makefile compiles tests/fuzz/fuzz_NAME.c with its entry called fuzz_NAME, and lists them (tests/fuzz/targets.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/files.h"
#include "tests/fuzz/targets.h"
#include "tests/support.h"

enum { PLACES = 16 };

/* On a copy that ends where the input does. */
static void run_exact(FuzzFn run, const unsigned char *data, size_t len)
{
    Bytes copy = exact(data, len);
    run(copy.data, copy.len);
    free((void *)(size_t)copy.data);
}

static void run_seed(FuzzFn run, Bytes seed)
{
    unsigned char *work = mem_alloc(seed.len);
    memcpy(work, seed.data, seed.len);
    run_exact(run, work, seed.len);
    for (size_t i = 0; i < PLACES; i++) {
        size_t at = seed.len * i / PLACES;
        run_exact(run, work, at);
        if (at == seed.len) continue;
        work[at] ^= 0x20;
        run_exact(run, work, seed.len);
        work[at] ^= 0x20;
    }
    free(work);
}

static void corpus(void **state)
{
    (void)state;
    for (const FuzzTarget *t = fuzz_targets; t->name; t++) {
        char dir[128];
        snprintf(dir, sizeof dir, "tests/fuzz/corpus/%s", t->name);
        char **names = files_in(dir, "");
        size_t seeds = 0;
        for (char **n = names; *n; n++) {
            if (**n == '.') continue; /* the folder and its parent */
            Err e = { 0 };
            Bytes seed;
            char *path = path_in(dir, *n);
            if (file_map(&seed, path, &e)) fail_msg("%s", e.text);
            run_seed(t->run, seed);
            file_unmap(&seed);
            free(path);
            seeds++;
        }
        if (!seeds) fail_msg("%s: no seeds", dir);
        names_free(names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(corpus) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
