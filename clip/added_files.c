/*
 * added_files.c - see added_files.h.
 *
 * Easy to get wrong: an "added_tokens_decoder", even an empty one, makes the older files count for nothing; a role takes the
 * flags of the numbered token with its text; a token of added_tokens.json is looked for in raw text only where a role or a
 * list names it too.
 */
#include "clip/added_files.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { MOST_ADDED = 4096 }; /* a bound for hostile files; real ones have a few dozen */

enum { CONFIG, MAP, ADDED, LIST }; /* AddedEntries.files */
static const char *const names[] = { [CONFIG] = "tokenizer_config.json",
                                     [MAP] = "special_tokens_map.json",
                                     [ADDED] = "added_tokens.json",
                                     [LIST] = "tokenizer.json: added_tokens" };

static const struct {
    const char *key, *dflt;
} roles[ROLES] = {
    [ROLE_BOS] = { "bos_token", "<|startoftext|>" },
    [ROLE_EOS] = { "eos_token", "<|endoftext|>" },
    [ROLE_UNK] = { "unk_token", "<|endoftext|>" },
    [ROLE_SEP] = { "sep_token", NULL },
    [ROLE_PAD] = { "pad_token", "<|endoftext|>" },
    [ROLE_CLS] = { "cls_token", NULL },
    [ROLE_MASK] = { "mask_token", NULL },
};

const char *added_role(int role) { return roles[role].key; }

/* ---- one token ------------------------------------------------------------------------------------------------------- */

static const cJSON *get(const cJSON *from, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, key);
    return cJSON_IsNull(item) ? NULL : item;
}

/* "<|endoftext|>" or {"content": "<|endoftext|>", "normalized": true, ...}; those of the map are special. */
static int read_entry(AddedEntry *out, const cJSON *item, int file, Err *e)
{
    char buf[SHOWN_MAX];
    *out = (AddedEntry){ .content = "", .plain = true, .special = true, .id = -1 };
    if (cJSON_IsString(item)) {
        out->content = item->valuestring;
        return 0;
    }
    const cJSON *content = get(item, "content"), *normalized = get(item, "normalized");
    if (!cJSON_IsString(content))
        return err_set(e, "a token must be a string or an object with \"content\", found %s", json_shown(item, buf));
    *out = (AddedEntry){ .content = content->valuestring,
                         .single_word = cJSON_IsTrue(get(item, "single_word")),
                         .lstrip = cJSON_IsTrue(get(item, "lstrip")),
                         .rstrip = cJSON_IsTrue(get(item, "rstrip")),
                         .special = file == MAP || cJSON_IsTrue(get(item, "special")),
                         .said = normalized != NULL,
                         .id = -1 };
    out->normalized = normalized ? cJSON_IsTrue(normalized) : !out->special;
    return 0;
}

static int push(AddedEntries *to, AddedEntry entry, Err *e)
{
    if (to->count == MOST_ADDED) return err_set(e, "more than %d tokens", MOST_ADDED);
    if (to->count == to->cap) {
        to->cap = to->cap ? 2 * to->cap : 16;
        to->at = mem_grow(to->at, to->cap * sizeof *to->at);
    }
    to->at[to->count++] = entry;
    return 0;
}

static bool same_way(const AddedEntry *a, const AddedEntry *b)
{
    return a->plain == b->plain && a->normalized == b->normalized && a->single_word == b->single_word &&
           a->lstrip == b->lstrip && a->rstrip == b->rstrip && a->special == b->special;
}

/* Unless the same stands there, or a numbered one of that content, which comes first. */
static int push_named(AddedEntries *to, AddedEntry entry, Err *e)
{
    for (size_t i = 0; i < to->count; i++)
        if ((i < to->numbered || same_way(&to->at[i], &entry)) && strcmp(to->at[i].content, entry.content) == 0)
            return 0;
    return push(to, entry, e);
}

/* ---- tokens that have ids -------------------------------------------------------------------------------------------- */

static int read_id(long *out, const cJSON *number, Err *e)
{
    char buf[SHOWN_MAX];
    uint64_t n;
    if (!json_whole(number, &n) || n >= INT32_MAX)
        return err_set(e, "%s is not an id", number ? json_shown(number, buf) : "nothing");
    *out = (long)n;
    return 0;
}

/* replace: a later file's entry of an id takes the place of an earlier one's. */
static int push_numbered(AddedEntries *to, AddedEntry entry, bool replace, Err *e)
{
    for (size_t i = 0; i < to->count; i++) {
        if (to->at[i].id != entry.id) continue;
        if (!replace) return err_set(e, "the id %ld is there twice", entry.id);
        to->at[i] = entry;
        return 0;
    }
    return push(to, entry, e);
}

/* "added_tokens_decoder": {"49406": {"content": ...}, ...} */
static int read_decoder(AddedEntries *to, const cJSON *decoder, Err *e)
{
    const cJSON *item;
    if (!cJSON_IsObject(decoder)) return err_set(e, "not an object");
    cJSON_ArrayForEach(item, decoder)
    {
        AddedEntry entry;
        char buf[SHOWN_MAX], *end;
        if (read_entry(&entry, item, CONFIG, e)) return -1;
        entry.plain = false;
        entry.id = strtol(item->string, &end, 10);
        if (end == item->string || *end || entry.id < 0 || entry.id >= INT32_MAX)
            return err_set(e, "\"%s\" is not an id", shown(item->string, buf));
        if (push_numbered(to, entry, false, e)) return -1;
    }
    return 0;
}

/* Older files say additional_special_tokens, newer ones extra_special_tokens, which counts before. */
static const cJSON *extra_of(const cJSON *file, bool older_too)
{
    const cJSON *newer = get(file, "extra_special_tokens");
    return !older_too || cJSON_GetArraySize(newer) ? newer : get(file, "additional_special_tokens");
}

static bool names_token(const cJSON *item, int file, const char *content)
{
    const char *text = cJSON_GetStringValue(file == MAP && cJSON_IsObject(item) ? get(item, "content") : item);
    return text && strcmp(text, content) == 0;
}

/* Whether the other files call it a special token; transformers looks at that before it reads the config's objects. */
static bool is_named(const AddedEntries *in, const char *content)
{
    const cJSON *lists[] = { [CONFIG] = extra_of(in->files[CONFIG], true), [MAP] = extra_of(in->files[MAP], false) };
    for (int file = CONFIG; file <= MAP; file++) {
        const cJSON *item;
        for (int role = 0; role < ROLES; role++) {
            item = get(in->files[file], roles[role].key);
            bool replaced = file == CONFIG && get(in->files[MAP], roles[role].key);
            if (!replaced && names_token(item, file, content)) return true;
        }
        cJSON_ArrayForEach(item, lists[file])
        {
            if (names_token(item, file, content)) return true;
        }
    }
    return false;
}

/* added_tokens.json: {"<concept>": 49408, ...} */
static int read_added(AddedEntries *to, const cJSON *added, Err *e)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, added)
    {
        AddedEntry entry = { .content = item->string, .said = true, .special = is_named(to, item->string) };
        entry.normalized = !entry.special;
        if (read_id(&entry.id, item, e) || push_numbered(to, entry, false, e)) return -1;
    }
    return 0;
}

/* tokenizer.json's "added_tokens" */
static int read_list(AddedEntries *to, const cJSON *list, Err *e)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        AddedEntry entry;
        if (read_entry(&entry, item, LIST, e) || read_id(&entry.id, get(item, "id"), e) ||
            push_numbered(to, entry, true, e))
            return -1;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const AddedEntry *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int read_numbered(AddedEntries *to, Err *e)
{
    const cJSON *decoder = get(to->files[CONFIG], "added_tokens_decoder");
    if (decoder && read_decoder(to, decoder, e)) {
        err_in(e, "added_tokens_decoder");
        return err_in(e, names[CONFIG]);
    }
    if (read_added(to, to->files[ADDED], e)) return err_in(e, names[ADDED]);
    if (read_list(to, to->files[LIST], e)) return err_in(e, names[LIST]);
    if (to->count) qsort(to->at, to->count, sizeof *to->at, by_id);
    to->numbered = to->count;
    return 0;
}

/* ---- tokens that are named ------------------------------------------------------------------------------------------- */

/* bos, eos, unk, ...: the map's before the config's. */
static int read_roles(AddedEntries *to, AddedEntry found[ROLES], const char *pad, Err *e)
{
    for (int role = 0; role < ROLES; role++) {
        const cJSON *item = get(to->files[MAP], roles[role].key);
        int file = item ? MAP : CONFIG;
        if (!item) item = get(to->files[CONFIG], roles[role].key);
        found[role] = (AddedEntry){ .content = roles[role].dflt, .plain = true, .special = true, .id = -1 };
        if (role == ROLE_PAD && pad) {
            found[role].content = pad;
        } else if (item && read_entry(&found[role], item, file, e)) {
            err_in(e, roles[role].key);
            return err_in(e, names[file]);
        }
        to->roles[role] = found[role].content;
    }
    return 0;
}

/* "image_token": "<image>" and its like: a role that no tokenizer has by itself. "add_bos_token": false is none. */
static bool is_further_role(const cJSON *item)
{
    if (!str_ends(item->string, "_token") || (!cJSON_IsString(item) && !cJSON_IsObject(item))) return false;
    for (int role = 0; role < ROLES; role++)
        if (strcmp(item->string, roles[role].key) == 0) return false;
    return true;
}

/* Whether a role of either file has that text. */
static bool has_role(const AddedEntries *in, const char *content)
{
    const cJSON *item;
    for (int role = 0; role < ROLES; role++)
        if (in->roles[role] && strcmp(in->roles[role], content) == 0) return true;
    for (int file = CONFIG; file <= MAP; file++) {
        cJSON_ArrayForEach(item, in->files[file])
        {
            if (is_further_role(item) && names_token(item, MAP, content)) return true;
        }
    }
    cJSON_ArrayForEach(item, extra_of(in->files[CONFIG], true))
    {
        if (item->string && names_token(item, MAP, content)) return true;
    }
    return false;
}

/* Of both files: a text in the config counts before the map, an object behind it. */
static int read_further_roles(AddedEntries *to, int file, Err *e)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, to->files[file])
    {
        AddedEntry entry;
        const cJSON *other = get(to->files[file == MAP ? CONFIG : MAP], item->string);
        bool counts = !other || (file == CONFIG ? cJSON_IsString(item) : !cJSON_IsString(other));
        if (!is_further_role(item) || !counts) continue;
        if (read_entry(&entry, item, file, e) || push_named(to, entry, e)) {
            err_in(e, item->string);
            return err_in(e, names[file]);
        }
    }
    return 0;
}

/* A list of tokens, or an object of tokens by name. */
static int read_extra(AddedEntries *to, const cJSON *list, int file, Err *e)
{
    const cJSON *item;
    AddedEntry entry;
    cJSON_ArrayForEach(item, list)
    {
        if (read_entry(&entry, item, file, e) || push_named(to, entry, e)) return err_in(e, names[file]);
    }
    return 0;
}

/* Whatever has a role is special, and then looked for in raw text unless the file says otherwise. */
static void make_special(AddedEntries *in)
{
    for (size_t i = 0; i < in->count; i++) {
        AddedEntry *t = &in->at[i];
        if (!t->special && !t->said) t->normalized = !has_role(in, t->content);
        if (!t->special) t->special = has_role(in, t->content);
    }
}

static int read_named(AddedEntries *to, AddedEntry role[ROLES], Err *e)
{
    for (int i = 0; i < ROLES; i++) /* a role has the flags of the numbered token of its text */
        if (role[i].content && push_named(to, role[i], e)) return -1;
    if (read_further_roles(to, MAP, e) || read_further_roles(to, CONFIG, e)) return -1;
    const cJSON *config = extra_of(to->files[CONFIG], true), *map = extra_of(to->files[MAP], !config);
    if (cJSON_IsObject(config) && read_extra(to, config, CONFIG, e)) return -1;
    make_special(to);
    return (cJSON_IsArray(config) && read_extra(to, config, CONFIG, e)) || read_extra(to, map, MAP, e);
}

/* ---- the files ------------------------------------------------------------------------------------------------------- */

static int parse(AddedEntries *to, int file, Bytes text, Err *e)
{
    if (!text.data) return 0;
    to->files[file] = file == LIST ? cJSON_ParseWithLength((const char *)text.data, text.len) : json_parse(text, e);
    if (file == LIST && !cJSON_IsArray(to->files[file])) return err_set(e, "%s is not a list", names[file]);
    return to->files[file] ? 0 : err_in(e, names[file]);
}

int added_files_read(AddedEntries *out, const AddedFiles *f, Err *e)
{
    AddedEntry role[ROLES];
    *out = (AddedEntries){ 0 };
    if (parse(out, CONFIG, f->config, e)) return -1;
    bool newer = get(out->files[CONFIG], "added_tokens_decoder");
    if (!newer &&
        (parse(out, MAP, f->special_map, e) || parse(out, ADDED, f->added, e) || parse(out, LIST, f->list, e)))
        return -1;
    return read_roles(out, role, f->pad, e) || read_numbered(out, e) || read_named(out, role, e);
}

void added_entries_release(AddedEntries *a)
{
    free(a->at);
    for (size_t i = 0; i < sizeof a->files / sizeof *a->files; i++) cJSON_Delete(a->files[i]);
    *a = (AddedEntries){ 0 };
}
