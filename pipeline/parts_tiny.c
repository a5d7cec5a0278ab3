/*
 * parts_tiny.c - TAESD's files: diffusers' AutoencoderTiny without its config, madebyollin's two files, ComfyUI's one with both
 * halves. Source: madebyollin/taesd; ComfyUI's comfy/taesd/taesd.py and nodes.py (VAELoader.load_taesd).
 */
#define _GNU_SOURCE /* strcasestr */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "pipeline/parts_internal.h"
#include "weights/names.h"
#include "weights/safetensors.h"
#include "weights/shapes.h"

/* How a half's tensors are called: under a prefix, in one of the numberings. */
typedef struct {
    const char *decoder, *encoder;
    bool original; /* madebyollin's numbers, else diffusers' */
} Naming;

static const Naming namings[] = {
    { "decoder.layers.", "encoder.layers.", false },
    { "taesd_decoder.", "taesd_encoder.", true },
    { "decoder.", "encoder.", true },
    { "", "", true }, /* a file a half */
};
static const char *const outer[] = { "", "first_stage_model.", "vae.", "tae." };

/* One half as it stands in a set of tensors. */
typedef struct {
    const Naming *naming;
    Str prefix;
} Half;

/* The first layer tells the halves apart: an encoder's takes 3 channels and has number 0, the original decoder's number 1. */
static bool is_half(const Weights *all, const Naming *f, const char *prefix, bool decoder)
{
    int zero = shapes_dim(all, 1, "%s0.weight", prefix), one = shapes_dim(all, 1, "%s1.weight", prefix);
    if (!decoder) return zero == 3 && shapes_dim(all, 0, "%s1.conv.0.weight", prefix);
    if (f->original) return !zero && one && shapes_dim(all, 0, "%s3.conv.0.weight", prefix);
    return zero && shapes_dim(all, 0, "%s2.conv.0.weight", prefix);
}

static bool find_half(const Weights *all, bool decoder, Half *out)
{
    for (size_t o = 0; o < sizeof outer / sizeof *outer; o++)
        for (size_t i = 0; i < sizeof namings / sizeof *namings; i++) {
            str_clear(&out->prefix);
            str_addf(&out->prefix, "%s%s", outer[o], decoder ? namings[i].decoder : namings[i].encoder);
            out->naming = &namings[i];
            if (is_half(all, out->naming, str_text(&out->prefix), decoder)) return true;
        }
    return false;
}

bool parts_is_tiny(const Weights *all)
{
    Half h = { 0 };
    bool found = find_half(all, true, &h) || find_half(all, false, &h);
    str_release(&h.prefix);
    return found;
}

/* Adds the half in diffusers' names. */
static int add_half(Weights *out, Weights *all, const Half *h, bool decoder, Err *e)
{
    NameTable table = decoder && h->naming->original ? NAMES_TAESD_RAISED : NAMES_TAESD;
    Weights *half = names_convert(all, str_text(&h->prefix), table, (NameShape){ 0 }, e);
    int failed = half ? 0 : -1;
    for (size_t i = 0; !failed && i < weights_count(half); i++) {
        Str name = { 0 };
        str_addf(&name, "%s.%s", decoder ? "decoder" : "encoder", weights_at(half, i)->name);
        failed = weights_add(out, str_text(&name), weights_at(half, i), e);
        str_release(&name);
    }
    weights_free(half);
    return failed;
}

/* What there is of a half in a set. */
static int add_found(Weights *out, Weights *all, bool decoder, Err *e)
{
    Half h = { 0 };
    int failed = find_half(all, decoder, &h) ? add_half(out, all, &h, decoder, e) : 0;
    str_release(&h.prefix);
    return failed;
}

/*
 * ComfyUI keeps in the file how its unscaled latent becomes the sampler's, which limn's already is. Other numbers are those of
 * another family's latents.
 */
static int check_scale(Weights *all, Err *e)
{
    static const double known[] = { 0.18215, 0.13025 };
    float scale = 0, shift = 0;
    Weight *s = weights_find(all, "vae_scale"), *h = weights_find(all, "vae_shift");
    if (s && (weight_count(s) != 1 || weight_to_f32(s, &scale, e)))
        return err_set(e, "vae_scale: one number was expected");
    if (h && (weight_count(h) != 1 || weight_to_f32(h, &shift, e)))
        return err_set(e, "vae_shift: one number was expected");
    if (s) s->used = true;
    if (h) h->used = true;
    bool fits = !s;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) fits = fits || fabs((double)scale - known[i]) < 1e-4;
    if (fits && shift == 0) return 0;
    return err_set(e, "vae_scale is %g and vae_shift %g: expected 0.18215 (SD 1.x, 2.x) or 0.13025 (SDXL) and 0",
                   (double)scale, (double)shift);
}

/* "a/taesd_decoder.safetensors" -> "taesd_encoder.safetensors", or back; NULL: the name has neither word. */
static char *other_half(const char *path, bool decoder)
{
    const char *name = path_last(path);
    const char *own = decoder ? "encoder" : "decoder", *at = strstr(name, own);
    Str other = { 0 };
    if (!at) return NULL;
    str_addn(&other, name, (size_t)(at - name));
    str_add(&other, decoder ? "decoder" : "encoder");
    str_add(&other, at + strlen(own));
    return other.s;
}

/* The half that the file lacks, from its own file in the same folder, if there is one. */
static int add_beside(Parts *parts, Weights *out, const char *path, bool decoder, Err *e)
{
    char *name = other_half(path, decoder), *folder = mem_strdup(path), *slash = strrchr(folder, '/');
    Bytes bytes;
    Weights *all = weights_new();
    int failed = 0;
    if (slash) slash[slash == folder] = 0;
    Source *s = name ? source_open(slash ? folder : ".", e) : NULL;
    if (s && source_has(s, name)) {
        parts_keep(parts, s);
        failed = source_get(s, name, &bytes, e);
        if (!failed) failed = safetensors_read(all, bytes, e) || add_found(out, all, decoder, e) ? err_in(e, name) : 0;
    } else {
        source_free(s);
    }
    weights_free(all);
    free(name);
    free(folder);
    return failed;
}

int parts_take_tiny(Parts *parts, Part *part, Weights *all, const char *path, Err *e)
{
    part->class = part_class_find("AutoencoderTiny", ROLE_CODEC);
    part->weights = weights_new();
    for (int decoder = 0; decoder < 2; decoder++) {
        const char *first = decoder ? "decoder.layers.0.weight" : "encoder.layers.0.weight";
        if (add_found(part->weights, all, decoder, e)) return -1;
        if (path && !weights_find(part->weights, first) && add_beside(parts, part->weights, path, decoder, e))
            return -1;
    }
    if (check_scale(all, e)) return -1;
    if (path) parts_note_rest(parts, all, path);
    return shapes_tiny(part->weights, &part->config, e);
}

void parts_note_tiny(Parts *parts, const char *path)
{
    const char *name = strrchr(path, '/');
    name = name && name[1] ? name : path;
    bool of_xl = strcasestr(name, "taesdxl"), xl = strcmp(parts->family, "SD XL") == 0;
    if (!strcasestr(name, "taesd") || strcmp(parts->family, "custom") == 0 || of_xl == xl) return;
    parts_note(parts, "%s: made for %s by its name, and the model is %s: the colours will be wrong", path,
               of_xl ? "SD XL" : "SD 1.x and 2.x", parts->family);
}
