/* marks.c - see marks.h. */
#include "clip/marks.h"

#include <stdbool.h>
#include <string.h>

#include "clip/unicode.h"

/* Whether the character that ends before s[at], or begins there, is one of a word (Python's \w). */
static bool is_word(const char *s, size_t from, size_t to)
{
    Chars c = { 0 };
    chars_decode(&c, s + from, to - from);
    uint32_t cp = c.count ? c.at[0].cp : ' ';
    chars_release(&c);
    return cp == '_' || unicode_letter(cp) || unicode_number(cp);
}

static bool word_before(const char *s, size_t at)
{
    size_t from = at;
    while (from && at - from < 4 && ((unsigned char)s[--from] & 0xC0) == 0x80) continue;
    return at && is_word(s, from, at);
}

static bool word_behind(const char *s, size_t at)
{
    size_t to = at;
    while (s[to] && to - at < 4 && (to == at || ((unsigned char)s[to] & 0xC0) == 0x80)) to++;
    return to > at && is_word(s, at, to);
}

size_t mark_find(const char *text, size_t from, const char *word, size_t *at)
{
    size_t len = strlen(word);
    for (const char *p = text + from; (p = strstr(p, word)); p++) {
        size_t found = (size_t)(p - text);
        if (word_before(text, found) || word_behind(text, found + len)) continue;
        *at = found;
        return found + len;
    }
    return 0;
}
