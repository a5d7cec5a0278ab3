/*
 * job.c - see job.h. To add an option: a field in Job and a row here. `#include` of the scheduler's tables is for the names
 * of samplers and schedules, so that a wrong one is refused before anything is loaded.
 */
#include "pipeline/job.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

static int check_sampler(const char *text, Err *e);
static int check_schedule(const char *text, Err *e);
static int check_vae_tile(const char *text, Err *e);
static int check_threads(const char *text, Err *e);

#define JOB(field) offsetof(Job, field)

const Option job_options[] = {
    { .name = "prompt", .type = OPT_STR, .offset = JOB(prompt), .dflt = "", .value = "TEXT", .picture = true,
      .help = "what to draw; the same as the first word after the command" },
    { .name = "negative-prompt", .letter = 'n', .type = OPT_STR, .offset = JOB(negative_prompt), .dflt = "",
      .value = "TEXT", .picture = true, .help = "what to keep out" },
    { .name = "steps", .letter = 's', .type = OPT_INT, .offset = JOB(steps), .min = 1, .max = 1000, .value = "N",
      .picture = true, .help = "denoising steps" },
    { .name = "cfg-scale", .type = OPT_FLOAT, .offset = JOB(cfg_scale), .min = 0, .max = 100, .value = "X",
      .picture = true, .help = "guidance; 1 turns it off and halves the work" },
    { .name = "seed", .type = OPT_SEED, .offset = JOB(seed), .dflt = "random", .value = "N|random", .picture = true,
      .help = "torch's seed; picture i of a count has seed + i" },
    { .name = "width", .letter = 'W', .type = OPT_INT, .offset = JOB(width), .min = 8, .max = JOB_MAX_SIDE,
      .value = "PIXELS", .picture = true, .help = "width of the picture" },
    { .name = "height", .letter = 'H', .type = OPT_INT, .offset = JOB(height), .min = 8, .max = JOB_MAX_SIDE,
      .value = "PIXELS", .picture = true, .help = "height of the picture" },
    { .name = "sampler", .type = OPT_STR, .offset = JOB(sampler), .value = "NAME", .picture = true,
      .check = check_sampler, .help = "limn list samplers" },
    { .name = "schedule", .type = OPT_STR, .offset = JOB(schedule), .value = "NAME", .picture = true,
      .check = check_schedule, .help = "limn list schedules" },
    { .name = "eta", .type = OPT_FLOAT, .offset = JOB(eta), .min = 0, .max = 1, .value = "X", .picture = true,
      .help = "share of fresh noise in ddim and the ancestral samplers" },
    { .name = "clip-skip", .type = OPT_INT, .offset = JOB(clip_skip), .dflt = "1", .min = 1, .max = 64, .value = "N",
      .picture = true, .help = "take the text encoder's N-th layer from the end" },
    { .name = "rng", .type = OPT_CHOICE, .offset = JOB(rng), .dflt = "torch", .value = "torch|philox",
      .picture = true, .help = "whose noise: torch's on the CPU, or CUDA's" },
    { .name = "prediction", .type = OPT_CHOICE, .offset = JOB(prediction), .value = "epsilon|v_prediction|sample",
      .picture = true, .help = "what the network predicts" },
    { .name = "long-prompt", .type = OPT_CHOICE, .offset = JOB(long_prompt), .dflt = "truncate",
      .value = "truncate|chunk", .picture = true, .help = "what to do with more than 75 tokens" },
    { .name = "vae-tile", .type = OPT_STR, .offset = JOB(vae_tile), .dflt = "auto", .value = "auto|off|PIXELS",
      .picture = true, .check = check_vae_tile, .help = "decode in overlapping tiles to save memory" },
    { .name = "latents", .type = OPT_PATH, .offset = JOB(latents), .value = "FILE", .picture = true,
      .help = "initial noise from a safetensors file (as --trace writes it)" },

    { .name = "model", .letter = 'm', .type = OPT_PATH, .offset = JOB(model), .value = "MODEL",
      .help = "diffusers folder, .safetensors file, or a name of limn list models" },
    { .name = "vae", .type = OPT_PATH, .offset = JOB(vae), .value = "FILE", .picture = true,
      .help = "another VAE: a file or a diffusers folder" },
    { .name = "tokenizer", .type = OPT_PATH, .offset = JOB(tokenizer), .value = "FOLDER", .picture = true,
      .help = "where vocab.json and merges.txt are" },
    { .name = "count", .letter = 'c', .type = OPT_INT, .offset = JOB(count), .dflt = "1", .min = 1, .max = 100000,
      .value = "N", .help = "how many pictures" },
    { .name = "output", .letter = 'o', .type = OPT_PATH, .offset = JOB(output), .value = "WHERE",
      .help = "x.png, a folder, or a template such as '{prompt}-{seed}.png'; otherwise limn-00001.png, a fresh number "
              "that replaces nothing" },
    { .name = "threads", .letter = 't', .type = OPT_INT, .offset = JOB(threads), .min = 1, .max = 512, .value = "N",
      .check = check_threads, .help = "how many to use; otherwise one a core" },
    { .name = "trace", .type = OPT_PATH, .offset = JOB(trace), .value = "FILE",
      .help = "write every intermediate tensor to a safetensors file" },
    { .name = "json", .type = OPT_FLAG, .offset = JOB(json), .dflt = "false", .help = "print JSON on stdout" },
    { .name = "quiet", .letter = 'q', .type = OPT_FLAG, .offset = JOB(quiet), .dflt = "false",
      .help = "no progress, no words but errors" },
    { .name = "verbose", .letter = 'v', .type = OPT_FLAG, .offset = JOB(verbose), .dflt = "false",
      .help = "say what was used, how long it took, how much memory" },
    { .name = NULL },
};

static void *field(const Job *j, const Option *o) { return (char *)(size_t)j + o->offset; }

static bool is_text(const Option *o) { return o->type == OPT_STR || o->type == OPT_PATH || o->type == OPT_CHOICE; }

void job_init(Job *j)
{
    *j = (Job){ .cfg_scale = -1, .eta = -1 };
    for (const Option *o = job_options; o->name; o++) {
        Err e;
        int failed = o->dflt && job_set(j, o, o->dflt, &e);
        assert(!failed); /* a default is inside its own option's range */
        (void)failed;
    }
}

void job_release(Job *j)
{
    for (const Option *o = job_options; o->name; o++)
        if (is_text(o)) free(*(char **)field(j, o));
    *j = (Job){ 0 };
}

void job_copy(Job *dst, const Job *src)
{
    *dst = *src;
    for (const Option *o = job_options; o->name; o++) {
        if (!is_text(o)) continue;
        const char *s = *(char **)field(src, o);
        *(char **)field(dst, o) = s ? mem_strdup(s) : NULL;
    }
}

const Option *option_find(const char *name, size_t len)
{
    for (const Option *o = job_options; o->name; o++) {
        size_t i = 0;
        while (i < len && o->name[i] && (o->name[i] == name[i] || (o->name[i] == '-' && name[i] == '_'))) i++;
        if (i == len && !o->name[i]) return o;
    }
    return NULL;
}

const Option *option_letter(char c)
{
    for (const Option *o = job_options; o->name; o++)
        if (c && o->letter == c) return o;
    return NULL;
}

/* Digits with an optional sign, nothing else; false also when a long cannot hold it. */
static bool parse_long(const char *s, long *out)
{
    const char *digits = s + (*s == '-' || *s == '+');
    if (!*digits || digits[strspn(digits, "0123456789")]) return false;
    errno = 0;
    *out = strtol(s, NULL, 10);
    return errno == 0;
}

/* Decimal notation only: no spaces, hexadecimals, "nan", "inf". 1e400 comes out infinite, outside every range. */
static bool parse_double(const char *s, double *out)
{
    if (!*s || s[strspn(s, "0123456789+-.eE")]) return false;
    char *end;
    *out = strtod(s, &end);
    return end != s && !*end;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    if (strchr(text, '|')) return false;
    for (const char *c = choices; len && (c = strstr(c, text)); c++)
        if ((c == choices || c[-1] == '|') && (c[len] == '|' || !c[len])) return true;
    return false;
}

static int set_int(int *out, const Option *o, const char *text, Err *e)
{
    long v;
    if (!parse_long(text, &v) || (double)v < o->min || (double)v > o->max)
        return err_usage(e, "\"%.60s\" is not a whole number from %.0f to %.0f", text, o->min, o->max);
    *out = (int)v;
    return 0;
}

static int set_float(double *out, const Option *o, const char *text, Err *e)
{
    double v;
    if (!parse_double(text, &v) || !(v >= o->min && v <= o->max))
        return err_usage(e, "\"%.60s\" is not a number from %g to %g", text, o->min, o->max);
    *out = v;
    return 0;
}

static int set_seed(Job *j, const char *text, Err *e)
{
    j->has_seed = false;
    if (strcmp(text, "random") == 0 || strcmp(text, "-1") == 0) return 0; /* -1: as A1111 has it */
    errno = 0;
    unsigned long long v = strtoull(text, NULL, 10);
    if (!*text || text[strspn(text, "0123456789")] || errno || v > UINT64_MAX)
        return err_usage(e, "\"%.60s\" is not a whole number from 0 to %llu, nor \"random\"", text,
                         (unsigned long long)UINT64_MAX);
    j->seed = v;
    j->has_seed = true;
    return 0;
}

static int set_text(char **out, const Option *o, const char *text, Err *e)
{
    size_t len = strlen(text);
    Str s = { 0 };
    if (o->type == OPT_PATH) {
        if (!len) return err_usage(e, "\"\" is not the name of a file or folder");
        str_addn(&s, text, len); /* a file name may be any bytes */
    } else {
        if (len > JOB_MAX_TEXT) return err_usage(e, "%zu bytes of text, at most %d are expected", len, JOB_MAX_TEXT);
        utf8_add(&s, text, len);
    }
    free(*out);
    *out = s.s ? s.s : mem_strdup("");
    return 0;
}

int job_set(Job *j, const Option *o, const char *text, Err *e)
{
    if (o->check && o->check(text, e)) return -1;
    switch (o->type) {
    case OPT_INT: return set_int(field(j, o), o, text, e);
    case OPT_FLOAT: return set_float(field(j, o), o, text, e);
    case OPT_SEED: return set_seed(j, text, e);
    case OPT_STR:
    case OPT_PATH: return set_text(field(j, o), o, text, e);
    case OPT_CHOICE:
        if (!is_choice(o->value, text)) return err_usage(e, "\"%.60s\" is not one of %s", text, o->value);
        return set_text(field(j, o), o, text, e);
    case OPT_FLAG:
        if (strcmp(text, "true") && strcmp(text, "false")) return err_usage(e, "\"%.60s\" is not true or false", text);
        *(bool *)field(j, o) = *text == 't';
        return 0;
    }
    return -1;
}

/* The shortest decimal text that reads back as the same number. */
static void add_double(Str *out, double v)
{
    char buf[32];
    for (int digits = 6; digits <= 17; digits++) { /* %g leaves out zeros at the end: 6 serve the shorter ones too */
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        if (strtod(buf, NULL) == v) break;
    }
    str_add(out, buf);
}

bool job_get(const Job *j, const Option *o, Str *out)
{
    const void *p = field(j, o);
    switch (o->type) {
    case OPT_INT:
        if (*(const int *)p == 0) return false;
        str_addf(out, "%d", *(const int *)p);
        return true;
    case OPT_FLOAT:
        if (*(const double *)p < 0) return false;
        add_double(out, *(const double *)p);
        return true;
    case OPT_SEED:
        if (j->has_seed) str_addf(out, "%llu", (unsigned long long)j->seed);
        else str_add(out, "random");
        return true;
    case OPT_FLAG: str_add(out, *(const bool *)p ? "true" : "false"); return true;
    case OPT_STR:
    case OPT_PATH:
    case OPT_CHOICE:
        if (!*(char *const *)p) return false;
        str_add(out, *(char *const *)p);
        return true;
    }
    return false;
}

static int unknown_name(const char *text, const char *what, const Nearest *n, Err *e)
{
    if (n->best)
        return err_usage(e, "\"%.60s\" is not a %s; did you mean \"%s\"? (limn list %ss)", text, what, n->best, what);
    return err_usage(e, "\"%.60s\" is not a %s; limn list %ss shows them", text, what, what);
}

static int check_sampler(const char *text, Err *e)
{
    if (sampler_find(text)) return 0;
    Nearest n = nearest_to(text);
    for (const Sampler *s = samplers; s->name; s++) nearest_try(&n, s->name);
    return unknown_name(text, "sampler", &n, e);
}

static int check_schedule(const char *text, Err *e)
{
    if (schedule_find(text)) return 0;
    Nearest n = nearest_to(text);
    for (const Schedule *s = schedules; s->name; s++) nearest_try(&n, s->name);
    return unknown_name(text, "schedule", &n, e);
}

static int check_vae_tile(const char *text, Err *e)
{
    long v;
    if (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0) return 0;
    if (parse_long(text, &v) && v >= 64 && v <= JOB_MAX_SIDE) return 0;
    return err_usage(e, "\"%.60s\" is not auto, off, or a number of pixels from 64 to %d", text, JOB_MAX_SIDE);
}

/* A number beyond what the cores can use is a slip of the finger: each thread costs memory. The row has the plain range. */
static int check_threads(const char *text, Err *e)
{
    long v, cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1) cores = 1;
    if (!parse_long(text, &v) || v <= cores * JOB_THREADS_A_CORE) return 0;
    return err_usage(e, "\"%.60s\" is too many: this machine has %ld core%s, at most %ld threads are expected", text,
                     cores, cores == 1 ? "" : "s", cores * JOB_THREADS_A_CORE);
}
