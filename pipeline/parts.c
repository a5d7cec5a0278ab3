/* parts.c - see parts.h. */
#include "pipeline/parts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "hub/cache.h"
#include "pipeline/parts_internal.h"
#include "pipeline/parts_name.h"
#include "weights/kind.h"
#include "weights/read.h"
#include "weights/shapes.h"

Part *parts_named(const Parts *parts, const char *name)
{
    for (int i = 0; i < parts->count; i++)
        if (strcmp(parts->part[i].is->name, name) == 0) return &parts->part[i];
    return NULL;
}

Part *parts_next(const Parts *parts, PartRole role, const Part *before)
{
    for (int i = before ? (int)(before - parts->part) + 1 : 0; i < parts->count; i++)
        if (parts->part[i].is->role == role && part_present(&parts->part[i])) return &parts->part[i];
    return NULL;
}

int parts_map(Parts *parts, const char *path, PartFile **out, Err *e)
{
    assert(parts->files < PARTS_FILES); /* the model's and --vae's */
    PartFile *f = &parts->file[parts->files];
    if (file_map_as(&f->bytes, &f->id, path, e)) return -1;
    f->path = mem_strdup(path);
    parts->files++;
    *out = f;
    return 0;
}

Source *parts_keep(Parts *parts, Source *s)
{
    for (int i = 0; i < PARTS_SOURCES; i++) {
        if (parts->sources[i]) continue;
        parts->sources[i] = s;
        return s;
    }
    abort(); /* a model has at most a folder, a VAE and a tokenizer */
}

/* "models/sd15.safetensors" -> "sd15"; "models/sprites/" -> "sprites" */
static char *short_name(const char *path)
{
    size_t end = strlen(path), begin;
    char *cached = hub_cache_name(path);
    if (cached) return cached;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin && path[begin - 1] != '/'; begin--) continue;
    char *name = mem_strndup(path + begin, end - begin);
    name[strlen(name) - weights_ending(name)] = 0;
    return name;
}

/* The width of the UNet's first level, and of what it attends to. */
static const struct {
    int channels, context;
    const char *name;
} families[] = {
    { 320, 768, "SD 1.x" }, { 320, 1024, "SD 2.x" }, { 320, 2048, "SD XL" }, { 384, 1280, "SD XL refiner" }
};

/* What the UNet is made for tells the family. */
static const char *family_of(const Parts *parts, Err *e)
{
    const Part *unet = parts_next(parts, ROLE_NETWORK, NULL);
    Config *c = config_parse((Bytes){ (const unsigned char *)str_text(&unet->config), unet->config.len },
                             unet->config_where, e);
    if (!c) return NULL;
    int context =
        config_list_len(c, "cross_attention_dim") > 0 ? 0 : config_int(c, "cross_attention_dim", 1280, 1, 1 << 20);
    int channels = config_list_len(c, "block_out_channels") > 0 ? (int)config_num_at(c, "block_out_channels", 0) : 0;
    config_free(c);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i].channels == channels && families[i].context == context) return families[i].name;
    return "custom";
}

void parts_note(Parts *parts, const char *fmt, ...)
{
    Err line; /* keeps control characters out */
    va_list ap;
    char text[sizeof line.text];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(&line, "%s", text);
    str_addf(&parts->notes, "%s\n", line.text);
}

void parts_note_rest(Parts *parts, Weights *all, const char *where)
{
    enum { NAMED = 3 };
    char buf[SHOWN_MAX];
    Str names = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < weights_count(all); i++) {
        const Weight *t = weights_at(all, i);
        if (t->used || parts_needless(t->name)) continue;
        const char *what = kind_of_tensor(t->name);
        if (count++ < NAMED)
            str_addf(&names, "%s\"%s\"%s%s%s", names.len ? ", " : "", shown(t->name, buf), what ? " (of " : "",
                     what ? what : "", what ? ")" : "");
    }
    if (count > NAMED) str_addf(&names, " and %zu more", count - NAMED);
    if (count)
        parts_note(parts, "%s: passed over, as no network of a Stable Diffusion model has %s: %s", where,
                   count == 1 ? "it" : "them", str_text(&names));
    str_release(&names);
}

static int open_named(Parts *parts, const char *name, const ModelPaths *p, Err *e)
{
    NameKind kind;
    Source *s;
    if (parts_name_find(name, &kind, &parts->path, e)) return -1;
    parts->name = short_name(parts->path);
    if (kind == NAME_FILE) {
        if (parts_open_file(parts, parts->path, p, e)) return -1;
    } else {
        s = kind == NAME_BUILTIN ? source_open_builtin(name, e) : source_open(parts->path, e);
        if (!s || parts_open_folder(parts, parts_keep(parts, s), p, e)) return -1;
    }
    if (p->vae && parts_open_alone(parts, parts_named(parts, "vae"), p->vae, "--vae", e)) return -1;
    if (p->tokenizer) {
        s = source_open(p->tokenizer, e);
        if (!s || parts_give_tokenizers(parts, parts_keep(parts, s), e)) return err_in(e, "--tokenizer");
    }
    for (Part *text = NULL; (text = parts_next(parts, ROLE_TEXT, text));)
        text->tokenizer.files.rows = shapes_dim(text->weights, 0, "text_model.embeddings.token_embedding.weight");
    if (!parts->family) parts->family = family_of(parts, e);
    if (parts->family && p->vae) parts_note_tiny(parts, p->vae);
    return parts->family ? 0 : -1;
}

static void parts_init(Parts *parts)
{
    *parts = (Parts){ 0 };
    while (components[parts->count].name) parts->count++;
    parts->part = mem_array((size_t)parts->count, sizeof *parts->part);
    for (int i = 0; i < parts->count; i++) parts->part[i].is = &components[i];
}

int parts_open_codec(Parts *parts, const char *path, const char *option, const Part **vae, Err *e)
{
    parts_init(parts);
    *vae = parts_named(parts, "vae");
    return parts_open_alone(parts, parts_named(parts, "vae"), path, option, e);
}

int parts_open(Parts *parts, const ModelPaths *p, Err *e)
{
    const char *from_env = getenv("LIMN_MODEL");
    bool by_env = !p->path && from_env && *from_env;
    parts_init(parts);
    if (open_named(parts, p->path ? p->path : by_env ? from_env : "sprites", p, e) == 0) return 0;
    return by_env ? err_in(e, "$LIMN_MODEL") : -1;
}

void parts_release(Parts *parts)
{
    for (int i = 0; i < parts->count; i++) {
        Part *p = &parts->part[i];
        PartTokenizer *t = &p->tokenizer;
        free(p->where);
        free(p->config_where);
        str_release(&p->config);
        weights_free(p->weights);
        free(t->where);
        free(t->pad);
        str_release(&t->vocab);
        str_release(&t->merges);
        str_release(&t->added_tokens);
    }
    free(parts->part);
    free(parts->path);
    free(parts->name);
    free(parts->scheduler_class);
    free(parts->pipeline);
    free(parts->note);
    free(parts->config_from);
    str_release(&parts->notes);
    free(parts->scheduler_where);
    free(parts->hashed_path);
    str_release(&parts->scheduler);
    str_release(&parts->vae_shift);
    config_free(parts->defaults);
    words_free(parts->words);
    for (int i = 0; i < PARTS_SOURCES; i++) source_free(parts->sources[i]);
    for (int i = 0; i < parts->files; i++) {
        file_unmap(&parts->file[i].bytes);
        free(parts->file[i].path);
    }
    *parts = (Parts){ 0 };
}

FileChange parts_change(const Parts *parts, Str *path)
{
    FileChange worst = FILE_SAME;
    for (int i = 0; i < parts->files; i++) {
        FileChange c = file_change(&parts->file[i].id, parts->file[i].path);
        if (c <= worst) continue;
        worst = c;
        str_clear(path);
        str_add(path, parts->file[i].path);
    }
    for (int i = 0; i < PARTS_SOURCES; i++) {
        Str own = { 0 };
        FileChange c = parts->sources[i] ? source_change(parts->sources[i], &own) : FILE_SAME;
        if (c > worst) {
            worst = c;
            str_clear(path);
            str_add(path, str_text(&own));
        }
        str_release(&own);
    }
    return worst;
}
