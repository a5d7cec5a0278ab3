/* concepts.c - see concepts.h. A1111: modules/textual_inversion/textual_inversion.py, find_embedding_at_position(). */
#include "clip/concepts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void concepts_add(Concepts *c, const Tokenizer *t, const char *name, bool by_ids, int first, int vectors)
{
    c->at = mem_grow(c->at, (c->count + 1) * sizeof *c->at);
    Concept *n = &c->at[c->count++];
    *n = (Concept){ .name = mem_strdup(name), .by_ids = by_ids, .first = first, .vectors = vectors };
    chars_decode(&n->chars, name, strlen(name));
    chars_normalize(&n->chars);
    if (by_ids) tokenizer_encode(t, name, &n->ids);
}

void concepts_release(Concepts *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->at[i].name);
        chars_release(&c->at[i].chars);
        token_list_release(&c->at[i].ids);
    }
    free(c->at);
    *c = (Concepts){ 0 };
}

const Concept *concepts_begins(const Concepts *c, int id)
{
    for (size_t i = 0; c && i < c->count; i++)
        if (c->at[i].first == id) return &c->at[i];
    return NULL;
}

static void push_vectors(TokenList *out, const Concept *c, size_t from, size_t to)
{
    for (int i = 0; i < c->vectors; i++) token_list_push(out, c->first + i, from, to);
}

/* ---- in a text --------------------------------------------------------------------------------------------------------- */

static bool begins(const Chars *name, const Char *c, size_t count)
{
    if (!name->count || name->count > count) return false;
    for (size_t i = 0; i < name->count; i++)
        if (name->at[i].cp != c[i].cp) return false;
    return true;
}

static const Concept *longest_at(const Concepts *all, const Char *c, size_t count)
{
    const Concept *best = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const Concept *n = &all->at[i];
        bool longer = !best || n->chars.count > best->chars.count;
        if (!n->by_ids && longer && begins(&n->chars, c, count)) best = n;
    }
    return best;
}

/* A stretch between concepts; its places in the text are counted from the text's beginning. */
static void encode_stretch(const Tokenizer *t, const char *text, size_t from, size_t to, TokenList *out,
                           void (*plain)(const Tokenizer *t, const char *text, size_t len, TokenList *out))
{
    size_t begin = out->count;
    if (to <= from) return;
    plain(t, text + from, to - from, out);
    for (size_t i = begin; i < out->count; i++) {
        out->from[i] += from;
        out->to[i] += from;
    }
}

/* ---- among ids --------------------------------------------------------------------------------------------------------- */

static const Concept *longest_ids_at(const Concepts *all, const TokenList *l, size_t at)
{
    const Concept *best = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const Concept *c = &all->at[i];
        size_t n = c->ids.count;
        if (!c->by_ids || !n || n > l->count - at || (best && n <= best->ids.count)) continue;
        if (memcmp(c->ids.id, l->id + at, n * sizeof *l->id) == 0) best = c;
    }
    return best;
}

/* The ids from `begin` on, with concepts in the place of their names. */
static void replace_names(const Concepts *c, TokenList *l, size_t begin)
{
    TokenList found = { 0 };
    for (size_t i = begin; i < l->count;) {
        const Concept *n = longest_ids_at(c, l, i);
        size_t took = n ? n->ids.count : 1;
        if (n) push_vectors(&found, n, l->from[i], l->to[i + took - 1]);
        else token_list_push(&found, l->id[i], l->from[i], l->to[i]);
        i += took;
    }
    l->count = begin;
    for (size_t i = 0; i < found.count; i++) token_list_push(l, found.id[i], found.from[i], found.to[i]);
    token_list_release(&found);
}

void concepts_encode(const Concepts *c, const Tokenizer *t, const char *text, TokenList *out,
                     void (*plain)(const Tokenizer *t, const char *text, size_t len, TokenList *out))
{
    Chars n = { 0 };
    size_t begin = out->count, done = 0, len = strlen(text);
    chars_decode(&n, text, len);
    chars_normalize(&n);
    for (size_t i = 0; i < n.count;) {
        const Concept *found = longest_at(c, n.at + i, n.count - i);
        if (!found) {
            i++;
            continue;
        }
        size_t to = n.at[i + found->chars.count - 1].to;
        encode_stretch(t, text, done, n.at[i].from, out, plain);
        push_vectors(out, found, n.at[i].from, to);
        done = to;
        i += found->chars.count;
    }
    encode_stretch(t, text, done, len, out, plain);
    chars_release(&n);
    replace_names(c, out, begin);
}
