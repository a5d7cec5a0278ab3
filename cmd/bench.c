/* bench.c - limn bench: how fast this machine is, on networks of known shape. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "base/mem.h"
#include "cmd/bench_model.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "nn/team.h"
#include "pipeline/bench.h"
#include "weights/quantise.h"

/* One network's results, as both reports walk them. */
typedef struct {
    const char *name, *title;
    const BenchPass *pass;
} Part;

static double peak_of(const BenchResult *r)
{
    return strstr(r->precision, "bf16") && r->peak.bf16 > 0 ? r->peak.bf16 : r->peak.f32;
}

static int slowest_first(const void *a, const void *b)
{
    double x = ((const LayerCost *)a)->seconds, y = ((const LayerCost *)b)->seconds;
    return (x < y) - (x > y);
}

static double rate(double flops, double seconds) { return seconds > 0 ? flops / seconds * 1e-9 : 0; }

/* What no layer claims: copies between them, the time embedding. */
static double between(const BenchPass *p)
{
    double seconds = p->seconds;
    for (size_t i = 0; i < p->profile.count; i++) seconds -= p->profile.layers[i].seconds;
    return seconds > 0 ? seconds : 0;
}

/* ---- for a person ----------------------------------------------------------------------------------------------------- */

/* "3x3 320 > 640", "8 x 40, 77 keys" */
static void put_channels(const LayerShape *s, char *buf, size_t size)
{
    if (s->kind <= LAYER_CONV_UP) snprintf(buf, size, "%dx%d %d > %d", s->k, s->k, s->in, s->out);
    else if (s->kind == LAYER_ATTENTION) snprintf(buf, size, "%d x %d, %d keys", s->in, s->out, s->k);
    else if (s->kind == LAYER_LINEAR) snprintf(buf, size, "%d > %d", s->in, s->out);
    else snprintf(buf, size, "%d", s->in);
}

static void put_layers(const Part *part, double peak)
{
    const Profile *p = &part->pass->profile;
    LayerCost *rows = mem_array(p->count + 1, sizeof *rows);
    if (p->count) memcpy(rows, p->layers, p->count * sizeof *rows);
    qsort(rows, p->count, sizeof *rows, slowest_first);
    printf("\n%-15s %-19s %-11s %3s %8s %5s %6s %4s\n", part->title, "channels", "pixels", "n", "ms", "share",
           "GFLOP/s", "peak");
    for (size_t i = 0; i < p->count; i++) {
        const LayerShape *s = &rows[i].shape;
        char channels[48], pixels[40];
        double flops = rows[i].count * layer_flops(s), speed = rate(flops, rows[i].seconds);
        put_channels(s, channels, sizeof channels);
        snprintf(pixels, sizeof pixels, "%dx%dx%d", s->n, s->h, s->w);
        printf("%-15s %-19s %-11s %3d %8.1f %4.1f%%", layer_name(s), channels, pixels, rows[i].count,
               rows[i].seconds * 1e3, 100 * rows[i].seconds / part->pass->seconds);
        if (flops > 0) printf(" %7.0f %3.0f%%", speed, 100 * speed / peak);
        printf("\n");
    }
    double rest = between(part->pass);
    printf("%-15s %-19s %-11s %3s %8.1f %4.1f%%\n", "between layers", "", "", "", rest * 1e3,
           100 * rest / part->pass->seconds);
    free(rows);
}

/* A line for each kind of layer: "  conv, one thread       f32 390, i16 720 GOP/s" */
static void put_speeds(const Speeds *s)
{
    char text[PRECISION_TEXT];
    for (int i = 0; i < PRECISION_WAYS; i++) {
        const PrecisionWay *way = &precision_ways[i];
        bool first = way->factors == FACTORS_F32,
             last = i + 1 == PRECISION_WAYS || precision_ways[i + 1].factors == FACTORS_F32;
        if (first) {
            snprintf(text, sizeof text, "%s, one thread", way->kind);
            printf("  %-22s", text);
        }
        if (s->gops[i] > 0) printf("%s %s %.0f", first ? "" : ",", way->name, s->gops[i]);
        if (last) printf(" GOP/s\n");
    }
    printf("  %-22s %s for large networks\n", "auto takes", precision_text(s->chosen, text));
}

static void report(const BenchJob *j, const BenchResult *r, const Part *parts, bool layers)
{
    printf("%s, %dx%d, %d latents in the UNet; kernels %s, %s, %d thread%s\n", j->shape, r->size, r->size, j->batch,
           r->row, r->precision, j->threads, j->threads == 1 ? "" : "s");
    for (const Part *p = parts; p->name; p++)
        printf("  %-22s %8.3f s %8.0f GFLOP/s of %.4g GFLOP\n", p->title, p->pass->seconds,
               rate(p->pass->flops, p->pass->seconds), p->pass->flops * 1e-9);
    printf("  %-22s %8.0f MB resident\n", "peak memory", (double)r->peak_bytes * 1e-6);
    printf("  %-22s %8.0f MB; large: resident while they are needed\n", "weights", (double)r->weights_bytes * 1e-6);
    printf("  %-22s %8.0f GFLOP/s in registers", "this machine, f32", r->peak.f32);
    if (r->peak.sgemm > 0) printf(", %.0f by OpenBLAS sgemm", r->peak.sgemm);
    printf("\n");
    if (r->peak.bf16 > 0) printf("  %-22s %8.0f GFLOP/s in registers\n", "this machine, bf16", r->peak.bf16);
    if (r->speeds.gops[0] > 0) put_speeds(&r->speeds);
    if (!layers) return;
    for (const Part *p = parts; p->name; p++) put_layers(p, peak_of(r));
    printf("\nGFLOP/s count the plain algorithm's products, so Winograd can pass the machine's\n"
           "peak (%.0f, the last column's 100%%).\n",
           peak_of(r));
}

/* ---- for a program ---------------------------------------------------------------------------------------------------- */

static void add_layers(cJSON *to, const Part *part, double peak)
{
    const Profile *p = &part->pass->profile;
    for (size_t i = 0; i < p->count; i++) {
        const LayerCost *c = &p->layers[i];
        const LayerShape *s = &c->shape;
        double speed = rate(c->count * layer_flops(s), c->seconds);
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "network", part->name);
        cJSON_AddStringToObject(o, "layer", layer_name(s));
        const struct {
            const char *name;
            double value;
        } numbers[] = { { "n", s->n },
                        { "h", s->h },
                        { "w", s->w },
                        { "in", s->in },
                        { "out", s->out },
                        { "k", s->k },
                        { "count", c->count },
                        { "seconds", c->seconds },
                        { "share", c->seconds / part->pass->seconds },
                        { "gflops", speed },
                        { "of_peak", speed / peak } };
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            cJSON_AddNumberToObject(o, numbers[k].name, numbers[k].value);
        cJSON_AddItemToArray(to, o);
    }
}

static void report_json(const BenchJob *j, const BenchResult *r, const Part *parts, bool layers)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "shape", j->shape);
    cJSON_AddStringToObject(root, "row", r->row);
    cJSON_AddStringToObject(root, "precision", r->precision);
    cJSON_AddStringToObject(root, "type", dtype_name(j->type));
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        { "size", r->size },
        { "batch", j->batch },
        { "threads", j->threads },
        { "step_seconds", r->step.seconds },
        { "vae_seconds", r->vae.seconds },
        { "gflops", rate(r->step.flops, r->step.seconds) },
        { "vae_gflops", rate(r->vae.flops, r->vae.seconds) },
        { "step_gflop", r->step.flops * 1e-9 },
        { "vae_gflop", r->vae.flops * 1e-9 },
        { "sgemm_gflops", r->peak.sgemm },
        { "peak_f32_gflops", r->peak.f32 },
        { "peak_bf16_gflops", r->peak.bf16 },
        { "make_seconds", r->make_seconds },
        { "peak_mb", (double)r->peak_bytes * 1e-6 },
        { "weights_mb", (double)r->weights_bytes * 1e-6 },
        { "unet_mb", (double)r->unet_bytes * 1e-6 },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cJSON_AddNumberToObject(root, numbers[i].name, numbers[i].value);
    char text[PRECISION_TEXT];
    cJSON_AddStringToObject(root, "auto", precision_text(r->speeds.chosen, text));
    cJSON *speeds = cJSON_AddObjectToObject(root, "speeds");
    for (int i = 0; i < PRECISION_WAYS; i++) {
        char way[32];
        snprintf(way, sizeof way, "%s:%s", precision_ways[i].kind, precision_ways[i].name);
        if (r->speeds.gops[i] > 0) cJSON_AddNumberToObject(speeds, way, r->speeds.gops[i]);
    }
    if (layers) {
        cJSON *list = cJSON_AddArrayToObject(root, "layers");
        for (const Part *p = parts; p->name; p++) add_layers(list, p, peak_of(r));
    }
    say_json(root);
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static void on_step(void *ctx, int done, int steps)
{
    (void)steps;
    progress_say(ctx, done ? "measuring" : "warming up");
}

/* Error: an option that is for drawing, where networks alone are timed. */
static int check_given(const Job *o, Err *e)
{
    static const char *const drawing[] = { "vae", "unet", "tokenizer", "steps", "sampler", "cfg-scale", NULL };
    Job usual;
    int failed = 0;
    job_init(&usual);
    for (const char *const *name = drawing; *name && !failed; name++) {
        const Option *row = option_find(*name, strlen(*name));
        Str given = { 0 }, without = { 0 };
        bool said = job_get(o, row, &given) &&
                    (!job_get(&usual, row, &without) || strcmp(str_text(&given), str_text(&without)) != 0);
        if (said) failed = err_usage(e, "--%s is for limn bench -m MODEL, which draws", *name);
        str_release(&given);
        str_release(&without);
    }
    job_release(&usual);
    return failed;
}

int cmd_bench(const Args *a, Err *e)
{
    const Job *o = &a->job;
    Progress progress;
    if (o->model || a->count) return bench_model(a, e);
    if (check_given(o, e)) return -1;
    progress_init(&progress, !o->quiet, 1);
    progress_say(&progress, "making weights");
    const Watch watch = { .ctx = &progress, .step = on_step, .cancelled = interrupt_asked };
    DType type = DT_F16;
    if (o->type) quantise_type(o->type, &type); /* the table has checked it */
    const BenchJob j = { .shape = o->shape,
                         .size = o->size,
                         .batch = o->batch,
                         .threads = team_start(o->threads ? o->threads : cores_allowed()),
                         .type = type,
                         .precision = o->precision,
                         .watch = &watch };
    BenchResult r;
    int failed = bench_run(&j, &r, e);
    progress_clear(&progress);
    const Part parts[] = { { "unet", "a step", &r.step }, { "vae", "decoding", &r.vae }, { NULL, NULL, NULL } };
    if (!failed) (o->json ? report_json : report)(&j, &r, parts, o->layers);
    bench_release(&r);
    return failed;
}
