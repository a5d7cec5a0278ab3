/* added_tokens.c - see added_tokens.h. */
#include "clip/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

static AddedToken *find(const AddedTokens *a, const char *content)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->token[i].content, content) == 0) return &a->token[i];
    return NULL;
}

/* Adds a token, or gives one that is there another way of being looked for. */
static int add(AddedTokens *a, int known_id, const AddedEntry *entry, Err *e)
{
    char buf[SHOWN_MAX];
    AddedToken *t = find(a, entry->content);
    if (!t) {
        if (a->count == a->cap) {
            a->cap = a->cap ? 2 * a->cap : 8;
            a->token = mem_grow(a->token, a->cap * sizeof *a->token);
        }
        t = &a->token[a->count++];
        *t = (AddedToken){ .content = mem_strdup(entry->content), .id = known_id < 0 ? a->size++ : known_id };
    }
    t->normalized = entry->normalized;
    t->single_word = entry->single_word;
    t->lstrip = entry->lstrip;
    t->rstrip = entry->rstrip;
    if (entry->id < 0 || t->id == entry->id) return 0;
    return err_set(e, "the tokenizer's files give \"%s\" the id %ld, by vocab.json it is %d",
                   shown(entry->content, buf), entry->id, t->id);
}

static int add_all(AddedTokens *a, const Vocab *v, const AddedEntries *all, int rows, Err *e)
{
    char buf[SHOWN_MAX];
    Str left_out = { 0 };
    int failed = 0;
    for (size_t i = 0; i < all->count && !failed; i++) {
        const AddedEntry *entry = &all->at[i];
        int id = vocab_find(v, entry->content);
        if (!*entry->content) continue;
        if (rows && a->size >= rows && id < 0 && !find(a, entry->content))
            str_addf(&left_out, "%s\"%s\"", left_out.len ? ", " : "", shown(entry->content, buf));
        else failed = add(a, id, entry, e);
    }
    if (left_out.len) a->left_out = mem_strdup(left_out.s);
    str_release(&left_out);
    return failed;
}

/* The roles that every text needs: a token that no file numbers must be in the vocabulary. */
static int find_roles(AddedTokens *a, const Vocab *v, const AddedEntries *all, Err *e)
{
    int *const ids[ROLES] = { [ROLE_BOS] = &a->bos, [ROLE_EOS] = &a->eos, [ROLE_UNK] = &a->unk, [ROLE_PAD] = &a->pad };
    for (int role = 0; role < ROLES; role++) {
        char buf[SHOWN_MAX];
        if (!ids[role]) continue;
        const AddedToken *t = find(a, all->roles[role]);
        bool there = vocab_find(v, all->roles[role]) >= 0;
        for (size_t i = 0; i < all->numbered && role != ROLE_UNK; i++)
            there = there || strcmp(all->at[i].content, all->roles[role]) == 0;
        if (!t || !there)
            return err_set(e, "vocab.json: there is no \"%s\", the %s", shown(all->roles[role], buf), added_role(role));
        *ids[role] = t->id;
    }
    return 0;
}

/* ---- looking for them ------------------------------------------------------------------------------------------------ */

/* A token that another one begins with comes before it; of two that are the same when normalised, the first one. */
static int by_chars(const void *va, const void *vb)
{
    const AddedToken *a = *(const AddedToken *const *)va, *b = *(const AddedToken *const *)vb;
    const Chars *x = &a->chars, *y = &b->chars;
    for (size_t i = 0; i < x->count && i < y->count; i++)
        if (x->at[i].cp != y->at[i].cp) return x->at[i].cp < y->at[i].cp ? -1 : 1;
    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    return a < b ? -1 : a > b;
}

static void sort_tokens(AddedTokens *a)
{
    for (int k = 0; k < 2; k++) a->sorted[k] = mem_array(a->count, sizeof *a->sorted[k]);
    for (size_t i = 0; i < a->count; i++) {
        AddedToken *t = &a->token[i];
        chars_decode(&t->chars, t->content, strlen(t->content));
        if (t->normalized) chars_normalize(&t->chars);
        if (t->chars.count) a->sorted[t->normalized][a->sorted_count[t->normalized]++] = t;
    }
    for (int k = 0; k < 2; k++)
        if (a->sorted_count[k]) qsort(a->sorted[k], a->sorted_count[k], sizeof *a->sorted[k], by_chars);
}

int added_tokens_init(AddedTokens *a, const Vocab *v, const AddedFiles *f, int rows, Err *e)
{
    AddedEntries all;
    *a = (AddedTokens){ .size = v->count };
    int failed = added_files_read(&all, f, e) || add_all(a, v, &all, rows, e) || find_roles(a, v, &all, e);
    if (failed) added_tokens_release(a);
    else sort_tokens(a);
    added_entries_release(&all);
    return failed ? -1 : 0;
}

void added_tokens_release(AddedTokens *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->token[i].content);
        chars_release(&a->token[i].chars);
    }
    free(a->token);
    free(a->left_out);
    for (int k = 0; k < 2; k++) free(a->sorted[k]);
    *a = (AddedTokens){ 0 };
}

/* The first of the sorted tokens from low to high - 1 whose character `depth` is cp or more. */
static size_t lower_bound(const AddedToken *const *sorted, size_t low, size_t high, size_t depth, uint64_t cp)
{
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (sorted[mid]->chars.at[depth].cp < cp) low = mid + 1;
        else high = mid;
    }
    return low;
}

/* At each depth the tokens from low to high - 1 are those that begin as the text does so far. */
const AddedToken *added_tokens_match(const AddedTokens *a, bool normalized, const Char *c, size_t count)
{
    const AddedToken *const *sorted = a->sorted[normalized], *best = NULL;
    size_t low = 0, high = a->sorted_count[normalized];
    for (size_t depth = 0; low < high; depth++) {
        if (sorted[low]->chars.count == depth) best = sorted[low];
        while (low < high && sorted[low]->chars.count == depth) low++;
        if (depth == count) break;
        low = lower_bound(sorted, low, high, depth, c[depth].cp);
        high = lower_bound(sorted, low, high, depth, (uint64_t)c[depth].cp + 1);
    }
    return best;
}
