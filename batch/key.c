/* key.c - what a picture is known by: digests of the options that decide what its file holds. See expand.h. */
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "batch/expand.h"
#include "pipeline/embeddings.h"
#include "pipeline/loras.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

static void finish_digest(struct sha256_ctx *sha, char hex[EXPAND_KEY + 1])
{
    uint8_t digest[EXPAND_KEY / 2];
    sha256_digest(sha, sizeof digest, digest);
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[EXPAND_KEY] = '\0';
}

/* What item_counts() says of each row: it is asked for each row of each of a million jobs. */
static bool *row_counts;

static void look_at_rows(void)
{
    size_t rows = 0;
    while (job_options[rows].name) rows++;
    bool *counts = mem_array(rows + 1, sizeof *counts);
    for (size_t i = 0; i < rows; i++) {
        const Option *o = &job_options[i];
        counts[i] = option_is_field(o) && strcmp(o->name, "count") != 0 && strcmp(o->name, "output") != 0;
    }
    row_counts = counts;
}

bool item_counts(const Option *o)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look_at_rows);
    return row_counts[o - job_options];
}

/* The value of an option that has several names for one thing, by limn's own; NULL: it is another option, or not given. */
static const char *own_name(const Job *j, const Option *o)
{
    const char *named = NULL; /* "DPM++ 2M Karras" */
    bool is_schedule = strcmp(o->name, "schedule") == 0;
    if (is_schedule && j->schedule) {
        const Schedule *schedule = schedule_find(j->schedule);
        return schedule ? schedule->name : NULL;
    }
    if (!j->sampler || (!is_schedule && strcmp(o->name, "sampler") != 0)) return NULL;
    const Sampler *sampler = sampler_split(j->sampler, &named);
    return is_schedule ? named : sampler ? sampler->name : NULL;
}

/* False: the option says nothing, or what goes without saying. */
static bool key_value(const Job *j, const Job *usual, const Option *o, Str *out)
{
    Str other = { 0 };
    const char *own = own_name(j, o);
    if (own) str_add(out, own);
    else if (!job_get(j, o, out)) return false;
    bool same = job_get(usual, o, &other) && strcmp(str_text(&other), str_text(out)) == 0;
    str_release(&other);
    return !same;
}

/* Digests of every option that decides what the file holds, and has another value than the usual one. */
void item_set_keys(Item *i, const Job *usual)
{
    struct sha256_ctx key, kind;
    sha256_init(&key);
    sha256_init(&kind);
    for (const Option *o = job_options; o->name; o++) {
        Str line = { 0 }, value = { 0 };
        if (item_counts(o) && key_value(&i->job, usual, o, &value)) {
            str_addf(&line, "%s=%s", o->name, str_text(&value));
            sha256_update(&key, line.len + 1, (const uint8_t *)line.s); /* with its NUL: no two lists read the same */
            bool own = strcmp(o->name, "prompt") == 0 || strcmp(o->name, "negative-prompt") == 0;
            if (!own && o->type != OPT_SEED) sha256_update(&kind, line.len + 1, (const uint8_t *)line.s);
        }
        str_release(&line);
        str_release(&value);
    }
    char *tags = loras_tags(&i->job); /* prompts with other adapters are not drawn at once */
    sha256_update(&kind, strlen(tags), (const uint8_t *)tags);
    free(tags);
    tags = embeddings_tags(&i->job);
    sha256_update(&kind, strlen(tags), (const uint8_t *)tags);
    free(tags);
    finish_digest(&key, i->key);
    finish_digest(&kind, i->kind);
}
