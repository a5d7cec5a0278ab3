/* control_mode.c - see control_mode.h. */
#include "pipeline/control_mode.h"

#include <math.h>
#include <string.h>

#include "image/hint.h"

static bool is_edges(const ControlLine *l)
{
    HintSpec spec;
    Err e;
    return l->images && hint_spec_parse(&spec, l->image[0], &e) == 0 && spec.way &&
           strcmp(spec.way->name, "edges") == 0;
}

ControlMode control_mode(const Generator *g, const ControlLine *l)
{
    bool a1111 = g->recipe.compat == COMPAT_A1111, second = g->recipe.said.second_pass;
    bool prompt = l->mode && strcmp(l->mode, "prompt") == 0;
    bool control = (l->mode && strcmp(l->mode, "control") == 0) || (l->guess && a1111);
    bool forced = a1111 && second && is_edges(l);
    return (ControlMode){ .guess = l->guess && !a1111,
                          .soft = prompt || control || forced,
                          .prompt_only = control || l->guess };
}

double control_soft_share(ControlKind kind, int i)
{
    static const double maps[] = { 0.25, 0.62, 0.825, 1 };
    if (kind == CONTROL_T2I) return i < 4 ? maps[i] : 1;
    return pow(0.825, 12 - i);
}
