/* unicode.c - see unicode.h. NFC is Unicode Standard Annex #15; the algorithm is in the Unicode Standard, section 3.11. */
#include "clip/unicode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

typedef struct {
    uint32_t first, last;
} Range;

static bool in_ranges(const Range *r, size_t count, uint32_t cp)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > r[mid].last) low = mid + 1;
        else high = mid;
    }
    return low < count && cp >= r[low].first;
}
#define IN_RANGES(table, cp) in_ranges(table, sizeof(table) / sizeof *(table), cp)

/*
 * Assigned after Unicode 9.0 with a combining class or a composition: inert in NFC. Whole blocks where all of a block is new,
 * so that a later utf8proc changes nothing.
 */
static const Range after_unicode_9[] = {
    { 0x07FD, 0x07FD },   { 0x0890, 0x08D3 },   { 0x09FE, 0x09FE },   { 0x0C3C, 0x0C3C },   { 0x0D3B, 0x0D3C },
    { 0x0EBA, 0x0EBA },   { 0x1715, 0x1715 },   { 0x1ABF, 0x1AFF },   { 0x1DF6, 0x1DFA },   { 0xA82C, 0xA82C },
    { 0x105C0, 0x105FF }, { 0x10D00, 0x10D8F }, { 0x10E80, 0x10FFF }, { 0x11070, 0x11070 }, { 0x1133B, 0x1133B },
    { 0x11380, 0x113FF }, { 0x1145E, 0x1145E }, { 0x11800, 0x1184F }, { 0x11900, 0x1195F }, { 0x119A0, 0x11AAF },
    { 0x11B60, 0x11B67 }, { 0x11D00, 0x11DFF }, { 0x11F00, 0x11FBF }, { 0x16100, 0x1613F }, { 0x16D40, 0x16D7F },
    { 0x16FF0, 0x16FF1 }, { 0x1E030, 0x1E08F }, { 0x1E100, 0x1E2FF }, { 0x1E4D0, 0x1E5FF }, { 0x1E6C0, 0x1E6FF },
};

/* Letters and numbers of Unicode 15.1 and 16.0, for a utf8proc that does not know them (2.8 knows 15.0). */
static const Range newer_letters[] = {
    { 0x1C89, 0x1C8A },   { 0xA7CB, 0xA7CD },   { 0xA7DA, 0xA7DC },   { 0x105C0, 0x105F3 }, { 0x10D4A, 0x10D65 },
    { 0x10D6F, 0x10D85 }, { 0x10EC2, 0x10EC4 }, { 0x11380, 0x11389 }, { 0x1138B, 0x1138B }, { 0x1138E, 0x1138E },
    { 0x11390, 0x113B5 }, { 0x113B7, 0x113B7 }, { 0x113D1, 0x113D1 }, { 0x113D3, 0x113D3 }, { 0x11BC0, 0x11BE0 },
    { 0x13460, 0x143FA }, { 0x16100, 0x1611D }, { 0x16D40, 0x16D6C }, { 0x18CFF, 0x18CFF }, { 0x1E5D0, 0x1E5ED },
    { 0x1E5F0, 0x1E5F0 }, { 0x2EBF0, 0x2EE5D },
};
static const Range newer_numbers[] = {
    { 0x10D40, 0x10D49 }, { 0x116D0, 0x116E3 }, { 0x11BF0, 0x11BF9 }, { 0x16130, 0x16139 },
    { 0x16D70, 0x16D79 }, { 0x1CCF0, 0x1CCF9 }, { 0x1E5F1, 0x1E5FA },
};

/* Capitals of Unicode 16 and 17: first..last become lower, lower + 1, ... */
static const struct {
    Range upper;
    uint32_t lower;
} newer_case[] = {
    { { 0x1C89, 0x1C89 }, 0x1C8A },    { { 0xA7CB, 0xA7CB }, 0x0264 }, { { 0xA7CC, 0xA7CC }, 0xA7CD },
    { { 0xA7CE, 0xA7CE }, 0xA7CF },    { { 0xA7D2, 0xA7D2 }, 0xA7D3 }, { { 0xA7D4, 0xA7D4 }, 0xA7D5 },
    { { 0xA7DA, 0xA7DA }, 0xA7DB },    { { 0xA7DC, 0xA7DC }, 0x019B }, { { 0x10D50, 0x10D65 }, 0x10D70 },
    { { 0x16EA0, 0x16EB8 }, 0x16EBB },
};

static const Range spaces[] = {
    { 0x09, 0x0D },     { 0x20, 0x20 },     { 0x85, 0x85 },     { 0xA0, 0xA0 },     { 0x1680, 0x1680 },
    { 0x2000, 0x200A }, { 0x2028, 0x2029 }, { 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x3000, 0x3000 },
};

bool unicode_space(uint32_t cp) { return IN_RANGES(spaces, cp); }

bool unicode_letter(uint32_t cp)
{
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
    return (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO) || IN_RANGES(newer_letters, cp);
}

bool unicode_number(uint32_t cp)
{
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
    return (cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO) || IN_RANGES(newer_numbers, cp);
}

bool unicode_word(uint32_t cp)
{
    /* the joiners; letters in circles and squares, which count as alphabetic */
    static const Range others[] = {
        { 0x200C, 0x200D }, { 0x24B6, 0x24E9 }, { 0x1F130, 0x1F149 }, { 0x1F150, 0x1F169 }, { 0x1F170, 0x1F189 }
    };
    utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
    return unicode_letter(cp) || (cat >= UTF8PROC_CATEGORY_MN && cat <= UTF8PROC_CATEGORY_NL) ||
           cat == UTF8PROC_CATEGORY_PC || IN_RANGES(others, cp);
}

int unicode_encode(uint32_t cp, unsigned char out[4])
{
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)cp, out);
    assert(n >= 1 && n <= 4);
    return (int)n;
}

void chars_push(Chars *c, Char ch)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->at = mem_grow(c->at, c->cap * sizeof *c->at);
    }
    c->at[c->count++] = ch;
}

void chars_release(Chars *c)
{
    free(c->at);
    *c = (Chars){ 0 };
}

/*
 * One code point at s; *used: its bytes. Invalid: U+FFFD for the longest start of a valid sequence, at least one byte
 * (the Unicode Standard, table 3-7 and "U+FFFD Substitution of Maximal Subparts").
 */
static uint32_t decode(const unsigned char *s, size_t len, size_t *used)
{
    unsigned lead = s[0], low = 0x80, high = 0xBF; /* low, high: what the second byte may be */
    size_t need;
    uint32_t cp;

    *used = 1;
    if (lead < 0x80) return lead;
    if (lead >= 0xC2 && lead <= 0xDF) {
        need = 2;
        cp = lead & 0x1F;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        need = 3;
        cp = lead & 0x0F;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F; /* no surrogates */
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        need = 4;
        cp = lead & 0x07;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    } else {
        return 0xFFFD;
    }
    for (; *used < need; ++*used) {
        if (*used == len || s[*used] < low || s[*used] > high) return 0xFFFD;
        cp = cp << 6 | (s[*used] & 0x3FU);
        low = 0x80;
        high = 0xBF;
    }
    return cp;
}

void chars_decode(Chars *out, const char *text, size_t len)
{
    for (size_t i = 0, used; i < len; i += used) {
        uint32_t cp = decode((const unsigned char *)text + i, len - i, &used);
        chars_push(out, (Char){ .cp = cp, .from = i, .to = i + used });
    }
}

/* Appends the canonical decomposition of ch, with combining classes. */
static void decompose(Chars *out, Char ch)
{
    utf8proc_int32_t part[8];
    int bound = 0;
    utf8proc_ssize_t n = 1;

    part[0] = (utf8proc_int32_t)ch.cp;
    if (ch.cp >= 0xC0 && !IN_RANGES(after_unicode_9, ch.cp))
        n = utf8proc_decompose_char((utf8proc_int32_t)ch.cp, part, 8, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &bound);
    assert(n >= 1 && n <= 4);
    for (int i = 0; i < n; i++) {
        ch.cp = (uint32_t)part[i];
        ch.ccc = 0;
        if (ch.cp >= 0x300 && !IN_RANGES(after_unicode_9, ch.cp))
            ch.ccc = (uint32_t)utf8proc_get_property(part[i])->combining_class;
        chars_push(out, ch);
    }
}

/* A stable merge sort by combining class: a text of nothing but combining marks must not take quadratic time. */
static void sort_by_class(Char *c, Char *spare, size_t n)
{
    if (n < 2) return;
    size_t half = n / 2;
    sort_by_class(c, spare, half);
    sort_by_class(c + half, spare, n - half);
    memcpy(spare, c, half * sizeof *c);
    for (size_t a = 0, b = half, k = 0; a < half; k++) c[k] = b < n && c[b].ccc < spare[a].ccc ? c[b++] : spare[a++];
}

/* The primary composite of two code points, 0 when there is none. */
static uint32_t compose(uint32_t a, uint32_t b)
{
    utf8proc_int32_t pair[2] = { (utf8proc_int32_t)a, (utf8proc_int32_t)b };

    if (b < 0x300 || IN_RANGES(after_unicode_9, a) || IN_RANGES(after_unicode_9, b)) return 0;
    if (b == 0x11A7) return 0; /* the filler before Hangul's final consonants: utf8proc swallows it */
    return utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) == 1 ? (uint32_t)pair[0] : 0;
}

static void nfc(Chars *c)
{
    Chars d = { 0 };
    for (size_t i = 0; i < c->count; i++) decompose(&d, c->at[i]);

    Char *spare = mem_array(d.count, sizeof *spare);
    for (size_t i = 0, run; i < d.count; i += run + 1) {
        for (run = 0; i + run < d.count && d.at[i + run].ccc; run++) continue;
        sort_by_class(d.at + i, spare, run);
    }
    free(spare);

    size_t starter = SIZE_MAX;
    c->count = 0;
    for (size_t i = 0; i < d.count; i++) {
        Char ch = d.at[i];
        if (starter != SIZE_MAX) {
            Char *s = &c->at[starter];
            bool blocked = c->count - 1 > starter && c->at[c->count - 1].ccc >= ch.ccc;
            uint32_t cp = blocked ? 0 : compose(s->cp, ch.cp);
            if (cp) {
                s->cp = cp;
                if (ch.from < s->from) s->from = ch.from;
                if (ch.to > s->to) s->to = ch.to;
                continue;
            }
        }
        if (!ch.ccc) starter = c->count;
        chars_push(c, ch);
    }
    chars_release(&d);
}

static uint32_t lower(uint32_t cp)
{
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    for (size_t i = 0; i < sizeof newer_case / sizeof *newer_case; i++)
        if (cp >= newer_case[i].upper.first && cp <= newer_case[i].upper.last)
            return newer_case[i].lower + (cp - newer_case[i].upper.first);
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

void chars_normalize(Chars *c)
{
    nfc(c);

    Chars out = { 0 };
    for (size_t i = 0; i < c->count; i++) {
        Char ch = c->at[i];
        if (unicode_space(ch.cp)) {
            ch.cp = ' ';
            if (out.count && out.at[out.count - 1].cp == ' ') {
                out.at[out.count - 1].to = ch.to;
                continue;
            }
        } else {
            ch.cp = lower(ch.cp);
        }
        chars_push(&out, ch);
        if (c->at[i].cp == 0x130) { /* capital I with dot: the only code point that becomes two */
            ch.cp = 0x307;
            chars_push(&out, ch);
        }
    }
    chars_release(c);
    *c = out;
}
