/* describe_adapter.c - see describe_adapter.h. */
#include "pipeline/describe_adapter.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "adapter/info.h"
#include "base/json.h"
#include "base/wrap.h"
#include "pipeline/describe_few.h"
#include "weights/kind.h"
#include "weights/safetensors.h"

enum { LEFT = 17, WIDTH = 79 };

static const char *const networks[NETWORK_COUNT + 1] = { "unet", "text_encoder", "text_encoder_2", "unknown" };

static void add_json(const char *path, const AdapterInfo *i, Bytes file, Str *out)
{
    Str kinds = { 0 };
    cJSON *root = cJSON_CreateObject();
    adapter_info_kinds(i, &kinds);
    json_add_text(root, "path", path);
    cJSON_AddStringToObject(root, "kind", str_text(&kinds));
    cJSON_AddStringToObject(root, "family", i->family ? i->family : "");
    cJSON *modules = cJSON_AddObjectToObject(root, "modules");
    for (int n = 0; n <= NETWORK_COUNT; n++)
        if (i->of_network[n]) cJSON_AddNumberToObject(modules, networks[n], (double)i->of_network[n]);
    if (i->rank[1]) {
        cJSON_AddItemToObject(root, "rank",
                              cJSON_CreateDoubleArray((double[]){ (double)i->rank[0], (double)i->rank[1] }, 2));
        cJSON_AddItemToObject(root, "scale", cJSON_CreateDoubleArray(i->scale, 2));
    }
    if (i->name) json_add_text(root, "name", i->name);
    if (i->base) json_add_text(root, "trained_on", i->base);
    if (i->trigger) json_add_text(root, "trigger_phrase", i->trigger);
    cJSON *tags = cJSON_AddObjectToObject(root, "tags");
    for (int k = 0; k < INFO_TAGS && i->tag[k].text; k++)
        cJSON_AddNumberToObject(tags, i->tag[k].text, (double)i->tag[k].count);
    cJSON *norms = cJSON_AddObjectToObject(root, "norms");
    for (int k = 0; k < INFO_BLOCKS; k++) {
        char name[8];
        adapter_info_block(k, name);
        if (i->norm[k] >= 0) cJSON_AddNumberToObject(norms, name, i->norm[k]);
    }
    FewSteps few = few_steps_of_adapter(path, file);
    describe_few_json(&few, root);
    char *text = cJSON_Print(root);
    str_addf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
    str_release(&kinds);
}

static void add_row(Str *out, const char *name, const char *text)
{
    if (!text || !*text) return;
    str_addf(out, "  %-14s ", name);
    wrap_add(out, text, LEFT, WIDTH);
}

static void add_ranks(const AdapterInfo *i, Str *line)
{
    if (!i->rank[1]) return;
    str_addf(line, "%zu", i->rank[0]);
    if (i->rank[1] != i->rank[0]) str_addf(line, " to %zu", i->rank[1]);
    str_addf(line, ", scale %.4g", i->scale[0]);
    if (i->scale[1] > i->scale[0]) str_addf(line, " to %.4g", i->scale[1]);
}

static void add_text(const char *path, const AdapterInfo *i, Bytes file, Str *out)
{
    Str kinds = { 0 }, modules = { 0 }, rank = { 0 }, tags = { 0 }, norms = { 0 };
    adapter_info_kinds(i, &kinds);
    for (int n = 0; n <= NETWORK_COUNT; n++)
        if (i->of_network[n])
            str_addf(&modules, "%s%zu of the %s", modules.len ? ", " : "", i->of_network[n], networks[n]);
    add_ranks(i, &rank);
    for (int k = 0; k < INFO_TAGS && i->tag[k].text; k++)
        str_addf(&tags, "%s%s (%ld)", k ? ", " : "", i->tag[k].text, i->tag[k].count);
    for (int k = 0; k < INFO_BLOCKS; k++) {
        char name[8];
        adapter_info_block(k, name);
        if (i->norm[k] >= 0) str_addf(&norms, "%s%s %.3g", norms.len ? ", " : "", name, i->norm[k]);
    }
    str_addf(out, "%s: %s for %s\n", path, str_text(&kinds), i->family ? i->family : "a model that it does not tell");
    add_row(out, "modules", str_text(&modules));
    add_row(out, "rank", str_text(&rank));
    add_row(out, "name", i->name);
    add_row(out, "trained on", i->base);
    add_row(out, "trigger", i->trigger);
    add_row(out, "tags", str_text(&tags));
    add_row(out, "norms", str_text(&norms));
    FewSteps few = few_steps_of_adapter(path, file);
    describe_few(&few, out);
    add_row(out, "to use it",
            i->foreign ? "limn does not run that kind of model"
                       : "limn generate PROMPT --lora FILE, with a model of that kind");
    str_release(&kinds);
    str_release(&modules);
    str_release(&rank);
    str_release(&tags);
    str_release(&norms);
}

int describe_adapter(const char *path, Weights *w, Bytes file, bool json, Str *out, Err *e)
{
    AdapterInfo i;
    int failed = adapter_info(&i, w, file, true, e);
    if (failed) err_in(e, path);
    else (json ? add_json : add_text)(path, &i, file, out);
    adapter_info_release(&i);
    return failed;
}

static void add_line(const AdapterInfo *i, Str *out)
{
    enum { SHOWN_TAGS = 3 };
    adapter_info_kinds(i, out);
    str_addf(out, " for %s", i->family ? i->family : "a model that it does not tell");
    if (i->rank[1]) str_addf(out, ", rank %zu", i->rank[0]);
    if (i->rank[1] > i->rank[0]) str_addf(out, " to %zu", i->rank[1]);
    if (i->trigger) str_addf(out, "; %s", i->trigger);
    for (int k = 0; !i->trigger && k < SHOWN_TAGS && i->tag[k].text; k++)
        str_addf(out, "%s %s", k ? "," : ";", i->tag[k].text);
}

void describe_adapter_line(const char *path, Str *out)
{
    Bytes file;
    Err e;
    AdapterInfo i = { 0 };
    if (file_map(&file, path, &e)) {
        str_addf(out, "cannot be read: %s", e.text);
        return;
    }
    Weights *w = weights_new();
    int failed = safetensors_read(w, file, &e);
    if (!failed && !adapter_is(w)) failed = err_set(&e, "it is %s", kind_of(w)->what);
    if (!failed) failed = adapter_info(&i, w, file, false, &e);
    if (failed) str_addf(out, "not usable: %s", e.text);
    else add_line(&i, out);
    adapter_info_release(&i);
    weights_free(w);
    file_unmap(&file);
}
