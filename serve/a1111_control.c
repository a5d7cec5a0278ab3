/*
 * a1111_control.c - alwayson_scripts.controlnet as sd-webui-controlnet's clients send it (scripts/external_code.py): units with a model by
 * name, a picture, a module that makes a map of it; and the lists of both. A unit becomes a line of --control.
 */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "image/hint.h"
#include "pipeline/library.h"
#include "serve/a1111.h"
#include "serve/server.h"

static const cJSON *member(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

static const char *text(const cJSON *v) { return cJSON_IsString(v) && *v->valuestring ? v->valuestring : NULL; }

/* "control_v11p_sd15_canny [d14c016b]": the path, appended. */
static int add_model(const Wish *w, const char *name, Str *out, Err *e)
{
    const char *hash = strstr(name, " [");
    char *plain = mem_strndup(name, hash ? (size_t)(hash - name) : strlen(name));
    Library l;
    int failed = library_open(&l, w->server->options->control_dir, "controlnet", e);
    const LibraryFile *f = failed ? NULL : library_find(&l, plain, NULL, e);
    if (f && !f->readable) failed = err_usage(e, "\"%.60s\" is no safetensors file", plain);
    else if (f) str_add(out, f->path);
    library_close(&l);
    free(plain);
    return f && !failed ? 0 : -1;
}

/*
 * The picture, as each version of the extension has it: text, or {"image": text, "mask": ...}. NULL: the one that is
 * started from.
 */
static const char *picture_of(const cJSON *unit)
{
    static const char *const names[] = { "image", "input_image" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *v = member(unit, names[i]);
        if (text(v)) return text(v);
        if (text(member(v, "image"))) return text(member(v, "image"));
    }
    return NULL;
}

/* Letters, digits, _, - and + : a line of --control has other marks between its fields. */
static int check_word(const char *field, const char *word, size_t len, Err *e)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+";
    return strspn(word, letters) >= len ? 0 : err_usage(e, "%s: \"%.60s\" is no name", field, word);
}

/*
 * "canny", with its numbers where the unit has some: "canny:100:200:". Clients send both thresholds to modules that
 * take one, or none.
 */
static int add_module(const cJSON *unit, Str *line, Err *e)
{
    static const char *const names[HINT_NUMBERS] = { "threshold_a", "threshold_b" };
    const char *module = text(member(unit, "module"));
    size_t len = module ? strcspn(module, " (") : 0;
    if (!len || (len == 4 && strncasecmp(module, "none", len) == 0)) return 0;
    if (check_word("module", module, len, e)) return -1;
    char *plain = mem_strndup(module, len);
    for (char *c = plain; *c; c++) *c = (char)tolower((unsigned char)*c);
    const HintWay *way = hint_way_find(plain);
    bool told = false;
    for (int i = 0; way && i < way->numbers && i < HINT_NUMBERS; i++) {
        const cJSON *v = member(unit, names[i]);
        told = told || (cJSON_IsNumber(v) && v->valuedouble > 0);
    }
    str_addf(line, "%s:", plain);
    for (int i = 0; told && i < way->numbers && i < HINT_NUMBERS; i++) {
        const cJSON *v = member(unit, names[i]);
        str_addf(line, "%g:", cJSON_IsNumber(v) && v->valuedouble > 0 ? v->valuedouble : way->usual[i]);
    }
    free(plain);
    const cJSON *gamma = member(unit, names[0]);
    bool bent = way && way == hint_way_find("luminance") && cJSON_IsNumber(gamma) && gamma->valuedouble > 0;
    if (!bent || gamma->valuedouble == 1) return 0;
    return err_usage(e, "module: %.40s with a gamma of %g: limn has 1 alone", module, gamma->valuedouble);
}

static int add_number(const cJSON *unit, const char *name, const char *field, Str *line, Err *e)
{
    char digits[JSON_NUMBER];
    const cJSON *v = member(unit, name);
    if (!v || cJSON_IsNull(v)) return 0;
    if (!cJSON_IsNumber(v) || !json_number(v->valuedouble, digits))
        return err_usage(e, "%s: a number is expected", name);
    str_addf(line, ",%s=%s", field, digits);
    return 0;
}

/* What the extension calls a choice, by its place or one of its names. */
typedef struct {
    const char *value, *names[4];
} Choice;

/* Appends the field that says it. value NULL in a row: nothing is to be said. */
static int add_choice(const cJSON *unit, const char *name, const char *field, const Choice *choices, Str *line, Err *e)
{
    const cJSON *v = member(unit, name);
    if (!v || cJSON_IsNull(v)) v = NULL;
    for (int i = 0; choices[i].names[0]; i++) {
        bool is = !v ? i == 0 : cJSON_IsNumber(v) && v->valuedouble == i;
        for (int k = 0; k < 4 && choices[i].names[k] && v; k++)
            is = is || (cJSON_IsString(v) && strcasecmp(v->valuestring, choices[i].names[k]) == 0);
        if (!is) continue;
        if (choices[i].value) str_addf(line, ",%s=%s", field, choices[i].value);
        return 0;
    }
    return err_usage(e, "%s: one of \"%s\", \"%s\", \"%s\" is expected", name, choices[0].names[0], choices[1].names[0],
                     choices[2].names[0]);
}

static const Choice control_modes[] = { { NULL, { "Balanced" } },
                                        { "prompt", { "My prompt is more important" } },
                                        { "control", { "ControlNet is more important" } },
                                        { NULL, { NULL } } };

static const Choice resize_modes[] = { { "stretch", { "Just Resize", "Resize", "Just Resize (Latent upscale)" } },
                                       { "crop", { "Crop and Resize", "Scale to Fit (Inner Fit)", "Inner Fit" } },
                                       { "fit", { "Resize and Fill", "Envelope (Outer Fit)", "Outer Fit" } },
                                       { NULL, { NULL } } };

/* guess_mode is what control_mode was called before. */
static int add_mode(const cJSON *unit, Str *line, Err *e)
{
    bool guess = cJSON_IsTrue(member(unit, "guess_mode")) || cJSON_IsTrue(member(unit, "guessmode"));
    if (!guess || member(unit, "control_mode")) return add_choice(unit, "control_mode", "mode", control_modes, line, e);
    str_add(line, ",mode=control");
    return 0;
}

/* The map is cropped where a unit does not say. */
static int add_resize(const cJSON *unit, Str *line, Err *e)
{
    const cJSON *v = member(unit, "resize_mode");
    if (v && !cJSON_IsNull(v)) return add_choice(unit, "resize_mode", "resize", resize_modes, line, e);
    str_add(line, ",resize=crop");
    return 0;
}

/* To a union, which kind of map it is: "OpenPose", "Soft Edge", "Normal Map", as the extension names them. */
static int add_type(const cJSON *unit, Str *line, Err *e)
{
    const char *type = text(member(unit, "union_control_type"));
    if (!type || strcasecmp(type, "Unknown") == 0) return 0;
    if (strcasecmp(type, "Normal Map") == 0) type = "normal";
    if (strcasecmp(type, "Soft Edge") == 0) type = "softedge";
    if (check_word("union_control_type", type, strlen(type), e)) return -1;
    str_add(line, ",type=");
    for (; *type; type++) str_addf(line, "%c", *type >= 'A' && *type <= 'Z' ? *type + 32 : *type);
    return 0;
}

/* Fields that are not read above: those that change nothing where they say what clients send by themselves, the others always. */
static void pass_fields(Wish *w, const cJSON *unit)
{
    static const char read[] = "|enabled|model|module|image|input_image|weight|threshold_a|threshold_b|guidance_start|"
                               "guidance_end|control_mode|guess_mode|guessmode|resize_mode|union_control_type|"
                               "low_vram|lowvram|pixel_perfect|save_detected_map|is_ui|input_mode|";
    const cJSON *v;
    bool map = text(member(unit, "module")) && strcasecmp(text(member(unit, "module")), "none") != 0;
    bool perfect = cJSON_IsTrue(member(unit, "pixel_perfect"));
    cJSON_ArrayForEach(v, unit)
    {
        Str name = { 0 };
        str_addf(&name, "|%s|", v->string);
        bool known = strstr(read, str_text(&name)) != NULL;
        bool both = strcmp(v->string, "hr_option") == 0 && text(v) && strcasecmp(text(v), "Both") == 0;
        bool made = strcmp(v->string, "processor_res") == 0 && (!map || perfect); /* maps are made at full size */
        str_clear(&name);
        str_addf(&name, "controlnet.%s", v->string);
        if (!known && !both && !made && !a1111_says_nothing(v)) wish_pass(w, str_text(&name));
        str_release(&name);
    }
}

static int add_unit(Wish *w, const cJSON *unit, const char *start, Err *e)
{
    const char *model = text(member(unit, "model")), *picture = picture_of(unit);
    Str line = { 0 }, file = { 0 };
    int failed = 0;
    if (!model || strcasecmp(model, "None") == 0) failed = err_usage(e, "model: a ControlNet's name is expected");
    else if (!picture && !start) failed = err_usage(e, "image: a picture is expected");
    str_add(&line, "model=");
    failed = failed || add_model(w, model, &line, e) || wish_file(w, "control", picture ? picture : start, &file, e);
    if (!failed) {
        str_add(&line, ",image=");
        failed = add_module(unit, &line, e);
        str_add(&line, str_text(&file));
        failed = failed || add_number(unit, "weight", "strength", &line, e) ||
                 add_number(unit, "guidance_start", "start", &line, e) ||
                 add_number(unit, "guidance_end", "end", &line, e) || add_type(unit, &line, e) ||
                 add_mode(unit, &line, e) || add_resize(unit, &line, e) ||
                 job_set(&w->job, option_find("control", 7), str_text(&line), e);
    }
    pass_fields(w, unit);
    str_release(&line);
    str_release(&file);
    return failed ? err_in(e, "controlnet") : 0;
}

/* Numbers and flags in their own form. */
static int fit_unit(Wish *w, cJSON *unit, Err *e)
{
    static const char *const flags[] = { "enabled", "guess_mode", "guessmode", "pixel_perfect", NULL },
                             *const numbers[] = { "weight",      "guidance_start", "guidance_end",
                                                  "threshold_a", "threshold_b",    NULL };
    for (const char *const *name = flags; *name; name++)
        if (a1111_fit(w, unit, *name, TYPE_FLAG, e)) return -1;
    for (const char *const *name = numbers; *name; name++)
        if (a1111_fit(w, unit, *name, TYPE_NUMBER, e)) return -1;
    return 0;
}

int a1111_control(Wish *w, cJSON *script, const char *start, Err *e)
{
    cJSON *units = cJSON_GetObjectItemCaseSensitive(script, "args"), *unit;
    if (units && !cJSON_IsNull(units) && !cJSON_IsArray(units))
        return err_usage(e, "controlnet: args: a list of units is expected");
    cJSON_ArrayForEach(unit, units)
    {
        if (cJSON_IsNull(unit)) continue;
        if (!cJSON_IsObject(unit)) return err_usage(e, "controlnet: args: units are expected as objects");
        if (fit_unit(w, unit, e)) return err_in(e, "controlnet");
        if (cJSON_IsFalse(member(unit, "enabled"))) continue;
        if (add_unit(w, unit, start, e)) return -1;
    }
    return 0;
}

static void model_list(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "model_list");
    Library l;
    Err e;
    bool read = library_open(&l, r->server->options->control_dir, "controlnet", &e) == 0;
    for (size_t i = 0; read && i < l.count; i++)
        if (l.file[i].readable) cJSON_AddItemToArray(list, cJSON_CreateString(l.file[i].name));
    library_close(&l);
    reply_json(out, 200, o);
}

static void module_list(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "module_list");
    (void)r;
    cJSON_AddItemToArray(list, cJSON_CreateString("none"));
    for (const HintWay *w = hint_ways; w->name; w++) cJSON_AddItemToArray(list, cJSON_CreateString(w->name));
    reply_json(out, 200, o);
}

static void version(Call *r, Reply *out)
{
    cJSON *o = cJSON_CreateObject();
    (void)r;
    cJSON_AddNumberToObject(o, "version", 2);
    reply_json(out, 200, o);
}

const Route a1111_control_routes[] = {
    { "GET", "/controlnet/model_list", model_list, 0, API_A1111 },
    { "GET", "/controlnet/module_list", module_list, 0, API_A1111 },
    { "GET", "/controlnet/version", version, 0, API_A1111 },
    { .method = NULL },
};
