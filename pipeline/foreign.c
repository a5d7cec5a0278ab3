/* foreign.c - see foreign.h. */
#include "pipeline/foreign.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "pipeline/foreign_rows.h"
#include "scheduler/names.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

/* Whether a name of one letter is in the list: there case counts. */
static bool has_letter(const char *names, char c)
{
    for (const char *p = names; *p; p += strcspn(p, ","), p += strspn(p, ", "))
        if (*p == c && (p[1] == ',' || !p[1])) return true;
    return false;
}

const Foreign *foreign_find(const char *name, size_t len, bool line)
{
    char text[64];
    if (!len || len >= sizeof text) return NULL;
    memcpy(text, name, len);
    text[len] = '\0';
    for (const Foreign *f = foreign_rows; f->names; f++)
        if ((!f->line || line) && (len == 1 ? has_letter(f->names, *text) : names_have(f->names, text))) return f;
    return NULL;
}

const Foreign *foreign_letter(char c)
{
    for (const Foreign *f = foreign_rows; f->names; f++)
        if (c && f->letters && strchr(f->letters, c)) return f;
    return NULL;
}

bool foreign_takes_value(const Foreign *f) { return !f->flag && (f->becomes || f->neutral || f->read); }

static bool is_neutral(const Foreign *f, const char *value)
{
    char text[64];
    if (!f->neutral || !value) return false;
    if (strcmp(f->neutral, "*") == 0) return true;
    snprintf(text, sizeof text, "|%.60s|", value);
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a'); /* a spreadsheet's FALSE, Python's None */
    return strstr(f->neutral, text) != NULL;
}

int foreign_apply(const Foreign *f, const char *value, const ForeignSink *to, Err *e)
{
    char option[64];
    if (is_neutral(f, value)) return 0;
    if (f->read) return f->read(value, to, e);
    if (!f->becomes) return err_usage(e, "%s", f->says);
    size_t len = strcspn(f->becomes, "=");
    snprintf(option, sizeof option, "%.*s", (int)len, f->becomes);
    if (!f->becomes[len]) return to->set(to->ctx, option, value, e);
    bool on = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
    return on ? to->set(to->ctx, option, f->becomes + len + 1, e) : 0;
}

void foreign_try(Nearest *n)
{
    for (const Foreign *f = foreign_rows; f->names; f++)
        if (f->becomes && !strchr(f->becomes, '=')) nearest_try_aliases(n, f->names, f->becomes);
}

int foreign_tell(const Foreign *f, Err *e)
{
    if (f->says) return err_usage(e, "%s", f->says);
    return err_usage(e, "limn calls it --%.*s", (int)strcspn(f->becomes ? f->becomes : "help", "="),
                     f->becomes ? f->becomes : "help");
}

const char *foreign_value(const char *option, const char *text, Err *e)
{
    for (size_t i = 0; foreign_values[i].option; i++) {
        if (strcmp(foreign_values[i].option, option) != 0 || !names_have(foreign_values[i].theirs, text)) continue;
        if (foreign_values[i].ours) return foreign_values[i].ours;
        err_usage(e, "\"%.60s\": %s", text, foreign_values[i].says);
        return NULL;
    }
    return text;
}

/* ---- values that have to be looked at ---- */

/* "512x768", also with '*', 'X' or ','; "512" is both sides. */
int foreign_read_size(const char *value, const ForeignSink *to, Err *e)
{
    char width[16], height[16];
    size_t w = strspn(value, "0123456789");
    const char *second = value + w + (value[w] != '\0');
    size_t h = strspn(second, "0123456789");
    bool square = w && !value[w];
    bool both = w && value[w] && strchr("xX*,", value[w]) && h && !second[h];
    if ((!square && !both) || w >= sizeof width || h >= sizeof height)
        return err_usage(e, "\"%.60s\" is no size such as 512x768; -W and -H are the sides in pixels", value);
    snprintf(width, sizeof width, "%.*s", (int)w, value);
    snprintf(height, sizeof height, "%.*s", square ? (int)w : (int)h, square ? value : second);
    return to->set(to->ctx, "width", width, e) || to->set(to->ctx, "height", height, e) ? -1 : 0;
}

/* In A1111, ComfyUI and stable-diffusion.cpp limn's schedule, in diffusers and InvokeAI its sampler: the name tells which. */
int foreign_read_scheduler(const char *value, const ForeignSink *to, Err *e)
{
    bool sampler = sampler_find(value) != NULL, schedule = schedule_find(value) != NULL;
    if (sampler && schedule)
        return err_usage(
            e, "\"%.60s\" is a schedule in some tools and a sampler in others: --schedule or --sampler says which",
            value);
    return to->set(to->ctx, sampler ? "sampler" : "schedule", value, e);
}

/* A folder, which need not be there. */
int foreign_read_folder(const char *value, const ForeignSink *to, Err *e)
{
    char path[4096];
    size_t len = strlen(value);
    int n = snprintf(path, sizeof path, "%s%s", value, len && value[len - 1] == '/' ? "" : "/");
    if (!len || n < 0 || (size_t)n >= sizeof path) return err_usage(e, "\"%.60s\" is not the name of a folder", value);
    return to->set(to->ctx, "output", path, e);
}

int foreign_read_device(const char *value, const ForeignSink *to, Err *e)
{
    (void)to;
    if (strcmp(value, "cpu") == 0 || strcmp(value, "auto") == 0) return 0;
    return err_usage(e, "\"%.60s\": limn draws on the CPU", value);
}
