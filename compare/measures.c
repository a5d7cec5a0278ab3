/* measures.c - the cells' pictures against their references, and given pictures against each other. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "compare/run.h"

void measures_init(Measures *m)
{
    *m = (Measures){ .latent_rmse = NAN,
                     .psnr = NAN,
                     .ssim = NAN,
                     .flip = NAN,
                     .flip_worst = NAN,
                     .spectrum = NAN,
                     .bands = { NAN, NAN, NAN } };
}

void measures_release(Measures *m)
{
    free(m->db);
    m->db = NULL;
}

int measures_take(Measures *m, const Image *a, const Image *b, Err *e)
{
    Spectrum sa = { 0 }, sb = { 0 };
    if (measure_check(a, b, e)) return -1;
    m->psnr = measure_psnr(a, b);
    m->ssim = measure_ssim(a, b);
    FlipError flip = measure_flip_error(a, b);
    m->flip = flip.mean;
    m->flip_worst = flip.worst;
    int failed = spectrum_init(&sa, a, e) || spectrum_init(&sb, b, e);
    if (!failed) {
        m->bins = sa.bins;
        m->db = mem_array((size_t)sa.bins + 1, sizeof *m->db);
        m->spectrum = spectrum_difference(&sa, &sb, m->db);
        m->bands = spectrum_bands(&sa, m->db);
    }
    spectrum_release(&sa);
    spectrum_release(&sb);
    return failed ? -1 : 0;
}

/* *other: the picture has another size, which is no fault. */
static int measure_cell(const Comparison *c, Cell *cell, const Reference *f, const Image *standard, bool *other, Err *e)
{
    Image im = { 0 };
    *other = false;
    if (comparison_image(c, cell, &im, e)) return -1;
    *other = im.w != standard->w || im.h != standard->h;
    int failed = measures_take(&cell->m, &im, standard, e);
    if (!failed && cell->len == f->len) cell->m.latent_rmse = measure_rmse(cell->latent, f->latent, f->len);
    image_release(&im);
    return failed ? -1 : 0;
}

static void keep_spectrum(Reference *f, const Image *im)
{
    Spectrum s = { 0 };
    Err e;
    if (spectrum_init(&s, im, &e) == 0) {
        f->power = s.power;
        f->bins = s.bins;
        f->step = s.step;
        s.power = NULL;
    }
    spectrum_release(&s);
}

/* What a converged picture knows of itself, as measures. */
static void keep_change(Reference *f)
{
    const double *change = f->cost.change;
    measures_init(&f->own);
    if (f->cell >= 0 || f->error) return;
    f->own.latent_rmse = change[CHANGE_RMSE];
    f->own.psnr = change[CHANGE_PSNR] >= 999 ? INFINITY : change[CHANGE_PSNR];
    f->own.ssim = change[CHANGE_SSIM];
    f->own.flip = change[CHANGE_FLIP];
    f->own.flip_worst = change[CHANGE_FLIP_WORST];
}

void measure_cells(Comparison *c)
{
    for (int k = 0; k < c->reference_count; k++) {
        Reference *f = &c->references[k];
        Image standard = { 0 };
        Err e = { 0 };
        keep_change(f);
        bool there = f->file && !store_image(&c->store, f->file, &standard, &e), drawn = f->file != NULL;
        if (!drawn) err_set(&e, "no reference: %s", f->error ? f->error : "it was not drawn");
        if (there) keep_spectrum(f, &standard);
        for (int i = 0; i < c->count; i++) {
            Cell *cell = &c->cells[i];
            if (cell->reference != k || cell->error) continue;
            bool other = false;
            if (there && !measure_cell(c, cell, f, &standard, &other, &e)) continue;
            cell->note = mem_strdup(e.text);
            if (drawn && !other && !c->unmeasured++) c->unmeasured_why = mem_strdup(e.text);
        }
        image_release(&standard);
    }
}
