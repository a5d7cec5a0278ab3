/* bench_model.c - see bench_model.h. */
#include "cmd/bench_model.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "base/mem.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/say.h"
#include "engine/fidelity.h"
#include "nn/team.h"

/* What auto does from now on, a sentence. */
static void put_verdict(const FidelityReport *r, Str *out)
{
    const FidelityWay *sixteen = &r->way[1], *eight = &r->way[2];
    const char *why = fidelity_short(&r->eight);
    if (!r->large) str_add(out, "auto takes f32: a network of this size gains little by rounding");
    else if (!why) str_addf(out, "auto takes %s for this model from now on", eight->precision);
    else
        str_addf(out, "auto takes %s for this model: %s is %s (%.0f dB and %.2f of the time are asked for)",
                 sixteen->precision, eight->precision, why, fidelity_psnr, fidelity_of_16);
}

static void report(const FidelityReport *r, const char *model, const char *verdict)
{
    const Fidelity *f = &r->eight;
    printf("%s, %dx%d, %d step%s, %d picture%s; kernels %s\n", model, f->width, f->height, f->steps,
           f->steps == 1 ? "" : "s", f->pictures, f->pictures == 1 ? "" : "s", r->row);
    printf("  %-38s %13s %8s %12s %11s\n", "", "an evaluation", "of f32", "PSNR, least", "FLIP, most");
    for (int i = 0; i < FIDELITY_WAYS; i++) {
        const FidelityWay *w = &r->way[i];
        printf("  %-38s %11.3f s", w->precision, w->evaluation);
        if (i) printf(" %8.2f", w->evaluation / r->way[0].evaluation);
        if (i && isinf(w->psnr)) printf(" %12s", "same pixels");
        else if (i) printf(" %9.1f dB", w->psnr);
        if (i) printf(" %11.4f", w->flip);
        printf("\n");
    }
    printf("  %s\n", verdict);
}

static void report_json(const FidelityReport *r, const char *model, const char *verdict)
{
    const Fidelity *f = &r->eight;
    cJSON *root = cJSON_CreateObject(), *ways;
    cJSON_AddStringToObject(root, "model", model);
    cJSON_AddStringToObject(root, "row", r->row);
    cJSON_AddNumberToObject(root, "width", f->width);
    cJSON_AddNumberToObject(root, "height", f->height);
    cJSON_AddNumberToObject(root, "steps", f->steps);
    cJSON_AddNumberToObject(root, "pictures", f->pictures);
    cJSON_AddStringToObject(root, "auto", r->large ? r->way[fidelity_short(f) ? 1 : 2].precision : r->way[0].precision);
    cJSON_AddStringToObject(root, "verdict", verdict);
    ways = cJSON_AddArrayToObject(root, "precisions");
    for (int i = 0; i < FIDELITY_WAYS; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "precision", r->way[i].precision);
        cJSON_AddNumberToObject(o, "evaluation_seconds", r->way[i].evaluation);
        if (isinf(r->way[i].psnr)) cJSON_AddNullToObject(o, "psnr"); /* the same pixels */
        else cJSON_AddNumberToObject(o, "psnr", r->way[i].psnr);
        cJSON_AddNumberToObject(o, "flip", r->way[i].flip);
        cJSON_AddItemToArray(ways, o);
    }
    say_json(root);
}

static void on_say(void *ctx, const char *what) { progress_say(ctx, what); }
static void on_warn(void *ctx, const char *text)
{
    progress_clear(ctx);
    say(stderr, "limn: warning: %s\n", text);
}
static void on_step(void *ctx, int done, int steps) { progress_step(ctx, done, steps); }

int bench_model(const Args *a, Err *e)
{
    const Job *o = &a->job;
    if (!o->model)
        return err_usage(e, "bench: prompts are for a model of your own: limn bench -m MODEL \"%.60s\"", a->words[0]);
    if (o->layers || o->type)
        return err_usage(e, "bench -m: %s is of random weights (--shape); a model's own pictures are drawn here",
                         o->layers ? "--layers" : "--type");
    if (strcmp(o->precision, "auto") != 0)
        return err_usage(e, "bench -m draws in f32, 16 and 8 bits: --precision %s is no choice here", o->precision);
    Progress progress;
    progress_init(&progress, !o->quiet, 1);
    Watch watch = { .ctx = &progress, .say = on_say, .warn = on_warn, .step = on_step, .cancelled = interrupt_asked };
    char *prompts[FIDELITY_PROMPTS + 1] = { NULL };
    for (int i = 0; i < a->count; i++) prompts[i] = a->words[i];
    Job j;
    job_copy(&j, o);
    j.width = j.height = o->size;
    Engine *engine = engine_new(&watch);
    FidelityReport r;
    int failed = fidelity_measure(engine, &j, prompts, &r, e);
    progress_clear(&progress);
    if (!failed) {
        Str verdict = { 0 };
        put_verdict(&r, &verdict);
        (o->json ? report_json : report)(&r, o->model, verdict.s);
        str_release(&verdict);
    }
    engine_free(engine);
    job_release(&j);
    return failed;
}
