/* adapters.c - see adapters.h. */
#include "pipeline/adapters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/adapter.h"
#include "base/mem.h"
#include "nn/patch.h"

enum { MOST = 64 /* adapters at once */ };

struct Adapters {
    char *lines;
    Adapter *laid[MOST];
    int count;
};

/* The number after the last colon, which is cut off; false: there is none. */
static bool cut_number(char *text, double *out)
{
    char *colon = strrchr(text, ':'), *end;
    if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789.+-eE")]) return false;
    *out = strtod(colon + 1, &end);
    if (*end || !isfinite(*out)) return false;
    *colon = 0;
    return true;
}

bool adapters_split(const char *line, char **file, double *weight, double *text_weight)
{
    double last, before;
    *file = mem_strdup(line);
    *weight = *text_weight = 1;
    if (!cut_number(*file, &last)) return **file != 0;
    *weight = *text_weight = last;
    if (cut_number(*file, &before)) *weight = before;
    return **file && fabs(*weight) <= 100 && fabs(*text_weight) <= 100;
}

static void take_off(Model *m)
{
    struct Adapters *a = m->adapters;
    if (!a) return;
    while (a->count > 0) adapter_free(a->laid[--a->count]);
    free(a->lines);
    free(a);
    m->adapters = NULL;
}

/* The networks, as adapters' files call them: a model of one encoder has that which reads "te". */
static int targets_of(const Model *m, double weight, double text_weight, AdapterTarget out[1 + TEXTS_MAX])
{
    out[0] = (AdapterTarget){ NETWORK_UNET, unet_bound(m->unet), unet_layers(m->unet), (float)weight };
    for (int i = 0; i < m->texts; i++)
        out[1 + i] = (AdapterTarget){ i ? NETWORK_TEXT_2 : NETWORK_TEXT, text_encoder_bound(m->text[i].encoder), 0,
                                      (float)text_weight };
    return 1 + m->texts;
}

static int lay_line(Model *m, struct Adapters *a, const char *line, Err *e)
{
    AdapterTarget targets[1 + TEXTS_MAX];
    double weight, text_weight;
    char *file;
    int failed = 0;
    if (!adapters_split(line, &file, &weight, &text_weight))
        failed = err_usage(
            e, "lora: \"%.200s\" is not FILE, FILE:WEIGHT or FILE:WEIGHT:TEXT_WEIGHT, weights from -100 to 100", line);
    else if (a->count == MOST) failed = err_usage(e, "lora: more than %d at once", MOST);
    else {
        int count = targets_of(m, weight, text_weight, targets);
        AdapterTargets to = { targets, count, false, m->family };
        Str notes = { 0 };
        a->laid[a->count] = adapter_lay(file, &to, &notes, e);
        str_release(&notes);
        failed = a->laid[a->count] ? (a->count++, 0) : err_in(e, "--lora");
    }
    free(file);
    return failed;
}

int adapters_use(Model *m, const char *lines, Err *e)
{
    const char *had = m->adapters ? m->adapters->lines : NULL;
    if (lines ? had && strcmp(had, lines) == 0 : !had) return 0;
    take_off(m);
    if (!lines) return 1;
    struct Adapters *a = m->adapters = mem_alloc(sizeof *a);
    a->lines = mem_strdup(lines);
    for (const char *p = lines; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        char *line = mem_strndup(p, strcspn(p, "\n"));
        int failed = lay_line(m, a, line, e);
        free(line);
        if (failed) {
            take_off(m);
            return -1;
        }
    }
    return 1;
}

void adapters_drop(Model *m) { take_off(m); }
