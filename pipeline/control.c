/* control.c - see control.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/control_internal.h"
#include "pipeline/control_picture.h"
#include "pipeline/windows.h"

/* ---- the lines ----------------------------------------------------------------------------------------------------------- */

static double strength_of(const Job *j, const ControlLine *l)
{
    double said = l->kind == CONTROL_NET ? j->control_strength : -1;
    return l->strength >= 0 ? l->strength : said >= 0 ? said : l->kind == CONTROL_IP ? CONTROL_IP_SCALE : 1;
}

/* wanted: what a picture says that it was made with; NULL: nothing. */
static int other_file(const char *path, const char *sha256, const char *wanted, Err *e)
{
    if (!wanted || strcmp(wanted, sha256) == 0) return 0;
    return err_set(e, "%.300s has SHA-256 %.10s..., the picture was made with %.10s...: give that one", path, sha256,
                   wanted);
}

/* Which kind of map it is to a union. */
static int choose_type(const ControlFile *f, const ControlLine *l, int *type, Err *e)
{
    int types = f->net ? controlnet_types(f->net) : 0;
    if (!types)
        return l->type
                   ? err_usage(e, "type=%.40s: it takes one kind of map (a ControlNet-Union takes several)", l->type)
                   : 0;
    *type = control_line_type(l, types, e);
    if (*type == -1)
        return err_usage(e,
                         "a ControlNet-Union takes several kinds of maps: say which, such as type=depth or type=canny");
    return *type < 0 ? -1 : 0;
}

/* Takes the line. */
static int add_line(void *ctx, ControlLine *l, Err *e)
{
    Generator *g = ctx;
    const Job *j = &g->recipe.said;
    const Region seen = windows_at(&g->recipe, 0);
    const ControlFile *file = controls_find(g->m, l);
    int factor = vae_factor(g->m->vae);
    if (!file) return err_set(e, "%.300s: it was not opened with the model", l->model);
    if (other_file(l->model, file->sha256, l->model_sha256, e)) return -1;
    if (file->encoder && other_file(file->encoder->path, file->encoder->sha256, l->encoder_sha256, e)) return -1;
    int type = 0;
    if (choose_type(file, l, &type, e)) return err_in(e, file->path);
    if (!g->control) g->control = mem_alloc(sizeof *g->control);
    struct Control *c = g->control;
    c->unit = mem_grow(c->unit, (size_t)(c->count + 1) * sizeof *c->unit);
    c->unit[c->count++] = (Unit){ *l, .file = file, .strength = strength_of(j, l), .type = type };
    *l = (ControlLine){ 0 };
    if (file->t2i && t2i_fits(file->t2i, g->m->unet, factor, seen.w * factor, seen.h * factor, e))
        return err_in(e, file->path);
    return 0;
}

int control_begin(Generator *g, Err *e)
{
    const Job *j = &g->recipe.said;
    bool parts = false;
    for (ControlKind k = 0; k < CONTROL_KINDS; k++)
        if (control_lines(controls_of(j, k), k, add_line, g, e)) return err_in(e, control_options[k]);
    for (int i = 0; g->control && i < g->control->count; i++)
        parts = parts || g->control->unit[i].line.start > 0 || g->control->unit[i].line.end < 1;
    if (parts && !recipe_evals(&g->recipe))
        return err_usage(e, "control: start and end are shares of the steps, but %s chooses its steps as it goes",
                         g->recipe.sampler->name);
    if (j->control_strength >= 0 && !j->control) return err_usage(e, "control-strength: there is no --control");
    return 0;
}

void control_release(Generator *g)
{
    struct Control *c = g->control;
    if (!c) return;
    for (int i = 0; i < c->count; i++) {
        control_line_release(&c->unit[i].line);
        for (int k = 0; k < CONTROL_PICTURES; k++) image_release(&c->unit[i].picture[k]);
        for (int k = 0; k < c->unit[i].windows * T2I_MAX_MAPS; k++) free(c->unit[i].found[k].data);
        free(c->unit[i].found);
    }
    free(c->unit);
    free(c);
    g->control = NULL;
}

/* The lines with what was found, for metadata. */
static void write_lines(Generator *g)
{
    Job *j = &g->recipe.said;
    char **const fields[] = { &j->control, &j->adapter, &j->ip_adapter };
    for (ControlKind k = 0; k < CONTROL_KINDS; k++) {
        Str lines = { 0 };
        for (int i = 0; i < g->control->count; i++) {
            if (g->control->unit[i].line.kind != k) continue;
            if (lines.len) str_add(&lines, "\n");
            control_line_write(&g->control->unit[i].line, &lines);
        }
        if (!lines.len) continue;
        free(*fields[k]);
        *fields[k] = lines.s;
    }
}

int control_read(Generator *g, Err *e)
{
    for (int i = 0; g->control && i < g->control->count; i++) {
        Unit *u = &g->control->unit[i];
        if (control_picture_read(&u->line, g, u->picture, e)) return err_in(e, control_options[u->line.kind]);
        if (!u->line.model_sha256) u->line.model_sha256 = mem_strdup(u->file->sha256);
        if (u->file->encoder && !u->line.encoder_sha256) u->line.encoder_sha256 = mem_strdup(u->file->encoder->sha256);
    }
    if (g->control) write_lines(g);
    return 0;
}

/* ---- before the steps ----------------------------------------------------------------------------------------------------- */

/* [1, tokens, 1, width] of one picture; im NULL: of none. */
static Tensor tokens_of(Nn *nn, const ControlFile *f, const Image *im, bool zeros)
{
    size_t mark = nn->arena->used;
    int side = image_encoder_side(f->encoder->net);
    bool all = ip_takes_tokens(f->ip), nothing = !im && !all;
    Tensor features;
    if (nothing) {
        features = tensor_new(nn->arena, 1, 1, 1, ip_feature_width(f->ip));
    } else {
        Tensor pixels = tensor_new(nn->arena, 1, side, side, 3);
        control_encoder_pixels(im, pixels);
        if (!im && zeros && pixels.data) memset(pixels.data, 0, tensor_len(pixels) * sizeof *pixels.data);
        features = image_encoder_forward(nn, f->encoder->net, pixels, all);
    }
    if (nothing && features.data) memset(features.data, 0, tensor_len(features) * sizeof *features.data);
    return tensor_keep(nn->arena, mark, ip_project(nn, f->ip, features));
}

/*
 * The tokens of all pictures, one after the other, and as many of none. Without a picture a plain adapter sees zeros; others what the
 * encoder sees in zeros after its normalisation (diffusers) or in a black picture (A1111, ComfyUI).
 */
static int find_tokens(Generator *g, const Unit *u, Tensor out[2])
{
    const ControlFile *f = u->file;
    Nn nn = generator_nn(g);
    int each = ip_tokens(f->ip, image_encoder_tokens(f->encoder->net)), n = u->line.images;
    for (int k = 0; k < 2; k++) {
        out[k] = tensor_new(nn.arena, 1, each * n, 1, ip_context_width(f->ip));
        for (int i = 0; i < n; i++) {
            size_t mark = nn.arena->used;
            Tensor t = tokens_of(&nn, f, k ? NULL : &u->picture[i], g->recipe.compat == COMPAT_DIFFUSERS);
            size_t len = tensor_len(t);
            if (t.data) memcpy(out[k].data + (size_t)i * len, t.data, len * sizeof *t.data);
            arena_reset(nn.arena, mark);
        }
    }
    return 2;
}

/* ControlNet's hint, T2I-Adapter's maps, IP-Adapter's tokens; of a map what lies in a window. */
static int find(Generator *g, const Unit *u, int window, Tensor out[T2I_MAX_MAPS])
{
    const ControlFile *f = u->file;
    if (f->ip) return find_tokens(g, u, out);
    Nn nn = generator_nn(g);
    Region at = windows_at(&g->recipe, window);
    int factor = vae_factor(g->m->vae);
    at = (Region){ at.x * factor, at.y * factor, at.w * factor, at.h * factor };
    Tensor pixels =
        tensor_new(nn.arena, 1, at.h, at.w, f->net ? controlnet_hint_channels(f->net) : t2i_hint_channels(f->t2i));
    control_picture_pixels(u->picture, at, pixels);
    if (f->t2i) return t2i_forward(&nn, f->t2i, pixels, out);
    out[0] = controlnet_hint(&nn, f->net, pixels, u->type);
    return 1;
}

static void make_room(const Generator *g, Unit *u)
{
    if (u->found) return;
    u->windows = u->file->ip ? 1 : windows_all(&g->recipe);
    u->found = mem_array((size_t)u->windows * T2I_MAX_MAPS, sizeof *u->found);
}

void control_measure(Generator *g)
{
    for (int i = 0; g->control && i < g->control->count; i++) {
        Unit *u = &g->control->unit[i];
        size_t mark = g->nn.arena->used;
        make_room(g, u);
        u->count = find(g, u, 0, u->found);
        for (int w = 1; w < u->windows; w++)
            memcpy(u->found + w * T2I_MAX_MAPS, u->found, T2I_MAX_MAPS * sizeof *u->found);
        arena_reset(g->nn.arena, mark);
    }
}

/* A copy that outlives the arena; T2I-Adapter's maps are as strong as they will be. */
static Tensor kept(const Unit *u, Tensor t)
{
    float *data = mem_array(tensor_len(t), sizeof *data), strength = u->file->t2i ? (float)u->strength : 1;
    for (size_t i = 0; i < tensor_len(t); i++) data[i] = strength * t.data[i];
    t.data = data;
    return t;
}

static int find_and_keep(Generator *g, Unit *u, Err *e)
{
    bool bad = false;
    make_room(g, u);
    for (int w = 0; w < u->windows; w++) {
        size_t mark = g->nn.arena->used;
        Tensor found[T2I_MAX_MAPS];
        u->count = find(g, u, w, found);
        for (int k = 0; k < u->count; k++) {
            size_t len = tensor_len(found[k]);
            bad = bad || g->nn.k->find_bad(found[k].data, len) < len;
            u->found[w * T2I_MAX_MAPS + k] = kept(u, found[k]);
        }
        arena_reset(g->nn.arena, mark);
    }
    for (int k = 0; k < CONTROL_PICTURES; k++) image_release(&u->picture[k]);
    if (u->file->encoder) weights_evict(u->file->encoder->weights);
    if (!bad) return 0;
    return err_set(e, "%s: %.300s gave NaN or infinity: its weights are damaged", control_options[u->line.kind],
                   u->line.model);
}

int control_encode(Generator *g, Err *e)
{
    for (int i = 0; g->control && i < g->control->count; i++)
        if (find_and_keep(g, &g->control->unit[i], e)) return -1;
    return 0;
}
