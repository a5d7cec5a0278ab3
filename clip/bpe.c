/* bpe.c - see bpe.h. Merging follows Hugging Face's tokenizers (models/bpe/word.rs, merge_all), ties included. */
#include "clip/bpe.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "clip/unicode.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(((const VocabToken *)a)->text, ((const VocabToken *)b)->text);
}

/* Fills v->token from the JSON, in its order. */
static int read_tokens(Vocab *v, const cJSON *json, Err *e)
{
    char name[SHOWN_MAX], value[SHOWN_MAX];
    size_t count = 0, bytes = 0;

    for (const cJSON *t = json->child; t; t = t->next) {
        count++;
        bytes += strlen(t->string) + 1;
    }
    if (!count) return err_set(e, "the vocabulary is empty");
    if (count >= INT_MAX) return err_set(e, "%zu tokens are too many", count);

    v->count = (int)count;
    v->token = mem_array(count, sizeof *v->token);
    v->texts = mem_alloc(bytes);
    VocabToken *out = v->token;
    char *text = v->texts;
    for (const cJSON *t = json->child; t; t = t->next) {
        uint64_t id;
        if (!json_whole(t, &id) || id >= count)
            return err_set(e, "token \"%s\" has the id %s; %zu tokens must have the ids 0 to %zu",
                           shown(t->string, name), json_shown(t, value), count, count - 1);
        size_t len = strlen(t->string) + 1;
        memcpy(text, t->string, len);
        *out++ = (VocabToken){ text, (int)id };
        text += len;
    }
    return 0;
}

int vocab_init(Vocab *v, Bytes file, Err *e)
{
    *v = (Vocab){ 0 };
    cJSON *json = json_parse(file, e);
    if (!json || read_tokens(v, json, e)) goto fail;

    /* count ids below count: without a duplicate there is no gap either */
    const char **owner = mem_array((size_t)v->count, sizeof *owner);
    const VocabToken *clash = NULL;
    const char *other = NULL;
    for (int i = 0; i < v->count && !clash; i++) {
        const VocabToken *t = &v->token[i];
        if (owner[t->id]) {
            clash = t;
            other = owner[t->id];
        }
        owner[t->id] = t->text;
    }
    free(owner);
    if (clash) {
        char a[SHOWN_MAX], b[SHOWN_MAX];
        err_set(e, "tokens \"%s\" and \"%s\" both have the id %d", shown(other, a), shown(clash->text, b), clash->id);
        goto fail;
    }

    qsort(v->token, (size_t)v->count, sizeof *v->token, by_text);
    cJSON_Delete(json);
    return 0;
fail:
    cJSON_Delete(json);
    vocab_release(v);
    return -1;
}

void vocab_release(Vocab *v)
{
    free(v->token);
    free(v->texts);
    *v = (Vocab){ 0 };
}

int vocab_find(const Vocab *v, const char *text)
{
    VocabToken key = { text, 0 };
    const VocabToken *t = bsearch(&key, v->token, (size_t)v->count, sizeof *v->token, by_text);
    return t ? t->id : -1;
}

/*
 * GPT-2's bytes_to_unicode: printable Latin-1 bytes stand for themselves, the others for 256, 257, ... so that every byte
 * has a visible character in vocab.json.
 */
static int write_byte(unsigned byte, unsigned char text[4])
{
    uint32_t spare = 256;
    for (unsigned b = 0;; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte) return unicode_encode(printable ? b : spare, text);
        spare += !printable;
    }
}

static void find_byte_symbols(Bpe *b, const Vocab *v, int unk)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char text[4 + sizeof "</w>"] = { 0 };
        int n = write_byte(byte, text);
        for (int last = 0; last < 2; last++) {
            if (last) memcpy(text + n, "</w>", sizeof "</w>");
            int id = vocab_find(v, (const char *)text);
            b->byte_id[last][byte] = id < 0 ? unk : id;
        }
    }
}

/* "left right" of one line, NUL-terminated by the caller; joined is working memory. */
static int parse_merge(Merge *m, const Vocab *v, char *line, Str *joined, Err *e)
{
    char buf[SHOWN_MAX], *space = strchr(line, ' ');
    if (!space || space == line || !space[1] || strchr(space + 1, ' '))
        return err_set(e, "\"%s\" is not two symbols with one space between", shown(line, buf));
    *space = 0;
    const char *left = line, *right = space + 1;
    str_clear(joined);
    str_add(joined, left);
    str_add(joined, right);

    m->left = vocab_find(v, left);
    m->right = vocab_find(v, right);
    m->id = vocab_find(v, joined->s);
    const char *missing = m->left < 0 ? left : m->right < 0 ? right : m->id < 0 ? joined->s : NULL;
    if (missing)
        return err_set(e, "\"%s\" is not in vocab.json: the two files do not belong together", shown(missing, buf));
    return 0;
}

static int by_pair(const void *va, const void *vb)
{
    const Merge *a = va, *b = vb;
    if (a->left != b->left) return a->left < b->left ? -1 : 1;
    if (a->right != b->right) return a->right < b->right ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static int read_merges(Bpe *b, const Vocab *v, Bytes file, Err *e)
{
    Str line = { 0 }, joined = { 0 };
    size_t cap = 0, number = 0, at = 0;
    int failed = 0;

    if (!file.len) return err_set(e, "empty: expected one merge a line; download it again");
    if (file.len >= 3 && memcmp(file.data, "\xEF\xBB\xBF", 3) == 0) at = 3; /* a byte order mark */
    while (at < file.len && !failed) {
        const unsigned char *start = file.data + at, *end = memchr(start, '\n', file.len - at);
        size_t len = end ? (size_t)(end - start) : file.len - at;
        at += len + 1;
        number++;
        if (len && start[len - 1] == '\r') len--;
        str_clear(&line);
        str_addn(&line, (const char *)start, len);
        if (!len || str_starts(line.s, "#version")) continue;

        if (b->merge_count == cap) {
            cap = cap ? 2 * cap : 1024;
            b->merge = mem_grow(b->merge, cap * sizeof *b->merge);
        }
        Merge *m = &b->merge[b->merge_count];
        if (memchr(line.s, 0, len)) failed = err_set(e, "a NUL byte: not a text file");
        else if (b->merge_count >= INT_MAX) failed = err_set(e, "too many merges");
        else failed = parse_merge(m, v, line.s, &joined, e);
        if (failed) {
            char where[32];
            snprintf(where, sizeof where, "line %zu", number);
            err_in(e, where);
        } else {
            m->rank = (int)b->merge_count++;
        }
    }
    str_release(&line);
    str_release(&joined);
    return failed;
}

int bpe_init(Bpe *b, const Vocab *v, Bytes merges, int unk, Err *e)
{
    *b = (Bpe){ 0 };
    find_byte_symbols(b, v, unk);
    if (read_merges(b, v, merges, e)) {
        bpe_release(b);
        return -1;
    }

    b->id_of_rank = mem_array(b->merge_count, sizeof *b->id_of_rank);
    for (size_t i = 0; i < b->merge_count; i++) b->id_of_rank[i] = b->merge[i].id;

    if (b->merge_count) qsort(b->merge, b->merge_count, sizeof *b->merge, by_pair);
    size_t kept = 0;
    for (size_t i = 0; i < b->merge_count; i++) { /* a pair given twice has its later rank */
        bool again =
            kept && b->merge[kept - 1].left == b->merge[i].left && b->merge[kept - 1].right == b->merge[i].right;
        b->merge[again ? kept - 1 : kept++] = b->merge[i];
    }
    b->merge_count = kept;

    b->first = mem_array((size_t)v->count + 1, sizeof *b->first);
    for (size_t i = 0; i < kept; i++) b->first[b->merge[i].left + 1]++;
    for (int id = 0; id < v->count; id++) b->first[id + 1] += b->first[id];
    return 0;
}

void bpe_release(Bpe *b)
{
    free(b->merge);
    free(b->id_of_rank);
    free(b->first);
    *b = (Bpe){ 0 };
}

static const Merge *find_merge(const Bpe *b, int left, int right)
{
    size_t low = b->first[left], high = b->first[left + 1];
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (b->merge[mid].right == right) return &b->merge[mid];
        if (b->merge[mid].right < right) low = mid + 1;
        else high = mid;
    }
    return NULL;
}

void word_push(Word *w, unsigned char byte, size_t from, size_t to)
{
    if (w->count == w->symbol_cap) {
        w->symbol_cap = w->symbol_cap ? 2 * w->symbol_cap : 64;
        w->symbol = mem_grow(w->symbol, w->symbol_cap * sizeof *w->symbol);
    }
    size_t at = w->count++;
    assert(at <= UINT32_MAX); /* a word of 4 GiB does not fit in memory long before */
    w->symbol[at] = (Symbol){ byte, -1, from, to, at ? at - 1 : BPE_NONE, at + 1 };
}

void word_release(Word *w)
{
    free(w->symbol);
    free(w->queue);
    *w = (Word){ 0 };
}

/* Lowest rank first, then leftmost: the order of the keys. Eight bytes a key and four children keep long words in cache. */
static void queue_push(Word *w, uint64_t key)
{
    if (w->queued == w->queue_cap) {
        w->queue_cap = w->queue_cap ? 2 * w->queue_cap : 64;
        w->queue = mem_grow(w->queue, w->queue_cap * sizeof *w->queue);
    }
    size_t i = w->queued++;
    for (size_t up; i && key < w->queue[up = (i - 1) / 4]; i = up) w->queue[i] = w->queue[up];
    w->queue[i] = key;
}

static uint64_t queue_pop(Word *w)
{
    uint64_t *q = w->queue, top = q[0], key = q[--w->queued];
    size_t i = 0;
    for (size_t child; (child = 4 * i + 1) < w->queued;) {
        size_t end = child + 4 < w->queued ? child + 4 : w->queued, least = child;
        while (++child < end)
            if (q[child] < q[least]) least = child;
        if (key <= q[least]) break;
        q[i] = q[least];
        i = least;
    }
    q[i] = key;
    return top;
}

/* Queues the merge of the symbol at left with the one after it, if there is one. */
static void consider(const Bpe *b, Word *w, size_t left)
{
    if (left == BPE_NONE) return;
    Symbol *s = &w->symbol[left];
    const Merge *m = s->next == BPE_NONE ? NULL : find_merge(b, s->id, w->symbol[s->next].id);
    s->pair = m ? m->id : -1;
    if (m) queue_push(w, (uint64_t)m->rank << 32 | left);
}

void bpe_merge(const Bpe *b, Word *w)
{
    Symbol *s = w->symbol;

    if (!w->count) return;
    for (size_t i = 0; i < w->count; i++) s[i].id = b->byte_id[i + 1 == w->count][s[i].id];
    s[w->count - 1].next = BPE_NONE;
    w->queued = 0;
    for (size_t i = 0; i < w->count; i++) consider(b, w, i);

    while (w->queued) {
        uint64_t top = queue_pop(w);
        size_t at = top & UINT32_MAX, right = s[at].next;
        int id = b->id_of_rank[top >> 32];
        if (s[at].id < 0 || s[at].pair != id) continue; /* its symbols have changed since */

        s[at].id = id;
        s[at].to = s[right].to;
        s[at].next = s[right].next;
        if (s[right].next != BPE_NONE) s[s[right].next].prev = at;
        s[right].id = -1;
        consider(b, w, s[at].prev);
        consider(b, w, at);
    }
}

/* ---- back to text ---- */

const Merge **bpe_makers(const Bpe *b, int size)
{
    const Merge **makers = mem_array((size_t)size + 1, sizeof *makers);
    for (size_t i = 0; i < b->merge_count; i++)
        if (b->merge[i].id < size) makers[b->merge[i].id] = &b->merge[i];
    return makers;
}

static void add_byte(const Bpe *b, int id, Str *out)
{
    for (unsigned last = 0; last < 2; last++)
        for (unsigned byte = 0; byte < 256; byte++) {
            unsigned char text[4];
            if (b->byte_id[last][byte] != id) continue;
            str_addn(out, (const char *)text, (size_t)write_byte(byte, text));
            str_add(out, last ? "</w>" : "");
            return;
        }
    str_addf(out, "<%d>", id);
}

void bpe_piece(const Bpe *b, const Merge *const *makers, int size, int id, Str *out)
{
    enum { DEPTH = 256 }; /* a merge waits for each left part of a token; none of CLIP's comes near */
    int waiting[DEPTH], count = 0;
    for (waiting[count++] = id; count;) {
        int at = waiting[--count];
        const Merge *m = at >= 0 && at < size ? makers[at] : NULL;
        if (m && count + 2 <= DEPTH) {
            waiting[count++] = m->right;
            waiting[count++] = m->left;
        } else {
            add_byte(b, at, out);
        }
    }
}
