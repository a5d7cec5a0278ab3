/* language.c - see language.h. */
#include "pipeline/language.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static bool is(const char *text, const char *name) { return text && strcmp(text, name) == 0; }

const Language *language_of(const Job *j)
{
    const char *name = j->prompt_syntax;
    if (!name || is(name, "auto")) name = !j->compat ? "limn" : is(j->compat, "diffusers") ? "plain" : j->compat;
    const Language *l = language_find(name, is(j->compat, "comfyui"));
    assert(l && "the option's choices are the table's names");
    return l;
}

Weighing weighing_of(const Job *j)
{
    return is(j->emphasis, "no-norm")  ? WEIGH_NO_NORM
           : is(j->emphasis, "ignore") ? WEIGH_IGNORE
           : is(j->emphasis, "none")   ? WEIGH_NONE
                                       : WEIGH_ORIGINAL;
}

void language_before(Job *j)
{
    if (j->prompt_syntax) return;
    j->prompt_syntax = mem_strdup(!j->compat || is(j->compat, "diffusers") ? "plain" : "weights");
}
