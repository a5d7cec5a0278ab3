/* areas.c - see areas.h. */
#include "pipeline/areas.h"

#include <string.h>

#include "base/mem.h"
#include "pipeline/regions.h"
#include "pipeline/windows.h"

/* An area, and what its line says. */
typedef struct {
    RegionWish wish;
    Region at; /* w 0: it is none, or lies outside */
} Area;

/* One for each region. */
static int read_areas(const Recipe *r, int factor, Area *areas)
{
    int count = regions_count(r->said.region);
    const char *line = r->said.region;
    double scale = r->said.region_scale > 0 ? r->said.region_scale : 1;
    for (int k = 0; k < count && k < REGIONS_MAX; k++, line += strcspn(line, "\n") + 1) {
        Err e;
        areas[k] = (Area){ .at = { 0 } };
        if (region_line_parse(line, &areas[k].wish, &e) || !areas[k].wish.area) continue;
        areas[k].at = region_area(&areas[k].wish, factor, r->w, r->h, scale);
    }
    return count;
}

bool areas_wanted(const Recipe *r)
{
    int count = regions_count(r->said.region);
    const char *line = r->said.region;
    for (int k = 0; k < count; k++, line += strcspn(line, "\n") + 1) {
        RegionWish wish;
        Err e;
        if (!region_line_parse(line, &wish, &e) && wish.area) return true;
    }
    return false;
}

int areas_check(const Recipe *r, Err *e)
{
    if (!areas_wanted(r)) return 0;
    if (r->said.control || r->said.adapter || windows_wanted(r))
        return err_usage(e, "--region with area is not together with --control, --adapter or --diffusion-tile");
    return 0;
}

/* sum += weight * the network's output for a part of one branch's latent; areas NULL: for all of it, by 1. */
static int add_part(Generator *g, Tensor sum, const Evaluation *ev, const Area *a, bool weighed, Err *e)
{
    size_t mark = g->nn.arena->used, c = (size_t)sum.c;
    Region at = a ? a->at : (Region){ 0, 0, sum.w, sum.h };
    if (generator_check(g, e)) return -1;
    Nn nn = generator_nn(g);
    Evaluation part = *ev;
    if (a) part.x = windows_crop(g->nn.arena, ev->x, at);
    g->run.part = a ? at : (Region){ 0 };
    UNetInputs in = told_inputs(g, &part);
    Tensor got = unet_forward(&nn, g->m->unet, part.x, part.t, &in);
    g->run.part = (Region){ 0 };
    for (size_t i = 0; got.data && i < tensor_rows(got); i++) {
        int x = at.x + (int)(i % (size_t)at.w), y = at.y + (int)(i / (size_t)at.w % (size_t)at.h);
        size_t n = i / ((size_t)at.w * (size_t)at.h), to = (n * (size_t)sum.h + (size_t)y) * (size_t)sum.w + (size_t)x;
        float by = weighed ? (float)region_area_weight(&a->wish, at, sum.w, sum.h, x, y) : 1;
        for (size_t k = 0; k < c; k++) sum.data[to * c + k] += by * got.data[i * c + k];
    }
    arena_reset(g->nn.arena, mark);
    return 0;
}

static bool same(Region a, Region b) { return a.x == b.x && a.y == b.y && a.w == b.w && a.h == b.h; }

/* Of areas at one place the first counts for the negative prompt, and one of all the latent is the whole. */
static bool is_first(const Area *areas, int k, int w, int h)
{
    bool first = areas[k].at.w && !same(areas[k].at, (Region){ 0, 0, w, h });
    for (int i = 0; i < k; i++) first = first && !same(areas[i].at, areas[k].at);
    return first;
}

/* The mean of what is there already, by 1, and of each area's, by its weight. */
static int add_areas(Generator *g, Tensor sum, const Evaluation *ev, const Area *areas, int count, Err *e)
{
    for (int k = 0; k < count; k++)
        if (is_first(areas, k, sum.w, sum.h) && add_part(g, sum, ev, &areas[k], true, e)) return -1;
    size_t c = (size_t)sum.c;
    for (size_t i = 0; sum.data && i < tensor_rows(sum); i++) {
        int x = (int)(i % (size_t)sum.w), y = (int)(i / (size_t)sum.w % (size_t)sum.h);
        double all = 1;
        for (int k = 0; k < count; k++)
            if (is_first(areas, k, sum.w, sum.h))
                all += region_area_weight(&areas[k].wish, areas[k].at, sum.w, sum.h, x, y);
        for (size_t v = 0; v < c; v++) sum.data[i * c + v] /= (float)all;
    }
    return 0;
}

int areas_evaluate(Generator *g, Tensor out, const Evaluation *ev, Err *e)
{
    Area areas[REGIONS_MAX];
    int count = read_areas(&g->recipe, vae_factor(g->m->vae), areas), n = ev->x.n / ev->branches, failed = 0;
    if (out.data) memset(out.data, 0, tensor_len(out) * sizeof *out.data);
    for (int b = 0; b < ev->branches && !failed; b++) {
        Evaluation one = *ev;
        one.branch = &ev->branch[b];
        one.branches = 1;
        one.x = tensor_slice(ev->x, b * n, n);
        bool prompted = branch_prompted(one.branch->of);
        int k = prompted ? one.branch->part - (g->prompts.parts - g->prompts.regions) : -1;
        bool area = k >= 0 && areas[k].wish.area;
        Tensor sum = tensor_slice(out, b * n, n);
        if (area && !areas[k].at.w) continue;
        failed = add_part(g, sum, &one, area ? &areas[k] : NULL, false, e);
        if (!failed && !prompted) failed = add_areas(g, sum, &one, areas, count, e);
    }
    return failed ? -1 : 0;
}
