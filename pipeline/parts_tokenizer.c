/* parts_tokenizer.c - the tokenizer's files: in a model's folder, or looked for when the model is a single file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "hub/cache.h"
#include "pipeline/parts_internal.h"
#include "weights/shapes.h"

#define NO_TOKENIZER                                                                                                   \
    "%s: a single file brings no tokenizer. Get CLIP's once: limn pull openai/clip-vit-large-patch14. Or put its "     \
    "vocab.json and merges.txt (from the tokenizer/ folder of any Stable Diffusion model in diffusers layout) into "   \
    "%s "                                                                                                              \
    "or next to the model, or give their folder with --tokenizer"

/* A file of a tokenizer's folder; absent and optional gives {0}. */
static int get_in(Source *s, const char *folder, const char *name, bool optional, Bytes *out, Err *e)
{
    Str file = { 0 };
    str_addf(&file, "%s%s", folder, name);
    *out = (Bytes){ 0 };
    int failed = optional && !source_has(s, file.s) ? 0 : source_get(s, file.s, out, e);
    str_release(&file);
    return failed;
}

static Bytes bytes_of(const Str *s) { return (Bytes){ (const unsigned char *)s->s, s->len }; }

static void add_json(Str *out, const cJSON *item)
{
    char *text = cJSON_PrintUnformatted(item);
    str_add(out, text);
    cJSON_free(text);
}

/* One merge as a line of merges.txt: "a b" as older tokenizer.json have it, ["a", "b"] as newer. */
static bool add_merge(Str *out, const cJSON *item)
{
    const char *a = cJSON_GetStringValue(item), *b = NULL;
    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) == 2) {
        a = cJSON_GetStringValue(item->child);
        b = cJSON_GetStringValue(item->child->next);
        if (!b) return false;
    }
    if (!a || strpbrk(a, "\r\n") || (b && strpbrk(b, "\r\n"))) return false;
    str_addf(out, b ? "%s %s\n" : "%s\n", a, b);
    return true;
}

/* transformers 5 saves only tokenizer.json: vocab.json and merges.txt are in its "model". */
static int split_json(PartTokenizer *t, Bytes json, Err *e)
{
    char buf[SHOWN_MAX];
    int failed = -1;
    cJSON *root = json_parse(json, e), *item;
    if (!root) return err_in(e, "tokenizer.json");

    const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    const cJSON *vocab = cJSON_GetObjectItemCaseSensitive(model, "vocab");
    const cJSON *merges = cJSON_GetObjectItemCaseSensitive(model, "merges");
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(root, "added_tokens");
    if (!cJSON_IsObject(vocab) || !cJSON_IsArray(merges)) {
        err_set(e, "tokenizer.json: no \"vocab\" and \"merges\" in its \"model\": not CLIP's tokenizer");
        goto done;
    }
    add_json(&t->vocab, vocab);
    str_add(&t->merges, "#version: 0.2\n");
    cJSON_ArrayForEach(item, merges)
    {
        if (add_merge(&t->merges, item)) continue;
        err_set(e, "tokenizer.json: the merge %s is not a pair", json_shown(item, buf));
        goto done;
    }
    if (added) add_json(&t->added_tokens, added);
    t->files.vocab = bytes_of(&t->vocab);
    t->files.merges = bytes_of(&t->merges);
    t->files.added.list = bytes_of(&t->added_tokens);
    failed = 0;

done:
    cJSON_Delete(root);
    return failed;
}

/* Where both forms are there, tokenizer.json counts, as in transformers. */
static int read_vocabulary(PartTokenizer *part, Source *s, const char *folder, Err *e)
{
    Bytes json;
    TokenizerFiles *t = &part->files;
    if (get_in(s, folder, "tokenizer.json", true, &json, e)) return -1;
    if (json.data) return split_json(part, json, e);
    if (get_in(s, folder, "vocab.json", true, &t->vocab, e) || get_in(s, folder, "merges.txt", true, &t->merges, e))
        return -1;
    if (t->vocab.data && t->merges.data) return 0;
    return err_set(e, "no %s there: a tokenizer is vocab.json with merges.txt, or tokenizer.json",
                   t->vocab.data ? "merges.txt" : "vocab.json");
}

int parts_read_tokenizer(PartTokenizer *part, Source *s, const char *folder, Err *e)
{
    AddedFiles *t = &part->files.added;
    Str where = { 0 };
    str_addf(&where, "%s%s%.*s", source_name(s), *folder ? "/" : "", (int)strcspn(folder, "/"), folder);
    part->where = where.s;
    if (read_vocabulary(part, s, folder, e)) return err_in(e, where.s);
    return get_in(s, folder, "tokenizer_config.json", true, &t->config, e) ||
           get_in(s, folder, "special_tokens_map.json", true, &t->special_map, e) ||
           get_in(s, folder, "added_tokens.json", true, &t->added, e);
}

int parts_read_tokenizer_of(Part *text, Source *s, Err *e)
{
    Str folder = { 0 };
    str_addf(&folder, "%s/", text->is->tokenizer);
    int failed = parts_read_tokenizer(&text->tokenizer, s, folder.s, e);
    str_release(&folder);
    return failed;
}

/* ---- --tokenizer ------------------------------------------------------------------------------------------------------ */

/* The folder of the first encoder's: what a folder of vocab.json and merges.txt is. */
#define FIRST "tokenizer"

static bool has_folder(const Source *s, const char *name)
{
    char vocab[64], json[64];
    snprintf(vocab, sizeof vocab, "%s/vocab.json", name);
    snprintf(json, sizeof json, "%s/tokenizer.json", name);
    return source_has(s, vocab) || source_has(s, json);
}

int parts_keep_padding(Part *text, Source *model, Err *e)
{
    AddedFiles own = { 0 };
    AddedEntries found;
    Str folder = { 0 };
    PartTokenizer *t = &text->tokenizer;
    if (strcmp(text->is->tokenizer, FIRST) == 0) return 0;

    str_addf(&folder, "%s/", text->is->tokenizer);
    int failed = get_in(model, folder.s, "tokenizer_config.json", true, &own.config, e) ||
                 get_in(model, folder.s, "special_tokens_map.json", true, &own.special_map, e);
    if (!failed && !own.config.data && !own.special_map.data) {
        t->pad = mem_strdup("!"); /* OpenCLIP's, as every second encoder is */
    } else if (!failed) {
        failed = added_files_read(&found, &own, e);
        if (!failed) t->pad = mem_strdup(found.roles[ROLE_PAD]);
        added_entries_release(&found);
    }
    str_release(&folder);
    t->files.added.pad = t->pad;
    t->files.max = shapes_dim(text->weights, 0, "text_model.embeddings.position_embedding.weight");
    return failed ? err_in(e, text->is->tokenizer) : 0;
}

static int give_tokenizer(Part *text, Source *given, bool whole, Err *e)
{
    PartTokenizer *t = &text->tokenizer;
    if (!whole) return parts_read_tokenizer(t, given, "", e);
    if (!has_folder(given, text->is->tokenizer)) return parts_read_tokenizer(t, given, FIRST "/", e);
    if (t->pad) { /* its own folder says all of it */
        t->files.added.pad = NULL;
        t->files.max = 0;
    }
    return parts_read_tokenizer_of(text, given, e);
}

int parts_give_tokenizers(Parts *parts, Source *given, Err *e)
{
    bool whole = has_folder(given, FIRST);
    for (Part *p = NULL; (p = parts_next(parts, ROLE_TEXT, p));)
        if (give_tokenizer(p, given, whole, e)) return -1;
    return 0;
}

/* ---- looked for ------------------------------------------------------------------------------------------------------- */

static bool has_vocabulary(const Source *s) { return source_has(s, "vocab.json") || source_has(s, "tokenizer.json"); }

int parts_find_tokenizer(Parts *parts, const char *path, bool optional, Err *e)
{
    const char *slash = strrchr(path, '/'), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    Str places[3] = { { 0 }, { 0 }, { 0 } };
    HubName clip = { (char *)(size_t) "openai/clip-vit-large-patch14", (char *)(size_t) "main", NULL };
    char *cached = hub_cache_find(&clip);
    Source *s = NULL;
    int failed = -1;

    if (slash) str_addn(&places[0], path, (size_t)(slash - path) + 1);
    else str_add(&places[0], "./");
    str_addf(&places[1], "%stokenizer/", places[0].s);
    if (data && *data) str_addf(&places[2], "%s/limn/clip/", data);
    else str_addf(&places[2], "%s/.local/share/limn/clip/", home ? home : "");

    for (int i = 0; i < 3 && !s; i++) {
        if (!file_is_dir(places[i].s) || !(s = source_open(places[i].s, e)) || has_vocabulary(s)) continue;
        source_free(s);
        s = NULL;
    }
    if (!s && cached && (s = source_open(cached, e)) && !has_vocabulary(s)) {
        source_free(s);
        s = NULL;
    }
    free(cached);
    failed = 0;
    if (s) parts_keep(parts, s);
    for (Part *p = NULL; s && !failed && (p = parts_next(parts, ROLE_TEXT, p));)
        failed = parts_read_tokenizer(&p->tokenizer, s, "", e);
    if (!s && !optional) failed = err_set(e, NO_TOKENIZER, path, places[2].s);
    for (int i = 0; i < 3; i++) str_release(&places[i]);
    return failed;
}
