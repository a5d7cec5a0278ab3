/*
 * test_known_answer.c - a comparison whose answer is known. Each number of the latent is of a mixture of Gaussians of its own, so
 * D(x; sigma) is known, and so is the solution of the probability-flow ODE: in one dimension it keeps the share of the
 * distribution that lies below x, so x(sigma) = F_sigma^-1(F_top(x(top))). Samplers draw cells with this D in place of a network; what
 * the report says of orders, ranks, the reference and what to use is held against that solution.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "compare/contact.h"
#include "compare/document.h"
#include "compare/report.h"
#include "tests/sampling.h"

enum { SIDE = 12, NUMBERS = SIDE * SIDE * 4, MODES = 3 };

/* ---- the mixture ---- */

typedef struct {
    double weight[MODES], mean[MODES], deviation[MODES];
} Mixture;

/* Of the i-th number of the latent. */
static Mixture mixture_of(int i)
{
    double shift = 0.3 * sin(i), narrow = 0.3 + 0.1 * cos(3.0 * i);
    return (Mixture){ { 0.5, 0.3, 0.2 }, { -1.2 + shift, 0.3, 1.4 - shift }, { narrow, 0.4, 0.35 } };
}

static double share_below(const Mixture *m, double x, double sigma)
{
    double sum = 0;
    for (int k = 0; k < MODES; k++)
        sum += m->weight[k] * 0.5 * erfc((m->mean[k] - x) / hypot(m->deviation[k], sigma) / sqrt(2));
    return sum;
}

/* The mean of what x may have been without the noise. */
static double posterior_mean(const Mixture *m, double x, double sigma)
{
    double total = 0, sum = 0, least = INFINITY, distance[MODES];
    for (int k = 0; k < MODES; k++) {
        double spread = hypot(m->deviation[k], sigma);
        distance[k] = (x - m->mean[k]) * (x - m->mean[k]) / (2 * spread * spread) + log(spread / m->weight[k]);
        least = fmin(least, distance[k]);
    }
    for (int k = 0; k < MODES; k++) {
        double likely = exp(least - distance[k]), s2 = m->deviation[k] * m->deviation[k], v = sigma * sigma;
        total += likely;
        sum += likely * (m->mean[k] * v + x * s2) / (s2 + v);
    }
    return sum / total;
}

static int mixture_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx;
    (void)e;
    for (int i = 0; i < NUMBERS; i++) {
        Mixture m = mixture_of(i);
        x0.data[i] = (float)posterior_mean(&m, (double)x.data[i], sigma);
    }
    return 0;
}

/* Where the equation leads from x at the top down to the bottom, and from there the estimate: what samplers' last step is. */
static double solution(int i, double x, double top, double bottom)
{
    Mixture m = mixture_of(i);
    double share = share_below(&m, x, top), low = -50, high = 50;
    for (int k = 0; k < 200; k++) {
        double middle = (low + high) / 2;
        if (share_below(&m, middle, bottom) < share) low = middle;
        else high = middle;
    }
    return posterior_mean(&m, low, bottom);
}

/* ---- cells ---- */

typedef struct {
    Noise noise;
    double top;
    uint64_t seed;
    const char *sampler;
    int order;
} World;

static void world_init(World *w)
{
    Err e;
    *w = (World){ .seed = 1 };
    noise_defaults(&w->noise);
    assert_int_equal(noise_build(&w->noise, &e), 0);
    w->top = w->noise.sigmas[w->noise.timesteps - 1];
}

static void unit_noise(const World *w, float *out)
{
    Rng rng;
    rng_init(&rng, RNG_TORCH, w->seed);
    rng_randn(&rng, out, NUMBERS);
}

/* Latents as a picture: three of four numbers. */
static void to_image(Image *im, const float *latent)
{
    image_init(im, SIDE, SIDE);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        double v = 128 + 50 * (double)latent[i / 3 * 4 + i % 3];
        im->rgb[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
    }
}

/* A sampler's run over a timeline; ctx: World. */
static int solve(void *ctx, const Timeline *tl, Drawn *out, Err *e)
{
    const World *w = ctx;
    Run *r = run_new(0);
    r->noise = w->noise;
    r->d.noise = &w->noise;
    r->d.exact = mixture_denoiser;
    r->tuning.solver.order = w->order;
    r->x = tensor_new(&r->arena, 1, SIDE, SIDE, 4);
    unit_noise(w, r->x.data);
    for (int i = 0; i < NUMBERS; i++) r->x.data[i] *= (float)tl->scale;
    timeline_copy(&r->tl, tl);
    run_sampler(r, sampler_find(w->sampler));
    *out = (Drawn){ .latent = mem_array(NUMBERS, sizeof(float)), .len = NUMBERS };
    for (int i = 0; i < NUMBERS; i++) out->latent[i] = r->x.data[i];
    to_image(&out->image, out->latent);
    out->cost = (Cost){ .evaluations = sampler_evals(sampler_find(w->sampler), tl), .seconds = 0.01 * tl->steps };
    r->noise = (Noise){ 0 };
    run_free(r);
    (void)e;
    return 0;
}

/* Karras' sigmas, which are not those of the reference. */
static void cell_timeline(const World *w, Timeline *tl, int steps)
{
    double *sigma = mem_array((size_t)steps + 1, sizeof *sigma), high = pow(w->top, 1.0 / 7),
           low = pow(w->noise.sigmas[0], 1.0 / 7);
    for (int i = 0; i < steps; i++) sigma[i] = pow(high + (low - high) * i / (steps - 1), 7);
    timeline_from(tl, sigma, steps, w->top, &w->noise);
    free(sigma);
}

static double true_error(const World *w, const float *latent)
{
    float noise[NUMBERS], exact[NUMBERS];
    unit_noise(w, noise);
    for (int i = 0; i < NUMBERS; i++)
        exact[i] = (float)solution(i, (double)(noise[i] * (float)w->top), w->top, w->noise.sigmas[0]);
    return measure_rmse(latent, exact, NUMBERS);
}

/* ---- the reference ---- */

/* It is nearer than its own error says, and costs less than it did to get as near by doubling a method of second order. */
static void test_reference_of_a_mixture(void **state)
{
    (void)state;
    World w;
    world_init(&w);
    w.sampler = REFERENCE_SAMPLER;
    w.order = 3;
    for (w.seed = 1; w.seed <= 5; w.seed++) {
        Drawn d;
        Err e;
        Start s = { w.top, w.top };
        assert_int_equal(reference_refine(&(ReferenceSolver){ solve, &w }, &s, &w.noise, &d, &e), 0);
        double error = true_error(&w, d.latent), told = d.cost.change[CHANGE_RMSE];
        if (!(error <= told && error > told / 50)) fail_msg("seed %d: %g off, %g told", (int)w.seed, error, told);
        assert_true(d.cost.change[CHANGE_CONVERGED] == 1 && d.cost.evaluations <= 114);
        World old = w;
        old.sampler = "dpmpp_2m";
        Timeline tl;
        Drawn second;
        cell_timeline(&old, &tl, 64);
        solve(&old, &tl, &second, &e);
        if (error > true_error(&w, second.latent)) fail_msg("64 steps of DPM-Solver++(2M) are nearer");
        timeline_release(&tl);
        drawn_release(&second);
        drawn_release(&d);
    }
    noise_release(&w.noise);
}

/* ---- the report ---- */

/* The last is of third order but for its first steps and the last, which count less and less. */
static const struct {
    const char *name;
    double order;
} solvers[] = { { "euler", 1 }, { "heun", 2 }, { "dpmpp_2m", 2 }, { "dpmpp_3m", 3 } };
enum { SOLVERS = 4, COUNTS = 4, SEEDS = 3, TOP_STEPS = 96 };

static void set(Job *j, const char *option, const char *value)
{
    Err e = { 0 };
    if (job_set(j, option_find(option, strlen(option)), value, &e)) fail_msg("%s: %s", option, e.text);
}

static void store(Comparison *c, char **file, const Drawn *d, const char *words)
{
    char key[STORE_KEY + 1];
    Str name = { 0 };
    Err e = { 0 };
    store_key(key, words);
    store_file(&name, words, key);
    if (store_write(&c->store, name.s, key, d, &(PngTexts){ 0 }, &e)) fail_msg("%s", e.text);
    *file = name.s;
}

static void add_references(Comparison *c, World *w)
{
    c->references = mem_array(SEEDS, sizeof *c->references);
    c->reference_count = SEEDS;
    w->sampler = REFERENCE_SAMPLER;
    w->order = 3;
    for (int k = 0; k < SEEDS; k++) {
        Drawn d;
        Err e;
        char words[32];
        Reference *f = &c->references[k];
        *f = (Reference){ .start = { w->top, w->top }, .seed = (uint64_t)k + 1, .cell = -1 };
        w->seed = f->seed;
        assert_int_equal(reference_refine(&(ReferenceSolver){ solve, w }, &f->start, &w->noise, &d, &e), 0);
        snprintf(words, sizeof words, "converged %d", k);
        store(c, &f->file, &d, words);
        f->cost = d.cost;
        f->latent = d.latent;
        f->len = d.len;
        image_release(&d.image);
    }
}

static void add_cell(Comparison *c, World *w, int row, int column, int number)
{
    Cell *cell = &c->cells[c->count++];
    Timeline tl;
    Drawn d;
    Err e;
    char words[64];
    *cell = (Cell){ .row = row, .column = column, .number = number, .seed = (uint64_t)number + 1, .reference = number };
    measures_init(&cell->m);
    grid_job(&c->grid, c->base, row, column, &cell->job);
    cell->job.seed = w->seed = cell->seed;
    cell->deterministic = true;
    w->sampler = cell->job.sampler;
    w->order = 0;
    cell_timeline(w, &tl, cell->job.steps);
    solve(w, &tl, &d, &e);
    timeline_release(&tl);
    snprintf(words, sizeof words, "%s %d seed %d", w->sampler, cell->job.steps, number);
    store(c, &cell->file, &d, words);
    cell->cost = d.cost;
    cell->latent = d.latent;
    cell->len = d.len;
    cell->w = c->w = SIDE;
    cell->h = c->h = SIDE;
    image_release(&d.image);
}

/* What limn compare does, but for the network. */
static void compare(Comparison *c, Job *base, World *w, const char *dir)
{
    Err e = { 0 };
    job_init(base);
    set(base, "samplers", "euler,heun,dpmpp_2m,dpmpp_3m");
    set(base, "step_counts", "12,24,48,96");
    set(base, "schedule", "karras");
    set(base, "prompt", "a mixture");
    set(base, "target", "rmse:0.003");
    *c = (Comparison){ .base = base, .dir = dir, .model = mem_strdup("mixture"), .sha256 = mem_strdup("") };
    if (grid_init(&c->grid, base, &e) || store_open(&c->store, dir, &e)) fail_msg("%s", e.text);
    c->cells = mem_array(SOLVERS * COUNTS * SEEDS, sizeof *c->cells);
    add_references(c, w);
    for (int row = 0; row < SOLVERS; row++)
        for (int column = 0; column < COUNTS; column++)
            for (int number = 0; number < SEEDS; number++) add_cell(c, w, row, column, number);
    measure_cells(c);
}

/* The order that was observed is the sampler's, where the steps are many. */
static void check_orders(const Comparison *c, const Conclusions *k)
{
    for (int row = 0; row < SOLVERS; row++) {
        assert_true(str_starts(c->grid.rows[row].label, solvers[row].name));
        assert_error(fabs(k->rows[row].order - solvers[row].order), 0.4, "%s: order", solvers[row].name);
    }
}

/*
 * Of two cells of a seed that which is said to be nearer is nearer, and every error is within the reference's own of
 * the true one.
 */
static void check_ranks(const Comparison *c, World *w)
{
    double error[SOLVERS * COUNTS * SEEDS];
    for (int i = 0; i < c->count; i++) {
        w->seed = c->cells[i].seed;
        error[i] = true_error(w, c->cells[i].latent);
        double own = c->references[c->cells[i].reference].own.latent_rmse;
        assert_error(fabs(c->cells[i].m.latent_rmse - error[i]), own, "the error of a cell");
    }
    int pairs = 0;
    for (int a = 0; a < c->count; a++) {
        for (int b = 0; b < c->count; b++) {
            double own = c->references[c->cells[a].reference].own.latent_rmse;
            if (c->cells[a].seed != c->cells[b].seed || error[b] - error[a] <= 2 * own) continue;
            assert_true(c->cells[a].m.latent_rmse < c->cells[b].m.latent_rmse);
            pairs++;
        }
    }
    assert_true(pairs > 200);
}

/* What is recommended is the cheapest of those whose true errors are within the target. */
static void check_verdict(const Comparison *c, const Conclusions *k, World *w)
{
    const Candidate *best = k->candidates.best;
    double least = INFINITY;
    assert_non_null(best);
    for (int i = 0; i < k->candidates.count; i++) {
        const Candidate *x = &k->candidates.all[i];
        double worst = 0;
        for (int n = 0; n < c->count; n++) {
            if (!candidate_has(x, c, &c->cells[n])) continue;
            w->seed = c->cells[n].seed;
            worst = fmax(worst, true_error(w, c->cells[n].latent));
        }
        if (worst <= 0.003) least = fmin(least, x->evaluations);
    }
    assert_true(best->evaluations == least && best->units == SEEDS && best->units_reached == SEEDS);
    assert_string_not_equal(best->cell->job.sampler, "euler"); /* 96 steps of it are not near enough */
}

static void check_document(const Comparison *c, const Conclusions *k)
{
    Err e = { 0 };
    cJSON *made = document_json(c, k, "limn compare");
    char *text = cJSON_Print(made);
    cJSON *doc = cJSON_Parse(text), *verdict = cJSON_GetObjectItem(doc, "verdict"), *row;
    int i = 0, pages;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(doc, "rows"))
    {
        double order = cJSON_GetObjectItem(row, "order")->valuedouble;
        assert_error(fabs(order - k->rows[i++].order), 1e-4, "the document's order");
    }
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(verdict, "use"), "sampler")->valuestring,
                        k->candidates.best->cell->job.sampler);
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(verdict, "statistics"), "choices")->valueint,
                     SOLVERS * COUNTS);
    if (report_write(&c->store.folder, made, &e) || contact_write(c, k, &pages, &e)) fail_msg("%s", e.text);
    cJSON_free(text);
    cJSON_Delete(made);
    cJSON_Delete(doc);
}

static void test_report_of_a_mixture(void **state)
{
    char dir[] = "/tmp/limn-mixture-XXXXXX";
    Comparison c;
    Conclusions k;
    Job base;
    World w;
    Err e = { 0 };
    Str clean = { 0 };
    (void)state;
    assert_non_null(mkdtemp(dir));
    world_init(&w);
    compare(&c, &base, &w, dir);
    if (conclude(&k, &c, &e)) fail_msg("%s", e.text);
    check_orders(&c, &k);
    check_ranks(&c, &w);
    check_verdict(&c, &k, &w);
    check_document(&c, &k);
    conclusions_release(&k);
    comparison_release(&c);
    job_release(&base);
    noise_release(&w.noise);
    str_addf(&clean, "rm -r '%s'", dir);
    assert_int_equal(system(clean.s), 0);
    str_release(&clean);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_reference_of_a_mixture),
                                        cmocka_unit_test(test_report_of_a_mixture) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
