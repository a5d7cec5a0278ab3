/* component.c - see component.h. Names as diffusers and transformers write them (variants, sharded checkpoints). */
#include "weights/component.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "weights/read.h"

const char *const component_variants[] = { "", "fp32", "fp16", "bf16", "non_ema", NULL };

static const char *const stems[] = { "diffusion_pytorch_model", "model" };

/* In the order of preference; %v is the variant with a dot before it. Without one they are two: the file and its index. */
static const char *const places[] = { "%v.safetensors", ".safetensors.index%v.json", "%v.safetensors.index.json",
                                      ".safetensors%v.index.json" };

/* What is there instead in folders that were saved otherwise. */
#define PICKLE                                                                                                         \
    "a PyTorch pickle, which can hold a program, so limn does not read it, and there is no safetensors file next to "  \
    "it"
static const struct {
    const char *name, *what;
} instead[] = {
    { "diffusion_pytorch_model.bin", PICKLE },
    { "pytorch_model.bin", PICKLE },
    { "diffusion_pytorch_model.fp16.bin", PICKLE },
    { "pytorch_model.fp16.bin", PICKLE },
    { "diffusion_pytorch_model.non_ema.bin", PICKLE },
    { "pytorch_model.bin.index.json", PICKLE },
    { "diffusion_pytorch_model.bin.index.json", PICKLE },
    { "diffusion_flax_model.msgpack", "Flax's weights, which limn does not read" },
    { "flax_model.msgpack", "Flax's weights, which limn does not read" },
    { "model.onnx", "an ONNX model, which limn does not read" },
    { "openvino_model.bin", "an OpenVINO model, which limn does not read" },
};

enum {
    STEMS = sizeof stems / sizeof *stems,
    PLACES = sizeof places / sizeof *places,
    INSTEAD = sizeof instead / sizeof *instead
};

bool component_name(Str *out, const char *variant, int i)
{
    int count = *variant ? PLACES : 2;
    if (i >= count * STEMS) return false;
    const char *place = places[i / STEMS], *mark = strstr(place, "%v");
    str_clear(out);
    str_addf(out, "%s%.*s%s%s%s", stems[i % STEMS], (int)(mark - place), place, *variant ? "." : "", variant, mark + 2);
    return true;
}

static void join(Str *out, const char *folder)
{
    str_clear(out);
    str_addf(out, "%s%s", folder, *folder ? "/" : "");
}

int component_find(const Source *s, const char *folder, Str *out, Err *e)
{
    Str name = { 0 };
    bool found = false;
    for (const char *const *v = component_variants; *v && !found; v++) {
        for (int i = 0; !found && component_name(&name, *v, i); i++) {
            join(out, folder);
            str_add(out, name.s);
            found = source_has(s, out->s);
        }
    }
    str_release(&name);
    if (found) return 0;
    for (int i = 0; i < INSTEAD; i++) {
        join(out, folder);
        str_add(out, instead[i].name);
        if (source_has(s, out->s))
            return err_set(e,
                           "%s/%s: %s. Convert the model once: python3 -c \"from diffusers import %s as P; "
                           "P.from_pretrained('%s').save_pretrained('OUT')\"",
                           source_name(s), out->s, instead[i].what, *folder ? "DiffusionPipeline" : "AutoModel",
                           source_name(s));
    }
    join(out, folder);
    return err_set(
        e, "%s/%s: no weights there: expected %s.safetensors or %s.safetensors (or .fp16, or an index of shards)",
        source_name(s), out->s, stems[0], stems[1]);
}

/* A shard's name may not lead out of the folder of its index. */
static bool plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && !strchr(name, '\\') && str_ends(name, ".safetensors");
}

/* Reads one shard and checks that it holds what the index promises. */
static int read_shard(Source *s, const char *path, const char *shard, const cJSON *map, Weights *w, Err *e)
{
    char name[SHOWN_MAX];
    Bytes file;
    const cJSON *item;
    if (source_get(s, path, &file, e)) return -1;
    if (weights_read(w, file, e)) return err_in(e, path);
    cJSON_ArrayForEach(item, map)
    {
        if (strcmp(cJSON_GetStringValue(item), shard) != 0) continue;
        const Weight *t = weights_find(w, item->string);
        if (!t || t->data < file.data || t->data > file.data + file.len)
            return err_set(e, "%s: the tensor \"%s\" is missing, which the index says is here", path,
                           shown(item->string, name));
    }
    return 0;
}

static int read_index(Source *s, const char *file, Weights *w, Err *e)
{
    char name[SHOWN_MAX];
    Bytes text;
    Str path = { 0 }, seen = { 0 };
    int failed = -1;
    const cJSON *item, *map;
    cJSON *root = NULL;

    if (source_get(s, file, &text, e)) return -1;
    root = json_parse(text, e);
    if (!root) return err_in(e, file);
    map = cJSON_GetObjectItemCaseSensitive(root, "weight_map");
    if (!cJSON_IsObject(map)) {
        err_set(e, "%s: no \"weight_map\" object: not an index of shards", file);
        goto done;
    }
    cJSON_ArrayForEach(item, map)
    {
        const char *shard = cJSON_GetStringValue(item);
        if (!shard || !plain_name(shard)) {
            err_set(e, "%s: %s is not the name of a .safetensors file next to it", file, json_shown(item, name));
            goto done;
        }
    }
    cJSON_ArrayForEach(item, map)
    {
        /* "/a.safetensors/b.safetensors/": no name has a slash */
        const char *shard = cJSON_GetStringValue(item), *slash = strrchr(file, '/');
        str_clear(&path);
        str_addf(&path, "/%s/", shard);
        if (strstr(str_text(&seen), path.s)) continue;
        str_add(&seen, path.s);
        str_clear(&path);
        str_addf(&path, "%.*s%s", slash ? (int)(slash - file) + 1 : 0, file, shard);
        if (read_shard(s, path.s, shard, map, w, e)) goto done;
    }
    failed = 0;

done:
    cJSON_Delete(root);
    str_release(&path);
    str_release(&seen);
    return failed;
}

int component_read(Source *s, const char *file, Weights *w, Err *e)
{
    Bytes bytes;
    if (str_ends(file, ".json")) return read_index(s, file, w, e);
    if (source_get(s, file, &bytes, e)) return -1;
    if (source_builtin_sha256(bytes.data))
        weights_defer_check(w); /* of the program's own a test has looked at every number */
    return weights_read(w, bytes, e) ? err_in(e, file) : 0;
}
