/*
 * job_checks.c - values that must be more than of their type: names of tables, lists, pairs. The scheduler's tables are known here so
 * that a wrong name is refused before anything is loaded. See job_internal.h.
 */
#include "pipeline/job_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "image/colour_name.h"
#include "pipeline/extend.h"
#include "pipeline/foreign.h"
#include "pipeline/ways.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

/* What is not a name of a table: those that are near, or have it in them. next: the table's names, one a call, then NULL. */
static int unknown_name(const char *text, const char *what, const char *(*name)(int i), Err *e)
{
    enum { SHOWN = 5 };
    Str near = { 0 };
    int count = 0;
    Nearest best = nearest_to(text);
    for (int i = 0; name(i); i++) nearest_try(&best, name(i));
    if (best.best) str_addf(&near, "\"%s\"", best.best), count++;
    for (int i = 0; name(i) && count < SHOWN; i++) {
        Nearest one = nearest_to(text);
        nearest_try(&one, name(i));
        bool has = strlen(text) > 1 && strstr(name(i), text);
        if (name(i) == best.best || (!one.best && !has)) continue;
        str_addf(&near, "%s\"%s\"", count++ ? " or " : "", name(i));
    }
    if (count)
        err_usage(e, "\"%.60s\" is not a %s; did you mean %s? (limn list %ss)", text, what, str_text(&near), what);
    else err_usage(e, "\"%.60s\" is not a %s; limn list %ss shows them", text, what, what);
    str_release(&near);
    return -1;
}

static const char *sampler_name(int i) { return samplers[i].name; }
static const char *schedule_name(int i) { return schedules[i].name; }

int check_sampler(const char *text, Err *e)
{
    List several;
    Err unused;
    bool list = !list_split(&several, text, &unused) && several.count > 1 && sampler_find(several.items[0]);
    list_release(&several);
    if (list) return err_usage(e, "\"%.60s\": one sampler is expected; limn compare --samplers takes several", text);
    return sampler_find(text) ? 0 : unknown_name(text, "sampler", sampler_name, e);
}

int check_schedule(const char *text, Err *e)
{
    return schedule_find(text) ? 0 : unknown_name(text, "schedule", schedule_name, e);
}

/* A list's values, each checked. */
static int check_each(const char *text, int (*check)(const char *value, Err *e), Err *e)
{
    List values;
    int failed = list_split(&values, text, e);
    for (int i = 0; i < values.count && !failed; i++) failed = check(values.items[i], e);
    list_release(&values);
    return failed;
}

/* A value of a list, by whatever tool's name, as job_set() takes it alone. */
static int check_listed(const char *option, int (*check)(const char *value, Err *e), const char *text, Err *e)
{
    text = foreign_value(option, text, e);
    if (!text) return -1;
    return text == FOREIGN_OPEN ? 0 : check(text, e);
}

static int check_listed_sampler(const char *text, Err *e) { return check_listed("sampler", check_sampler, text, e); }
static int check_listed_schedule(const char *text, Err *e) { return check_listed("schedule", check_schedule, text, e); }

int check_samplers(const char *text, Err *e)
{
    return strcmp(text, "all") == 0 ? 0 : check_each(text, check_listed_sampler, e);
}

int check_schedules(const char *text, Err *e) { return check_each(text, check_listed_schedule, e); }

static int check_step_count(const char *text, Err *e)
{
    const Option *steps = option_find("steps", 5);
    int unused;
    return parse_int(&unused, steps, text, e);
}

int check_step_counts(const char *text, Err *e)
{
    List counts;
    int failed = list_split_counts(&counts, text, e);
    for (int i = 0; i < counts.count && !failed; i++) failed = check_step_count(counts.items[i], e);
    list_release(&counts);
    return failed;
}

int check_target(const char *text, Err *e)
{
    double value;
    static const char *const names[] = { "flip-worst", "flip", "psnr", "ssim", "rmse" };
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known = known || (strlen(names[i]) == len && strncmp(text, names[i], len) == 0);
    if (known && parse_double(colon + 1, &value) && value >= 0 && value < 1e6) return 0;
    return err_usage(e, "\"%.60s\" is not flip-worst:X, flip:X, psnr:DB, ssim:X or rmse:X, such as psnr:35", text);
}

/* Only the form; what an axis may be is known where axes are used. */
int check_axis(const char *text, Err *e)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || strchr(text, '\n'))
        return err_usage(e, "\"%.60s\" is not OPTION=VALUE,VALUE,..., such as cfg-scale=3,5,7", text);
    const Option *o = option_find(text, (size_t)(equals - text));
    if (o) return 0;
    Nearest n = nearest_to_n(text, (size_t)(equals - text));
    for (o = job_options; o->name; o++)
        if (o->picture) nearest_try(&n, o->name);
    if (n.best) return err_usage(e, "\"%.*s\" is no option; did you mean %s?", (int)(equals - text), text, n.best);
    return err_usage(e, "\"%.*s\" is no option; limn list options shows them", (int)(equals - text), text);
}

static bool parse_interval(const char *text, double *a, double *b)
{
    char first[32];
    size_t len = strcspn(text, ":");
    if (text[len] != ':' || len >= sizeof first) return false;
    memcpy(first, text, len);
    first[len] = '\0';
    return parse_double(first, a) && parse_double(text + len + 1, b) && *a >= 0 && *a <= *b && *b <= 1;
}

int check_interval(const char *text, Err *e)
{
    double a, b;
    if (parse_interval(text, &a, &b)) return 0;
    return err_usage(e, "\"%.60s\" is not two shares of the steps from 0 to 1, such as 0.2:0.8", text);
}

void job_interval(const char *text, int steps, int *first, int *end)
{
    double a = 0, b = 1;
    if (text) parse_interval(text, &a, &b);
    *first = (int)(a * steps + 1e-9);
    *end = (int)(b * steps + 1e-9);
}

static int parse_timesteps(const char *text, double **out, Err *e)
{
    List values;
    int failed = list_split(&values, text, e);
    double *t = mem_array((size_t)values.count + 1, sizeof *t);
    for (int i = 0; i < values.count && !failed; i++) {
        if (!parse_double(values.items[i], &t[i]) || t[i] < 0 || t[i] > 1e6)
            failed =
                err_usage(e, "\"%.60s\" is no timestep: a number from 0 to the model's last (999)", values.items[i]);
        else if (i && t[i] >= t[i - 1])
            failed = err_usage(e, "timestep %g behind %g: they fall, from most noise to least", t[i], t[i - 1]);
    }
    int count = values.count;
    if (!failed && count > 1000) failed = err_usage(e, "%d timesteps: up to 1000 are possible", count);
    list_release(&values);
    *out = t;
    return failed ? -1 : count;
}

int check_timesteps(const char *text, Err *e)
{
    double *t = NULL;
    int count = parse_timesteps(text, &t, e);
    free(t);
    return count < 0 ? -1 : 0;
}

int job_timesteps(const char *text, double **out)
{
    Err ignored; /* checked where it was set */
    *out = NULL;
    int count = text && *text ? parse_timesteps(text, out, &ignored) : 0;
    return count < 0 ? 0 : count;
}

int check_vae_tile(const char *text, Err *e)
{
    long v;
    if (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0) return 0;
    if (parse_long(text, &v) && v >= 64 && v <= JOB_MAX_SIDE) return 0;
    return err_usage(e, "\"%.60s\" is not auto, off, or a number of pixels from 64 to %d", text, JOB_MAX_SIDE);
}

size_t job_bytes(const char *text)
{
    static const char units[] = "KMGT";
    char number[32];
    double value;
    size_t digits = text ? strspn(text, "0123456789.") : 0;
    if (!digits || digits >= sizeof number) return 0;
    memcpy(number, text, digits);
    number[digits] = 0;
    const char *unit = text[digits] ? strchr(units, toupper((unsigned char)text[digits])) : NULL;
    const char *rest = text + digits + (unit != NULL);
    bool ends = !*rest || strcasecmp(rest, "B") == 0 || (unit && strcasecmp(rest, "iB") == 0);
    if (!ends || !parse_double(number, &value)) return 0;
    for (const char *u = units; unit && u <= unit; u++) value *= 1024;
    return value >= 1 && value < 1e15 ? (size_t)value : 0;
}

int check_bytes(const char *text, Err *e)
{
    return job_bytes(text) ? 0 : err_usage(e, "\"%.60s\" is no number of bytes, such as 8G or 512M", text);
}

int check_batch_size(const char *text, Err *e)
{
    long v;
    if (strcmp(text, "auto") == 0 || (parse_long(text, &v) && v >= 1 && v <= JOB_MAX_BATCH)) return 0;
    return err_usage(e, "\"%.60s\" is neither auto nor a number of pictures from 1 to %d", text, JOB_MAX_BATCH);
}

/* More than the cores can use is a slip of the finger: each thread costs memory. */
int check_threads(const char *text, Err *e)
{
    long v, cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1) cores = 1;
    if (!parse_long(text, &v) || v <= cores * JOB_THREADS_A_CORE) return 0;
    return err_usage(e, "\"%.60s\" is too many: this machine has %ld core%s, at most %ld threads are expected", text,
                     cores, cores == 1 ? "" : "s", cores * JOB_THREADS_A_CORE);
}

int job_sizes(const char *text, int sizes[JOB_MAX_SIZES], Err *e)
{
    int count = 0;
    for (const char *p = text; p && *p;) {
        size_t len = strspn(p, "0123456789");
        long v = len && len < 9 ? strtol(p, NULL, 10) : 0;
        if (v < 1 || v > JOB_MAX_SIDE || (p[len] && p[len] != ',') || (p[len] && !p[len + 1]))
            return err_usage(e, "\"%.60s\" is not a list of whole numbers from 1 to %d, such as 128,64,32", text,
                             JOB_MAX_SIDE);
        if (count == JOB_MAX_SIZES) return err_usage(e, "\"%.60s\" has more than %d sizes", text, JOB_MAX_SIZES);
        for (int i = 0; i < count; i++)
            if (sizes[i] == v) return err_usage(e, "\"%.60s\" has %ld twice", text, v);
        sizes[count++] = (int)v;
        p += len + (p[len] == ',');
    }
    return count;
}

bool job_pair(const char *text, char between, int *first, int *second)
{
    char *end;
    if (!text || *text < '0' || *text > '9') return false;
    long a = strtol(text, &end, 10);
    if (*end != between || end[1] < '0' || end[1] > '9') return false;
    long b = strtol(end + 1, &end, 10);
    if (*end || a > JOB_MAX_TOLD || b > JOB_MAX_TOLD) return false;
    *first = (int)a;
    *second = (int)b;
    return true;
}

int check_size_pair(const char *text, Err *e)
{
    int w, h;
    if (job_pair(text, 'x', &w, &h) && w > 0 && h > 0) return 0;
    return err_usage(e, "\"%.60s\" is not a width and height in pixels, such as 1024x768", text);
}

int check_crop(const char *text, Err *e)
{
    int x, y;
    if (job_pair(text, ',', &x, &y)) return 0;
    return err_usage(e, "\"%.60s\" is not a number of pixels at the left and one at the top, such as 0,64", text);
}

int check_colour(const char *text, Err *e)
{
    uint8_t rgb[3];
    return colour_parse(text, rgb, e);
}

/* Behind it may stand A1111's hash and the adapter's name. */
int check_lora_sha256(const char *text, Err *e)
{
    char hex[65];
    snprintf(hex, sizeof hex, "%.64s", text);
    return !text[strlen(hex)] || text[strlen(hex)] == ':' ? check_sha256(hex, e) : check_sha256(text, e);
}

/* A name, or what can be a file's. */
int check_way(const char *text, Err *e)
{
    if (way_find(text) || strpbrk(text, "/.")) return 0;
    Nearest n = nearest_to(text);
    for (const Way *w = ways; w->name; w++) nearest_try(&n, w->name);
    return err_usage(e, "\"%.60s\" is neither a way of limn's (latent, lanczos, ...) nor an upscaler's file%s%s%s",
                     text, n.best ? "; did you mean " : "", n.best ? n.best : "", n.best ? "?" : "");
}

int check_padding(const char *text, Err *e)
{
    long v;
    return parse_long(text, &v) ? 0 : err_usage(e, "\"%.60s\" is not a whole number", text);
}

int check_extend(const char *text, Err *e)
{
    Extend unused;
    return *text ? extend_parse(text, &unused, e) : err_usage(e, "\"\" names no side, such as left=64");
}

int check_sha256(const char *text, Err *e)
{
    if (strlen(text) == 64 && !text[strspn(text, "0123456789abcdef")]) return 0;
    return err_usage(e, "\"%.80s\" is no SHA-256: 64 digits of 0-9 and a-f are expected", text);
}

int check_sizes(const char *text, Err *e)
{
    int sizes[JOB_MAX_SIZES];
    if (!*text) return err_usage(e, "\"\" is not a list of sizes, such as 128,64,32");
    return job_sizes(text, sizes, e) < 0 ? -1 : 0;
}

bool job_tiles(const Job *j, char axis) { return j->tile && (*j->tile == axis || *j->tile == 'b'); }
