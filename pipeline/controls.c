/* controls.c - see controls.h. */
#include "pipeline/controls.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/hint.h"
#include "pipeline/control_file.h"
#include "pipeline/precision.h"

struct Controls {
    ControlFile *file[CONTROL_KINDS * CONTROL_LINES];
    int count;
};

/* The job's text of each kind's option. */
const char *controls_of(const Job *j, ControlKind kind)
{
    return kind == CONTROL_NET ? j->control : kind == CONTROL_T2I ? j->adapter : j->ip_adapter;
}

static int first_picture(void *ctx, ControlLine *l, Err *e)
{
    char **path = ctx;
    HintSpec spec;
    if (!*path && !hint_spec_parse(&spec, l->image[0], e)) *path = mem_strdup(spec.file);
    return 0;
}

char *controls_first_picture(const Job *j)
{
    char *path = NULL;
    Err e;
    control_lines(j->control, CONTROL_NET, first_picture, &path, &e);
    return path;
}

/* Whether that is the line's. */
static bool is_of(const ControlFile *f, const ControlLine *l)
{
    const char *has = f->encoder_path ? f->encoder_path : "", *wants = l->encoder ? l->encoder : "";
    return f->kind == l->kind && strcmp(f->path, l->model) == 0 && strcmp(has, wants) == 0;
}

const ControlFile *controls_find(const Model *m, const ControlLine *l)
{
    for (int i = 0; m->controls && i < m->controls->count; i++)
        if (is_of(m->controls->file[i], l)) return m->controls->file[i];
    return NULL;
}

void controls_drop(Model *m)
{
    for (int i = 0; m->controls && i < m->controls->count; i++) control_file_close(m->controls->file[i]);
    free(m->controls);
    m->controls = NULL;
}

typedef struct {
    Model *m;
    const Job *job;
    struct Controls *next; /* what will be open */
} Using;

/* Small networks' convolutions are transformed beforehand, as the UNet's are. */
static int keep_transformed(const Using *u, ControlFile *f, Err *e)
{
    const char *why = NULL;
    const Kernels *k = kernels_select(&why);
    bool low = strcmp(u->job->memory, "low") == 0;
    if (!f->net || low) return 0;
    Precision precision;
    if (precision_choose(&precision, u->job->precision, k, unet_weight_bytes(u->m->unet), e)) return -1;
    bool rounded = precision_rounds_convs(precision);
    if (controlnet_transformed_bytes(f->net, rounded) > MODEL_SMALL) return 0;
    return controlnet_keep_transformed(f->net, k, rounded, e);
}

static int open_line(void *ctx, ControlLine *l, Err *e)
{
    Using *u = ctx;
    struct Controls *have = u->m->controls, *next = u->next;
    for (int i = 0; i < next->count; i++)
        if (is_of(next->file[i], l)) return 0;
    for (int i = 0; have && i < have->count; i++) {
        if (!is_of(have->file[i], l)) continue;
        next->file[next->count++] = have->file[i];
        have->file[i] = have->file[--have->count];
        return 0;
    }
    ControlFile *f = control_file_open(l, u->m->unet, e);
    if (!f) return -1;
    next->file[next->count++] = f;
    if (control_file_fits(f, u->m, e)) return err_in(e, l->model);
    return keep_transformed(u, f, e);
}

int controls_use(Model *m, const Job *j, Err *e)
{
    if (!j->control && !j->adapter && !j->ip_adapter) return 0;
    Using u = { m, j, mem_alloc(sizeof *u.next) };
    int failed = 0;
    for (ControlKind k = 0; k < CONTROL_KINDS && !failed; k++)
        if ((failed = control_lines(controls_of(j, k), k, open_line, &u, e))) err_in(e, control_options[k]);
    controls_drop(m);
    m->controls = u.next;
    if (failed) controls_drop(m);
    return failed;
}
