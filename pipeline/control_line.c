/* control_line.c - see control_line.h. */
#include "pipeline/control_line.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "image/hint.h"

const char *const control_options[CONTROL_KINDS] = { "control", "adapter", "ip-adapter" };

enum { NETS = 1 << CONTROL_NET, T2IS = 1 << CONTROL_T2I, IPS = 1 << CONTROL_IP, ALL = NETS | T2IS | IPS };

typedef enum { FIELD_TEXT, FIELD_PICTURE, FIELD_PICTURE_SHA, FIELD_NUMBER, FIELD_FLAG } FieldType;

/* The first row of an offset is the name that is written; others are what other tools call it. */
static const struct FieldRow {
    const char *name;
    int kinds;
    FieldType type;
    size_t offset;
    double max, usual;
    const char *choices; /* parted by '|'; NULL: any text */
} fields[] = {
    { "model", ALL, FIELD_TEXT, offsetof(ControlLine, model), 0, 0, NULL },
    { "image", ALL, FIELD_PICTURE, offsetof(ControlLine, image), 0, 0, NULL },
    { "encoder", IPS, FIELD_TEXT, offsetof(ControlLine, encoder), 0, 0, NULL },
    { "strength", ALL, FIELD_NUMBER, offsetof(ControlLine, strength), 10, -1, NULL },
    { "scale", ALL, FIELD_NUMBER, offsetof(ControlLine, strength), 10, -1, NULL },
    { "weight", ALL, FIELD_NUMBER, offsetof(ControlLine, strength), 10, -1, NULL },
    { "start", ALL, FIELD_NUMBER, offsetof(ControlLine, start), 1, 0, NULL },
    { "end", ALL, FIELD_NUMBER, offsetof(ControlLine, end), 1, 1, NULL },
    { "guess", NETS, FIELD_FLAG, offsetof(ControlLine, guess), 0, 0, NULL },
    { "mode", NETS | T2IS, FIELD_TEXT, offsetof(ControlLine, mode), 0, 0, "balanced|prompt|control" },
    { "type", NETS, FIELD_TEXT, offsetof(ControlLine, type), 0, 0, NULL },
    { "resize", NETS | T2IS, FIELD_TEXT, offsetof(ControlLine, resize), 0, 0, "stretch|crop|fit" },
    { "model-sha256", ALL, FIELD_TEXT, offsetof(ControlLine, model_sha256), 0, 0, NULL },
    { "encoder-sha256", IPS, FIELD_TEXT, offsetof(ControlLine, encoder_sha256), 0, 0, NULL },
    { "image-sha256", ALL, FIELD_PICTURE_SHA, offsetof(ControlLine, image_sha256), 0, 0, NULL },
};

enum { FIELDS = sizeof fields / sizeof *fields };

/* The row that a text begins with the name of, followed by '=' or (a flag) by its end; NULL: none. */
static const struct FieldRow *field_at(const char *text, ControlKind kind)
{
    for (int i = 0; i < FIELDS; i++) {
        size_t len = strlen(fields[i].name);
        if (!(fields[i].kinds & 1 << kind) || strncmp(text, fields[i].name, len) != 0) continue;
        bool flag = fields[i].type == FIELD_FLAG && (!text[len] || text[len] == ',');
        if (flag || text[len] == '=') return &fields[i];
    }
    return NULL;
}

/* Letters and '-', then '=': what looks like a field. */
static size_t name_length(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    return text[len] == '=' ? len : 0;
}

static int unknown_field(const char *text, ControlKind kind, Err *e)
{
    size_t len = name_length(text);
    Nearest n = nearest_to_n(text, len ? len : strcspn(text, ",="));
    Str names = { 0 };
    for (int i = 0; i < FIELDS; i++) {
        if (!(fields[i].kinds & 1 << kind)) continue;
        nearest_try(&n, fields[i].name);
        bool alias = i && fields[i].offset == fields[i - 1].offset;
        if (!alias && !strstr(fields[i].name, "sha")) str_addf(&names, "%s%s", names.len ? ", " : "", fields[i].name);
    }
    if (n.best) err_usage(e, "\"%.60s\": no such field; did you mean %s? (fields: %s)", text, n.best, str_text(&names));
    else err_usage(e, "\"%.60s\": not FIELD=VALUE of the fields %s", text, str_text(&names));
    str_release(&names);
    return -1;
}

static int set_number(double *out, const struct FieldRow *f, const char *value, Err *e)
{
    char *end;
    double v = strtod(value, &end);
    if (!*value || value[strspn(value, "0123456789.+-eE")] || *end || !(v >= 0 && v <= f->max))
        return err_usage(e, "%s=\"%.40s\" is not a number from 0 to %g", f->name, value, f->max);
    *out = v;
    return 0;
}

/* Whether a value is one of the choices. */
static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = choices; *p; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == len && strncmp(p, value, len) == 0) return true;
    return false;
}

static bool is_sha256(const char *text) { return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64; }

static int add_picture(ControlLine *l, const char *value, Err *e)
{
    HintSpec spec;
    if (l->images == CONTROL_PICTURES) return err_usage(e, "more than %d pictures", CONTROL_PICTURES);
    if (l->images && l->kind != CONTROL_IP)
        return err_usage(e, "image= is given twice: a second line has a second picture");
    if (l->kind != CONTROL_IP && hint_spec_parse(&spec, value, e)) return err_in(e, "image");
    l->image[l->images++] = mem_strdup(value);
    return 0;
}

static int set_field(ControlLine *l, const struct FieldRow *f, const char *value, Err *e)
{
    void *to = (char *)l + f->offset;
    bool sha = strstr(f->name, "sha") != NULL;
    if (f->type != FIELD_FLAG && !*value) return err_usage(e, "%s= has no value", f->name);
    if (sha && !is_sha256(value)) return err_usage(e, "%s=\"%.70s\" is not 64 hexadecimal digits", f->name, value);
    if (f->choices && !is_choice(f->choices, value))
        return err_usage(e, "%s=\"%.40s\" is not one of %s", f->name, value, f->choices);
    switch (f->type) {
    case FIELD_TEXT:
        free(*(char **)to);
        *(char **)to = mem_strdup(value);
        return 0;
    case FIELD_PICTURE: return add_picture(l, value, e);
    case FIELD_PICTURE_SHA:
        if (l->sha256s == CONTROL_PICTURES) return err_usage(e, "more than %d of %s", CONTROL_PICTURES, f->name);
        l->image_sha256[l->sha256s++] = mem_strdup(value);
        return 0;
    case FIELD_NUMBER: return set_number(to, f, value, e);
    case FIELD_FLAG:
        if (*value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return err_usage(e, "%s=\"%.40s\" is not true or false", f->name, value);
        *(bool *)to = *value != 'f';
        return 0;
    }
    return -1;
}

/* Where the field that begins at text ends: before a comma behind which another field begins. */
static size_t field_length(const char *text, ControlKind kind)
{
    for (size_t i = 0;; i++) {
        if (!text[i] || (text[i] == ',' && (field_at(text + i + 1, kind) || name_length(text + i + 1)))) return i;
    }
}

static int check_line(const ControlLine *l, Err *e)
{
    const char *option = control_options[l->kind];
    if (!l->model) return err_usage(e, "model=FILE is missing: --%s model=FILE,image=FILE", option);
    if (!l->images)
        return err_usage(e, "image=FILE is missing: the picture that it goes by, --%s model=FILE,image=FILE", option);
    if (l->guess && l->mode) return err_usage(e, "guess and mode=%s: one of them is expected", l->mode);
    if (l->start > l->end) return err_usage(e, "start=%g is behind end=%g", l->start, l->end);
    if (l->sha256s && l->sha256s != l->images)
        return err_usage(e, "%d of image-sha256 for %d of image", l->sha256s, l->images);
    return 0;
}

/* Pictures may be there several times, and are counted elsewhere; of anything else two values would be one too many. */
static int check_once(const struct FieldRow *f, bool said[FIELDS], Err *e)
{
    bool several = f->type == FIELD_PICTURE || f->type == FIELD_PICTURE_SHA;
    for (int i = 0; i < FIELDS && !several; i++)
        if (said[i] && fields[i].offset == f->offset)
            return err_usage(e, "%s= is there twice%s%s", f->name, f == &fields[i] ? "" : ", as ",
                             f == &fields[i] ? "" : fields[i].name);
    said[f - fields] = true;
    return 0;
}

int control_line_parse(ControlLine *l, ControlKind kind, const char *text, Err *e)
{
    bool said[FIELDS] = { false };
    *l = (ControlLine){ .kind = kind, .strength = -1, .end = 1 };
    for (const char *p = text; *p;) {
        const struct FieldRow *f = field_at(p, kind);
        if (!f) return unknown_field(p, kind, e);
        if (check_once(f, said, e)) return -1;
        size_t len = field_length(p, kind), name = strlen(f->name);
        char *value = len > name ? mem_strndup(p + name + 1, len - name - 1) : mem_strdup("");
        int failed = set_field(l, f, value, e);
        free(value);
        if (failed) return -1;
        p += len + (p[len] == ',');
    }
    return check_line(l, e);
}

void control_line_release(ControlLine *l)
{
    free(l->model);
    free(l->encoder);
    free(l->model_sha256);
    free(l->mode);
    free(l->resize);
    free(l->type);
    free(l->encoder_sha256);
    for (int i = 0; i < l->images; i++) free(l->image[i]);
    for (int i = 0; i < CONTROL_PICTURES; i++) free(l->image_sha256[i]);
    *l = (ControlLine){ 0 };
}

void control_line_write(const ControlLine *l, Str *out)
{
    size_t begin = out->len;
    for (int i = 0; i < FIELDS; i++) {
        const struct FieldRow *f = &fields[i];
        const void *at = (const char *)l + f->offset;
        bool alias = i && f->offset == fields[i - 1].offset;
        const char *comma = out->len > begin ? "," : "";
        if (alias || !(f->kinds & 1 << l->kind)) continue;
        if (f->type == FIELD_TEXT && *(char *const *)at) str_addf(out, "%s%s=%s", comma, f->name, *(char *const *)at);
        if (f->type == FIELD_NUMBER && *(const double *)at != f->usual)
            str_addf(out, "%s%s=%.10g", comma, f->name, *(const double *)at);
        if (f->type == FIELD_FLAG && *(const bool *)at) str_addf(out, "%s%s", comma, f->name);
        int count = f->type == FIELD_PICTURE ? l->images : f->type == FIELD_PICTURE_SHA ? l->sha256s : 0;
        for (int k = 0; k < count; k++)
            str_addf(out, "%s%s=%s", out->len > begin ? "," : "", f->name, ((char *const *)at)[k]);
    }
}

/* The kinds of maps of xinsir's unions, in their order; and what limn makes of them itself. */
static const char *const union_types[] = { "openpose,pose,dwpose",
                                           "depth",
                                           "softedge,hed,pidi,scribble,ted,lines",
                                           "canny,edges,lineart,mlsd,invert",
                                           "normal",
                                           "segment,seg,segmentation",
                                           "tile,blur",
                                           "inpaint,repaint" };

enum { UNION_TYPES = sizeof union_types / sizeof *union_types };

/* Whether a list of names parted by commas has it. */
static bool has_name(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == len && strncmp(p, name, len) == 0) return true;
    return false;
}

int control_line_type(const ControlLine *l, int types, Err *e)
{
    HintSpec spec;
    Err unused;
    const char *name = l->type;
    if (!name && hint_spec_parse(&spec, l->image[0], &unused) == 0 && spec.way) name = spec.way->name;
    if (!name) return -1;
    int type = -1;
    for (int i = 0; i < UNION_TYPES; i++)
        if (has_name(union_types[i], name)) type = i;
    if (l->type && strspn(name, "0123456789") == strlen(name) && strlen(name) < 4) type = (int)strtol(name, NULL, 10);
    if (type < 0 && !l->type) return -1;
    if (type >= 0 && type < types) return type;
    err_usage(
        e,
        "type=%.40s: the union tells %d kinds of maps apart: 0 openpose, 1 depth, 2 softedge, 3 canny, 4 normal, 5 "
        "segment%s",
        name, types, types > 6 ? ", 6 tile, 7 inpaint" : "");
    return -2;
}

int control_lines(const char *text, ControlKind kind, ControlVisit visit, void *ctx, Err *e)
{
    int count = 0;
    for (const char *p = text ? text : ""; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        char *line = mem_strndup(p, strcspn(p, "\n"));
        ControlLine l;
        int failed = ++count > CONTROL_LINES ? err_usage(e, "more than %d at once", CONTROL_LINES)
                                             : control_line_parse(&l, kind, line, e);
        if (count <= CONTROL_LINES) {
            if (!failed && visit) failed = visit(ctx, &l, e);
            control_line_release(&l);
        }
        free(line);
        if (failed) return -1;
    }
    return 0;
}

int control_check_nets(const char *text, Err *e) { return control_lines(text, CONTROL_NET, NULL, NULL, e); }
int control_check_adapters(const char *text, Err *e) { return control_lines(text, CONTROL_T2I, NULL, NULL, e); }
int control_check_ips(const char *text, Err *e) { return control_lines(text, CONTROL_IP, NULL, NULL, e); }
