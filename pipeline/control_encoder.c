/* control_encoder.c - see control_encoder.h. */
#include "pipeline/control_encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha.h"
#include "image/fit.h"
#include "weights/component.h"
#include "weights/kind.h"
#include "weights/names.h"
#include "weights/safetensors.h"
#include "weights/shapes.h"

enum { ENCODER_LARGE = 256 << 20 };

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static bool has(const Weights *w, const char *name) { return shapes_dim(w, 0, "%s", name) > 0; }

/* In transformers' names. NULL: an error. */
static Weights *named(Weights *all, Err *e)
{
    NameShape none = { 0 };
    if (has(all, "visual.class_embedding")) return names_convert(all, "visual.", NAMES_OPENCLIP_IMAGE, none, e);
    if (has(all, "vision_model.embeddings.class_embedding") || has(all, "embeddings.class_embedding"))
        return names_convert(all, "", NAMES_CLIP_IMAGE, none, e);
    err_set(e, "this is %s: encoder= wants CLIP's image encoder (ViT-H for SD 1.x and most for XL)",
            kind_of(all)->what);
    return NULL;
}

int control_encoder_bind(ControlEncoder *c, Bytes config, Err *e)
{
    Str json = { 0 };
    Weights *own = named(c->weights, e);
    if (!own) return -1;
    weights_free(c->weights);
    c->weights = own;
    if (config.len) str_addn(&json, (const char *)config.data, config.len);
    else if (shapes_image(own, &json, e)) return -1;
    Config *parsed = config_parse((Bytes){ (const unsigned char *)str_text(&json), json.len }, c->path, e);
    if (parsed) {
        config_pass_over(parsed);
        c->net = image_encoder_new(parsed, own, e);
    }
    config_free(parsed);
    str_release(&json);
    return c->net ? 0 : -1;
}

static int read_folder(ControlEncoder *c, Bytes *config, Err *e)
{
    Str file = { 0 };
    Bytes weights;
    c->source = source_open(c->path, e);
    if (!c->source) return -1;
    const char *folder = source_has(c->source, "config.json") || !source_has(c->source, "image_encoder/config.json")
                             ? ""
                             : "image_encoder";
    int failed = source_get(c->source, *folder ? "image_encoder/config.json" : "config.json", config, e) ||
                 component_find(c->source, folder, &file, e) || source_get(c->source, file.s, &weights, e);
    if (!failed) sha_hex(weights, c->sha256);
    if (!failed) failed = component_read(c->source, file.s, c->weights, e);
    str_release(&file);
    return failed ? -1 : 0;
}

static int read_file(ControlEncoder *c, Err *e)
{
    if (file_map(&c->file, c->path, e) || safetensors_read(c->weights, c->file, e)) return -1;
    sha_hex(c->file, c->sha256);
    return 0;
}

/* Whether what it gives is what the adapter takes. */
static int fits(const ControlEncoder *c, const IpAdapter *ip, Err *e)
{
    int gives = ip_takes_tokens(ip) ? image_encoder_width(c->net) : image_encoder_projection(c->net);
    if (gives == ip_feature_width(ip)) return 0;
    return err_set(e, "it gives vectors of %d, the IP-Adapter takes %d: another image encoder belongs to it", gives,
                   ip_feature_width(ip));
}

static ControlEncoder *open_at(const char *path, const IpAdapter *ip, Err *e)
{
    ControlEncoder *c = mem_alloc(sizeof *c);
    Bytes config = { 0 };
    c->path = mem_strdup(path);
    c->weights = weights_new();
    int failed = file_exists(path) ? 0 : err_set(e, "there is no such file or folder");
    if (!failed) failed = file_is_dir(path) ? read_folder(c, &config, e) : read_file(c, e);
    size_t bytes = 0;
    for (size_t i = 0; i < weights_count(c->weights); i++) bytes += weights_at(c->weights, i)->bytes;
    if (bytes > ENCODER_LARGE) weights_set_mapped(c->weights);
    if (!failed && !control_encoder_bind(c, config, e) && !fits(c, ip, e)) return c;
    if (!str_starts(e->text, path)) err_in(e, path);
    control_encoder_close(c);
    return NULL;
}

void control_encoder_close(ControlEncoder *c)
{
    if (!c) return;
    image_encoder_free(c->net);
    weights_free(c->weights);
    source_free(c->source);
    file_unmap(&c->file);
    free(c->path);
    free(c);
}

/* As in h94/IP-Adapter: models/image_encoder (ViT-H) and sdxl_models/image_encoder (bigG); ViT-H serves most of XL's, too. */
ControlEncoder *control_encoder_open(const char *path, const char *adapter, const IpAdapter *ip, Err *e)
{
    static const char *const places[] = { "image_encoder", "../image_encoder", "../models/image_encoder",
                                          "../sdxl_models/image_encoder" };
    if (path) return open_at(path, ip, e);
    const char *slash = strrchr(adapter, '/');
    int len = slash ? (int)(slash - adapter) + 1 : 0;
    Err why = { 0 };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        Str at = { 0 };
        str_addf(&at, "%.*s%s", len, adapter, places[i]);
        ControlEncoder *c = file_is_dir(at.s) ? open_at(at.s, ip, &why) : NULL;
        str_release(&at);
        if (c) return c;
    }
    if (why.text[0]) *e = why;
    else
        err_set(
            e, "no image encoder: it needs CLIP's (vectors of %d), which is not in %.*s%s; give it with encoder=FOLDER",
            ip_feature_width(ip), len, adapter, places[0]);
    return NULL;
}

/* ---- what it is shown ------------------------------------------------------------------------------------------------------ */

void control_encoder_pixels(const Image *im, Tensor pixels)
{
    static const float mean[] = { 0.48145466F, 0.4578275F, 0.40821073F },
                       deviation[] = { 0.26862954F, 0.26130258F, 0.27577711F };
    int side = pixels.h;
    if (!pixels.data) return;
    Samples cut = { 0 };
    if (im) {
        bool wide = im->w > im->h;
        int w = wide ? (int)((double)side * im->w / im->h) : side,
            h = wide ? side : (int)((double)side * im->h / im->w);
        Samples small = resample((Samples){ im->rgb, im->w, im->h, 3 }, w, h, RESAMPLE_BICUBIC);
        cut = fit_window(small, (Region){ (w - side) / 2, (h - side) / 2, side, side });
        free(small.data);
    }
    for (size_t i = 0; i < tensor_len(pixels); i++) {
        float v = cut.data ? (float)cut.data[i] / 255 : 0;
        pixels.data[i] = (v - mean[i % 3]) / deviation[i % 3];
    }
    free(cut.data);
}
