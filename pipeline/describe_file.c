/* describe_file.c - see describe_file.h. */
#include "pipeline/describe_file.h"

#include <cjson/cJSON.h>

#include "adapter/embedding.h"
#include "adapter/info.h"
#include "base/json.h"
#include "pipeline/describe_adapter.h"
#include "pipeline/describe_control.h"
#include "pipeline/describe_embedding.h"
#include "weights/kind.h"
#include "weights/read.h"

Sum describe_sum(Weights *w)
{
    Sum s = { .tensors = weights_count(w) };
    for (size_t i = 0; i < s.tensors; i++) {
        const Weight *t = weights_at(w, i);
        s.parameters += weight_count(t);
        s.bytes += t->bytes;
        s.types[t->dtype] = true;
    }
    return s;
}

const char *describe_types(const Sum *s, Str *out)
{
    str_clear(out);
    for (DType t = 0; t < DT_COUNT; t++)
        if (s->types[t]) str_addf(out, "%s%s", out->len ? ", " : "", dtype_name(t));
    return str_text(out);
}

void describe_add_sum(cJSON *to, const Sum *s)
{
    cJSON *types = cJSON_AddArrayToObject(to, "dtypes");
    for (DType t = 0; t < DT_COUNT; t++)
        if (s->types[t]) cJSON_AddItemToArray(types, cJSON_CreateString(dtype_name(t)));
    cJSON_AddNumberToObject(to, "tensors", (double)s->tensors);
    cJSON_AddNumberToObject(to, "parameters", (double)s->parameters);
    cJSON_AddNumberToObject(to, "bytes", (double)s->bytes);
}

void describe_print(cJSON *root, Str *out)
{
    char *text = cJSON_Print(root);
    str_addf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static int describe_weights(const char *path, Weights *w, bool json, Str *out)
{
    Sum s = describe_sum(w);
    const Kind *kind = kind_of(w);
    const char *foreign = adapter_foreign(w);
    Str what = { 0 };
    str_addf(&what, foreign ? "a LoRA for %s" : "%s", foreign ? foreign : kind->what);
    if (json) {
        cJSON *root = cJSON_CreateObject();
        json_add_text(root, "path", path);
        cJSON_AddStringToObject(root, "kind", what.s);
        describe_add_sum(root, &s);
        describe_print(root, out);
        str_release(&what);
        return 0;
    }
    Str types = { 0 };
    str_addf(out, "%s: %s\n  %-14s %zu (%s)\n  %-14s %.2f M\n  %-14s %s\n", path, what.s, "tensors", s.tensors,
             describe_types(&s, &types), "parameters", (double)s.parameters * 1e-6, "to use it",
             foreign ? "limn does not run that kind of model" : kind->advice);
    str_release(&types);
    str_release(&what);
    return 0;
}

static int describe_known(const char *path, Weights *w, Bytes file, bool json, Str *out, Err *e)
{
    if (adapter_is(w)) return describe_adapter(path, w, file, json, out, e);
    ControlKind control = describe_control_kind(w);
    if (control != CONTROL_KINDS) return describe_control(path, control, json, out, e);
    if (embedding_is(w)) return describe_embedding(path, w, json, out, e);
    return describe_weights(path, w, json, out);
}

int describe_file(const char *path, bool json, Str *out, bool *done, Err *e)
{
    Bytes file;
    Weights *w = weights_new();
    int failed = -1;
    if (file_map(&file, path, e)) goto done;
    if (weights_read(w, file, e)) {
        err_in(e, path);
        goto done;
    }
    *done = kind_of(w)->id != KIND_CHECKPOINT;
    failed = *done ? describe_known(path, w, file, json, out, e) : 0;

done:
    file_unmap(&file);
    weights_free(w);
    return failed;
}
