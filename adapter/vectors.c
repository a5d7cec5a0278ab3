/* vectors.c - changes of biases and of norms' scales and shifts: a vector of our own stands in the layer's place. */
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/mem.h"

/* Where element i of the file's vector stands in the layer's; a paired layer's bias lies as its panels do. */
static void scatter(const BoundVector *v, const float *by, const float *times, float *now)
{
    if (!v->order) {
        for (size_t i = 0; i < v->count; i++) {
            float *to = &now[v->first + i];
            *to = (times ? times[i] * *to : *to) + (by ? by[i] : 0);
        }
        return;
    }
    for (size_t i = 0; i < v->all; i++) {
        long row = panel_row(v->order, i / PANEL, i % PANEL);
        if (row >= 0) now[i] = (times ? times[row] * now[i] : now[i]) + (by ? by[row] : 0);
    }
}

/* v = v * times + by, laid at once. */
static VectorChange change(const BoundVector *v, const float *by, const float *times)
{
    VectorChange c = { v, *v->at, mem_array(v->all, sizeof(float)) };
    if (c.before) memcpy(c.now, c.before, v->all * sizeof(float));
    scatter(v, by, times, c.now);
    *v->at = c.now;
    return c;
}

void vector_take_off(VectorChange *c)
{
    *c->at->at = c->before;
    free(c->now);
}

/* Adds scale times a factor to a vector. */
static int add(const Module *m, Factor f, const BoundVector *to, float scale, VectorChange *out, Err *e)
{
    const Weight *t = m->factor[f];
    char shape[128];
    if (!to || weight_count(t) != to->count) {
        err_set(e, "%s has a change of shape %s for a vector of %zu", m->name,
                weight_shape_text(t, shape, sizeof shape), to ? to->count : 0);
        return MODULE_MISFIT;
    }
    float *by = factor_floats(t, e);
    if (!by) return -1;
    for (size_t i = 0; i < to->count; i++) by[i] *= scale;
    *out = change(to, by, NULL);
    free(by);
    return 0;
}

/* PEFT's IA3 on the outputs scales the bias with them. */
static int scale_bias(const Module *m, float strength, VectorChange *out, int *count, Err *e)
{
    const Weight *t = m->factor[FACTOR_IA3_L];
    const BoundVector *to = m->place->bias;
    if (!to || !*to->at || factor_side(t, 0) == 1 || weight_count(t) != to->count) return 0;
    float *by = factor_floats(t, e);
    if (!by) return -1;
    for (size_t i = 0; i < to->count; i++) by[i] = 1 + strength * (by[i] - 1);
    *out = change(to, NULL, by);
    ++*count;
    free(by);
    return 0;
}

int vectors_lay(const Kind *k, const Module *m, float strength, VectorChange out[VECTORS_MAX], int *count, Err *e)
{
    const struct {
        Factor factor;
        const BoundVector *to;
    } all[] = { { FACTOR_UP_BIAS, m->place->bias },
                { FACTOR_DIFF_B, m->place->bias },
                { FACTOR_W_NORM, m->place->weight },
                { FACTOR_B_NORM, m->place->bias } };
    *count = 0;
    if (m->factor[FACTOR_IA3_L]) return scale_bias(m, strength, out, count, e);
    for (size_t i = 0; i < sizeof all / sizeof *all && *count < VECTORS_MAX; i++) {
        float scale = 1;
        if (!m->factor[all[i].factor]) continue;
        if (all[i].factor == FACTOR_UP_BIAS && factor_scale(m, kind_rank(k, m), &scale, e)) return -1;
        int failed = add(m, all[i].factor, all[i].to, scale * strength, &out[*count], e);
        if (failed) return failed;
        ++*count;
    }
    return 0;
}
