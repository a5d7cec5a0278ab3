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

static void clear(const BoundMatrix *m, size_t count)
{
    for (size_t i = 0; i < count; i++) patch_clear(m[i].w);
}

static void take_off(Model *m)
{
    struct Adapters *a = m->adapters;
    size_t count;
    if (!a) return;
    const BoundMatrix *matrices = unet_matrices(m->unet, &count);
    clear(matrices, count);
    for (int i = 0; i < m->texts; i++) {
        matrices = text_encoder_matrices(m->text[i].encoder, &count);
        clear(matrices, count);
    }
    for (int i = 0; i < a->count; i++) adapter_free(a->laid[i]);
    free(a->lines);
    free(a);
    m->adapters = NULL;
}

/* The networks, as adapters' files call them. */
static int targets_of(const Model *m, double weight, double text_weight, AdapterTarget out[1 + TEXTS_MAX])
{
    int count = 0;
    AdapterTarget unet = { { "lora_unet_", NULL }, "unet.", NULL, 0, false, unet_layers(m->unet), (float)weight };
    unet.matrices = unet_matrices(m->unet, &unet.count);
    out[count++] = unet;
    for (int i = 0; i < m->texts; i++) {
        AdapterTarget text = { { i ? "lora_te2_" : "lora_te1_", i ? NULL : "lora_te_" },
                               i ? "text_encoder_2." : "text_encoder.",
                               NULL,
                               0,
                               true,
                               0,
                               (float)text_weight };
        text.matrices = text_encoder_matrices(m->text[i].encoder, &text.count);
        out[count++] = text;
    }
    return count;
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
        a->laid[a->count] = adapter_lay(file, targets, count, e);
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
