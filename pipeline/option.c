/* option.c - options found by their names, copied and put back to their defaults. See job.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/job_internal.h"
#include "scheduler/names.h"

void job_copy(Job *dst, const Job *src)
{
    *dst = *src;
    for (const Option *o = job_options; o->name; o++) {
        if (!option_is_text(o)) continue;
        const char *s = *(char **)option_field(src, o);
        *(char **)option_field(dst, o) = s ? mem_strdup(s) : NULL;
    }
}

void job_reset(Job *j, const Option *o)
{
    Job fresh;
    void *to = option_field(j, o), *from;
    job_init(&fresh);
    from = option_field(&fresh, o);
    switch (o->type) {
    case OPT_INT: memcpy(to, from, sizeof(int)); break;
    case OPT_FLOAT: memcpy(to, from, sizeof(double)); break;
    case OPT_FLAG: memcpy(to, from, sizeof(bool)); break;
    case OPT_SEED: j->has_seed = false; break;
    case OPT_STR:
    case OPT_PATH:
    case OPT_CHOICE:
    case OPT_LINES:
        free(*(char **)to);
        *(char **)to = *(char **)from;
        *(char **)from = NULL;
        break;
    }
    job_release(&fresh);
}

void job_reset_all(Job *j, const char *const *names)
{
    for (; *names; names++) job_reset(j, option_find(*names, strlen(*names)));
}

/* The name with its end, for names_have(). False: no option has a name of such a length. */
static bool name_text(const char *name, size_t len, char text[64])
{
    if (len < 2 || len >= 64) return false;
    memcpy(text, name, len);
    text[len] = '\0';
    return true;
}

const Option *option_find(const char *name, size_t len)
{
    char text[64];
    if (!name_text(name, len, text)) return NULL;
    for (const Option *o = job_options; o->name; o++) /* as most are asked for, in a fraction of the time */
        if (strcmp(o->name, text) == 0) return o;
    for (const Option *o = job_options; o->name; o++)
        if (names_have(o->name, text)) return o;
    for (const Option *o = job_options; o->name; o++)
        if (names_have(o->aliases, text)) return o;
    return NULL;
}

bool option_is_alias(const Option *o, const char *name, size_t len)
{
    char text[64];
    return name_text(name, len, text) && !names_have(o->name, text) && names_have(o->aliases, text);
}

const Option *option_letter(char c)
{
    for (const Option *o = job_options; o->name; o++)
        if (c && o->letter == c) return o;
    return NULL;
}
