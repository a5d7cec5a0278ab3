/* parts.c - see parts.h. */
#include "pipeline/parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "pipeline/parts_name.h"
#include "weights/json.h"
#include "weights/kind.h"
#include "weights/shapes.h"

const char *const part_names[PART_COUNT] = { "text_encoder", "text_encoder_2", "unet", "vae" };

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
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin && path[begin - 1] != '/'; begin--) continue;
    char *name = mem_strndup(path + begin, end - begin);
    if (str_ends(name, ".safetensors")) name[strlen(name) - strlen(".safetensors")] = 0;
    return name;
}

/* What the UNet is made for tells the family. */
static const char *family_of(const Parts *parts, Err *e)
{
    const Part *unet = &parts->part[PART_UNET];
    Config *c = config_parse((Bytes){ (const unsigned char *)str_text(&unet->config), unet->config.len },
                             unet->config_where, e);
    if (!c) return NULL;
    int context =
        config_list_len(c, "cross_attention_dim") > 0 ? 0 : config_int(c, "cross_attention_dim", 1280, 1, 1 << 20);
    bool real = config_list_len(c, "block_out_channels") > 0 && config_num_at(c, "block_out_channels", 0) == 320;
    config_free(c);
    if (!real) return "custom";
    return context == 768 ? "SD 1.x" : context == 1024 ? "SD 2.x" : context == 2048 ? "SD XL" : "custom";
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

/* --tokenizer: one folder serves all encoders, unless there is one beside it for the second. */
static int read_given_tokenizers(Parts *parts, Source *s, Err *e)
{
    for (int i = 0; i < TEXTS_MAX; i++) {
        if (!part_present(&parts->part[PART_TEXT + i])) continue;
        bool whole = source_has(s, "tokenizer/vocab.json") || source_has(s, "tokenizer/tokenizer.json");
        const char *folder = !whole ? "" : i == 0 ? "tokenizer/" : "tokenizer_2/";
        if (parts_read_tokenizer(&parts->tokenizer[i], s, folder, e)) return -1;
    }
    return 0;
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
    if (p->vae && parts_open_vae(parts, p->vae, e)) return -1;
    if (p->tokenizer) {
        s = source_open(p->tokenizer, e);
        if (!s || read_given_tokenizers(parts, parts_keep(parts, s), e)) return err_in(e, "--tokenizer");
    }
    for (int i = 0; i < TEXTS_MAX; i++)
        if (part_present(&parts->part[PART_TEXT + i]))
            parts->tokenizer[i].files.rows =
                shapes_dim(parts->part[PART_TEXT + i].weights, 0, "text_model.embeddings.token_embedding.weight");
    if (!parts->family) parts->family = family_of(parts, e);
    return parts->family ? 0 : -1;
}

int parts_open(Parts *parts, const ModelPaths *p, Err *e)
{
    const char *from_env = getenv("LIMN_MODEL");
    bool by_env = !p->path && from_env && *from_env;
    *parts = (Parts){ 0 };
    if (open_named(parts, p->path ? p->path : by_env ? from_env : "sprites", p, e) == 0) return 0;
    return by_env ? err_in(e, "$LIMN_MODEL") : -1;
}

void parts_release(Parts *parts)
{
    for (int i = 0; i < PART_COUNT; i++) {
        Part *p = &parts->part[i];
        free(p->where);
        free(p->config_where);
        str_release(&p->config);
        weights_free(p->weights);
    }
    for (int i = 0; i < TEXTS_MAX; i++) {
        PartTokenizer *t = &parts->tokenizer[i];
        free(t->where);
        str_release(&t->vocab);
        str_release(&t->merges);
        str_release(&t->added_tokens);
    }
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
    config_free(parts->defaults);
    words_free(parts->words);
    for (int i = 0; i < PARTS_SOURCES; i++) source_free(parts->sources[i]);
    file_unmap(&parts->file);
    file_unmap(&parts->vae_file);
    *parts = (Parts){ 0 };
}

FileChange parts_change(const Parts *parts, Str *path)
{
    const struct {
        const Bytes *bytes;
        const FileId *id;
        const char *where;
    } files[] = { { &parts->file, &parts->file_id, parts->hashed_path },
                  { &parts->vae_file, &parts->vae_file_id, parts->part[PART_VAE].where } };
    FileChange worst = FILE_SAME;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FileChange c = files[i].bytes->len ? file_change(files[i].id, files[i].where) : FILE_SAME;
        if (c <= worst) continue;
        worst = c;
        str_clear(path);
        str_add(path, files[i].where);
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
