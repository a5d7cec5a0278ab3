/* added_tokens.c - see added_tokens.h. */
#include "clip/added_tokens.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "weights/json.h"

enum { MOST_ADDED = 4096 }; /* a bound for hostile files; real ones have a few dozen */

static const char config_name[] = "tokenizer_config.json", map_name[] = "special_tokens_map.json";

/* How a file gives a token: its text alone, or an object that says whether it is looked for in the normalised text. */
typedef enum { GIVEN_TEXT, GIVEN_RAW, GIVEN_NORMALIZED } Given;

typedef struct {
    const char *content;
    Given given;
} Entry;

/* The roles in the order in which transformers adds them. */
enum { BOS, EOS, UNK, SEP, PAD, CLS, MASK, ROLES };
static const struct {
    const char *key, *dflt;
} roles[ROLES] = {
    [BOS] = { "bos_token", "<|startoftext|>" },
    [EOS] = { "eos_token", "<|endoftext|>" },
    [UNK] = { "unk_token", "<|endoftext|>" },
    [SEP] = { "sep_token", NULL },
    [PAD] = { "pad_token", "<|endoftext|>" },
    [CLS] = { "cls_token", NULL },
    [MASK] = { "mask_token", NULL },
};

static bool present(const cJSON *item) { return item && !cJSON_IsNull(item); }

/* "<|endoftext|>" or {"content": "<|endoftext|>", "normalized": true, ...}. */
static int read_entry(Entry *out, const cJSON *item, bool normalized_by_default, Err *e)
{
    char buf[SHOWN_MAX];

    *out = (Entry){ "", GIVEN_TEXT };
    if (cJSON_IsString(item)) {
        out->content = item->valuestring;
        return 0;
    }
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(item, "content");
    if (!cJSON_IsString(content))
        return err_set(e, "a token must be a string or an object with \"content\", found %s", json_shown(item, buf));
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "single_word")))
        return err_set(e, "token \"%s\" is \"single_word\", which limn does not support",
                       shown(content->valuestring, buf));

    const cJSON *n = cJSON_GetObjectItemCaseSensitive(item, "normalized");
    bool normalized = present(n) ? cJSON_IsTrue(n) : normalized_by_default;
    *out = (Entry){ content->valuestring, normalized ? GIVEN_NORMALIZED : GIVEN_RAW };
    return 0;
}

static AddedToken *find(const AddedTokens *a, const char *content)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->token[i].content, content) == 0) return &a->token[i];
    return NULL;
}

/*
 * Adds a token, or gives one that is there already another way of being looked for: the last new way wins, as it does when
 * transformers adds "<|endoftext|>" as the eos, then as unknown, then as padding.
 */
static AddedToken *add(AddedTokens *a, const Vocab *v, Entry entry)
{
    AddedToken *t = find(a, entry.content);
    if (!t) {
        if (a->count == a->cap) {
            a->cap = a->cap ? 2 * a->cap : 8;
            a->token = mem_grow(a->token, a->cap * sizeof *a->token);
        }
        int id = vocab_find(v, entry.content);
        t = &a->token[a->count++];
        *t = (AddedToken){ .content = mem_strdup(entry.content), .id = id < 0 ? a->size++ : id };
    }
    if (!(t->given & 1U << entry.given)) t->normalized = entry.given == GIVEN_NORMALIZED;
    t->given |= 1U << entry.given;
    return t;
}

/* "added_tokens_decoder": {"49406": {"content": ...}, ...}, in the order of the ids. */
static int add_decoder(AddedTokens *a, const Vocab *v, const cJSON *decoder, Err *e)
{
    char buf[SHOWN_MAX];
    long done = -1;

    int count = cJSON_GetArraySize(decoder);
    if (!cJSON_IsObject(decoder)) return err_set(e, "added_tokens_decoder is not an object");
    if (count > MOST_ADDED) return err_set(e, "added_tokens_decoder: %d tokens are too many", count);
    for (int k = 0; k < count; k++) {
        const cJSON *next = NULL;
        long id = INT32_MAX;
        for (const cJSON *item = decoder->child; item; item = item->next) {
            char *end;
            long n = strtol(item->string, &end, 10);
            if (end == item->string || *end || n < 0 || n >= INT32_MAX)
                return err_set(e, "added_tokens_decoder: \"%s\" is not an id", shown(item->string, buf));
            if (n > done && n < id) {
                id = n;
                next = item;
            }
        }
        if (!next) return err_set(e, "added_tokens_decoder: an id is there twice");

        Entry entry;
        if (read_entry(&entry, next, true, e)) return err_in(e, "added_tokens_decoder");
        AddedToken *t = add(a, v, entry);
        if (t->id != id)
            return err_set(e, "added_tokens_decoder gives \"%s\" the id %ld, by vocab.json it is %d",
                           shown(entry.content, buf), id, t->id);
        t->given = ~0U; /* this way of looking for it stands */
        done = id;
    }
    return 0;
}

static int add_roles(AddedTokens *a, const Vocab *v, const cJSON *config, const cJSON *map, Err *e)
{
    int *const ids[ROLES] = { [BOS] = &a->bos, [EOS] = &a->eos, [UNK] = &a->unk, [PAD] = &a->pad };

    for (int role = 0; role < ROLES; role++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(map, roles[role].key);
        bool from_map = present(item);
        if (!from_map) item = cJSON_GetObjectItemCaseSensitive(config, roles[role].key);

        Entry entry = { roles[role].dflt, GIVEN_TEXT };
        if (present(item) && read_entry(&entry, item, !from_map, e)) {
            err_in(e, roles[role].key);
            return err_in(e, from_map ? map_name : config_name);
        }
        if (!entry.content) continue;
        bool known = vocab_find(v, entry.content) >= 0 || (role != UNK && find(a, entry.content));
        if (ids[role] && !known) {
            char buf[SHOWN_MAX];
            return err_set(e, "vocab.json: there is no \"%s\", the %s", shown(entry.content, buf), roles[role].key);
        }
        AddedToken *t = add(a, v, entry);
        if (ids[role]) *ids[role] = t->id;
    }
    return 0;
}

/* A list of further tokens; older files say additional_special_tokens, newer ones extra_special_tokens. */
static int add_extra(AddedTokens *a, const Vocab *v, const cJSON *file, bool normalized_by_default, Err *e)
{
    static const char *const keys[] = { "additional_special_tokens", "extra_special_tokens" };

    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(file, keys[k]);
        if (!cJSON_IsArray(list)) continue;
        if (cJSON_GetArraySize(list) > MOST_ADDED) return err_set(e, "%s: too many tokens", keys[k]);
        for (const cJSON *item = list->child; item; item = item->next) {
            Entry entry;
            if (read_entry(&entry, item, normalized_by_default, e)) return err_in(e, keys[k]);
            add(a, v, entry);
        }
    }
    return 0;
}

static int parse(cJSON **out, Bytes file, const char *name, Err *e)
{
    *out = NULL;
    if (!file.data) return 0;
    *out = json_parse(file, e);
    return *out ? 0 : err_in(e, name);
}

int added_tokens_init(AddedTokens *a, const Vocab *v, Bytes config_file, Bytes map_file, Err *e)
{
    cJSON *config = NULL, *map = NULL;
    int failed = -1;

    *a = (AddedTokens){ .size = v->count };
    if (parse(&config, config_file, config_name, e) || parse(&map, map_file, map_name, e)) goto done;

    const cJSON *decoder = cJSON_GetObjectItemCaseSensitive(config, "added_tokens_decoder");
    if (present(decoder)) { /* newer files: the map says nothing new */
        cJSON_Delete(map);
        map = NULL;
        if (add_decoder(a, v, decoder, e)) {
            err_in(e, config_name);
            goto done;
        }
    }
    if (add_roles(a, v, config, map, e)) goto done;
    if (add_extra(a, v, config, true, e)) {
        err_in(e, config_name);
        goto done;
    }
    if (add_extra(a, v, map, false, e)) {
        err_in(e, map_name);
        goto done;
    }
    for (size_t i = 0; i < a->count; i++) {
        AddedToken *t = &a->token[i];
        chars_decode(&t->chars, t->content, strlen(t->content));
        if (t->normalized) chars_normalize(&t->chars);
    }
    failed = 0;
done:
    cJSON_Delete(config);
    cJSON_Delete(map);
    if (failed) added_tokens_release(a);
    return failed;
}

void added_tokens_release(AddedTokens *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->token[i].content);
        chars_release(&a->token[i].chars);
    }
    free(a->token);
    *a = (AddedTokens){ 0 };
}

static bool begins_with(const Char *c, size_t count, const Chars *prefix)
{
    if (!prefix->count || prefix->count > count) return false;
    for (size_t i = 0; i < prefix->count; i++)
        if (c[i].cp != prefix->at[i].cp) return false;
    return true;
}

const AddedToken *added_tokens_match(const AddedTokens *a, bool normalized, const Char *c, size_t count)
{
    const AddedToken *best = NULL;
    for (size_t i = 0; i < a->count; i++) {
        const AddedToken *t = &a->token[i];
        if (t->normalized != normalized || !begins_with(c, count, &t->chars)) continue;
        if (!best || t->chars.count > best->chars.count) best = t;
    }
    return best;
}
