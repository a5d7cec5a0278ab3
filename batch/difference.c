/* difference.c - see difference.h. */
#include "batch/difference.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    SHOWN = 60,
    BEFORE = 20,
    MOST = 3
}; /* bytes of a value; of them before the first that differs; options named at once */

/* What an option may have been. */
typedef struct {
    const Option *option;
    char *value; /* NULL: not given */
    bool drawn;  /* the manifest says that it was drawn so */
} Guess;

typedef struct {
    const Entry *entry;
    const Item *item;
    Guess *guesses;
    size_t count;
    Job usual; /* every option at its default */
} Search;

static char *value_of(const Job *j, const Option *o)
{
    Str value = { 0 };
    char *text = job_get(j, o, &value) ? mem_strdup(str_text(&value)) : NULL;
    str_release(&value);
    return text;
}

static bool same_value(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* ---- what it may have been ---- */

/* The value that it was drawn with, as the option would write it; NULL: the manifest does not say. */
static char *drawn_value(const cJSON *job, const Option *o)
{
    char key[64], *text = NULL;
    size_t len = strlen(o->name);
    if (len >= sizeof key) return NULL;
    for (size_t k = 0; k <= len; k++) key[k] = o->name[k] == '-' ? '_' : o->name[k];
    const cJSON *old = cJSON_GetObjectItemCaseSensitive(job, key);
    if (!old) return NULL;
    char *written = cJSON_IsString(old) ? mem_strdup(old->valuestring) : cJSON_PrintUnformatted(old);
    Job j;
    Err ignored;
    job_init(&j);
    if (written && job_set(&j, o, written, &ignored) == 0) text = value_of(&j, o);
    job_release(&j);
    free(written);
    return text;
}

/* --sizes is not in the job, but its files are: "x_64.png". */
static char *drawn_sizes(const cJSON *line)
{
    Str sizes = { 0 };
    const cJSON *copy;
    cJSON_ArrayForEach(copy, cJSON_GetObjectItemCaseSensitive(line, "copies"))
    {
        const char *file = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(copy, "file"));
        const char *under = file ? strrchr(file, '_') : NULL;
        size_t digits = under ? strspn(under + 1, "0123456789") : 0;
        if (digits) str_addf(&sizes, "%s%.*s", sizes.len ? "," : "", (int)digits, under + 1);
    }
    char *text = sizes.len ? mem_strdup(str_text(&sizes)) : NULL;
    str_release(&sizes);
    return text;
}

static void add_guess(Search *s, const Option *o, char *value, bool drawn)
{
    s->guesses = mem_grow(s->guesses, (s->count + 1) * sizeof *s->guesses);
    s->guesses[s->count++] = (Guess){ o, value, drawn };
}

static void find_guesses(Search *s, const cJSON *line)
{
    const cJSON *job = cJSON_GetObjectItemCaseSensitive(line, "job");
    for (const Option *o = job_options; o->name; o++) {
        if (!item_counts(o)) continue;
        char *now = value_of(&s->item->job, o), *usual = value_of(&s->usual, o);
        char *drawn = strcmp(o->name, "sizes") == 0 ? drawn_sizes(line) : drawn_value(job, o);
        if (drawn && !same_value(drawn, now)) add_guess(s, o, mem_strdup(drawn), true);
        if (!same_value(usual, now) && !same_value(usual, drawn))
            add_guess(s, o, usual ? mem_strdup(usual) : NULL, !drawn);
        free(now);
        free(usual);
        free(drawn);
    }
}

/* ---- whether it was that ---- */

/* Whether the job has the entry's key when these options have the values that are guessed. b may be NULL. */
static bool explains(const Search *s, const Guess *a, const Guess *b)
{
    Item probe = { .index = 0 };
    Err ignored;
    bool possible = true;
    job_init(&probe.job);
    for (const Option *o = job_options; o->name && possible; o++) {
        const Guess *g = o == a->option ? a : b && o == b->option ? b : NULL;
        char *value = g ? (g->value ? mem_strdup(g->value) : NULL) : value_of(&s->item->job, o);
        if (item_counts(o) && value) possible = job_set(&probe.job, o, value, &ignored) == 0;
        free(value);
    }
    item_set_keys(&probe, &s->usual);
    possible = possible && strcmp(probe.key, s->entry->key) == 0;
    job_release(&probe.job);
    return possible;
}

/* ---- in words ---- */

/* The part of a text that shows where it differs from another. */
static void add_value(Str *out, const char *value, const char *other)
{
    size_t same = 0;
    if (!value) {
        str_add(out, "not given");
        return;
    }
    while (other && value[same] && value[same] == other[same]) same++;
    size_t from = same > SHOWN - BEFORE ? same - BEFORE : 0;
    while (from && (value[from] & 0xC0) == 0x80) from--;
    str_addf(out, "\"%s%.*s\"", from ? "..." : "", SHOWN, value + from);
}

static void add_difference(const Search *s, const Guess *g, Str *out)
{
    char *now = value_of(&s->item->job, g->option);
    str_addf(out, "%s%s was ", out->len ? ", " : ": ", g->option->name);
    add_value(out, g->value, now);
    str_add(out, ", is ");
    add_value(out, now, g->value);
    free(now);
}

/* What is given now and was drawn otherwise. An option that is open now may have been drawn so too. */
static void add_certain(const Search *s, Str *out)
{
    int named = 0;
    for (size_t i = 0; i < s->count && named < MOST; i++) {
        const Guess *g = &s->guesses[i];
        char *now = value_of(&s->item->job, g->option), *usual = value_of(&s->usual, g->option);
        bool given = g->option->type == OPT_FLAG || !same_value(now, usual);
        if (g->drawn && given) {
            add_difference(s, g, out);
            named++;
        }
        free(now);
        free(usual);
    }
}

void difference_tell(const Entry *entry, const Item *item, Str *out)
{
    Search s = { .entry = entry, .item = item };
    Str words = { 0 };
    cJSON *line = cJSON_ParseWithLength(str_text(&entry->line), entry->line.len);
    job_init(&s.usual);
    find_guesses(&s, line);
    for (size_t i = 0; i < s.count && !words.len; i++)
        if (explains(&s, &s.guesses[i], NULL)) add_difference(&s, &s.guesses[i], &words);
    for (size_t i = 0; i < s.count && !words.len; i++) {
        for (size_t k = i + 1; k < s.count && !words.len; k++) {
            if (s.guesses[k].option == s.guesses[i].option || !explains(&s, &s.guesses[i], &s.guesses[k])) continue;
            add_difference(&s, &s.guesses[i], &words);
            add_difference(&s, &s.guesses[k], &words);
        }
    }
    if (!words.len) add_certain(&s, &words);
    str_add(out, str_text(&words));
    for (size_t i = 0; i < s.count; i++) free(s.guesses[i].value);
    free(s.guesses);
    job_release(&s.usual);
    cJSON_Delete(line);
    str_release(&words);
}
