/* say.c - see say.h. */
#include "cmd/say.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/visible.h"

void say(FILE *to, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = mem_alloc((size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    visible_mask(text, true);
    fputs(text, to);
    free(text);
}

void say_path(const char *path)
{
    Str shown = { 0 };
    if (isatty(STDOUT_FILENO)) visible_path(&shown, path);
    else str_add(&shown, path);
    puts(str_text(&shown));
    str_release(&shown);
}

void say_paths(const char *lines)
{
    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
        char *path = mem_strndup(lines, (size_t)(end - lines));
        say_path(path);
        free(path);
    }
}

void say_json_text(const char *json)
{
    Str shown = { 0 };
    visible_json(&shown, json);
    fputs(str_text(&shown), stdout);
    str_release(&shown);
}

void say_json(cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);
    say_json_text(text);
    fputs("\n", stdout);
    cJSON_free(text);
    cJSON_Delete(value);
}
