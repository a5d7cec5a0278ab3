/* syntax.c - see syntax.h. */
#include "clip/syntax.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A bracket's content is looked at so far, so that a text of nothing but brackets is no square of its length. */
enum {
    MAX_INSIDE = 200,
    MAX_TAG = 600 /* with block weights in it */
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* \w: what is not ASCII counts as a letter. */
static bool is_word(char c)
{
    return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_space(char c) { return c && strchr(" \t\n\r\v\f", c); }

typedef struct {
    const char *text;
    bool capitals; /* there are no small letters */
} Prompt;

static Prompt prompt_of(const char *text)
{
    return (Prompt){ text, strpbrk(text, "abcdefghijklmnopqrstuvwxyz") == NULL };
}

/* Each *_at() returns how many bytes at s are one of its kind, 0: none. */

static size_t tag_at(const char *s, const Prompt *p)
{
    size_t n = 1, inside;
    (void)p;
    if (*s != '<') return 0;
    while (is_word(s[n])) n++;
    if (n == 1 || s[n] != ':') return 0;
    for (inside = 0; s[n + 1 + inside] && s[n + 1 + inside] != '>' && inside < MAX_TAG;) inside++;
    return inside && s[n + 1 + inside] == '>' ? n + inside + 2 : 0;
}

static bool is_lora(const char *s)
{
    return strncmp(s, "<lora:", 6) == 0 || strncmp(s, "<lyco:", 6) == 0 || strncmp(s, "<locon:", 7) == 0;
}

static size_t lora_at(const char *s, const Prompt *p) { return is_lora(s) ? tag_at(s, p) : 0; }
static size_t network_at(const char *s, const Prompt *p) { return is_lora(s) ? 0 : tag_at(s, p); }

static size_t embedding_at(const char *s, const Prompt *p)
{
    static const char word[] = "embedding:";
    if (strncmp(s, word, sizeof word - 1) != 0 || (s > p->text && is_word(s[-1]))) return 0;
    size_t name = strcspn(s + sizeof word - 1, " \t\n\r,()[]<>");
    return name ? sizeof word - 1 + name : 0;
}

/* The length of a bracket with what it holds, escapes and brackets within it left alone; 0: it does not end. */
static size_t bracket(const char *s, char open, char close)
{
    int depth = 0;
    for (size_t n = 0; n < MAX_INSIDE && s[n]; n++) {
        if (s[n] == '\\' && s[n + 1]) n++;
        else if (s[n] == open) depth++;
        else if (s[n] == close && --depth == 0) return n + 1;
    }
    return 0;
}

/* Whether ": 1.3" stands before s[end]. */
static bool ends_in_number(const char *s, size_t end)
{
    size_t n = end, digits = 0;
    while (n && is_space(s[n - 1])) n--;
    for (; n && (is_digit(s[n - 1]) || s[n - 1] == '.'); n--) digits += is_digit(s[n - 1]);
    while (n && (s[n - 1] == '-' || s[n - 1] == '+' || is_space(s[n - 1]))) n--;
    return digits && n && s[n - 1] == ':';
}

static size_t weight_at(const char *s, const Prompt *p)
{
    if (*s != '(' || (s > p->text && s[-1] == '\\')) return 0;
    size_t n = bracket(s, '(', ')');
    bool doubled = n > 4 && s[1] == '(' && s[n - 2] == ')';
    return n > 2 && (doubled || ends_in_number(s, n - 1)) ? n : 0;
}

static size_t editing_at(const char *s, const Prompt *p)
{
    if (*s != '[' || (s > p->text && s[-1] == '\\')) return 0;
    size_t n = bracket(s, '[', ']');
    return n > 2 && (memchr(s, '|', n) || ends_in_number(s, n - 1)) ? n : 0;
}

static size_t choice_at(const char *s, const Prompt *p)
{
    (void)p;
    if (*s != '{') return 0;
    size_t n = bracket(s, '{', '}');
    return n > 2 && memchr(s, '|', n) ? n : 0;
}

static size_t wildcard_at(const char *s, const Prompt *p)
{
    if (strncmp(s, "__", 2) != 0 || (s > p->text && is_word(s[-1]))) return 0;
    size_t n = 2;
    while (s[n] && (is_word(s[n]) || strchr("/*.-", s[n])) && strncmp(s + n, "__", 2) != 0) n++;
    return n > 2 && strncmp(s + n, "__", 2) == 0 ? n + 2 : 0;
}

/* A word of its own, in a text that is not all capitals. */
static size_t capitals_at(const char *s, const Prompt *p, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(s, word, n) != 0 || is_word(s[n]) || (s > p->text && is_word(s[-1]))) return 0;
    return p->capitals ? 0 : n;
}

static size_t break_at(const char *s, const Prompt *p) { return capitals_at(s, p, "BREAK"); }
static size_t and_at(const char *s, const Prompt *p) { return capitals_at(s, p, "AND"); }

/* "red++", "(red)1.3": s is at the sign or number behind the word. */
static size_t compel_at(const char *s, const Prompt *p)
{
    if (s == p->text || s[-1] == *s) return 0; /* within a run of signs */
    size_t n = strspn(s, "+");
    if (!n) n = strspn(s, "-");
    if (s[-1] == ')') {
        if (!n) n = strspn(s, "0123456789.");
    } else if (n < 2 || s - p->text < 2 || !is_word(s[-1]) || !is_word(s[-2])) {
        return 0; /* "C++" is a word */
    }
    return n && (!s[n] || is_space(s[n]) || strchr(",.;)", s[n])) ? n : 0;
}

/* A method of compel's, behind a quote, a bracket or a word. */
static size_t method_at(const char *s, const Prompt *p, const char *name)
{
    size_t n = strlen(name);
    bool behind = s > p->text && (is_word(s[-1]) || strchr("\"')", s[-1]));
    return behind && strncmp(s, name, n) == 0 ? n : 0;
}

static size_t swap_at(const char *s, const Prompt *p) { return method_at(s, p, ".swap("); }

static size_t blend_at(const char *s, const Prompt *p)
{
    size_t n = method_at(s, p, ".blend(");
    return n ? n : s > p->text && s[-1] == ')' ? method_at(s, p, ".and(") : 0;
}

static size_t option_at(const char *s, const Prompt *p)
{
    if (strncmp(s, "--", 2) != 0 || (s > p->text && !is_space(s[-1]))) return 0;
    size_t n = 2;
    while (is_word(s[n]) || (s[n] == '-' && n > 2)) n++;
    return n > 2 && !is_digit(s[2]) ? n : 0;
}

/* Each tells whether a language reads a kind. */
static bool weights_read(const Language *l) { return l->emphasis != EMPHASIS_NONE; }
static bool edits_read(const Language *l) { return l->edits; }
static bool and_read(const Language *l) { return l->composes; }
static bool blends_read(const Language *l) { return l->blends; }
static bool break_read(const Language *l) { return l->emphasis == EMPHASIS_A1111; }

static const struct {
    size_t (*at)(const char *s, const Prompt *p);
    bool (*read)(const Language *l); /* NULL: none does */
    bool no_word;                    /* not even in part a word of a caption */
    const char *what;
} kinds[SYNTAX_COUNT] = {
    [SYNTAX_LORA] = { lora_at, NULL, true, "a LoRA is given with --lora FILE, or found by its name in --lora-dir" },
    [SYNTAX_NETWORK] = { network_at, NULL, true, "limn cannot do hypernetworks and their like yet" },
    [SYNTAX_EMBEDDING] = { embedding_at, NULL, true,
                           "embedding:name counts where there is a folder of them (--embedding-dir), but with --compat "
                           "a1111" },
    [SYNTAX_WEIGHT] = { weight_at, weights_read, false,
                        "weights count but with --prompt-syntax plain, which --compat diffusers implies" },
    [SYNTAX_EDITING] = { editing_at, edits_read, false, "prompt editing counts with --prompt-syntax limn and a1111" },
    [SYNTAX_CHOICE] = { choice_at, NULL, false, "choices are made by limn batch, if --expand is not off" },
    [SYNTAX_WILDCARD] = { wildcard_at, NULL, true, "wildcards are read by limn batch, if --expand is not off" },
    [SYNTAX_BREAK] = { break_at, break_read, true, "BREAK counts with --prompt-syntax limn and a1111" },
    [SYNTAX_AND] = { and_at, and_read, false, "AND counts with --prompt-syntax limn and a1111" },
    [SYNTAX_COMPEL] = { compel_at, NULL, false,
                        "limn does not read InvokeAI's weights; (word:1.2) counts, but with --compat diffusers" },
    [SYNTAX_SWAP] = { swap_at, NULL, false,
                      "limn does not read InvokeAI's .swap(); [ball:flower:0.3] changes words on the way" },
    [SYNTAX_BLEND] = { blend_at, blends_read, false, ".blend() and .and() count with --prompt-syntax limn" },
    [SYNTAX_OPTION] = { option_at, NULL, false, "options stand outside of the prompt's quotes" },
};

void syntax_find(const char *text, SyntaxSpan found[SYNTAX_COUNT])
{
    Prompt p = prompt_of(text);
    memset(found, 0, SYNTAX_COUNT * sizeof *found);
    for (const char *s = text; *s; s++) {
        for (int k = 0; k < SYNTAX_COUNT && !(is_word(*s) && s > text && is_word(s[-1])); k++) {
            size_t n = found[k].to ? 0 : kinds[k].at(s, &p);
            if (n) found[k] = (SyntaxSpan){ (size_t)(s - text), (size_t)(s - text) + n };
        }
    }
}

const char *syntax_unread(SyntaxKind kind, const Language *l)
{
    return kinds[kind].read && kinds[kind].read(l) ? NULL : kinds[kind].what;
}

typedef enum { LEAVE_LORAS, LEAVE_TAGS, LEAVE_WORDS } Leave;

/* The length of what is left out at s: a tag of a LoRA, any tag, or anything that is no word. */
static size_t left_out(const char *s, const Prompt *p, Leave what)
{
    for (int k = 0; k < SYNTAX_COUNT; k++) {
        bool tag = k == SYNTAX_LORA || (k == SYNTAX_NETWORK && what >= LEAVE_TAGS);
        size_t n = tag || (what == LEAVE_WORDS && kinds[k].no_word) ? kinds[k].at(s, p) : 0;
        if (n) return n;
    }
    return 0;
}

static char *leave_out(const char *text, Leave what)
{
    Prompt p = prompt_of(text);
    char *out = mem_alloc(strlen(text) + 1), *to = out;
    for (const char *s = text; *s;) {
        size_t n = left_out(s, &p, what);
        if (!n) *to++ = *s++;
        else if (what == LEAVE_WORDS) *to++ = ' ';
        s += n;
    }
    return out;
}

char *syntax_without_tags(const char *text) { return leave_out(text, LEAVE_TAGS); }
char *syntax_without_loras(const char *text) { return leave_out(text, LEAVE_LORAS); }
char *syntax_words(const char *text) { return leave_out(text, LEAVE_WORDS); }
