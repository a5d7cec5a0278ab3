/*
 * files.c - see files.h. Sources of the hashes: A1111's modules/hashes.py, sd_models.py (model_hash), Civitai's AutoV1
 * to AutoV3.
 */
#include "again/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "clip/syntax.h"
#include "hub/cache.h"
#include "pipeline/digest.h"
#include "pipeline/library.h"
#include "weights/safetensors.h"
#include "weights/source.h"

enum {
    OLD_FROM = 0x100000, /* A1111's hash of 2022: of these bytes alone */
    OLD_BYTES = 0x10000,
    OLD = 8,
    WHOLE = 10,
    TENSORS = 12,
    FULL = 64,
    HASHED_MAX = 1000, /* files, for one search */
    TAGS_MAX = 64,     /* of a prompt; what follows stays as it is */
};

/* A file that may be it. */
typedef struct {
    char *name, *path;
} Candidate;

typedef struct {
    Candidate *item;
    size_t count;
} Candidates;

/* ---- hashes ---- */

static bool tensors_are(const char *path, const char *hash)
{
    Bytes file;
    Err ignored;
    char hex[DIGEST_HEX];
    if (file_map(&file, path, &ignored)) return false;
    char *known = safetensors_metadata(file, "sshs_model_hash");
    bool same = known && strncasecmp(known, hash, strlen(hash)) == 0;
    free(known);
    if (!same) {
        digest_tensors(file, hex);
        same = strncasecmp(hex, hash, strlen(hash)) == 0;
    }
    file_unmap(&file);
    return same;
}

static bool old_is(const char *path, const char *hash)
{
    Bytes file;
    Err ignored;
    char hex[DIGEST_HEX];
    if (file_map(&file, path, &ignored)) return false;
    size_t from = file.len < OLD_FROM ? file.len : OLD_FROM, n = file.len - from;
    digest_hex((Bytes){ file.data + from, n < OLD_BYTES ? n : OLD_BYTES }, hex);
    file_unmap(&file);
    return strncasecmp(hex, hash, OLD) == 0;
}

static bool whole_is(const char *path, const char *hash)
{
    char hex[DIGEST_HEX];
    Err ignored;
    return digest_file(path, hex, &ignored) == 0 && strncasecmp(hex, hash, strlen(hash)) == 0;
}

bool files_hash_is(const char *path, const char *hash)
{
    size_t n = hash ? strlen(hash) : 0;
    if (!n || hash[strspn(hash, "0123456789abcdefABCDEF")]) return false;
    if (n == OLD) return old_is(path, hash);
    if (n == WHOLE) return whole_is(path, hash);
    if (n == TENSORS) return tensors_are(path, hash) || whole_is(path, hash);
    return n == FULL && (whole_is(path, hash) || tensors_are(path, hash));
}

/* ---- what there is ---- */

static void add(Candidates *c, const char *name, const char *path)
{
    c->item = mem_grow(c->item, (c->count + 1) * sizeof *c->item);
    c->item[c->count++] = (Candidate){ mem_strdup(name), mem_strdup(path) };
}

static void release(Candidates *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->item[i].name);
        free(c->item[i].path);
    }
    free(c->item);
}

/* given NULL: limn's folder of that name. */
static void add_folder(Candidates *c, const char *given, const char *usual)
{
    Library l;
    Err ignored;
    if (library_open(&l, given, usual, &ignored) == 0)
        for (size_t i = 0; i < l.count; i++)
            if (l.file[i].readable) add(c, l.file[i].stem, l.file[i].path);
    library_close(&l);
}

static void add_models(Candidates *c, const char *dir)
{
    size_t count;
    if (dir) add_folder(c, dir, "models");
    HubModel *m = hub_models(&count);
    for (size_t i = 0; i < count; i++) add(c, m[i].name, m[i].path);
    hub_models_release(m, count);
}

/* ---- the one that is meant ---- */

/* Whether a tool's name for a file is that of one here, without endings and case. */
static bool named(const Candidate *c, const char *name)
{
    bool whole = strchr(c->name, '/') && strchr(name, '/'); /* a hub's: its owner counts */
    const char *last = whole ? c->name : path_last(c->name), *asked = whole ? name : path_last(name);
    size_t a = strlen(last), b = strlen(asked);
    if (a == b && strcasecmp(last, asked) == 0) return true;
    static const char *const endings[] = { ".safetensors", ".ckpt", ".gguf", ".sft", ".pt" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (b > n && strcasecmp(asked + b - n, endings[i]) == 0) b -= n;
        if (a > n && strcasecmp(last + a - n, endings[i]) == 0) a -= n;
    }
    return a == b && strncasecmp(last, asked, a) == 0;
}

/* The file whose hash counts: of a folder its network's. heap */
static char *hashed_file(const char *path)
{
    Str file = { 0 };
    str_add(&file, path);
    if (file_is_dir(path)) str_add(&file, "/unet/diffusion_pytorch_model.safetensors");
    return file.s;
}

static bool hash_is(const Candidate *c, const char *hash)
{
    char *file = hashed_file(c->path);
    bool same = file_exists(file) && files_hash_is(file, hash);
    free(file);
    return same;
}

/* By hash, those of the name first; without a hash by name. *other: one of the name that has another hash. */
static const Candidate *choose(const Candidates *all, const char *name, const char *hash, const FilesWatch *w,
                               const Candidate **other)
{
    int hashed = 0;
    *other = NULL;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < all->count; i++) {
            const Candidate *c = &all->item[i];
            bool same_name = name && named(c, name);
            if (same_name != (pass == 0)) continue;
            if (!hash && same_name) return c;
            if (!hash || hashed++ >= HASHED_MAX || (w && w->stop && w->stop(w->ctx))) continue;
            if (w && w->say && pass) w->say(w->ctx, c->name);
            if (hash_is(c, hash)) return c;
            if (same_name && !*other) *other = c;
        }
    return NULL;
}

static bool is_builtin(const char *name)
{
    for (const char *const *n = source_builtin_names(); name && *n; n++)
        if (strcasecmp(*n, name) == 0) return true;
    return false;
}

char *files_model(Reading *r, const char *dir, const FilesWatch *w)
{
    Candidates all = { 0 };
    const Candidate *other;
    if (is_builtin(r->model)) return mem_strdup(r->model);
    add_models(&all, dir);
    const Candidate *found = choose(&all, r->model, r->model_hash, w, &other);
    if (!found && other) {
        reading_remark(r, MATTERS_WHOLLY, "model %.100s: the file here has another hash than %.16s", r->model,
                       r->model_hash);
        found = other;
    }
    char *path = found ? mem_strdup(found->path) : NULL;
    release(&all);
    return path;
}

char *files_vae_of(const char *path)
{
    Str config = { 0 };
    size_t folder = (size_t)(path_last(path) - path);
    str_addn(&config, path, folder);
    str_add(&config, "config.json");
    bool whole = folder > 1 && file_exists(str_text(&config));
    str_release(&config);
    return whole ? mem_strndup(path, folder - 1) : mem_strdup(path);
}

char *files_vae(Reading *r, const char *dir, const FilesWatch *w)
{
    Candidates all = { 0 };
    const Candidate *other;
    if (!r->vae) return NULL;
    add_folder(&all, NULL, "vae");
    add_models(&all, dir);
    const Candidate *found = choose(&all, r->vae, r->vae_hash, w, &other);
    if (!found && other)
        reading_remark(r, MATTERS_SEEN, "VAE %.100s: the file here has another hash than %.16s", r->vae, r->vae_hash);
    if (!found) found = other;
    char *path = found ? files_vae_of(found->path) : NULL;
    if (!path)
        reading_remark(r, MATTERS_SEEN, "VAE %.100s: it is not here: --vae FILE; the model's own is taken", r->vae);
    release(&all);
    return path;
}

/* ---- LoRAs ---- */

/* The next tag of a LoRA in a prompt at or behind `from`: its name's place. */
static bool next_tag(const char *prompt, size_t from, SyntaxSpan *tag, SyntaxSpan *name)
{
    SyntaxSpan found[SYNTAX_COUNT];
    syntax_find(prompt + from, found);
    if (!found[SYNTAX_LORA].to) return false;
    *tag = (SyntaxSpan){ found[SYNTAX_LORA].from + from, found[SYNTAX_LORA].to + from };
    const char *colon = strchr(prompt + tag->from, ':');
    if (!colon) return false;
    name->from = (size_t)(colon + 1 - prompt);
    name->to = name->from + strcspn(colon + 1, ":>");
    return name->to <= tag->to;
}

/* The file of a LoRA; NULL: it is not here, which is remarked on. */
static const Candidate *find_lora(Reading *r, const Candidates *all, const ReadLora *l, const FilesWatch *w)
{
    const Candidate *other, *found = choose(all, l->name, l->hash, w, &other);
    if (found) return found;
    if (other)
        reading_remark(r, MATTERS_WHOLLY, "LoRA %.80s: the file here has another hash than %.16s", l->name, l->hash);
    else
        reading_remark(r, MATTERS_WHOLLY,
                       "LoRA %.80s%s%.16s%s: it is not here: --lora FILE, or --lora-dir; limn draws without", l->name,
                       l->hash ? " (" : "", l->hash ? l->hash : "", l->hash ? ")" : "");
    return other;
}

/* One prompt with its tags' names as the files here have them, and without tags of those that are not here. heap */
static char *with_names(Reading *r, const char *prompt, const Candidates *all, const FilesWatch *w)
{
    Str out = { 0 };
    SyntaxSpan tag, span;
    size_t at = 0;
    for (int i = 0; i < TAGS_MAX && next_tag(prompt, at, &tag, &span); i++) {
        char *name = mem_strndup(prompt + span.from, span.to - span.from);
        ReadLora *l = reading_lora(r, name);
        const Candidate *c = l ? find_lora(r, all, l, w) : NULL;
        free(name);
        str_addn(&out, prompt + at, tag.from - at);
        if (c) {
            str_addn(&out, prompt + tag.from, span.from - tag.from);
            str_add(&out, path_last(c->name));
            str_addn(&out, prompt + span.to, tag.to - span.to);
        }
        at = tag.to;
    }
    str_add(&out, prompt + at);
    return out.s ? out.s : mem_strdup("");
}

static void rename_in(Reading *r, const char *option, const char *prompt, const Candidates *all, const FilesWatch *w)
{
    if (!prompt || !strchr(prompt, '<')) return;
    char *text = with_names(r, prompt, all, w);
    reading_set(r, option, text);
    free(text);
}

int files_loras(Reading *r, const char *dir, const FilesWatch *w, Err *e)
{
    Candidates all = { 0 };
    Library l;
    int failed = library_open(&l, dir, "loras", e);
    for (size_t i = 0; !failed && i < l.count; i++)
        if (l.file[i].readable) add(&all, l.file[i].name, l.file[i].path);
    library_close(&l);
    if (!failed) {
        rename_in(r, "prompt", r->job.prompt, &all, w);
        rename_in(r, "prompt-2", r->job.prompt_2, &all, w);
        rename_in(r, "hires-prompt", r->job.hires_prompt, &all, w);
    }
    for (int i = 0; !failed && i < r->loras; i++) {
        const Candidate *c = r->lora[i].apply ? find_lora(r, &all, &r->lora[i], w) : NULL;
        if (!c) continue;
        Str line = { 0 };
        str_addf(&line, "%s:%.9g:%.9g", c->path, r->lora[i].weight, r->lora[i].text_weight);
        reading_set(r, "lora", str_text(&line));
        str_release(&line);
    }
    release(&all);
    return failed;
}
