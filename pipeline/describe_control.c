/* describe_control.c - see describe_control.h. */
#include "pipeline/describe_control.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "pipeline/control_file.h"
#include "weights/kind.h"
#include "weights/shapes.h"

/* ---- what it is ---- */

static bool any_begins(const Weights *w, const char *with)
{
    for (size_t i = 0; i < weights_count(w); i++)
        if (str_starts(weights_at((Weights *)(size_t)w, i)->name, with)) return true;
    return false;
}

ControlKind describe_control_kind(const Weights *w)
{
    const Kind *kind = kind_of((Weights *)(size_t)w);
    if (kind->id != KIND_CONTROL) return CONTROL_KINDS;
    if (any_begins(w, "image_proj.")) return CONTROL_IP;
    return any_begins(w, "adapter.") || any_begins(w, "body.") ? CONTROL_T2I : CONTROL_NET;
}

ControlKind describe_control_folder(const char *path)
{
    Err e;
    Bytes text;
    ControlKind kind = CONTROL_KINDS;
    Source *s = file_is_dir(path) ? source_open(path, &e) : NULL;
    Config *c = s && !source_has(s, "model_index.json") && source_has(s, "config.json") &&
                        !source_get(s, "config.json", &text, &e)
                    ? config_parse(text, path, &e)
                    : NULL;
    const char *class = c ? config_str(c, "_class_name", "") : "";
    if (strcmp(class, "ControlNetModel") == 0 || strcmp(class, "ControlNetUnionModel") == 0) kind = CONTROL_NET;
    if (strcmp(class, "T2IAdapter") == 0) kind = CONTROL_T2I;
    config_free(c);
    if (s) source_free(s);
    return kind;
}

/* By the width of what its attentions read, or how far it makes a picture smaller. */
static const char *family_of(const ControlFile *f)
{
    int width = f->ip ? ip_context_width(f->ip) : f->net ? controlnet_context_width(f->net) : 0;
    if (f->t2i) return strcmp(t2i_type(f->t2i), "full_adapter_xl") == 0 ? "SD XL" : "SD 1.x";
    return width == 768 ? "SD 1.x" : width == 1024 ? "SD 2.x" : width == 2048 ? "SD XL" : "custom";
}

static void add_takes(const ControlFile *f, Str *out)
{
    int channels = f->net ? controlnet_hint_channels(f->net) : f->t2i ? t2i_hint_channels(f->t2i) : 0;
    if (f->ip)
        str_addf(out, "a picture, as an image encoder's %s of %d", ip_takes_tokens(f->ip) ? "tokens" : "vector",
                 ip_feature_width(f->ip));
    else str_addf(out, "a map in %s", channels == 1 ? "grey" : "colour");
}

/* ---- said ---- */

typedef struct {
    const char *what, *kind, *family;
    Str takes, use;
    size_t tensors, parameters;
} About;

static About about(const ControlFile *f)
{
    static const char *const what[CONTROL_KINDS] = { "a ControlNet", "a T2I-Adapter", "an IP-Adapter" };
    About a = { .what = what[f->kind],
                .kind = f->t2i  ? t2i_type(f->t2i)
                        : f->ip ? ip_kind(f->ip)
                                : NULL,
                .family = family_of(f) };
    for (size_t i = 0; i < weights_count(f->weights); i++) a.parameters += weight_count(weights_at(f->weights, i));
    a.tensors = weights_count(f->weights);
    add_takes(f, &a.takes);
    str_addf(&a.use, "--%s model=%s,image=FILE", control_options[f->kind], f->path);
    return a;
}

static void add_json(const ControlFile *f, const About *a, Str *out)
{
    cJSON *root = cJSON_CreateObject();
    json_add_text(root, "path", f->path);
    cJSON_AddStringToObject(root, "kind", a->what);
    if (a->kind) cJSON_AddStringToObject(root, "type", a->kind);
    cJSON_AddStringToObject(root, "family", a->family);
    cJSON_AddStringToObject(root, "takes", str_text(&a->takes));
    cJSON_AddNumberToObject(root, "tensors", (double)a->tensors);
    cJSON_AddNumberToObject(root, "parameters", (double)a->parameters);
    cJSON_AddStringToObject(root, "sha256", f->sha256);
    char *text = cJSON_Print(root);
    str_addf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static void add_text(const ControlFile *f, const About *a, Str *out)
{
    str_addf(out, "%s: %s%s%s%s\n", f->path, a->what, a->kind ? " (" : "", a->kind ? a->kind : "", a->kind ? ")" : "");
    str_addf(out, "  %-14s %s\n  %-14s %s\n  %-14s %s\n", "for", a->family, "takes", str_text(&a->takes), "tensors in",
             f->form);
    str_addf(out, "  %-14s %.2f M\n  %-14s %s\n  %-14s %s\n", "parameters", (double)a->parameters * 1e-6, "sha256",
             f->sha256, "to use it", str_text(&a->use));
}

int describe_control(const char *path, ControlKind kind, bool json, Str *out, Err *e)
{
    ControlLine line = { .kind = kind, .model = mem_strdup(path) };
    ControlFile *f = control_file_open(&line, NULL, e);
    control_line_release(&line);
    if (!f) return -1;
    About a = about(f);
    (json ? add_json : add_text)(f, &a, out);
    str_release(&a.takes);
    str_release(&a.use);
    control_file_close(f);
    return 0;
}
