/*
 * control_unit.c - see control_unit.h. Source: Mikubill/sd-webui-controlnet, internal_controlnet/external_code.py and
 * infotext.py.
 */
#include "pipeline/control_unit.h"

#include <string.h>

#include "image/hint.h"
#include "pipeline/controls.h"

typedef struct {
    const Job *job;
    const Model *model;
    int wanted, at;
    Str *out;
} Search;

static const char *module_of(const ControlLine *l, double numbers[2])
{
    static const struct {
        const char *way, *module;
    } names[] = { { "edges", "canny" },
                  { "lines", "scribble" },
                  { "threshold", "threshold" },
                  { "invert", "invert (from white bg & black line)" },
                  { "tile", "tile_resample" },
                  { "blur", "blur_gaussian" },
                  { "luminance", "recolor_luminance" } };
    HintSpec spec;
    Err e;
    numbers[0] = numbers[1] = -1;
    if (l->kind == CONTROL_IP) return "CLIP-ViT-H (IPAdapter)";
    if (hint_spec_parse(&spec, l->image[0], &e) || !spec.way) return "none";
    for (int i = 0; i < spec.way->numbers; i++) numbers[i] = spec.numbers[i];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].way, spec.way->name) == 0) return names[i].module;
    return "none";
}

/* A file's name without its folders and ".safetensors". */
static void add_stem(Str *out, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash && slash[1] ? slash + 1 : path;
    size_t len = strlen(name), end = strlen(".safetensors");
    str_addn(out, name, str_ends(name, ".safetensors") && len > end ? len - end : len);
}

static const char *resize_mode(const Job *j, const ControlLine *l)
{
    const char *mode = l->resize ? l->resize : j->resize_mode;
    return strcmp(mode, "crop") == 0 ? "Crop and Resize" : strcmp(mode, "fit") == 0 ? "Resize and Fill" : "Just Resize";
}

static const char *control_mode(const ControlLine *l)
{
    if (l->guess || (l->mode && strcmp(l->mode, "control") == 0)) return "ControlNet is more important";
    return l->mode && strcmp(l->mode, "prompt") == 0 ? "My prompt is more important" : "Balanced";
}

static int look(void *ctx, ControlLine *l, Err *e)
{
    Search *s = ctx;
    (void)e;
    if (s->at++ != s->wanted) return 0;
    double numbers[2], usual = l->kind == CONTROL_NET && s->job->control_strength >= 0 ? s->job->control_strength
                               : l->kind == CONTROL_IP                                 ? CONTROL_IP_SCALE
                                                                                       : 1;
    const char *module = module_of(l, numbers);
    const ControlFile *f = controls_find(s->model, l);
    str_addf(s->out, "Module: %s, Model: ", module);
    add_stem(s->out, l->model);
    if (f && f->a1111_hash[0]) str_addf(s->out, " [%s]", f->a1111_hash);
    str_addf(s->out, ", Weight: %g, Resize Mode: %s, Processor Res: -1, Threshold A: %g, Threshold B: %g",
             l->strength >= 0 ? l->strength : usual, resize_mode(s->job, l), numbers[0], numbers[1]);
    str_addf(s->out, ", Guidance Start: %g, Guidance End: %g, Pixel Perfect: True, Control Mode: %s", l->start, l->end,
             control_mode(l));
    return 0;
}

bool control_unit_text(const Job *j, const Model *m, int i, Str *out)
{
    Search s = { j, m, i, 0, out };
    Err e;
    for (ControlKind k = 0; k < CONTROL_KINDS; k++) control_lines(controls_of(j, k), k, look, &s, &e);
    return i < s.at;
}
