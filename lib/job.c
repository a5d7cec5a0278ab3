/* job.c - limn_job: options as text, and files that the caller has in memory. See limn.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "image/png.h"
#include "lib/inside.h"

struct HeldFile {
    atomic_int jobs;
    int fd;
};

int outcome(int failed, unsigned since, const Err *from, limn_error *e)
{
    Err short_of;
    if (memory_spent(since)) {
        err_set(&short_of, "out of memory: a small piece could not be had");
        from = &short_of;
        failed = -1;
    }
    if (!failed || !e) return failed ? -1 : 0;
    e->code = (int)from->code;
    snprintf(e->text, sizeof e->text, "%s", from->text);
    return -1;
}

limn_job *job_of(const Job *j)
{
    limn_job *job = mem_alloc(sizeof *job);
    job_copy(&job->job, j);
    return job;
}

limn_job *limn_job_new(void)
{
    unsigned since;
    Err e;
    if (memory_ready(&since, &e)) return NULL;
    limn_job *job = mem_alloc(sizeof *job);
    job_init(&job->job);
    return job;
}

limn_job *limn_job_copy(const limn_job *from)
{
    unsigned since;
    Err e;
    if (memory_ready(&since, &e)) return NULL;
    limn_job *job = job_of(&from->job);
    job->file_count = from->file_count;
    job->files = mem_array(from->file_count, sizeof *job->files);
    for (size_t i = 0; i < from->file_count; i++) {
        job->files[i] = from->files[i];
        atomic_fetch_add(&job->files[i]->jobs, 1);
    }
    return job;
}

void limn_job_free(limn_job *job)
{
    if (!job) return;
    for (size_t i = 0; i < job->file_count; i++) {
        if (atomic_fetch_sub(&job->files[i]->jobs, 1) > 1) continue;
        close(job->files[i]->fd);
        free(job->files[i]);
    }
    free(job->files);
    job_release(&job->job);
    free(job);
}

/* ---- options ---- */

bool job_option_here(const Option *o)
{
    static const char *const more[] = {
        "model", "count", "threads", "memory", "preview", "preview-vae", "interpolate"
    };
    bool here = o->picture;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) here = here || strcmp(o->name, more[i]) == 0;
    return here;
}

static const Option *option_of(const char *name, Err *e)
{
    const Option *o = option_find(name, strlen(name));
    if (!o) {
        err_usage(e, "%.60s: there is no such option", name);
        return NULL;
    }
    if (job_option_here(o)) return o;
    err_usage(e, "%s: it is the program's, the library has none", o->name);
    return NULL;
}

int limn_job_set(limn_job *job, const char *option, const char *value, limn_error *error)
{
    unsigned since = 0;
    Err e;
    int failed = memory_ready(&since, &e);
    const Option *o = failed ? NULL : option_of(option, &e);
    failed = !o || (job_set(&job->job, o, value, &e) && err_in(&e, o->name));
    return outcome(failed, since, &e, error);
}

int limn_job_unset(limn_job *job, const char *option, limn_error *error)
{
    unsigned since = 0;
    Err e;
    int failed = memory_ready(&since, &e);
    const Option *o = failed ? NULL : option_of(option, &e);
    if (o) job_reset(&job->job, o);
    return outcome(!o, since, &e, error);
}

long limn_job_get(const limn_job *job, const char *option, char *value, size_t size)
{
    Err e;
    Str text = { 0 };
    const Option *o = option_of(option, &e);
    if (size) *value = 0;
    if (!o || !job_get(&job->job, o, &text)) return -1;
    long len = (long)text.len;
    if (size) snprintf(value, size, "%s", str_text(&text));
    str_release(&text);
    return len;
}

/* ---- files in memory ---- */

int limn_job_file(limn_job *job, const void *bytes, size_t size, char path[LIMN_PATH], limn_error *error)
{
    unsigned since = 0;
    Err e;
    if (memory_ready(&since, &e)) return outcome(-1, since, &e, error);
    int fd = memfd_create("limn", MFD_CLOEXEC);
    if (fd < 0 || file_write_all(fd, (Bytes){ bytes, size })) {
        err_set(&e, "%zu bytes cannot be held: %s", size, strerror(errno));
        if (fd >= 0) close(fd);
        return outcome(-1, since, &e, error);
    }
    HeldFile *file = mem_alloc(sizeof *file);
    file->jobs = 1;
    file->fd = fd;
    job->files = mem_grow(job->files, (job->file_count + 1) * sizeof *job->files);
    job->files[job->file_count++] = file;
    snprintf(path, LIMN_PATH, "/proc/self/fd/%d", fd);
    return outcome(0, since, &e, error);
}

/* One value of a pixel: 0 to 2 of its colour, 3 of its alpha. */
static uint8_t value_of(const uint8_t *pixel, int channels, int which) { return pixel[channels == 1 ? 0 : which]; }

static void image_of(Image *im, const uint8_t *pixels, int w, int h, int channels)
{
    size_t count = (size_t)w * (size_t)h;
    image_init(im, w, h);
    if (channels == 4) im->alpha = mem_plain(count);
    for (size_t i = 0; i < count; i++, pixels += channels) {
        for (int c = 0; c < 3; c++) im->rgb[3 * i + (size_t)c] = value_of(pixels, channels, c);
        if (im->alpha) im->alpha[i] = pixels[3];
    }
}

int limn_job_pixels(limn_job *job, const uint8_t *pixels, int width, int height, int channels, char path[LIMN_PATH],
                    limn_error *error)
{
    unsigned since = 0;
    Err e;
    Image im = { 0 };
    Bytes png = { 0 };
    int failed = memory_ready(&since, &e);
    bool right = width > 0 && height > 0 && width <= PNG_MAX_SIDE && height <= PNG_MAX_SIDE &&
                 (channels == 1 || channels == 3 || channels == 4);
    if (!failed && !right)
        failed = err_usage(&e, "pixels of %dx%d, %d channels: sides of 1 to %d and 1, 3 or 4 channels are expected",
                           width, height, channels, PNG_MAX_SIDE);
    if (failed) return outcome(failed, since, &e, error);
    image_of(&im, pixels, width, height, channels);
    failed = png_encode(&im, NULL, 0, &png, &e);
    image_release(&im);
    failed = outcome(failed, since, &e, error) || limn_job_file(job, png.data, png.len, path, error);
    free((void *)(size_t)png.data);
    return failed ? -1 : 0;
}
