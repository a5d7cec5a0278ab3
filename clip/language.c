/* language.c - see language.h. */
#include "clip/language.h"

#include <string.h>

/* Of two rows of one name the second is ComfyUI's. */
const Language languages[] = {
    { "limn", EMPHASIS_A1111, .edits = true, .composes = true, .words = true, .blends = true },
    { "a1111", EMPHASIS_A1111, .repeats = true, .all_counts = true, .edits = true, .composes = true, .alone = true },
    { "comfyui", EMPHASIS_COMFYUI, .repeats = true, .all_counts = true, .words = true },
    { "weights", EMPHASIS_A1111, .repeats = true, .all_counts = true },
    { "weights", EMPHASIS_COMFYUI, .repeats = true, .all_counts = true },
    { "plain", EMPHASIS_NONE, .repeats = false },
    { .name = NULL },
};

const Language *language_find(const char *name, bool comfyui)
{
    for (const Language *l = languages; l->name; l++)
        if (strcmp(l->name, name) == 0) return l + (comfyui && l[1].name && strcmp(l[1].name, name) == 0);
    return NULL;
}
