/* reading.c - see reading.h. */
#include "again/reading.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/visible.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

enum { SHOWN = 120, NAME = 255 }; /* bytes of a stranger's text in a remark, of a file's name */

const char *const matters_words[] = { "hardly seen", "seen", "another picture" };

void reading_init(Reading *r, const char *tool)
{
    *r = (Reading){ .tool = tool };
    job_init(&r->job);
}

void reading_release(Reading *r)
{
    job_release(&r->job);
    free(r->model);
    free(r->model_hash);
    free(r->vae);
    free(r->vae_hash);
    free(r->refiner);
    free(r->init);
    for (int i = 0; i < r->loras; i++) {
        free(r->lora[i].name);
        free(r->lora[i].hash);
    }
    free(r->lora);
    for (size_t i = 0; i < r->remarks; i++) free(r->remark[i].text);
    free(r->remark);
    str_release(&r->unknown);
    *r = (Reading){ 0 };
}

void reading_remark(Reading *r, Matters how, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    visible_mask(line, false); /* also what was cut in the middle of a character */
    for (size_t i = 0; i < r->remarks; i++)
        if (strcmp(r->remark[i].text, line) == 0) return;
    if (r->remarks >= READING_REMARKS) return;
    r->remark = mem_grow(r->remark, (r->remarks + 1) * sizeof *r->remark);
    r->remark[r->remarks++] = (Remark){ how, mem_strdup(line) };
}

void reading_set(Reading *r, const char *option, const char *value)
{
    Err e;
    const Option *o = option_find(option, strlen(option));
    if (o && o->type == OPT_FLAG && strcasecmp(value, "true") == 0) value = "true"; /* Python's True */
    if (!o || !o->picture) {
        reading_remark(r, MATTERS_SEEN, "%s %.*s: this limn has no such option", option, SHOWN, value);
    } else if (job_set(&r->job, o, value, &e)) {
        reading_remark(r, o->type == OPT_SEED ? MATTERS_WHOLLY : MATTERS_SEEN, "%s: %.300s", o->name, e.text);
    }
}

void reading_setf(Reading *r, const char *option, const char *fmt, ...)
{
    char value[64];
    va_list args;
    va_start(args, fmt);
    vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    reading_set(r, option, value);
}

/* Schedules under names that no table of limn's has, since there they mean nothing or another thing. */
static const char *schedule_meant(const char *name)
{
    static const struct {
        const char *theirs, *ours;
    } others[] = {
        { "ays", "ays" },
        { "lcm", "sgm_uniform" },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(others[i].theirs, name) == 0) return others[i].ours;
    return NULL;
}

void reading_sampler(Reading *r, const char *name)
{
    const char *schedule = NULL;
    const Sampler *s = sampler_split(name, &schedule);
    char plain[64];
    if (!s && strlen(name) < sizeof plain) { /* Draw Things' "DPM++ 2M Trailing", with its own capitals */
        snprintf(plain, sizeof plain, "%s", name);
        char *last = strrchr(plain, ' ');
        const char *meant = last ? schedule_meant(last + 1) : NULL;
        if (meant) {
            *last = '\0';
            s = sampler_split(plain, &schedule);
            if (s && !schedule) schedule = meant;
        }
    }
    if (!s) {
        reading_remark(r, MATTERS_WHOLLY, "sampler %.*s: limn has none of that name, and takes the model's own", SHOWN,
                       name);
        return;
    }
    reading_set(r, "sampler", s->name);
    if (schedule) reading_set(r, "schedule", schedule);
}

static void take_schedule(Reading *r, const char *option, const char *name)
{
    const Schedule *s = schedule_find(name);
    const char *meant = s ? s->name : schedule_meant(name);
    if (strcasecmp(name, "automatic") == 0 || !*name) return;
    if (meant) reading_set(r, option, meant);
    else
        reading_remark(r, MATTERS_SEEN, "schedule %.*s: limn has none of that name, and takes the usual one", SHOWN,
                       name);
}

void reading_schedule(Reading *r, const char *name) { take_schedule(r, "schedule", name); }
void reading_hires_schedule(Reading *r, const char *name) { take_schedule(r, "hires-schedule", name); }

void reading_size(Reading *r, const char *value)
{
    int w, h, end = 0;
    if (sscanf(value, "%6dx%6d%n", &w, &h, &end) != 2 || value[end]) {
        reading_remark(r, MATTERS_WHOLLY, "size %.*s: this is no size", SHOWN, value);
        return;
    }
    reading_setf(r, "width", "%d", w);
    reading_setf(r, "height", "%d", h);
}

void reading_name(char **to, const char *path)
{
    Str name = { 0 };
    const char *last = path;
    for (const char *p = path; *p; p++)
        if (*p == '/' || *p == '\\') last = p + 1;
    utf8_add(&name, last, strnlen(last, NAME));
    free(*to);
    *to = name.len ? name.s : NULL;
    if (!name.len) str_release(&name);
}

/* The length of a file's name without an ending of weights. */
static size_t stem(const char *name)
{
    static const char *const endings[] = { ".safetensors", ".ckpt", ".pt", ".bin", ".gguf", ".sft" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (str_ends(name, endings[i])) return strlen(name) - strlen(endings[i]);
    return strlen(name);
}

ReadLora *reading_lora(Reading *r, const char *name)
{
    char *last = NULL;
    reading_name(&last, name);
    if (!last) return NULL;
    last[stem(last)] = '\0';
    for (int i = 0; i < r->loras; i++)
        if (strcmp(r->lora[i].name, last) == 0) {
            free(last);
            return &r->lora[i];
        }
    if (r->loras >= READING_LORAS || !*last) {
        free(last);
        return NULL;
    }
    r->lora = mem_grow(r->lora, (size_t)(r->loras + 1) * sizeof *r->lora);
    r->lora[r->loras] = (ReadLora){ .name = last, .weight = 1, .text_weight = 1 };
    return &r->lora[r->loras++];
}
