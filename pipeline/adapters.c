/* adapters.c - see adapters.h. */
#include "pipeline/adapters.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/mem.h"
#include "base/path.h"
#include "pipeline/digest.h"
#include "pipeline/loras.h"
#include "pipeline/precision.h"
#include "weights/safetensors.h"

enum { SHORT = 12 /* digits of A1111's hash */ };

/* A file's hashes, computed while it is laid. */
typedef struct {
    pthread_t thread;
    bool started;
    Bytes file;
    char sha256[DIGEST_HEX], a1111[DIGEST_HEX];
} Hashes;

typedef struct {
    Adapter *adapter;
    char *name;
    FewSteps few;
    Hashes hashes;
} Laid;

struct Adapters {
    char *key;
    Laid laid[LORAS_MAX];
    int count;
};

/* ---- hashes -------------------------------------------------------------------------------------------------------------- */

/* A1111 takes what kohya's scripts wrote, else hashes what follows the header (networks.py, hashes.py). */
static void *hash_file(void *arg)
{
    Hashes *h = arg;
    digest_hex(h->file, h->sha256);
    char *known = safetensors_metadata(h->file, "sshs_model_hash");
    if (known && strlen(known) >= SHORT && !known[strspn(known, "0123456789abcdef")])
        snprintf(h->a1111, sizeof h->a1111, "%.*s", SHORT, known);
    else digest_tensors(h->file, h->a1111);
    h->a1111[SHORT] = 0;
    free(known);
    return NULL;
}

static void hash_begin(Hashes *h, Bytes file)
{
    h->file = file;
    h->started = pthread_create(&h->thread, NULL, hash_file, h) == 0;
    if (!h->started) hash_file(h);
}

static void hash_end(Hashes *h)
{
    if (h->started) pthread_join(h->thread, NULL);
    h->started = false;
}

/* ---- laying -------------------------------------------------------------------------------------------------------------- */

static void take_off(Model *m)
{
    struct Adapters *a = m->adapters;
    if (!a) return;
    while (a->count > 0) {
        Laid *l = &a->laid[--a->count];
        hash_end(&l->hashes);
        adapter_free(l->adapter);
        free(l->name);
    }
    free(a->key);
    free(a);
    m->adapters = NULL;
}

/* "a/ink.safetensors" -> "ink" */
static char *name_of(const char *path) { return mem_strndup(path_last(path), path_stem(path_last(path))); }

/* The networks, as adapters' files call them. */
static int targets_of(const Model *m, const LoraWish *w, AdapterTarget out[1 + TEXTS_MAX])
{
    out[0] = (AdapterTarget){ NETWORK_UNET, unet_bound(m->unet), unet_layers(m->unet), (float)w->weight };
    for (int i = 0; i < m->texts; i++)
        out[1 + i] = (AdapterTarget){ i ? NETWORK_TEXT_2 : NETWORK_TEXT, text_encoder_bound(m->text[i].encoder), 0,
                                      (float)w->text_weight };
    return 1 + m->texts;
}

static int lay(Model *m, const LoraWish *wish, const Job *j, bool rounded, const Watch *watch, Err *e)
{
    AdapterTarget targets[1 + TEXTS_MAX];
    struct Adapters *a = m->adapters;
    Laid *l = &a->laid[a->count];
    Str notes = { 0 }, line = { 0 };
    AdapterTargets to = { .target = targets,
                          .count = targets_of(m, wish, targets),
                          .partial = j->lora_partial,
                          .rounded = rounded,
                          .family = m->family,
                          .blocks = &wish->blocks };
    l->adapter = adapter_lay(wish->path, &to, &notes, e);
    if (l->adapter) {
        l->name = name_of(wish->path);
        l->few = few_steps_of_adapter(wish->path, adapter_file(l->adapter));
        hash_begin(&l->hashes, adapter_file(l->adapter));
        a->count++;
    }
    if (notes.len) {
        str_addf(&line, "%s: %s", wish->path, notes.s);
        watch_warn(watch, line.s);
    }
    str_release(&notes);
    str_release(&line);
    return l->adapter ? 0 : err_in(e, "--lora");
}

static int use(Model *m, const Loras *wishes, const Job *j, const Watch *w, Err *e)
{
    const char *why = NULL;
    Precision precision = { 0 };
    const Kernels *k = kernels_select(&why);
    if (wishes->count && k && precision_choose(&precision, j->precision, k, unet_weight_bytes(m->unet), e)) return -1;
    bool rounded = precision_rounds_matrices(precision);
    Str text = { 0 };
    char *names = loras_key(wishes);
    str_addf(&text, "%s%d%d", names, rounded, j->lora_partial);
    free(names);
    char *key = text.s;
    if (m->adapters ? strcmp(m->adapters->key, key) == 0 : !wishes->count) {
        free(key);
        return 0;
    }
    take_off(m);
    if (!wishes->count) {
        free(key);
        return 1;
    }
    m->adapters = mem_alloc(sizeof *m->adapters);
    m->adapters->key = key;
    int failed = 0;
    for (int i = 0; i < wishes->count && !failed; i++) failed = lay(m, &wishes->wish[i], j, rounded, w, e);
    for (int i = 0; i < m->adapters->count; i++) hash_end(&m->adapters->laid[i].hashes);
    if (!failed) return 1;
    take_off(m);
    return -1;
}

int adapters_use(Model *m, const Job *j, const Watch *w, Err *e)
{
    Loras wishes;
    int changed = loras_of(j, &wishes, e) ? -1 : use(m, &wishes, j, w, e);
    loras_release(&wishes);
    if (changed < 0) return -1;
    char *facts = adapters_facts(m);
    int failed = digest_check(j->lora_sha256, facts, "--lora-sha256", e);
    free(facts);
    if (failed) take_off(m);
    return failed ? -1 : changed;
}

void adapters_drop(Model *m) { take_off(m); }

char *adapters_facts(const Model *m)
{
    Str s = { 0 };
    for (int i = 0; m->adapters && i < m->adapters->count; i++) {
        const Laid *l = &m->adapters->laid[i];
        str_addf(&s, "%s%s:%s:%s", i ? "\n" : "", l->hashes.sha256, l->hashes.a1111, l->name);
    }
    return s.s;
}

FewSteps adapters_few(const Model *m)
{
    for (int i = 0; m->adapters && i < m->adapters->count; i++)
        if (m->adapters->laid[i].few.what) return m->adapters->laid[i].few;
    return (FewSteps){ 0 };
}

char *adapters_words(const Model *m)
{
    Str s = { 0 };
    for (int i = 0; m->adapters && i < m->adapters->count; i++) {
        size_t matrices, vectors;
        adapter_count(m->adapters->laid[i].adapter, &matrices, &vectors);
        str_addf(&s, "%s%s, over %zu matrices and %zu vectors", i ? "\n" : "", m->adapters->laid[i].name, matrices,
                 vectors);
    }
    return s.s;
}
