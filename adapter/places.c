/* places.c - a network's modules, found by the names that adapters' files give them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/mem.h"

struct PlaceRow {
    char *name;
    Place place;
};

/* ---- LDM's names ------------------------------------------------------------------------------------------------------ */

/* "down_blocks.1.resnets.0.conv1" -> "input_blocks.4.0.in_layers.2"; false: it has no such name. L: residual blocks a level. */
static bool ldm_name(const char *name, int L, char out[256])
{
    static const char *const whole[][2] = {
        { "time_embedding.linear_1", "time_embed.0" },
        { "time_embedding.linear_2", "time_embed.2" },
        { "add_embedding.linear_1", "label_emb.0.0" },
        { "add_embedding.linear_2", "label_emb.0.2" },
        { "conv_in", "input_blocks.0.0" },
        { "conv_norm_out", "out.0" },
        { "conv_out", "out.2" },
    };
    static const char *const resnet[][2] = {
        { "norm1", "in_layers.0" },  { "conv1", "in_layers.2" },  { "time_emb_proj", "emb_layers.1" },
        { "norm2", "out_layers.0" }, { "conv2", "out_layers.3" }, { "conv_shortcut", "skip_connection" },
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(name, whole[i][0]) == 0) return snprintf(out, 256, "%s", whole[i][1]) > 0;
    int b = 0, i = 0, at = 0;
    char kind[16] = "";
    if (sscanf(name, "down_blocks.%d.%15[a-z].%d.%n", &b, kind, &i, &at) == 3 && at) {
        if (strcmp(kind, "downsamplers") == 0) return snprintf(out, 256, "input_blocks.%d.0.op", (L + 1) * (b + 1)) > 0;
        snprintf(out, 256, "input_blocks.%d.%d.", 1 + (L + 1) * b + i, strcmp(kind, "resnets") != 0);
    } else if (sscanf(name, "up_blocks.%d.%15[a-z].%d.%n", &b, kind, &i, &at) == 3 && at) {
        if (strcmp(kind, "upsamplers") == 0) return snprintf(out, 256, "output_blocks.%d.2.conv", (L + 1) * b + L) > 0;
        snprintf(out, 256, "output_blocks.%d.%d.", (L + 1) * b + i, strcmp(kind, "resnets") != 0);
    } else if (sscanf(name, "mid_block.%15[a-z].%d.%n", kind, &i, &at) == 2 && at) {
        snprintf(out, 256, "middle_block.%d.", strcmp(kind, "resnets") != 0 ? 1 : 2 * i);
    } else {
        return false;
    }
    const char *rest = name + at;
    for (size_t k = 0; strcmp(kind, "resnets") == 0 && k < sizeof resnet / sizeof *resnet; k++)
        if (strcmp(rest, resnet[k][0]) == 0) rest = resnet[k][1];
    size_t len = strlen(out);
    return snprintf(out + len, 256 - len, "%s", rest) > 0;
}

/* ---- the index --------------------------------------------------------------------------------------------------------- */

static Place *row_new(Places *x, const char *name)
{
    x->row = mem_grow(x->row, (x->count + 1) * sizeof *x->row);
    struct PlaceRow *r = &x->row[x->count++];
    *r = (struct PlaceRow){ .name = mem_strdup(name) };
    for (char *p = r->name; *p; p++)
        if (*p == '.') *p = '_';
    return &r->place;
}

/* Adds a weight under its module's name without the end, in the network's words and in LDM's. */
static void add(Places *x, const AdapterTarget *t, const char *name, const char *end, Place what)
{
    static const char TEXT[] = "text_model.";
    char module[256], ldm[256];
    size_t len = strlen(name) - strlen(end);
    if (!str_ends(name, end) || len >= sizeof module) return;
    memcpy(module, name, len);
    module[len] = 0;
    bool text = t->network != NETWORK_UNET && str_starts(module, TEXT);
    bool named = t->ldm_layers > 0 && ldm_name(module, t->ldm_layers, ldm);
    what.block = named ? blocks_of(ldm) : -1;
    *row_new(x, text ? module + sizeof TEXT - 1 : module) = what;
    if (named) *row_new(x, ldm) = what;
    char *up = named && strstr(module, ".upsamplers.") ? strstr(ldm, ".2.conv") : NULL;
    if (!up) return;
    up[1] = '1'; /* behind a level without attention */
    *row_new(x, ldm) = what;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct PlaceRow *)a)->name, ((const struct PlaceRow *)b)->name);
}

/* Rows of the same name become one: a layer's matrix and its bias. */
static void join(Places *x)
{
    size_t n = 0;
    if (x->count) qsort(x->row, x->count, sizeof *x->row, by_name);
    for (size_t i = 0; i < x->count; i++) {
        struct PlaceRow *last = n ? &x->row[n - 1] : NULL, *r = &x->row[i];
        if (!last || strcmp(last->name, r->name) != 0) {
            x->row[n++] = *r;
            continue;
        }
        if (r->place.matrix) last->place.matrix = r->place.matrix;
        if (r->place.weight) last->place.weight = r->place.weight;
        if (r->place.bias) last->place.bias = r->place.bias;
        free(r->name);
    }
    x->count = n;
}

Places places_new(const AdapterTarget *t)
{
    Places x = { 0 };
    const BoundMemory *b = t->bound;
    for (size_t i = 0; i < b->matrix_count; i++)
        add(&x, t, b->matrices[i].name, ".weight", (Place){ .matrix = &b->matrices[i] });
    for (size_t i = 0; i < b->vector_count; i++) {
        add(&x, t, b->vectors[i].name, ".weight", (Place){ .weight = &b->vectors[i] });
        add(&x, t, b->vectors[i].name, ".bias", (Place){ .bias = &b->vectors[i] });
    }
    join(&x);
    return x;
}

void places_free(Places *x)
{
    for (size_t i = 0; i < x->count; i++) free(x->row[i].name);
    free(x->row);
    *x = (Places){ 0 };
}

static int against(const void *key, const void *row) { return strcmp(key, ((const struct PlaceRow *)row)->name); }

const Place *places_find(const Places *x, const char *module)
{
    const struct PlaceRow *r = x->count ? bsearch(module, x->row, x->count, sizeof *x->row, against) : NULL;
    return r ? &r->place : NULL;
}

int places_last(const Places *x)
{
    int last = 0;
    for (size_t i = 0; i < x->count; i++) {
        int block = x->row[i].place.block;
        if (block < BLOCKS_MID && block > last) last = block;
    }
    return last;
}
