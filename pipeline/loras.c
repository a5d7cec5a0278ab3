/*
 * loras.c - see loras.h. Tags as A1111's extra_networks.py and its Lora extension read them: the first number is the
 * text encoder's.
 */
#include "pipeline/loras.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "clip/syntax.h"
#include "pipeline/library.h"

static const char FOLDER[] = "loras";

static bool read_number(const char *text, double *out)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789.+-eE")]) return false;
    *out = strtod(text, &end);
    return !*end && end != text && isfinite(*out);
}

static int check_weights(const LoraWish *w, Err *e)
{
    if (fabs(w->weight) <= 100 && fabs(w->text_weight) <= 100) return 0;
    return err_usage(e, "a weight of %g: expected -100 to 100", fabs(w->weight) > 100 ? w->weight : w->text_weight);
}

/* "lbw=...", "te=0.5": what has a name. */
static int read_named(LoraWish *w, const char *text, Err *e)
{
    static const char *const unknown[] = { "dyn", "start", "stop", "step", "hr", "lora_te" };
    const char *value = strchr(text, '=') + 1;
    size_t n = (size_t)(value - text) - 1;
    if (strncmp(text, "lbw=", 4) == 0 || strncmp(text, "blocks=", 7) == 0) return blocks_parse(value, &w->blocks, e);
    if (strncmp(text, "te=", 3) == 0 && read_number(value, &w->text_weight)) return 0;
    if (strncmp(text, "unet=", 5) == 0 && read_number(value, &w->weight)) return 0;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (strlen(unknown[i]) == n && strncmp(text, unknown[i], n) == 0)
            return err_usage(e, "\"%.60s\": limn does not apply %s", text, unknown[i]);
    return err_usage(e, "\"%.60s\" is none of te=, unet= and lbw=", text);
}

/* ---- --lora -------------------------------------------------------------------------------------------------------------- */

/* The last part of text[0..len), behind a colon; false: there is none. */
static bool last_part(char *text, char **part)
{
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || !colon[1]) return false;
    *part = colon + 1;
    return true;
}

/* "strong" of "ink.safetensors:strong", where there is a file ink.safetensors and none of the whole name; NULL. */
static const char *behind_file(char *text)
{
    if (file_exists(text) || strchr(text, '\n')) return NULL;
    for (char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
        *colon = 0;
        bool there = file_exists(text) && !file_is_dir(text);
        *colon = ':';
        if (there) return colon + 1;
    }
    return NULL;
}

int lora_line_parse(const char *line, LoraWish *out, Err *e)
{
    char *part;
    double last = 1, before;
    *out = (LoraWish){ .path = mem_strdup(line), .weight = 1, .text_weight = 1, .open = true };
    char *text = out->path;
    static const char *const named[] = { "lbw=", "blocks=" };
    while (last_part(text, &part)) {
        bool is_named = false;
        for (size_t i = 0; i < sizeof named / sizeof *named; i++) is_named = is_named || str_starts(part, named[i]);
        if (!is_named) break;
        if (read_named(out, part, e)) return -1;
        part[-1] = 0;
    }
    if (last_part(text, &part) && read_number(part, &last)) {
        part[-1] = 0;
        out->weight = out->text_weight = last;
        out->open = false;
        if (last_part(text, &part) && read_number(part, &before)) {
            part[-1] = 0;
            out->weight = before;
        }
    }
    const char *odd = behind_file(text);
    if (odd) return err_usage(e, "\"%.60s\" behind the file's name is no weight", odd);
    if (!*text) return err_usage(e, "\"%.200s\" is not FILE, FILE:WEIGHT or FILE:WEIGHT:TEXT_WEIGHT", line);
    return check_weights(out, e);
}

void lora_wish_release(LoraWish *w)
{
    free(w->path);
    *w = (LoraWish){ 0 };
}

int lora_lines_check(const char *line, Err *e)
{
    LoraWish w;
    int failed = lora_line_parse(line, &w, e);
    lora_wish_release(&w);
    return failed;
}

/* ---- what is wanted ------------------------------------------------------------------------------------------------------ */

static int add(Loras *l, const LoraWish *w, Err *e)
{
    if (l->count == LORAS_MAX) return err_usage(e, "more than %d at once", LORAS_MAX);
    l->wish = mem_grow(l->wish, (size_t)(l->count + 1) * sizeof *l->wish);
    l->wish[l->count++] = *w;
    return 0;
}

static int add_lines(Loras *l, const Job *j, Err *e)
{
    for (const char *p = j->lora; p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
        char *line = mem_strndup(p, strcspn(p, "\n"));
        LoraWish w;
        int failed = lora_line_parse(line, &w, e);
        if (!failed && w.open && j->lora_strength >= 0) w.weight = w.text_weight = j->lora_strength;
        failed = failed || add(l, &w, e);
        free(line);
        if (!failed) continue;
        lora_wish_release(&w);
        return err_in(e, "--lora");
    }
    return 0;
}

/* "name:0.8:1:lbw=...", as between "<lora:" and ">": name at the front, then numbers and what has names. */
static int read_tag(char *inside, LoraWish *w, char **name, Err *e)
{
    int number = 0;
    char *rest = strchr(inside, ':');
    *w = (LoraWish){ .weight = 1, .text_weight = 1 };
    *name = inside;
    if (rest) *rest++ = 0;
    for (char *part = rest, *next; part; part = next) {
        double x;
        next = strchr(part, ':');
        if (next) *next++ = 0;
        if (strchr(part, '=')) {
            if (read_named(w, part, e)) return -1;
            continue;
        }
        BlockWeights preset;
        Err ignored;
        if (read_number(part, &x)) {
            if (number == 0) w->weight = w->text_weight = x;
            else if (number == 1) w->weight = x;
            else return err_usage(e, "\"%.40s\": limn applies no dyn", part);
            number++;
        } else if (blocks_parse(part, &preset, &ignored) == 0) {
            w->blocks = preset;
        } else {
            return err_usage(e, "\"%.60s\" is no weight", part);
        }
    }
    if (!**name) return err_usage(e, "there is no name in it");
    return check_weights(w, e);
}

/* The next tag of a LoRA at or behind `at`, what is between its colon and its end; NULL: none. heap */
static char *next_tag(const char **at)
{
    SyntaxSpan found[SYNTAX_COUNT];
    syntax_find(*at, found);
    SyntaxSpan tag = found[SYNTAX_LORA];
    if (!tag.to) return NULL;
    const char *inside = strchr(*at + tag.from, ':') + 1;
    char *text = mem_strndup(inside, (size_t)(*at + tag.to - 1 - inside));
    *at += tag.to;
    return text;
}

static int add_tags(Loras *l, const char *prompt, const Library *library, Err *e)
{
    const char *at = prompt;
    for (char *inside; at && (inside = next_tag(&at));) {
        LoraWish w = { 0 };
        char *name, shown_name[SHOWN_MAX], *all = mem_strdup(inside);
        int failed = read_tag(inside, &w, &name, e);
        const LibraryFile *f = failed ? NULL : library_find(library, name, "ss_output_name", e);
        if (f && !f->readable)
            failed = err_set(e, "%s is a pickle, which may run code: limn reads .safetensors", f->path);
        if (f && !failed) {
            w.path = mem_strdup(f->path);
            failed = add(l, &w, e);
        }
        failed = failed || !f;
        if (failed) {
            Str where = { 0 };
            str_addf(&where, "<lora:%s>", shown(all, shown_name));
            err_in(e, str_text(&where));
            str_release(&where);
            lora_wish_release(&w);
        }
        free(inside);
        free(all);
        if (failed) return -1;
    }
    return 0;
}

static bool has_tag(const char *prompt)
{
    SyntaxSpan found[SYNTAX_COUNT];
    if (!prompt || !strchr(prompt, '<')) return false;
    syntax_find(prompt, found);
    return found[SYNTAX_LORA].to > 0;
}

bool loras_tagged(const char *text) { return has_tag(text); }

bool loras_in_prompt(const Job *j)
{
    if (!has_tag(j->prompt) && !has_tag(j->prompt_2)) return false;
    return (j->compat && strcmp(j->compat, "a1111") == 0) || library_there(j->lora_dir, FOLDER);
}

int loras_of(const Job *j, Loras *out, Err *e)
{
    Library library;
    *out = (Loras){ 0 };
    if (j->lora_strength >= 0 && !j->lora) return err_usage(e, "lora-strength: there is no --lora");
    if (add_lines(out, j, e)) return -1;
    if (!loras_in_prompt(j)) return 0;
    int failed = library_open(&library, j->lora_dir, FOLDER, e);
    if (failed) err_in(e, "--lora-dir");
    if (!failed && !library.folder) {
        char *usual = library_usual(FOLDER);
        failed = err_set(e, "the prompt names a LoRA: put its file into %s, or name its folder with --lora-dir", usual);
        free(usual);
    }
    if (!failed) failed = add_tags(out, j->prompt, &library, e) || add_tags(out, j->prompt_2, &library, e) ? -1 : 0;
    library_close(&library);
    return failed;
}

char *loras_tags(const Job *j)
{
    const char *const prompts[] = { j->prompt, j->prompt_2 };
    Str s = { 0 };
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        const char *at = prompts[i];
        for (char *inside; at && strchr(at, '<') && (inside = next_tag(&at)); free(inside))
            str_addf(&s, "<%s>", inside);
    }
    return s.s ? s.s : mem_strdup("");
}

void loras_release(Loras *l)
{
    for (int i = 0; i < l->count; i++) lora_wish_release(&l->wish[i]);
    free(l->wish);
    *l = (Loras){ 0 };
}

char *loras_key(const Loras *l)
{
    Str s = { 0 };
    for (int i = 0; i < l->count; i++) {
        const LoraWish *w = &l->wish[i];
        str_addf(&s, "%s\n%.17g %.17g", w->path, w->weight, w->text_weight);
        for (int k = 0; w->blocks.given && k < BLOCKS; k++) str_addf(&s, " %.9g", (double)w->blocks.block[k]);
        if (w->blocks.given) str_addf(&s, " %.9g", (double)w->blocks.base);
        str_add(&s, "\n");
    }
    return s.s ? s.s : mem_strdup("");
}
