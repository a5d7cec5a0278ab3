/* embeddings.c - see embeddings.h. A1111: modules/textual_inversion; ComfyUI: comfy/sd1_clip.py, load_embed(). */
#include "pipeline/embeddings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/embedding.h"
#include "base/mem.h"
#include "base/path.h"
#include "clip/concepts.h"
#include "pipeline/digest.h"
#include "pipeline/embedding_wishes.h"
#include "weights/safetensors.h"

struct Embeddings {
    char *key;
    Concepts of[TEXTS_MAX];
    float *vectors[TEXTS_MAX];
    int count; /* vectors */
    Str facts;
};

/* ---- vectors ------------------------------------------------------------------------------------------------------------- */

/* Which of its vectors are the model's first encoder's: SDXL's refiner has only the second one of SDXL. */
static int first_of(const Model *m, const Embedding *x)
{
    return m->texts == 1 && x->of[1].width == (size_t)text_encoder_width(m->text[0].encoder);
}

/* A file's vectors for each of the model's text encoders. */
static int check_widths(const Model *m, const Embedding *x, Err *e)
{
    const char *family = embedding_family(x);
    int first = first_of(m, x);
    bool fits = x->of[first + m->texts - 1].width != 0 && (first || m->texts == TEXTS_MAX || !x->of[1].width);
    for (int i = 0; i < m->texts; i++)
        fits = fits && x->of[first + i].width == (size_t)text_encoder_width(m->text[i].encoder);
    if (fits) return 0;
    if (family) return err_set(e, "it was made for %s, and this model is %s", family, m->family);
    return err_set(e, "its vectors are %zu wide, and the model's text encoder is %d", x->of[0].width,
                   text_encoder_width(m->text[0].encoder));
}

static char *stem_of(const char *path) { return mem_strndup(path_last(path), path_stem(path_last(path))); }

/* Its word in each tokenizer, its vectors behind those that are there. */
static void append(Model *m, struct Embeddings *all, const Embedding *x, const char *token, bool by_ids)
{
    for (int i = 0; i < m->texts; i++) {
        size_t width = x->of[first_of(m, x) + i].width, had = (size_t)all->count * width,
               more = (size_t)x->vectors * width;
        int first = text_encoder_vocab(m->text[i].encoder) + all->count;
        concepts_add(&all->of[i], m->text[i].tokenizer, token, by_ids, first, x->vectors);
        all->vectors[i] = mem_grow(all->vectors[i], (had + more) * sizeof(float));
        memcpy(all->vectors[i] + had, x->of[first_of(m, x) + i].values, more * sizeof(float));
    }
    all->count += x->vectors;
}

/* *word: what it is called in prompts, on the heap. */
static int read_file(Model *m, struct Embeddings *all, const Wish *wish, char **word, Err *e)
{
    Bytes file;
    Embedding x = { 0 };
    char digest[DIGEST_HEX];
    assert(wish->path);
    if (file_map(&file, wish->path, e)) return -1;
    Weights *w = weights_new();
    int failed = embedding_check_file(wish->path, file, e) || safetensors_read(w, file, e) ||
                 embedding_read(&x, w, e) || check_widths(m, &x, e);
    if (!failed) {
        char *stem = stem_of(wish->path);
        *word = mem_strdup(wish->token ? wish->token : x.token ? x.token : stem);
        append(m, all, &x, *word, wish->by_ids);
        digest_hex(file, digest);
        str_addf(&all->facts, "%s%s:%.12s:%s", all->facts.len ? "\n" : "", digest, digest, stem);
        free(stem);
    }
    embedding_release(&x);
    weights_free(w);
    file_unmap(&file);
    return failed ? err_in(e, wish->path) : 0;
}

void embeddings_drop(Model *m)
{
    struct Embeddings *all = m->embeddings;
    if (!all) return;
    for (int i = 0; i < m->texts; i++) {
        tokenizer_set_concepts(m->text[i].tokenizer, NULL);
        text_encoder_set_vectors(m->text[i].encoder, NULL, 0);
        concepts_release(&all->of[i]);
        free(all->vectors[i]);
    }
    str_release(&all->facts);
    free(all->key);
    free(all);
    m->embeddings = NULL;
}

/* ---- use ------------------------------------------------------------------------------------------------------------------ */

static char *key_of(const Wishes *w)
{
    Str s = { 0 };
    for (int i = 0; i < w->count; i++)
        str_addf(&s, "%s\n%s\n%d\n", w->at[i].path, w->at[i].token ? w->at[i].token : "", w->at[i].by_ids);
    return s.s ? s.s : mem_strdup("");
}

/* Of two files of one word the first would count, and the other be nothing. */
static int check_word(const Wishes *w, char *const *words, int i, Err *e)
{
    for (int k = 0; k < i; k++) {
        bool same = words[k] && !w->at[k].optional && !w->at[i].optional && strcmp(words[k], words[i]) == 0;
        if (same && strcmp(w->at[k].path, w->at[i].path) != 0)
            return err_usage(e,
                             "%.200s and %.200s are both called \"%.60s\": give one of them another word, FILE=TOKEN",
                             w->at[k].path, w->at[i].path, words[i]);
    }
    return 0;
}

static int read_wishes(Model *m, struct Embeddings *all, const Wishes *w, char **words, const Watch *watch, Err *e)
{
    for (int i = 0; i < w->count; i++) {
        if (!read_file(m, all, &w->at[i], &words[i], e)) {
            if (check_word(w, words, i, e)) return err_in(e, "--embedding");
            continue;
        }
        if (!w->at[i].optional) return err_in(e, "--embedding");
        Str line = { 0 };
        str_addf(&line, "\"%s\" in the prompt is taken as words: %s", w->at[i].token, e->text);
        watch_warn(watch, line.s);
        str_release(&line);
    }
    return 0;
}

static int read_all(Model *m, struct Embeddings *all, const Wishes *w, const Watch *watch, Err *e)
{
    char **words = mem_array((size_t)w->count, sizeof *words);
    int failed = read_wishes(m, all, w, words, watch, e);
    for (int i = 0; i < w->count; i++) free(words[i]);
    free(words);
    for (int i = 0; i < m->texts && !failed; i++) {
        tokenizer_set_concepts(m->text[i].tokenizer, &all->of[i]);
        text_encoder_set_vectors(m->text[i].encoder, all->vectors[i], all->count);
    }
    return failed;
}

static int use(Model *m, const Wishes *w, const Watch *watch, Err *e)
{
    char *key = key_of(w);
    if (m->embeddings ? strcmp(m->embeddings->key, key) == 0 : !w->count) {
        free(key);
        return 0;
    }
    embeddings_drop(m);
    if (!w->count) {
        free(key);
        return 1;
    }
    m->embeddings = mem_alloc(sizeof *m->embeddings);
    m->embeddings->key = key;
    if (!read_all(m, m->embeddings, w, watch, e)) return 1;
    embeddings_drop(m);
    return -1;
}

int embeddings_use(Model *m, const Job *j, const Watch *w, Err *e)
{
    Wishes wishes = { .count = 0 };
    int changed = wishes_of(j, &wishes, e) ? -1 : use(m, &wishes, w, e);
    wishes_release(&wishes);
    if (changed < 0) return -1;
    char *facts = embeddings_facts(m);
    int failed = digest_check(j->embedding_sha256, facts, "--embedding-sha256", e);
    free(facts);
    if (failed) embeddings_drop(m);
    return failed ? -1 : changed;
}

char *embeddings_facts(const Model *m)
{
    return m->embeddings && m->embeddings->facts.len ? mem_strdup(m->embeddings->facts.s) : NULL;
}
