/* control_file.c - see control_file.h. */
#include "pipeline/control_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha.h"
#include "weights/component.h"
#include "weights/kind.h"
#include "weights/names.h"
#include "weights/safetensors.h"
#include "weights/shapes.h"

enum { NAMES_LARGE = 256 << 20 };

/* ---- what a file is not ---------------------------------------------------------------------------------------------------- */

/* Relatives of ControlNet that limn does not run: a part of a tensor's name tells. */
static const struct {
    const char *mark, *what;
} relatives[] = {
    { "lllite_unet", "a ControlNet-LLLite (kohya's), which limn does not run: give a ControlNet or a T2I-Adapter" },
    { "lora_controlnet", "a Control-LoRA, which limn does not run: give the whole ControlNet" },
    { "controlnet_x_embedder.", "a ControlNet for a transformer (SD 3, Flux), which limn does not run" },
    { "controlnet_blocks.", "a ControlNet for a transformer (SD 3, Flux), which limn does not run" },
    { "brushnet_", "a BrushNet, which limn does not run" },
    { "ctrl_transformer", "a ControlNeXt or ControlNet-XS, which limn does not run" },
    { "control_to_base", "a ControlNet-XS, which limn does not run" },
};

static int refuse_relatives(Weights *w, Err *e)
{
    if (weights_find(w, "difference"))
        return err_set(e, "a ControlNet saved as its difference from a model: limn needs the whole ControlNet");
    for (size_t i = 0; i < weights_count(w); i++)
        for (size_t k = 0; k < sizeof relatives / sizeof *relatives; k++)
            if (strstr(weights_at(w, i)->name, relatives[k].mark)) return err_set(e, "this is %s", relatives[k].what);
    return 0;
}

static int other_kind(ControlKind wanted, Weights *w, Err *e)
{
    static const char *const names[CONTROL_KINDS] = { "a ControlNet", "a T2I-Adapter", "an IP-Adapter" };
    const Kind *kind = kind_of(w);
    if (strcmp(kind->what, names[wanted]) == 0)
        return err_set(e, "this is %s, and not all of it: its first layer is missing", kind->what);
    return err_set(e, "this is %s: --%s wants %s", kind->what, control_options[wanted], names[wanted]);
}

/* ---- a single file --------------------------------------------------------------------------------------------------------- */

static bool has(const Weights *w, const char *prefix, const char *name)
{
    return shapes_dim(w, 0, "%s%s", prefix, name) > 0;
}

/* Weights in diffusers' names, of which `all` is left for what nobody takes. */
static Weights *control_names(Weights *all, const char **form, Err *e)
{
    static const char *const prefixes[] = { "control_model.", "" };
    NameShape s = { 0 };
    if (has(all, "", "controlnet_cond_embedding.conv_in.weight")) {
        *form = "diffusers' names";
        return all;
    }
    for (int i = 0; i < 2; i++) {
        if (!has(all, prefixes[i], "input_hint_block.0.weight")) continue;
        *form = "LDM names";
        if (names_numbering(all, prefixes[i], &s, e)) return NULL;
        return names_convert(all, prefixes[i], NAMES_LDM_CONTROL, s, e);
    }
    other_kind(CONTROL_NET, all, e);
    return NULL;
}

/* A folder's config, or what shapes tell. NULL: an error. */
static Config *control_config(const ControlFile *f, Bytes config, Err *e)
{
    Str json = { 0 };
    if (config.len) str_addn(&json, (const char *)config.data, config.len);
    else if (shapes_controlnet(f->weights, &json, e)) return NULL;
    Config *c = config_parse((Bytes){ (const unsigned char *)str_text(&json), json.len }, f->path, e);
    str_release(&json);
    if (c) config_pass_over(c);
    return c;
}

static int bind_net(ControlFile *f, Bytes config, const UNet *like, Err *e)
{
    Weights *named = control_names(f->weights, &f->form, e);
    if (!named) return -1;
    if (named != f->weights) weights_free(f->weights);
    f->weights = named;
    Config *c = control_config(f, config, e);
    if (c) f->net = controlnet_new(c, named, config.len ? NULL : like, e);
    config_free(c);
    return f->net ? 0 : -1;
}

static int bind_t2i(ControlFile *f, Bytes config, const UNet *like, Err *e)
{
    static const char *const probes[] = { "adapter.conv_in.weight", "adapter.body.0.in_conv.weight",
                                          "body.0.block1.weight", "body.0.in_conv.weight" };
    bool is = false, own = false;
    (void)like;
    for (int i = 0; i < 4; i++) is = is || has(f->weights, "", probes[i]);
    for (int i = 0; i < 2; i++) own = own || has(f->weights, "", probes[i]);
    if (!is) return other_kind(CONTROL_T2I, f->weights, e);
    f->form = own ? "diffusers' names" : "TencentARC's names";
    Config *c = config.len ? config_parse(config, f->path, e) : NULL;
    if (c) config_pass_over(c);
    if (c || !config.len) f->t2i = t2i_new(c, f->weights, e);
    config_free(c);
    return f->t2i ? 0 : -1;
}

static int bind_ip(ControlFile *f, Bytes config, const UNet *like, Err *e)
{
    bool is = false;
    (void)config;
    f->form = "its release's names";
    for (size_t i = 0; i < weights_count(f->weights); i++)
        is = is || str_starts(weights_at(f->weights, i)->name, "image_proj.");
    if (!is) return other_kind(CONTROL_IP, f->weights, e);
    f->ip = ip_new(f->weights, like, e);
    return f->ip ? 0 : -1;
}

/* By kind. */
static int (*const binders[CONTROL_KINDS])(ControlFile *f, Bytes config, const UNet *like,
                                           Err *e) = { bind_net, bind_t2i, bind_ip };

/*
 * ---- where it is -------------------------------------------------------------------------------------------------------------
 */

/* config.json next to a file that has diffusers' name for weights in a folder. *out.len 0: there is none. */
static int config_beside(ControlFile *f, Bytes *out, Err *e)
{
    const char *slash = strrchr(f->path, '/'), *name = slash ? slash + 1 : f->path;
    *out = (Bytes){ 0 };
    if (!str_starts(name, "diffusion_pytorch_model")) return 0;
    char *folder = slash ? mem_strndup(f->path, (size_t)(slash - f->path) + 1) : mem_strdup(".");
    f->source = source_open(folder, e);
    int failed = f->source && source_has(f->source, "config.json") ? source_get(f->source, "config.json", out, e) : 0;
    free(folder);
    return f->source ? failed : -1;
}

/* modules/hashes of before 2023, which its ControlNet extension kept: 64 KB from 1 MB on. */
static void hash_as_a1111(ControlFile *f)
{
    enum { FROM = 0x100000, BYTES = 0x10000 };
    char hex[65];
    size_t n = f->file.len <= FROM ? 0 : f->file.len - FROM < BYTES ? f->file.len - FROM : BYTES;
    sha_hex((Bytes){ f->file.data + (n ? FROM : 0), n }, hex);
    memcpy(f->a1111_hash, hex, sizeof f->a1111_hash - 1);
}

static int read_file(ControlFile *f, Bytes *config, Err *e)
{
    if (file_map(&f->file, f->path, e)) return -1;
    if (safetensors_read(f->weights, f->file, e)) return err_in(e, f->path);
    sha_hex(f->file, f->sha256);
    hash_as_a1111(f);
    return config_beside(f, config, e);
}

/* The network itself, or a pipeline's folder around it. */
static int read_folder(ControlFile *f, Bytes *config, Err *e)
{
    Str name = { 0 }, file = { 0 };
    Bytes weights;
    f->source = source_open(f->path, e);
    if (!f->source) return -1;
    const char *folder = source_has(f->source, "config.json") ? "" : "controlnet";
    str_addf(&name, "%s%sconfig.json", folder, *folder ? "/" : "");
    if (!source_has(f->source, name.s)) {
        str_release(&name);
        return err_set(
            e, "%s: no config.json in it, and no controlnet/ with one: no diffusers folder of such a network", f->path);
    }
    int failed = source_get(f->source, name.s, config, e) || component_find(f->source, folder, &file, e) ||
                 source_get(f->source, file.s, &weights, e);
    if (!failed) sha_hex(weights, f->sha256);
    if (!failed) failed = component_read(f->source, file.s, f->weights, e);
    str_release(&name);
    str_release(&file);
    return failed ? -1 : 0;
}

static int open_and_bind(ControlFile *f, const UNet *like, Err *e)
{
    Bytes config = { 0 };
    if (!file_named(f->path))
        return err_set(e,
                       "%.300s: there is no such file or folder: give the path of the network's safetensors file or "
                       "diffusers folder",
                       f->path);
    if (file_is_dir(f->path) ? read_folder(f, &config, e) : read_file(f, &config, e)) return -1;
    size_t bytes = 0;
    for (size_t i = 0; i < weights_count(f->weights); i++) bytes += weights_at(f->weights, i)->bytes;
    if (bytes > NAMES_LARGE) weights_set_mapped(f->weights);
    if (refuse_relatives(f->weights, e)) return err_in(e, f->path);
    if (!binders[f->kind](f, config, like, e)) return 0;
    return str_starts(e->text, f->path) ? -1 : err_in(e, f->path);
}

ControlFile *control_file_open(const ControlLine *l, const UNet *like, Err *e)
{
    ControlFile *f = mem_alloc(sizeof *f);
    f->kind = l->kind;
    f->path = mem_strdup(l->model);
    f->encoder_path = l->encoder ? mem_strdup(l->encoder) : NULL;
    f->weights = weights_new();
    int failed = open_and_bind(f, like, e);
    if (!failed && f->ip && like) failed = !(f->encoder = control_encoder_open(l->encoder, l->model, f->ip, e));
    if (!failed) return f;
    control_file_close(f);
    return NULL;
}

void control_file_close(ControlFile *f)
{
    if (!f) return;
    controlnet_free(f->net);
    t2i_free(f->t2i);
    ip_free(f->ip);
    control_encoder_close(f->encoder);
    free(f->encoder_path);
    weights_free(f->weights);
    source_free(f->source);
    file_unmap(&f->file);
    free(f->path);
    free(f);
}

int control_file_fits(const ControlFile *f, const Model *m, Err *e)
{
    return f->net ? controlnet_fits(f->net, m->unet, vae_factor(m->vae), e) : 0;
}
