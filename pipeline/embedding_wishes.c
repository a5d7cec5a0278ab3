/* embedding_wishes.c - which words of their own a job's prompts ask for; see embedding_wishes.h. */
#include "pipeline/embedding_wishes.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "clip/syntax.h"
#include "clip/unicode.h"
#include "pipeline/library.h"

static const char FOLDER[] = "embeddings", TAG[] = "embedding:";

enum { PROMPTS = 7, TOKEN_MAX = 200 /* bytes of one */ };

/* Takes the texts. */
static int add(Wishes *w, Wish wish, Err *e)
{
    if (w->count < WISHES_MAX) {
        w->at[w->count++] = wish;
        return 0;
    }
    free(wish.path);
    free(wish.token);
    return err_usage(e, "more than %d embeddings at once", WISHES_MAX);
}

void wishes_release(Wishes *w)
{
    for (int i = 0; i < w->count; i++) {
        free(w->at[i].path);
        free(w->at[i].token);
    }
    w->count = 0;
}

int embedding_line_parse(const char *line, char **path, char **token, Err *e)
{
    const char *equals = file_exists(line) ? NULL : strrchr(line, '=');
    size_t len = equals ? (size_t)(equals - line) : strlen(line);
    *path = mem_strndup(line, len);
    *token = equals ? mem_strdup(equals + 1) : NULL;
    if (len && (!equals || (equals[1] && strlen(equals + 1) <= TOKEN_MAX))) return 0;
    free(*path);
    free(*token);
    *path = *token = NULL;
    return err_usage(e, "\"%.200s\" is not FILE or FILE=TOKEN", line);
}

int embedding_lines_check(const char *line, Err *e)
{
    char *path, *token;
    int failed = embedding_line_parse(line, &path, &token, e);
    free(path);
    free(token);
    return failed;
}

static bool is_a1111(const Job *j) { return j->compat && strcmp(j->compat, "a1111") == 0; }

static int add_lines(Wishes *w, const Job *j, Err *e)
{
    for (const char *p = j->embedding; p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
        char *line = mem_strndup(p, strcspn(p, "\n"));
        Wish wish = { .by_ids = is_a1111(j) };
        int failed = embedding_line_parse(line, &wish.path, &wish.token, e) || add(w, wish, e);
        free(line);
        if (failed) return err_in(e, "--embedding");
    }
    return 0;
}

static void prompts_of(const Job *j, const char *out[PROMPTS])
{
    out[0] = j->prompt;
    out[1] = j->negative_prompt;
    out[2] = j->prompt_2;
    out[3] = j->negative_prompt_2;
    out[4] = j->blend_prompt;
    out[5] = j->hires_prompt;
    out[6] = j->hires_negative_prompt;
}

/* The next embedding:name at or behind *at, up to a weight's colon; NULL: none. heap */
static char *next_tag(const char **at)
{
    SyntaxSpan found[SYNTAX_COUNT];
    if (!*at || !strstr(*at, TAG)) return NULL;
    syntax_find(*at, found);
    SyntaxSpan span = found[SYNTAX_EMBEDDING];
    if (!span.to) return NULL;
    const char *from = *at + span.from;
    size_t len = span.to - span.from, name = sizeof TAG - 1;
    size_t end = name + strcspn(from + name, ":");
    if (end > len) end = len;
    *at += span.to;
    return mem_strndup(from, end);
}

bool embeddings_in_prompt(const Job *j)
{
    return !is_a1111(j) &&
           ((j->compat && strcmp(j->compat, "comfyui") == 0) || library_there(j->embedding_dir, FOLDER));
}

/* "name.safetensors" is also "name". */
static const LibraryFile *find(const Library *l, const char *name, Err *e)
{
    static const char *const ends[] = { ".safetensors", ".pt", ".bin" };
    char *stem = mem_strdup(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (str_ends(stem, ends[i]) && strlen(stem) > strlen(ends[i])) stem[strlen(stem) - strlen(ends[i])] = 0;
    const LibraryFile *f = library_find(l, stem, NULL, e);
    free(stem);
    return f;
}

static bool wanted(const Wishes *w, const char *token)
{
    for (int i = 0; i < w->count; i++)
        if (w->at[i].token && strcmp(w->at[i].token, token) == 0) return true;
    return false;
}

static int add_tags(Wishes *w, const char *prompt, const Library *l, Err *e)
{
    const char *at = prompt;
    char buf[SHOWN_MAX];
    for (char *tag; (tag = next_tag(&at));) {
        const LibraryFile *f = wanted(w, tag) ? NULL : find(l, tag + sizeof TAG - 1, e);
        int failed = !f && !wanted(w, tag) ? err_in(e, shown(tag, buf)) : 0;
        if (f) failed = add(w, (Wish){ .path = mem_strdup(f->path), .token = mem_strdup(tag) }, e);
        free(tag);
        if (failed) return -1;
    }
    return 0;
}

/* Lower case and no white space: what has the ids of a name has it in it. */
static Chars squeezed(const char *text)
{
    Chars all = { 0 }, out = { 0 };
    chars_decode(&all, text, strlen(text));
    chars_normalize(&all);
    for (size_t i = 0; i < all.count; i++)
        if (!unicode_space(all.at[i].cp)) chars_push(&out, all.at[i]);
    chars_release(&all);
    return out;
}

static bool has_in_it(const Chars *text, const Chars *name)
{
    for (size_t i = 0; name->count && i + name->count <= text->count; i++) {
        size_t n = 0;
        while (n < name->count && text->at[i + n].cp == name->at[n].cp) n++;
        if (n == name->count) return true;
    }
    return false;
}

/* Every file of the folder whose name may be in a prompt. */
static int add_names(Wishes *w, const Job *j, const Library *l, Err *e)
{
    const char *prompts[PROMPTS];
    Chars text[PROMPTS];
    int failed = 0;
    prompts_of(j, prompts);
    for (int i = 0; i < PROMPTS; i++) text[i] = squeezed(prompts[i] ? prompts[i] : "");
    for (size_t f = 0; f < l->count && !failed; f++) {
        Chars name = squeezed(l->file[f].stem);
        bool there = false;
        for (int i = 0; i < PROMPTS; i++) there = there || has_in_it(&text[i], &name);
        chars_release(&name);
        if (!there || wanted(w, l->file[f].stem)) continue;
        failed = add(w,
                     (Wish){ .path = mem_strdup(l->file[f].path),
                             .token = mem_strdup(l->file[f].stem),
                             .by_ids = true,
                             .optional = true },
                     e);
    }
    for (int i = 0; i < PROMPTS; i++) chars_release(&text[i]);
    return failed;
}

static bool names_any(const Job *j)
{
    const char *prompts[PROMPTS];
    bool any = false;
    prompts_of(j, prompts);
    for (int i = 0; i < PROMPTS; i++) {
        const char *at = prompts[i];
        char *tag = next_tag(&at);
        any = any || tag;
        free(tag);
    }
    return any;
}

int wishes_of(const Job *j, Wishes *out, Err *e)
{
    Library l;
    const char *prompts[PROMPTS];
    bool plain = is_a1111(j) && library_there(j->embedding_dir, FOLDER), tags = embeddings_in_prompt(j) && names_any(j);
    if (add_lines(out, j, e)) return -1;
    if (!plain && !tags) return 0;
    int failed = library_open(&l, j->embedding_dir, FOLDER, e);
    if (failed) err_in(e, "--embedding-dir");
    if (!failed && !l.folder) {
        char *usual = library_usual(FOLDER);
        failed = err_set(
            e, "the prompt names an embedding: put its file into %s, or name its folder with --embedding-dir", usual);
        free(usual);
    }
    prompts_of(j, prompts);
    if (!failed && plain) failed = add_names(out, j, &l, e);
    for (int i = 0; i < PROMPTS && tags && !failed; i++) failed = add_tags(out, prompts[i], &l, e);
    library_close(&l);
    return failed;
}

char *embeddings_tags(const Job *j)
{
    const char *prompts[PROMPTS];
    bool plain = is_a1111(j) && library_there(j->embedding_dir, FOLDER);
    Str s = { 0 };
    prompts_of(j, prompts);
    for (int i = 0; i < PROMPTS; i++) {
        const char *at = prompts[i];
        if (plain) str_addf(&s, "%s\n", at ? at : "");
        for (char *tag; !plain && (tag = next_tag(&at)); free(tag)) str_addf(&s, "%s\n", tag);
    }
    return s.s ? s.s : mem_strdup("");
}
