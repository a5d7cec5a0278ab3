/* checking.c - see checking.h. */
#define _GNU_SOURCE /* SCHED_IDLE */
#include "pipeline/checking.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/scan.h"
#include "pipeline/file_notes.h"
#include "pipeline/parts.h"

/* Tensors are taken one by one, by the thread and by who waits for it. */
struct Checking {
    pthread_t thread;
    bool started;
    struct {
        const Weight *tensor;
        const Part *part;
    } * list;
    size_t count;
    atomic_size_t next;
    atomic_bool stop; /* nobody wants it any more */
    pthread_mutex_t lock;
    atomic_size_t bad; /* the first of the list that was found bad, and what is said of it; count: none */
    Err said;
    bool noted; /* that nothing was found */
};

/* ---- what an earlier run found in the same file: the tensors of a part that hold neither, by how many they are and their bytes ---- */

enum { NOTE = 64 };

typedef struct {
    size_t tensors, bytes;
} Extent;

static void note_text(const Part *p, Extent x, char name[NOTE], char value[NOTE])
{
    snprintf(name, NOTE, "finite %s", p->is->name);
    snprintf(value, NOTE, "%zu tensors, %zu bytes", x.tensors, x.bytes);
}

/* Whether it lies in the file that stands for the model, whose state is known (parts.h). */
static bool in_hashed_file(const Parts *parts, const Weight *t)
{
    const unsigned char *begin = parts->hashed.data, *end = begin + parts->hashed.len;
    return parts->hashed_path && !t->own && t->data >= begin && t->data < end;
}

/* What a part has to look over in that file. */
static Extent extent_of(const Parts *parts, const Part *p)
{
    Extent x = { 0, 0 };
    for (size_t i = 0; p->weights && i < weights_count(p->weights); i++) {
        const Weight *t = weights_at(p->weights, i);
        if (!t->unchecked || !in_hashed_file(parts, t)) continue;
        x.tensors++;
        x.bytes += t->bytes;
    }
    return x;
}

static bool is_noted(const Parts *parts, const Part *p)
{
    char name[NOTE], want[NOTE], was[NOTE], *path = parts->hashed_path ? realpath(parts->hashed_path, NULL) : NULL;
    note_text(p, extent_of(parts, p), name, want);
    bool noted = path && file_note_get(path, &parts->hashed_id, name, was, sizeof was) && strcmp(was, want) == 0;
    free(path);
    return noted;
}

static void note_all(const Parts *parts)
{
    char name[NOTE], value[NOTE], *path = parts->hashed_path ? realpath(parts->hashed_path, NULL) : NULL;
    for (int k = 0; path && k < parts->count; k++) {
        Extent x = extent_of(parts, &parts->part[k]);
        if (x.tensors == 0 || is_noted(parts, &parts->part[k])) continue;
        note_text(&parts->part[k], x, name, value);
        file_note_put(path, &parts->hashed_id, name, value);
    }
    free(path);
}

/* ---- looking ---- */

static void work(struct Checking *c)
{
    Err e;
    for (size_t i; !c->stop && (i = c->next++) < c->bad;) { /* what comes after a bad one does not matter */
        if (!scan_weight(c->list[i].tensor, !c->list[i].tensor->own, &e)) continue;
        pthread_mutex_lock(&c->lock);
        if (i < c->bad) {
            c->bad = i;
            c->said = e;
            err_in(&c->said, c->list[i].part->where);
        }
        pthread_mutex_unlock(&c->lock);
    }
}

static void *beside(void *arg)
{
    const struct sched_param none = { 0 };
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    scan_alone();
    work(arg);
    return NULL;
}

void model_check_later(Model *m)
{
    struct Checking *c = mem_alloc(sizeof *c);
    for (int k = 0; k < m->files->count; k++) {
        const Part *p = &m->files->part[k];
        Weights *w = p->weights;
        if (!w) continue;
        bool noted = is_noted(m->files, p);
        c->list = mem_grow(c->list, (c->count + weights_count(w)) * sizeof *c->list);
        for (size_t i = 0; i < weights_count(w); i++) {
            if (!weights_at(w, i)->unchecked || (noted && in_hashed_file(m->files, weights_at(w, i)))) continue;
            c->list[c->count].tensor = weights_at(w, i);
            c->list[c->count++].part = p;
        }
    }
    c->bad = c->count;
    pthread_mutex_init(&c->lock, NULL);
    m->checking = c;
}

void model_check_begin(Model *m)
{
    struct Checking *c = m->checking;
    if (!c || c->started || c->next >= c->count) return;
    c->started = pthread_create(&c->thread, NULL, beside, c) == 0;
}

static void end(struct Checking *c)
{
    if (c->started) pthread_join(c->thread, NULL);
    c->started = false;
}

int model_check(Model *m, Err *e)
{
    struct Checking *c = m->checking;
    if (!c) return 0;
    work(c);
    end(c);
    if (c->bad == c->count && !c->noted) note_all(m->files);
    c->noted = true;
    if (c->bad == c->count) return 0;
    *e = c->said;
    return -1;
}

void model_check_drop(Model *m)
{
    struct Checking *c = m->checking;
    if (!c) return;
    c->stop = true;
    end(c);
    pthread_mutex_destroy(&c->lock);
    free(c->list);
    free(c);
    m->checking = NULL;
}
