/* names.c - see names.h. */
#include "weights/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "weights/name_rules.h"
#include "weights/shapes.h"

static bool match(const char *pattern, const char *name, Match *m)
{
    int count = 0;
    *m = (Match){ .rest = "" };
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            m->rest = name;
            return true;
        }
        if (*pattern != '#') {
            if (*name++ != *pattern) return false;
            continue;
        }
        size_t digits = strspn(name, "0123456789");
        if (!digits || digits > 4) return false;
        m->numbers[count++] = atoi(name);
        name += digits;
    }
    return !*name;
}

/* From the file's numbers to diffusers' block and layer; false when there is no such block. */
static bool renumber(Numbering how, NameShape s, Match *m)
{
    int n = m->numbers[0];
    switch (how) {
    case NUM_SAME: return true;
    case NUM_DOWN:
        n--; /* block 0 is conv_in */
        break;
    case NUM_UP: break;
    case NUM_RAISE: m->numbers[0] = s.levels - 1 - n; return n < s.levels;
    case NUM_TEXT:
    case NUM_POOL: return true;
    case NUM_LESS: return m->numbers[0]-- > 0;
    }
    if (n < 0) return false;
    m->numbers[0] = n / (s.layers + 1);
    m->numbers[1] = n % (s.layers + 1);
    return m->numbers[0] < s.levels;
}

static void write_name(Str *out, const NameRule *r, const Match *m, char projection)
{
    str_clear(out);
    for (const char *p = r->to; *p; p++) {
        if (*p == '%') {
            p++;
            if (*p == 'q') str_addn(out, &projection, 1);
            else str_addf(out, "%d", m->numbers[*p == 'l']);
        } else if (*p == '*') {
            const char *rest = m->rest;
            for (const Leaf *l = r->leaves; l && l->from; l++) {
                if (!str_starts(rest, l->from)) continue;
                str_add(out, l->to);
                rest += strlen(l->from);
                break;
            }
            str_add(out, rest);
        } else {
            str_addn(out, p, 1);
        }
    }
}

/* A third of a tensor along its first dimension. */
static int add_third(Weights *out, const char *name, const Weight *t, int third, Err *e)
{
    Weight part = *t;
    if (!t->ndim || t->shape[0] % 3) {
        char shape[SHOWN_MAX];
        return err_set(e, "shape %s: the first dimension should be 3 times the width (query, key, value)",
                       weight_shape_text(t, shape, sizeof shape));
    }
    if (weight_count(t) / 3 % dtype_block(t->dtype))
        return err_set(e, "its blocks of %zu numbers do not end where query, key and value do", dtype_block(t->dtype));
    part.shape[0] /= 3;
    part.bytes /= 3;
    part.data += (size_t)third * part.bytes;
    if (part.scales > 1) {
        part.scales /= 3;
        part.scale += (size_t)third * part.scales * dtype_size(part.scale_type);
    }
    return weights_add(out, name, &part, e);
}

/* Rows become columns, in memory of the tensor's own; as f32 where they lie in blocks or have scales. */
static int turn(Weight *t, Err *e)
{
    char shape[SHOWN_MAX];
    if (t->ndim != 2) return err_set(e, "shape %s: a matrix is expected", weight_shape_text(t, shape, sizeof shape));
    const bool unpacked = dtype_computes(t->dtype) && (dtype_block(t->dtype) > 1 || t->scale);
    const size_t rows = (size_t)t->shape[0], columns = (size_t)t->shape[1];
    const size_t size = unpacked ? sizeof(float) : dtype_size(t->dtype), bytes = rows * columns * size;
    t->own = mem_try(bytes);
    if (!t->own) return err_set(e, "out of memory for its %zu bytes", bytes);
    float *line = mem_array(columns + 1, sizeof *line);
    for (size_t i = 0; i < rows; i++) {
        const unsigned char *row = unpacked ? (const unsigned char *)line : t->data + i * columns * size;
        if (unpacked) weight_values(t, i * columns, columns, line);
        for (size_t k = 0; k < columns; k++) memcpy(t->own + (k * rows + i) * size, row + k * size, size);
    }
    free(line);
    if (unpacked) t->dtype = DT_F32, t->scale = NULL;
    t->data = t->own;
    t->bytes = bytes;
    t->shape[0] = (int64_t)columns;
    t->shape[1] = (int64_t)rows;
    return 0;
}

static int add_converted(Weights *out, const NameRule *r, const Match *m, const Weight *t, Err *e)
{
    Str name = { 0 };
    Weight view = *t;
    int failed = 0;

    view.used = false;
    if (r->action == FLATTEN)
        while (view.ndim > 2 && view.shape[view.ndim - 1] == 1) view.ndim--;
    if (r->action == FOLD)
        for (; view.ndim > 2; view.ndim--) view.shape[1] *= view.shape[view.ndim - 1];
    if (r->action == TURN && turn(&view, e)) return -1;
    if (r->action == SPLIT) {
        for (int i = 0; i < 3 && !failed; i++) {
            write_name(&name, r, m, "qkv"[i]);
            failed = add_third(out, name.s, &view, i, e);
        }
    } else {
        write_name(&name, r, m, 0);
        failed = weights_add(out, name.s, &view, e);
    }
    str_release(&name);
    return failed;
}

/* The first rule that fits; NULL when none does. */
static const NameRule *find_rule(NameTable table, const char *name, NameShape shape, Match *m)
{
    for (const NameRule *r = name_tables_behind[table] ? name_tables[table] : NULL; r && r->from; r++)
        if (match(r->from, name, m)) return renumber(r->how, shape, m) ? r : NULL;
    const NameRule *rules = name_tables_behind[table] ? name_tables_behind[table] : name_tables[table];
    for (const NameRule *r = rules; r->from; r++)
        if (match(r->from, name, m)) return renumber(r->how, shape, m) ? r : NULL;
    return NULL;
}

/* Whether a name begins with a word that a name of the table begins with, up to its first '.'. */
static bool is_related(const NameRule *rules, const char *name)
{
    size_t len = strcspn(name, ".");
    if (!rules) return false;
    for (const NameRule *r = rules; r->from; r++)
        if (strcspn(r->from, ".") == len && strncmp(r->from, name, len) == 0) return true;
    return false;
}

int names_numbering(const Weights *w, const char *prefix, NameShape *s, Err *e)
{
    int blocks = 1; /* 0 is conv_in */
    *s = (NameShape){ .levels = 1 };
    for (;; blocks++) {
        bool down = shapes_dim(w, 0, "%sinput_blocks.%d.0.op.weight", prefix, blocks) > 0;
        if (!down && !shapes_dim(w, 0, "%sinput_blocks.%d.0.in_layers.2.weight", prefix, blocks)) break;
        if (!down) continue;
        if (s->levels++ == 1) s->layers = blocks - 1;
    }
    if (s->levels == 1) s->layers = blocks - 1;
    if (s->layers < 1 || blocks != s->levels * (s->layers + 1))
        return err_set(e, "a UNet of %d input blocks on %d levels, which do not divide evenly: tensors are missing",
                       blocks, s->levels);
    return 0;
}

Weights *names_convert(Weights *all, const char *prefix, NameTable table, NameShape shape, Err *e)
{
    char buf[SHOWN_MAX];
    Weights *out = weights_new();
    if (weights_check_deferred(all)) weights_defer_check(out);
    size_t len = strlen(prefix);

    for (size_t i = 0; i < weights_count(all); i++) {
        Match m;
        Weight *t = weights_at(all, i);
        if (t->folded || strncmp(t->name, prefix, len) != 0) continue;
        const NameRule *r = find_rule(table, t->name + len, shape, &m);
        if (!r && !len && !is_related(name_tables[table], t->name) && !is_related(name_tables_behind[table], t->name))
            continue;
        if (!r) {
            err_set(e, "limn does not know the tensor \"%s\"", shown(t->name, buf));
            goto fail;
        }
        t->used = true;
        bool unused_block = r->how == NUM_TEXT && shape.text_layers && m.numbers[0] >= shape.text_layers;
        if (r->action == DROP || unused_block || (r->how == NUM_POOL && !shape.pooled)) continue;
        if (add_converted(out, r, &m, t, e)) {
            err_in(e, shown(t->name, buf));
            goto fail;
        }
    }
    return out;

fail:
    weights_free(out);
    return NULL;
}
