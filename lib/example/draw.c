/*
 * draw.c - a picture by liblimn, with progress; Ctrl-C gives it up.
 *     cc draw.c $(pkg-config --cflags --libs limn) -o draw && ./draw "a red potion" potion.png steps=8
 */
#include <limn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int cancelled(void *ctx)
{
    (void)ctx;
    return stopped;
}

static void on_step(void *ctx, int picture, int step, int steps)
{
    (void)ctx;
    fprintf(stderr, "picture %d, step %d of %d\n", picture, step, steps);
}

static void on_word(void *ctx, int warning, const char *text)
{
    (void)ctx;
    fprintf(stderr, "%s: %s\n", warning ? "warning" : "note", text);
}

/* "steps=8" */
static int set(limn_job *job, char *word, limn_error *e)
{
    char *equals = strchr(word, '=');
    if (!equals) return limn_job_set(job, word, "true", e);
    *equals = '\0';
    return limn_job_set(job, word, equals + 1, e);
}

static int write_png(const limn_picture *p, const char *path, limn_error *e)
{
    size_t size;
    const void *png = limn_picture_png(p, &size);
    FILE *f = fopen(path, "wb");
    int failed = !f || fwrite(png, 1, size, f) != size;
    if (f && fclose(f)) failed = 1;
    if (failed) snprintf(e->text, sizeof e->text, "%s: cannot be written", path);
    return failed;
}

int main(int argc, char **argv)
{
    limn_error e = { .code = LIMN_USAGE, .text = "draw PROMPT FILE [OPTION=VALUE ...]" };
    limn_callbacks told = { .size = sizeof told, .word = on_word, .step = on_step, .cancelled = cancelled };
    signal(SIGINT, on_signal);

    limn *l = limn_new(&told, &e);
    limn_job *job = limn_job_new();
    limn_picture *p = NULL;
    int failed = !l || !job || argc < 3 || limn_job_set(job, "prompt", argv[1], &e);
    for (int i = 3; i < argc && !failed; i++) failed = set(job, argv[i], &e);
    if (!failed) p = limn_draw(l, job, &e);
    failed = !p || write_png(p, argv[2], &e);
    if (failed) fprintf(stderr, "%s\n", e.text);
    else
        printf("%s: %dx%d, seed %llu\n", argv[2], limn_picture_width(p), limn_picture_height(p),
               (unsigned long long)limn_picture_seed(p));
    limn_picture_free(p);
    limn_job_free(job);
    limn_free(l);
    return failed ? e.code : 0;
}
