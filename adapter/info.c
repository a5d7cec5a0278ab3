/* info.c - see info.h. kohya's metadata: docs/train_network_README of sd-scripts; modelspec: Stability's. */
#include "adapter/info.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "weights/safetensors.h"

enum { TEXT_BLOCK = BLOCKS, TAGS_MAX = 1 << 20 /* bytes of metadata that are looked at */ };

bool adapter_is(Weights *w)
{
    size_t found = 0, count = weights_count(w);
    for (size_t i = 0; i < count; i++) {
        AdapterName n;
        Err ignored;
        const Weight *t = weights_at(w, i);
        bool is = adapter_name(t->name, &n, &ignored) == 0 && n.factor != FACTOR_WEIGHT && n.factor != FACTOR_SCALE;
        found += is;
        str_release(&n.module);
        str_release(&n.dotted);
    }
    return found && found * 2 >= count;
}

void adapter_info_block(int i, char out[8])
{
    if (i < TEXT_BLOCK) blocks_name(i, out);
    else snprintf(out, 8, i == TEXT_BLOCK ? "text" : "text 2");
}

void adapter_info_kinds(const AdapterInfo *i, Str *out)
{
    for (int k = 0; k < INFO_KINDS && i->kind[k].name; k++) str_addf(out, "%s%s", k ? ", " : "", i->kind[k].name);
    if (i->dora) str_add(out, " with DoRA");
}

/* ---- sizes of the changes ---------------------------------------------------------------------------------------------- */

/* The block of a module by its flat name, in LDM's words or in diffusers' (of UNets with two residual blocks a level). */
static int block_of(const Module *m)
{
    static const int PER_LEVEL = 3;
    char name[64], kind[16] = "";
    int b = 0, i = 0;
    if (m->network == NETWORK_TEXT || m->network == NETWORK_TEXT_2) return TEXT_BLOCK + (m->network == NETWORK_TEXT_2);
    if (sscanf(m->name, "input_blocks_%d_", &i) == 1) snprintf(name, sizeof name, "input_blocks.%d.", i);
    else if (sscanf(m->name, "output_blocks_%d_", &i) == 1) snprintf(name, sizeof name, "output_blocks.%d.", i);
    else if (str_starts(m->name, "mid")) snprintf(name, sizeof name, "middle_block.");
    else if (sscanf(m->name, "down_blocks_%3d_%15[a-z]_%3d", &b, kind, &i) == 3)
        snprintf(name, sizeof name, "input_blocks.%d.", PER_LEVEL * b + (*kind == 'd' ? PER_LEVEL : 1 + i));
    else if (sscanf(m->name, "up_blocks_%3d_%15[a-z]_%3d", &b, kind, &i) == 3)
        snprintf(name, sizeof name, "output_blocks.%d.", PER_LEVEL * b + (*kind == 'u' ? PER_LEVEL - 1 : i));
    else return -1;
    int block = blocks_of(name);
    return block >= 0 && block < BLOCKS ? block : -1;
}

/* [n, n] of the rows of x [n, k]: sums of products. */
static double *gram(const float *x, size_t n, size_t k, size_t row, size_t column)
{
    double *out = mem_array(n * n, sizeof *out);
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b <= a; b++) {
            double sum = 0;
            for (size_t i = 0; i < k; i++) sum += (double)x[a * row + i * column] * (double)x[b * row + i * column];
            out[a * n + b] = out[b * n + a] = sum;
        }
    return out;
}

/* |up down|^2 = sum of (up^T up) o (down down^T), which takes no matrix of the model's size. */
static int low_rank_square(const Module *m, double *out, Err *e)
{
    const Weight *down = m->factor[FACTOR_DOWN], *up = m->factor[FACTOR_UP];
    size_t rank = factor_side(down, 0), k = rank ? weight_count(down) / rank : 0,
           rows = rank ? weight_count(up) / rank : 0;
    float scale, *d = NULL, *u = NULL;
    *out = -1;
    if (!rank || rows * rank != weight_count(up) || k * rank != weight_count(down)) return 0;
    int failed =
        factor_scale(m, rank, &scale, e) || factor_read(m, FACTOR_DOWN, &d, e) || factor_read(m, FACTOR_UP, &u, e);
    if (!failed) {
        double *a = gram(d, rank, k, k, 1), *b = gram(u, rank, rows, 1, rank), sum = 0;
        for (size_t i = 0; i < rank * rank; i++) sum += a[i] * b[i];
        *out = (double)scale * (double)scale * fmax(sum, 0);
        free(a);
        free(b);
    }
    free(d);
    free(u);
    return failed ? -1 : 0;
}

static int difference_square(const Module *m, double *out, Err *e)
{
    float *x;
    if (factor_read(m, FACTOR_DIFF, &x, e)) return -1;
    *out = 0;
    for (size_t i = 0; i < weight_count(m->factor[FACTOR_DIFF]); i++) *out += (double)x[i] * (double)x[i];
    free(x);
    return 0;
}

/* < 0: of a kind whose change depends on the model, or that has no short way. */
static int square_of(const Module *m, double *out, Err *e)
{
    *out = -1;
    if (kind_dora(m)) return 0;
    if (m->factor[FACTOR_DOWN] && m->factor[FACTOR_UP] && !m->factor[FACTOR_MID]) return low_rank_square(m, out, e);
    return m->factor[FACTOR_DIFF] ? difference_square(m, out, e) : 0;
}

static int measure(AdapterInfo *out, const Modules *m, Err *e)
{
    double sum[INFO_BLOCKS] = { 0 };
    bool there[INFO_BLOCKS] = { false };
    for (size_t i = 0; i < m->count; i++) {
        double square;
        int block = block_of(&m->module[i]);
        if (square_of(&m->module[i], &square, e)) return -1;
        if (block < 0 || square < 0) continue;
        sum[block] += square;
        there[block] = true;
    }
    for (int i = 0; i < INFO_BLOCKS; i++)
        if (there[i]) out->norm[i] = sqrt(sum[i]);
    return 0;
}

/* ---- what the modules are ------------------------------------------------------------------------------------------------ */

static void count_kind(AdapterInfo *out, const char *name)
{
    int i = 0;
    while (i < INFO_KINDS - 1 && out->kind[i].name && out->kind[i].name != name) i++;
    out->kind[i].name = name;
    out->kind[i].modules++;
    for (; i > 0 && out->kind[i].modules > out->kind[i - 1].modules; i--) {
        const char *n = out->kind[i].name;
        size_t c = out->kind[i].modules;
        out->kind[i] = out->kind[i - 1];
        out->kind[i - 1].name = n;
        out->kind[i - 1].modules = c;
    }
}

static void widen(double range[2], double x, bool first)
{
    if (first || x < range[0]) range[0] = x;
    if (first || x > range[1]) range[1] = x;
}

static int count_modules(AdapterInfo *out, const Modules *m, Err *e)
{
    double rank[2] = { 0 };
    bool ranked = false;
    out->modules = m->count;
    for (size_t i = 0; i < m->count; i++) {
        const Module *x = &m->module[i];
        float scale;
        const Kind *k = module_kind(x, e);
        if (!k) return -1;
        size_t r = kind_rank(k, x);
        count_kind(out, kind_name(k));
        out->of_network[x->network]++;
        out->dora += kind_dora(x);
        if (!r) continue;
        if (factor_scale(x, r, &scale, e)) return -1;
        widen(rank, (double)r, !ranked);
        widen(out->scale, (double)scale, !ranked);
        ranked = true;
    }
    out->rank[0] = (size_t)rank[0];
    out->rank[1] = (size_t)rank[1];
    return 0;
}

/* ---- the trainer's words --------------------------------------------------------------------------------------------------- */

static void add_tag(AdapterInfo *out, const char *text, long count)
{
    int i = INFO_TAGS;
    while (i > 0 && (!out->tag[i - 1].text || out->tag[i - 1].count < count)) i--;
    if (i == INFO_TAGS) return;
    free(out->tag[INFO_TAGS - 1].text);
    memmove(&out->tag[i + 1], &out->tag[i], (size_t)(INFO_TAGS - 1 - i) * sizeof out->tag[0]);
    out->tag[i].text = mem_strdup(text);
    out->tag[i].count = count;
}

static const char *tag_text(const cJSON *tag) { return tag->string + strspn(tag->string, " "); }

static int by_text(const void *a, const void *b)
{
    return strcmp(tag_text(*(const cJSON *const *)a), tag_text(*(const cJSON *const *)b));
}

/* {"10_ink": {"an ink drawing": 40, ...}, ...}: the same tag in several folders counts as one. */
static void read_tags(AdapterInfo *out, const cJSON *folders)
{
    const cJSON *folder, *tag, **all = NULL;
    size_t n = 0, count = 0;
    cJSON_ArrayForEach(folder, folders) count += (size_t)cJSON_GetArraySize(folder);
    all = mem_array(count + 1, sizeof(cJSON *));
    cJSON_ArrayForEach(folder, folders)
    {
        for (tag = folder->child; tag; tag = tag->next)
            if (tag->string && cJSON_IsNumber(tag)) all[n++] = tag;
    }
    if (n) qsort((void *)all, n, sizeof *all, by_text);
    for (size_t i = 0, next; i < n; i = next) {
        double sum = 0;
        for (next = i; next < n && strcmp(tag_text(all[next]), tag_text(all[i])) == 0; next++)
            sum += all[next]->valuedouble;
        add_tag(out, tag_text(all[i]), sum < 1e9 ? (long)sum : (long)1e9);
    }
    free((void *)all);
}

static void read_metadata(AdapterInfo *out, Bytes file)
{
    char *tags = safetensors_metadata(file, "ss_tag_frequency");
    Err ignored;
    cJSON *root =
        tags && strlen(tags) < TAGS_MAX ? json_parse((Bytes){ (unsigned char *)tags, strlen(tags) }, &ignored) : NULL;
    if (root) read_tags(out, root);
    cJSON_Delete(root);
    free(tags);
    out->trigger = safetensors_metadata(file, "modelspec.trigger_phrase");
    out->name = safetensors_metadata(file, "ss_output_name");
    if (!out->name) out->name = safetensors_metadata(file, "modelspec.title");
    out->base = safetensors_metadata(file, "ss_sd_model_name");
}

int adapter_info(AdapterInfo *out, Weights *w, Bytes file, bool norms, Err *e)
{
    Modules m;
    *out = (AdapterInfo){ 0 };
    for (int i = 0; i < INFO_BLOCKS; i++) out->norm[i] = -1;
    int failed =
        modules_read(&m, w, file, false, e) || count_modules(out, &m, e) || (norms && measure(out, &m, e)) ? -1 : 0;
    out->family = adapter_foreign(w);
    out->foreign = out->family != NULL;
    if (!failed && !out->foreign) out->family = modules_family(&m, file);
    if (!failed) read_metadata(out, file);
    modules_release(&m);
    return failed;
}

void adapter_info_release(AdapterInfo *i)
{
    for (int k = 0; k < INFO_TAGS; k++) free(i->tag[k].text);
    free(i->name);
    free(i->base);
    free(i->trigger);
    *i = (AdapterInfo){ 0 };
}
