/* describe_embedding.c - see describe_embedding.h. */
#include "pipeline/describe_embedding.h"

#include <cjson/cJSON.h>

#include "adapter/embedding.h"
#include "base/json.h"
#include "weights/safetensors.h"

static void add_json(const char *path, const Embedding *x, Str *out)
{
    cJSON *root = cJSON_CreateObject();
    json_add_text(root, "path", path);
    cJSON_AddStringToObject(root, "kind", "textual inversion");
    cJSON_AddStringToObject(root, "family", embedding_family(x) ? embedding_family(x) : "");
    if (x->token) json_add_text(root, "token", x->token);
    cJSON_AddNumberToObject(root, "vectors", x->vectors);
    cJSON *widths = cJSON_AddArrayToObject(root, "widths");
    for (int i = 0; i < EMBEDDING_ENCODERS && x->of[i].width; i++)
        cJSON_AddItemToArray(widths, cJSON_CreateNumber((double)x->of[i].width));
    char *text = cJSON_Print(root);
    str_addf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* "4 vectors for SD XL" */
static void add_line(const Embedding *x, Str *out)
{
    str_addf(out, "%d vector%s for %s", x->vectors, x->vectors > 1 ? "s" : "",
             embedding_family(x) ? embedding_family(x) : "a text encoder");
    if (!embedding_family(x)) str_addf(out, " of width %zu", x->of[0].width);
    if (x->token) str_addf(out, ", \"%s\"", x->token);
}

int describe_embedding(const char *path, Weights *w, bool json, Str *out, Err *e)
{
    Embedding x;
    int failed = embedding_read(&x, w, e);
    if (failed) err_in(e, path);
    else if (json) add_json(path, &x, out);
    else {
        str_addf(out, "%s: textual inversion, ", path);
        add_line(&x, out);
        str_addf(out, "\n  %-14s limn generate PROMPT --embedding FILE, with its word in the prompt\n", "to use it");
    }
    embedding_release(&x);
    return failed;
}

void describe_embedding_line(const char *path, Str *out)
{
    Bytes file;
    Err e;
    Embedding x = { 0 };
    if (file_map(&file, path, &e)) {
        str_addf(out, "cannot be read: %s", e.text);
        return;
    }
    Weights *w = weights_new();
    if (safetensors_read(w, file, &e) || embedding_read(&x, w, &e)) str_addf(out, "not usable: %s", e.text);
    else add_line(&x, out);
    embedding_release(&x);
    weights_free(w);
    file_unmap(&file);
}
