/*
 * parts_yaml.c - see parts_yaml.h. Sources: CompVis/stable-diffusion's and Stability-AI/stablediffusion's configs and ddpm.py
 * (names, make_beta_schedule), Stability-AI/generative-models (sgm), A1111's sd_models_config.py (NAME.yaml).
 */
#include "pipeline/parts_yaml.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "weights/shapes.h"

#define MODEL    "model.params."
#define UNET     "model.params.unet_config.params."
#define SGM_UNET "model.params.network_config.params."
#define VAE      "model.params.first_stage_config.params.ddconfig."
#define TEXT     "model.params.cond_stage_config."

/* A word of the YAML and what it is in a scheduler_config.json. */
typedef struct {
    const char *said, *means;
} Word;

static const Word predictions[] = { { "eps", "epsilon" }, { "v", "v_prediction" }, { "x0", "sample" }, { NULL, NULL } };

/* LDM's "linear" is linear in the roots. */
static const Word schedules[] = {
    { "linear", "scaled_linear" }, { "sqrt_linear", "linear" }, { "cosine", "squaredcos_cap_v2" }, { NULL, NULL }
};

/* What sgm's denoisers predict, by the end of their class. */
static const Word scalings[] = { { "EpsScaling", "epsilon" }, { "VScaling", "v_prediction" }, { NULL, NULL } };

/* Options of the UNet that would make it another one, and are not in its shapes. */
static const char *const refused[] = { "use_scale_shift_norm", "resblock_updown", "disable_self_attentions",
                                       "use_temporal_attention" };

/* ---- values ---------------------------------------------------------------------------------------------------------- */

/* NULL: not there, or empty. */
static const char *value(const FileConfig *c, const char *path)
{
    const char *text = yaml_get(&c->yaml, path);
    Str sgm = { 0 };
    if (!text && str_starts(path, UNET)) {
        str_addf(&sgm, "%s%s", SGM_UNET, path + strlen(UNET));
        text = yaml_get(&c->yaml, sgm.s);
    }
    str_release(&sgm);
    return text && *text ? text : NULL;
}

static int wrong(const char *path, const char *found, const char *expected, Err *e)
{
    char buf[SHOWN_MAX];
    return err_set(e, "%s is %s: limn expects %s there", path, shown(found, buf), expected);
}

static int read_word(const FileConfig *c, const char *path, const Word *words, const char **out, Err *e)
{
    const char *text = value(c, path);
    Str known = { 0 };
    if (!text) return 0;
    for (const Word *w = words; w->said; w++) {
        str_addf(&known, "%s%s", w == words ? "" : ", ", w->said);
        if (strcmp(w->said, text) == 0) *out = w->means;
    }
    bool found = false;
    for (const Word *w = words; w->said; w++) found = found || strcmp(w->said, text) == 0;
    int failed = found ? 0 : wrong(path, text, known.s, e);
    str_release(&known);
    return failed;
}

static int read_number(const FileConfig *c, const char *path, double min, double max, double *out, Err *e)
{
    const char *text = value(c, path);
    char *end;
    if (!text) return 0;
    double v = strtod(text, &end);
    if (*end || !(v >= min && v <= max)) return wrong(path, text, "a number", e);
    *out = v;
    return 0;
}

static int read_count(const FileConfig *c, const char *path, int *out, Err *e)
{
    double v = *out;
    if (read_number(c, path, -1, 1 << 20, &v, e)) return -1;
    if (v != (int)v) return wrong(path, value(c, path), "a whole number", e);
    *out = v < 0 ? 0 : (int)v; /* LDM says -1 for "not said" */
    return 0;
}

static bool is_true(const char *text) { return text && strcasecmp(text, "true") == 0; }
static bool is_off(const char *text)
{
    return !text || strcasecmp(text, "false") == 0 || strcasecmp(text, "none") == 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static int read_denoiser(FileConfig *c, Err *e)
{
    const char *path = MODEL "denoiser_config.params.scaling_config.target", *target = value(c, path);
    if (read_word(c, MODEL "parameterization", predictions, &c->prediction, e)) return -1;
    if (!target) return 0;
    for (const Word *w = scalings; w->said; w++)
        if (str_ends(target, w->said)) c->prediction = w->means;
    return c->prediction ? 0 : wrong(path, target, "EpsScaling or VScaling", e);
}

static int read_schedule(FileConfig *c, Err *e)
{
    double steps = c->steps;
    if (read_word(c, MODEL "beta_schedule", schedules, &c->beta_schedule, e) ||
        read_number(c, MODEL "linear_start", 1e-9, 1, &c->beta_start, e) ||
        read_number(c, MODEL "linear_end", 1e-9, 1, &c->beta_end, e) ||
        read_number(c, MODEL "timesteps", 1, 100000, &steps, e))
        return -1;
    c->steps = (int)steps;
    return read_number(c, MODEL "scale_factor", 1e-6, 1e6, &c->scaling_factor, e);
}

/* Which layer's output the UNet gets. */
static int read_text(FileConfig *c, Err *e)
{
    const char *target = value(c, TEXT "target"), *layer = value(c, TEXT "params.layer");
    if (!target) return 0;
    bool openclip = strstr(target, "OpenCLIP") != NULL;
    if (!strstr(target, "CLIP")) return wrong(TEXT "target", target, "CLIP or OpenCLIP", e);
    if (!layer) layer = "last";
    if (openclip) c->last_layer = strcmp(layer, "last") == 0;
    if (strcmp(layer, "last") == 0 || (openclip && strcmp(layer, "penultimate") == 0)) return 0;
    return wrong(TEXT "params.layer", layer, openclip ? "last or penultimate" : "last", e);
}

static int read_unet(FileConfig *c, Err *e)
{
    char path[160];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        snprintf(path, sizeof path, UNET "%s", refused[i]);
        if (!is_off(value(c, path))) return wrong(path, value(c, path), "False", e);
    }
    return read_count(c, UNET "num_heads", &c->heads, e) ||
           read_count(c, UNET "num_head_channels", &c->head_channels, e);
}

/* "dir/x.safetensors" -> "dir/x" + end; heap */
static char *with_end(const char *checkpoint, const char *end)
{
    Str s = { 0 };
    size_t len = strlen(checkpoint) - (str_ends(checkpoint, ".safetensors") ? strlen(".safetensors") : 0);
    str_addf(&s, "%.*s%s", (int)len, checkpoint, end);
    return s.s;
}

static int parse_file(Yaml *y, const char *path, Err *e)
{
    Bytes file;
    *y = (Yaml){ 0 };
    if (file_map(&file, path, e)) return -1;
    int failed = yaml_parse(y, file, e);
    file_unmap(&file);
    return failed;
}

static bool is_config(const Yaml *y)
{
    for (size_t i = 0; i < y->count; i++)
        if (str_starts(y->items[i].path, MODEL)) return true;
    return false;
}

static void find_yaml(FileConfig *c, const char *checkpoint)
{
    static const char *const ends[] = { ".yaml", ".yml" };
    for (int i = 0; i < 2 && !c->path; i++) {
        char *path = with_end(checkpoint, ends[i]);
        if (file_exists(path) && !file_is_dir(path)) c->path = path;
        else free(path);
    }
}

int file_config_read(FileConfig *c, Parts *parts, const char *checkpoint, Err *e)
{
    Err why = { .text = "no model.params in it: not a model's configuration" };
    *c = (FileConfig){ .beta_schedule = "scaled_linear", .beta_start = 0.00085, .beta_end = 0.012, .steps = 1000 };
    find_yaml(c, checkpoint);
    if (!c->path) return 0;
    if (parse_file(&c->yaml, c->path, &why) || !is_config(&c->yaml)) {
        parts_note(parts, "%s: passed over: %s", c->path, why.text);
        yaml_release(&c->yaml);
        free(c->path);
        c->path = NULL;
        return 0;
    }
    if (read_denoiser(c, e) || read_schedule(c, e) || read_text(c, e) || read_unet(c, e)) return err_in(e, c->path);
    return 0;
}

void file_config_release(FileConfig *c)
{
    yaml_release(&c->yaml);
    free(c->path);
    *c = (FileConfig){ 0 };
}

/* ---- what it must agree with ----------------------------------------------------------------------------------------- */

static int check_count(const FileConfig *c, const char *path, int found, Err *e)
{
    int said = found;
    if (!found || !value(c, path)) return 0;
    if (read_count(c, path, &said, e)) return -1;
    if (said == found) return 0;
    return err_set(e, "%s is %d, the checkpoint's is %d: it belongs to another model; move it away or correct it", path,
                   said, found);
}

/* A list of factors: its entries times base are the levels' channels. */
static int check_factors(const FileConfig *c, const char *path, int base, const int *channels, int levels, Err *e)
{
    for (int i = 0; i <= levels; i++) {
        char entry[160];
        snprintf(entry, sizeof entry, "%s.%d", path, i);
        if (i == levels ? value(c, entry) != NULL : base && channels[i] % base)
            return err_set(e, "%s does not fit the checkpoint's %d levels: it belongs to another model", path, levels);
        if (i < levels && base && check_count(c, entry, channels[i] / base, e)) return -1;
    }
    return 0;
}

static int check_unet(const FileConfig *c, const Weights *w, Err *e)
{
    enum { LEVELS = 8 };
    int channels[LEVELS], base = shapes_dim(w, 0, "conv_in.weight");
    int levels = shapes_count(w, "down_blocks.%d.resnets.0.conv1.weight");
    for (int i = 0; i < levels && i < LEVELS; i++)
        channels[i] = shapes_dim(w, 0, "down_blocks.%d.resnets.0.conv1.weight", i);
    const Weight *proj = weights_find(w, "mid_block.attentions.0.proj_in.weight");
    const char *linear = value(c, UNET "use_linear_in_transformer");
    if (linear && proj && is_true(linear) != (proj->ndim == 2))
        return err_set(
            e, UNET "use_linear_in_transformer is %s, the checkpoint projects by %s: it belongs to another model",
            linear, proj->ndim == 2 ? "linear layers" : "convolutions");
    if (check_count(c, UNET "in_channels", shapes_dim(w, 1, "conv_in.weight"), e) ||
        check_count(c, UNET "out_channels", shapes_dim(w, 0, "conv_out.weight"), e) ||
        check_count(c, UNET "model_channels", base, e) ||
        check_count(c, UNET "num_res_blocks", shapes_count(w, "down_blocks.0.resnets.%d.conv1.weight"), e) ||
        check_count(c, UNET "context_dim", shapes_context(w), e))
        return -1;
    if (levels > LEVELS || !value(c, UNET "channel_mult.0")) return 0;
    return check_factors(c, UNET "channel_mult", base, channels, levels, e);
}

int file_config_check(const FileConfig *c, const Parts *parts, Err *e)
{
    const Part *vae = parts_next(parts, ROLE_CODEC, NULL);
    if (!c->path) return 0;
    int failed = check_unet(c, parts_next(parts, ROLE_NETWORK, NULL)->weights, e);
    if (!failed && vae)
        failed = check_count(c, VAE "z_channels", shapes_dim(vae->weights, 1, "decoder.conv_in.weight"), e) ||
                 check_count(c, VAE "ch", shapes_dim(vae->weights, 1, "decoder.conv_out.weight"), e);
    return failed ? err_in(e, c->path) : 0;
}

/* ---- files next to it ------------------------------------------------------------------------------------------------ */

/* Whether a file that is not named after this checkpoint is named after another one. */
static bool has_checkpoint(const char *yaml)
{
    static const char *const ends[] = { ".safetensors", ".ckpt" };
    bool has = false;
    for (int i = 0; i < 2 && !has; i++) {
        Str s = { 0 };
        str_addf(&s, "%.*s%s", (int)(strrchr(yaml, '.') - yaml), yaml, ends[i]);
        has = file_exists(s.s);
        str_release(&s);
    }
    return has;
}

/* A configuration of nobody that says another prediction. */
static void note_yaml(Parts *parts, const char *path, const char *checkpoint, const char *prediction)
{
    FileConfig other = { 0 };
    Err ignored;
    if (!has_checkpoint(path) && !parse_file(&other.yaml, path, &ignored) && !read_denoiser(&other, &ignored) &&
        other.prediction && strcmp(other.prediction, prediction) != 0) {
        char *own = with_end(checkpoint, ".yaml");
        parts_note(
            parts,
            "%s says %s, and is not taken, since it is not named after the checkpoint: if it belongs to it, call it %s "
            "or give --prediction",
            path, other.prediction, own);
        free(own);
    }
    file_config_release(&other);
}

void file_config_note_others(const FileConfig *c, Parts *parts, const char *checkpoint, const char *prediction,
                             bool own_vae)
{
    enum { MOST = 20 };
    const char *slash = strrchr(checkpoint, '/');
    char *vae = with_end(checkpoint, ".vae.safetensors");
    char *dir = slash ? mem_strndup(checkpoint, (size_t)(slash - checkpoint) + 1) : mem_strdup("./");
    if (!own_vae && file_exists(vae))
        parts_note(parts, "%s lies next to it and is not taken, though A1111 takes it by its name: give --vae %s", vae,
                   vae);
    free(vae);
    DIR *d = c->path ? NULL : opendir(dir);
    int looked = 0;
    for (struct dirent *entry; d && looked < MOST && (entry = readdir(d));) {
        if (!str_ends(entry->d_name, ".yaml") && !str_ends(entry->d_name, ".yml")) continue;
        Str path = { 0 };
        str_addf(&path, "%s%s", slash ? dir : "", entry->d_name);
        note_yaml(parts, path.s, checkpoint, prediction);
        str_release(&path);
        looked++;
    }
    if (d) closedir(d);
    free(dir);
}
