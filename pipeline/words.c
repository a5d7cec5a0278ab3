/* words.c - see words.h. */
#include "pipeline/words.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "clip/unicode.h"

enum {
    SHOWN = 12,        /* unknown words in one line */
    MOST_READ = 10000, /* words of a text: far more than any text encoder takes */
};

/* A run of letters or digits; lower case. */
typedef struct {
    char *text;
} Token;

typedef struct {
    Token *at;
    int count;
} Tokens;

typedef struct Phrase {
    const char *text; /* as the file has it */
    Tokens tokens;
    bool headed; /* its last word means nothing without the others */
} Phrase;

/* ---- tokens ---- */

static void add_token(Tokens *t, const char *text)
{
    if (!(t->count & (t->count - 1))) t->at = mem_grow(t->at, (size_t)(2 * t->count + 1) * sizeof *t->at);
    t->at[t->count++] = (Token){ .text = mem_strdup(text) };
}

static void tokens_release(Tokens *t)
{
    for (int i = 0; i < t->count; i++) free(t->at[i].text);
    free(t->at);
    *t = (Tokens){ 0 };
}

/* The length of <name:...> at c[i], or of a weight ":1.3"; 0: neither is there. */
static size_t skip_length(const Chars *c, size_t i)
{
    size_t k = i + 1;
    if (c->at[i].cp == '<') {
        while (k < c->count && unicode_letter(c->at[k].cp)) k++;
        if (k == i + 1 || k == c->count || c->at[k].cp != ':') return 0;
        while (k < c->count && c->at[k].cp != '>') k++;
        return k < c->count ? k + 1 - i : 0;
    }
    if (c->at[i].cp != ':') return 0;
    while (k < c->count && (c->at[k].cp == ' ' || c->at[k].cp == '-' || c->at[k].cp == '+')) k++;
    size_t digits = k;
    while (k < c->count && (unicode_number(c->at[k].cp) || c->at[k].cp == '.')) k++;
    return k > digits ? k - i : 0;
}

/* "'s" behind a word. */
static bool is_possessive(const Chars *c, size_t i)
{
    if (i == 0 || i + 1 >= c->count || !unicode_letter(c->at[i - 1].cp)) return false;
    if ((c->at[i].cp != '\'' && c->at[i].cp != 0x2019) || c->at[i + 1].cp != 's') return false;
    return i + 2 == c->count || !unicode_letter(c->at[i + 2].cp);
}

static void tokenize(const char *text, Tokens *out)
{
    Chars c = { 0 };
    Str word = { 0 };
    chars_decode(&c, text, strlen(text));
    chars_normalize(&c);
    for (size_t i = 0; i < c.count && out->count < MOST_READ;) {
        bool letter = unicode_letter(c.at[i].cp), number = unicode_number(c.at[i].cp);
        size_t skip = skip_length(&c, i);
        if (is_possessive(&c, i)) skip = 2;
        if (skip || (!letter && !number)) {
            i += skip ? skip : 1;
            continue;
        }
        str_clear(&word);
        for (; i < c.count && (letter ? unicode_letter(c.at[i].cp) : unicode_number(c.at[i].cp)); i++) {
            unsigned char bytes[4];
            int n = unicode_encode(c.at[i].cp, bytes);
            str_addn(&word, (const char *)bytes, (size_t)n);
        }
        add_token(out, str_text(&word));
    }
    str_release(&word);
    chars_release(&c);
}

/* ---- the file ---- */

static void add_phrase(Words *w, const char *text, bool headed)
{
    if (!(w->phrase_count & (w->phrase_count - 1)))
        w->phrases = mem_grow(w->phrases, (size_t)(2 * w->phrase_count + 1) * sizeof *w->phrases);
    Phrase *p = &w->phrases[w->phrase_count++];
    *p = (Phrase){ .text = text, .headed = headed };
    tokenize(text, &p->tokens);
}

/* A list of texts, on the heap. */
static int read_texts(const cJSON *list, char ***out, int *count, Err *e)
{
    const cJSON *item;
    char seen[SHOWN_MAX];
    if (!cJSON_IsArray(list)) return err_set(e, "%s: a list of texts is expected", shown(list->string, seen));
    *out = mem_array((size_t)cJSON_GetArraySize(list) + 1, sizeof **out);
    cJSON_ArrayForEach(item, list)
    {
        const char *text = cJSON_GetStringValue(item);
        if (!text || !*text) return err_set(e, "%s: a list of texts is expected", shown(list->string, seen));
        (*out)[(*count)++] = mem_strdup(text);
    }
    return 0;
}

static const char *last_word(const char *text)
{
    const char *space = strrchr(text, ' ');
    return space ? space + 1 : NULL;
}

/* Whether all phrases of a category end in one word: then that is how the category is said. */
static bool is_headed(const Category *c)
{
    const char *head = NULL;
    for (int i = 0; i < c->count; i++) {
        for (int k = 0; k < c->meanings[i].count; k++) {
            const char *last = last_word(c->meanings[i].phrases[k]);
            if (!last || (head && strcmp(head, last) != 0)) return false;
            head = last;
        }
    }
    return head != NULL;
}

static int read_category(const cJSON *object, Category *c, Err *e)
{
    const cJSON *item;
    char seen[SHOWN_MAX];
    if (!cJSON_IsObject(object)) return err_set(e, "%s: an object of lists is expected", shown(object->string, seen));
    c->name = mem_strdup(object->string);
    c->meanings = mem_array((size_t)cJSON_GetArraySize(object) + 1, sizeof *c->meanings);
    cJSON_ArrayForEach(item, object)
    {
        Meaning *m = &c->meanings[c->count++];
        m->label = mem_strdup(item->string);
        if (read_texts(item, &m->phrases, &m->count, e)) return err_in(e, c->name);
    }
    c->headed = is_headed(c);
    return 0;
}

static int read_all(Words *w, const cJSON *root, Err *e)
{
    const cJSON *item;
    w->categories = mem_array((size_t)cJSON_GetArraySize(root) + 1, sizeof *w->categories);
    cJSON_ArrayForEach(item, root)
    {
        bool also = strcmp(item->string, "also") == 0, silent = strcmp(item->string, "silent") == 0;
        if (also && read_texts(item, &w->also, &w->also_count, e)) return -1;
        if (silent && read_texts(item, &w->silent, &w->silent_count, e)) return -1;
        if (!also && !silent && read_category(item, &w->categories[w->count++], e)) return -1;
    }
    for (int i = 0; i < w->also_count; i++) add_phrase(w, w->also[i], false);
    for (int i = 0; i < w->count; i++)
        for (int k = 0; k < w->categories[i].count; k++)
            for (int p = 0; p < w->categories[i].meanings[k].count; p++)
                add_phrase(w, w->categories[i].meanings[k].phrases[p], w->categories[i].headed);
    return 0;
}

Words *words_parse(Bytes json, Err *e)
{
    cJSON *root = json_parse(json, e);
    if (!root) return NULL;
    Words *w = mem_alloc(sizeof *w);
    int failed = read_all(w, root, e);
    cJSON_Delete(root);
    if (!failed) return w;
    words_free(w);
    return NULL;
}

static void free_texts(char **texts, int count)
{
    for (int i = 0; i < count; i++) free(texts[i]);
    free(texts);
}

void words_free(Words *w)
{
    if (!w) return;
    for (int i = 0; i < w->count; i++) {
        Category *c = &w->categories[i];
        for (int k = 0; k < c->count; k++) {
            free(c->meanings[k].label);
            free_texts(c->meanings[k].phrases, c->meanings[k].count);
        }
        free(c->meanings);
        free(c->name);
    }
    free(w->categories);
    for (int i = 0; i < w->phrase_count; i++) tokens_release(&w->phrases[i].tokens);
    free(w->phrases);
    free_texts(w->also, w->also_count);
    free_texts(w->silent, w->silent_count);
    told_release(&w->told);
    free(w);
}

/* ---- what is unknown ---- */

static bool has_text(char *const *texts, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0) return true;
    return false;
}

static bool phrase_at(const Phrase *p, const Tokens *t, int at)
{
    if (!p->tokens.count || at + p->tokens.count > t->count) return false;
    for (int i = 0; i < p->tokens.count; i++)
        if (strcmp(p->tokens.at[i].text, t->at[at + i].text) != 0) return false;
    return true;
}

/* Words of the longest phrase that begins at a token; 0: none does. */
static int longest_at(const Words *w, const Tokens *t, int at)
{
    int longest = 0;
    for (int i = 0; i < w->phrase_count; i++)
        if (w->phrases[i].tokens.count > longest && phrase_at(&w->phrases[i], t, at))
            longest = w->phrases[i].tokens.count;
    return longest;
}

/* "background", of which only "white background" and its like are known. */
static bool is_head(const Words *w, const char *word)
{
    for (int i = 0; i < w->phrase_count; i++) {
        const Phrase *p = &w->phrases[i];
        if (p->headed && strcmp(p->tokens.at[p->tokens.count - 1].text, word) == 0) return true;
    }
    return false;
}

/* A known word that was perhaps meant, or a phrase that has this one in it; NULL. */
static const char *suggestion(const Words *w, const char *word, bool *within)
{
    Nearest n = nearest_to(word);
    *within = false;
    if (n.len < 3) return NULL;
    for (int i = 0; i < w->phrase_count; i++)
        if (w->phrases[i].tokens.count == 1) nearest_try(&n, w->phrases[i].text);
    if (n.best) return n.best;
    for (int i = 0; i < w->phrase_count; i++) {
        const Tokens *t = &w->phrases[i].tokens;
        int meaning = t->count - w->phrases[i].headed; /* every background is in "background" */
        for (int k = 0; k < meaning; k++)
            if (strcmp(t->at[k].text, word) == 0) return *within = true, w->phrases[i].text;
    }
    return NULL;
}

/* One more, if it was not told before. */
static void add_unknown(Words *w, const char *word, Str *out, int *found)
{
    bool within;
    if (!told_add(&w->told, word) || ++*found > SHOWN) return;
    str_addf(out, "%s\"%s\"", *found > 1 ? ", " : "", word);
    const char *known = suggestion(w, word, &within);
    if (known) str_addf(out, within ? " (in \"%s\")" : " (%s?)", known);
}

bool words_unknown(Words *w, const char *text, Str *out)
{
    Tokens t = { 0 };
    int found = 0;
    tokenize(text, &t);
    for (int i = 0; i < t.count;) {
        int known = longest_at(w, &t, i);
        const char *word = t.at[i].text;
        bool headed = i + 1 < t.count && known < 2 && is_head(w, t.at[i + 1].text) && !longest_at(w, &t, i + 1);
        if (headed && strlen(word) > 2) { /* "purple background": each known, but not together */
            Str both = { 0 };
            str_addf(&both, "%s %s", word, t.at[i + 1].text);
            add_unknown(w, str_text(&both), out, &found);
            str_release(&both);
            i += 2;
            continue;
        }
        if (!known && !has_text(w->silent, w->silent_count, word)) add_unknown(w, word, out, &found);
        i += known ? known : 1;
    }
    if (found > SHOWN) str_addf(out, " and %d more", found - SHOWN);
    tokens_release(&t);
    return found > 0;
}

/* ---- listed ---- */

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

void words_line(const Category *c, bool synonyms, Str *out)
{
    for (int i = 0; i < c->count; i++) {
        const Meaning *m = &c->meanings[i];
        int others = 0;
        str_addf(out, "%s%s", i ? ", " : "", m->label);
        for (int k = 0; k < m->count && synonyms; k++) {
            bool form = begins(m->phrases[k], m->label); /* "potions": no other word */
            for (int l = 0; l < k && !form; l++) form = begins(m->phrases[k], m->phrases[l]);
            if (!form) str_addf(out, "%s%s", others++ ? ", " : " (", m->phrases[k]);
        }
        if (others) str_add(out, ")");
    }
}
