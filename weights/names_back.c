/* names_back.c - names_back() of names.h: from diffusers' names to those of a checkpoint. */
#include "weights/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "weights/name_rules.h"

/* Against the pattern of diffusers' names: %b and %l are numbers (-1: it has none), %q a letter. */
static bool match_back(const char *pattern, const char *name, Match *m, char *projection)
{
    *m = (Match){ .numbers = { -1, -1 }, .rest = "" };
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            m->rest = name;
            return true;
        }
        if (*pattern != '%') {
            if (*name++ != *pattern) return false;
            continue;
        }
        if (*++pattern == 'q') {
            *projection = *name++;
            if (!strchr("qkv", *projection) || !*projection) return false;
            continue;
        }
        size_t digits = strspn(name, "0123456789");
        if (!digits || digits > 4) return false;
        m->numbers[*pattern == 'l'] = atoi(name);
        name += digits;
    }
    return !*name;
}

/* The reverse of renumber(). A sampler stands behind the level's layers. */
static bool number_back(Numbering how, NameShape s, Match *m)
{
    int *n = m->numbers, layer = n[1] < 0 ? s.layers : n[1];
    switch (how) {
    case NUM_DOWN: n[0] = n[0] * (s.layers + 1) + layer + 1; return true;
    case NUM_UP: n[0] = n[0] * (s.layers + 1) + layer; return true;
    case NUM_RAISE: n[0] = s.levels - 1 - n[0]; return n[0] >= 0;
    case NUM_LESS: n[0]++; return true;
    case NUM_SAME:
    case NUM_TEXT:
    case NUM_POOL: return true;
    }
    return false;
}

static void write_back(Str *out, const NameRule *r, const Match *m)
{
    int number = 0;
    str_clear(out);
    for (const char *p = r->from; *p; p++) {
        if (*p == '#') str_addf(out, "%d", m->numbers[number++]);
        else if (*p != '*') str_addn(out, p, 1);
    }
    const char *rest = m->rest;
    for (const Leaf *l = r->leaves; l && l->from; l++) {
        if (!str_starts(rest, l->to)) continue;
        str_add(out, l->from);
        rest += strlen(l->to);
        break;
    }
    str_add(out, rest);
}

/* An upsampler stands behind the transformer where its level has one. */
static bool is_elsewhere(const NameRule *r, NameShape s, const Match *m)
{
    bool attention = r->how == NUM_UP && m->numbers[0] >= 0 && (s.up_attention >> m->numbers[0] & 1);
    if (strstr(r->from, "#.1.conv.")) return attention;
    return strstr(r->from, "#.2.conv.") && !attention;
}

bool names_back(const char *name, NameTable table, NameShape shape, Str *out, NameBack *how, int *third)
{
    static const NameBack of[] = {
        [KEEP] = BACK_SAME, [FLATTEN] = BACK_CONV, [SPLIT] = BACK_THIRD, [TURN] = BACK_TURNED
    };
    for (const NameRule *r = name_tables[table]; r && r->from; r++) {
        Match m;
        char projection = 'q';
        if (!r->to || (r->action == SPLIT && table == NAMES_CLIP_TEXT)) continue; /* transformers has no joined ones */
        if (!match_back(r->to, name, &m, &projection) || is_elsewhere(r, shape, &m)) continue;
        if (!number_back(r->how, shape, &m)) return false;
        write_back(out, r, &m);
        *how = of[r->action];
        *third = projection == 'q' ? 0 : projection == 'k' ? 1 : 2;
        return true;
    }
    return false;
}
