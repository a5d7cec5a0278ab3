/* find.c - the keys of pictures, and what earlier runs and other machines have left under them. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compare/run.h"
#include "pipeline/metadata.h"

/* The metadata without the model's path, which does not change the bytes. kernels: of the machine that drew it; NULL: this one. */
static void make_key(const Run *r, const Wanted *w, const Job *said, const char *kernels, char key[STORE_KEY + 1])
{
    Str json = { 0 };
    metadata_json(said, r->model, w->seed, &json);
    cJSON *root = cJSON_Parse(str_text(&json));
    cJSON_DeleteItemFromObject(cJSON_GetObjectItem(root, "model"), "path");
    if (kernels) cJSON_ReplaceItemInObject(root, "kernels", cJSON_CreateString(kernels));
    char *text = cJSON_PrintUnformatted(root);
    str_clear(&json);
    str_addf(&json, "%s%s", text, w->more);
    store_key(key, str_text(&json));
    cJSON_free(text);
    cJSON_Delete(root);
    str_release(&json);
}

static bool try_key(const Run *r, const Wanted *w, Found *found, Drawn *out)
{
    Str file = { 0 };
    free(found->file);
    store_file(&file, w->words, found->key);
    found->file = file.s;
    return store_read(&r->c->store, found->file, found->key, out);
}

/* Machines of another kind have other kernel sets, and choose --precision auto in their own way. */
static bool find_others(const Run *r, const Wanted *w, Found *found, Drawn *out)
{
    static const char *const precisions[] = { "f32", "bf16", "conv:bf16+linear:bf16+attention:bf16",
                                              "conv:i16+linear:f32+attention:f32" };
    static const char *const sets[] = { "amx",  "avx512bf16", "avx512vnni", "avx512", "avx2vnni",
                                        "avx2", "neon",       "portable",   NULL };
    bool there = false;
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions && !there; i++) {
        Job said;
        Err unused;
        job_copy(&said, w->said);
        if (strcmp(r->c->base->precision, "auto") == 0)
            job_set(&said, option_find("precision", strlen("precision")), precisions[i], &unused);
        for (int k = 0; sets[k] && !there; k++) {
            make_key(r, w, &said, sets[k], found->key);
            there = try_key(r, w, found, out);
        }
        job_release(&said);
    }
    return there;
}

bool run_find(const Run *r, const Wanted *w, Found *found, Drawn *out)
{
    make_key(r, w, w->said, NULL, found->key);
    return try_key(r, w, found, out) || (r->c->merge && find_others(r, w, found, out));
}
