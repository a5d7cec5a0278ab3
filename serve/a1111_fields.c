/*
 * a1111_fields.c - A1111's API: the fields of txt2img and img2img requests. Names, types and defaults of its fields are facts
 * of its own (modules/api/models.py, modules/processing.py); a field that is left out is the model's default here, where there it
 * is 50 steps of 512x512.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/version.h"
#include "scheduler/samplers.h"
#include "serve/a1111.h"
#include "serve/server.h"
#include "base/json.h"

/* What a field is to limn. */
typedef enum {
    FIELD_OPTION,   /* an option of limn's, `to` */
    FIELD_POSITIVE, /* the same where it is more than 0 */
    FIELD_NEUTRAL,  /* of no effect at the values that clients send; else told */
    FIELD_ONE,      /* the same of 1, and true */
    FIELD_QUIET,    /* of no effect on a picture */
    FIELD_OWN,      /* looked at below */
} FieldKind;

static const struct {
    const char *name;
    FieldKind kind;
    const char *to;
    FieldType type;
} fields[] = {
    { "prompt", FIELD_OPTION, "prompt", TYPE_ANY },
    { "negative_prompt", FIELD_OPTION, "negative-prompt", TYPE_ANY },
    { "steps", FIELD_OPTION, "steps", TYPE_ANY },
    { "cfg_scale", FIELD_OPTION, "cfg-scale", TYPE_ANY },
    { "width", FIELD_OPTION, "width", TYPE_ANY },
    { "height", FIELD_OPTION, "height", TYPE_ANY },
    { "seed", FIELD_OWN, NULL, TYPE_ANY },
    { "sampler_name", FIELD_OWN, NULL, TYPE_TEXT },
    { "sampler_index", FIELD_OWN, NULL, TYPE_TEXT },
    { "scheduler", FIELD_OWN, NULL, TYPE_TEXT },
    { "batch_size", FIELD_OWN, NULL, TYPE_NUMBER },
    { "n_iter", FIELD_OWN, NULL, TYPE_NUMBER },
    { "eta", FIELD_OPTION, "eta", TYPE_ANY },
    { "s_churn", FIELD_POSITIVE, "s-churn", TYPE_ANY },
    { "s_tmin", FIELD_POSITIVE, "s-tmin", TYPE_ANY },
    { "s_tmax", FIELD_POSITIVE, "s-tmax", TYPE_ANY },
    { "s_noise", FIELD_OPTION, "s-noise", TYPE_ANY },
    { "tiling", FIELD_OWN, NULL, TYPE_FLAG },
    { "enable_hr", FIELD_OWN, NULL, TYPE_FLAG },
    { "denoising_strength", FIELD_OWN, NULL, TYPE_NUMBER },
    { "refiner_checkpoint", FIELD_OWN, NULL, TYPE_TEXT },
    { "refiner_switch_at", FIELD_OWN, NULL, TYPE_NUMBER },
    { "override_settings", FIELD_OWN, NULL, TYPE_OBJECT },
    { "alwayson_scripts", FIELD_OWN, NULL, TYPE_OBJECT },
    { "init_images", FIELD_OWN, NULL, TYPE_LIST },
    { "mask", FIELD_OWN, NULL, TYPE_TEXT },
    { "resize_mode", FIELD_OWN, NULL, TYPE_NUMBER },
    { "mask_blur", FIELD_OPTION, "mask-blur", TYPE_ANY },
    { "mask_blur_x", FIELD_OWN, NULL, TYPE_NUMBER },
    { "inpainting_fill", FIELD_OWN, NULL, TYPE_NUMBER },
    { "inpaint_full_res", FIELD_OWN, NULL, TYPE_FLAG },
    { "inpaint_full_res_padding", FIELD_OWN, NULL, TYPE_NUMBER },
    { "inpainting_mask_invert", FIELD_OWN, NULL, TYPE_NUMBER },
    { "save_images", FIELD_OWN, NULL, TYPE_FLAG },
    { "send_images", FIELD_OWN, NULL, TYPE_FLAG },
    { "subseed", FIELD_QUIET, NULL, TYPE_NUMBER }, /* counts with subseed_strength */
    { "subseed_strength", FIELD_OWN, NULL, TYPE_NUMBER },
    { "seed_resize_from_h", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "seed_resize_from_w", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "styles", FIELD_OWN, NULL, TYPE_LIST },
    { "restore_faces", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "s_min_uncond", FIELD_POSITIVE, "ngms", TYPE_ANY },
    { "script_name", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "script_args", FIELD_QUIET, NULL, TYPE_ANY },
    { "initial_noise_multiplier", FIELD_ONE, NULL, TYPE_ANY },
    { "latent_mask", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "firstphase_width", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "firstphase_height", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "image_cfg_scale", FIELD_OWN, NULL, TYPE_NUMBER },
    { "mask_blur_y", FIELD_OWN, NULL, TYPE_NUMBER },
    { "mask_round", FIELD_ONE, NULL, TYPE_ANY },
    { "include_init_images", FIELD_OWN, NULL, TYPE_FLAG },
    { "hr_scale", FIELD_OWN, NULL, TYPE_NUMBER },
    { "hr_upscaler", FIELD_OWN, NULL, TYPE_TEXT },
    { "hr_second_pass_steps", FIELD_OWN, NULL, TYPE_NUMBER },
    { "hr_resize_x", FIELD_OWN, NULL, TYPE_NUMBER },
    { "hr_resize_y", FIELD_OWN, NULL, TYPE_NUMBER },
    { "hr_checkpoint_name", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "hr_sampler_name", FIELD_OWN, NULL, TYPE_TEXT },
    { "hr_scheduler", FIELD_OWN, NULL, TYPE_TEXT },
    { "hr_prompt", FIELD_OWN, NULL, TYPE_TEXT },
    { "hr_negative_prompt", FIELD_OWN, NULL, TYPE_TEXT },
    { "hr_cfg", FIELD_OWN, NULL, TYPE_NUMBER }, /* Forge's */
    { "hr_distilled_cfg", FIELD_QUIET, NULL, TYPE_ANY },
    { "hr_additional_modules", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "distilled_cfg_scale", FIELD_QUIET, NULL, TYPE_ANY }, /* of Flux only */
    { "force_task_id", FIELD_QUIET, NULL, TYPE_ANY },
    { "do_not_save_samples", FIELD_QUIET, NULL, TYPE_ANY },
    { "do_not_save_grid", FIELD_QUIET, NULL, TYPE_ANY },
    { "override_settings_restore_afterwards", FIELD_OWN, NULL, TYPE_FLAG },
    { "comments", FIELD_QUIET, NULL, TYPE_ANY },
    { "infotext", FIELD_NEUTRAL, NULL, TYPE_ANY },
    { "disable_extra_networks", FIELD_NEUTRAL, NULL, TYPE_ANY },
};

const cJSON *a1111_member(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

double a1111_number(const cJSON *o, const char *name, double dflt)
{
    const cJSON *v = a1111_member(o, name);
    return cJSON_IsNumber(v) ? v->valuedouble : dflt;
}

const char *a1111_text(const cJSON *o, const char *name)
{
    const cJSON *v = a1111_member(o, name);
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

bool a1111_says_nothing(const cJSON *v)
{
    if (cJSON_IsNull(v) || cJSON_IsFalse(v)) return true;
    if (cJSON_IsNumber(v)) return v->valuedouble == 0 || v->valuedouble == -1;
    if (cJSON_IsString(v))
        return !*v->valuestring || strcasecmp(v->valuestring, "None") == 0 || str_starts(v->valuestring, "Use same");
    return (cJSON_IsArray(v) || cJSON_IsObject(v)) && !v->child;
}

static int fit_types(Wish *w, cJSON *o, Err *e)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (a1111_fit(w, o, fields[i].name, fields[i].type, e)) return -1;
    return 0;
}

static int set_number(Wish *w, const char *option, double value, Err *e)
{
    char digits[JSON_NUMBER];
    if (!json_number(value, digits)) return err_usage(e, "%s: a number that is finite is expected", option);
    return wish_set(w, option, digits, e);
}

/* ---- fields that take more than a row ---- */

/* sampler_name may hold the schedule; sampler_index is its older name, which counts where the other says nothing. */
static int set_sampler(Wish *w, const cJSON *o, Err *e)
{
    const char *name = a1111_text(o, "sampler_name"), *index = a1111_text(o, "sampler_index"),
               *schedule = a1111_text(o, "scheduler");
    if (!name || !*name) name = index;
    if (name && *name && wish_set(w, "sampler", name, e)) return -1;
    bool automatic = !schedule || !*schedule || strcasecmp(schedule, "Automatic") == 0;
    return automatic ? 0 : wish_set(w, "schedule", schedule, e);
}

static int set_count(Wish *w, const cJSON *o, Err *e)
{
    double n = a1111_number(o, "batch_size", 1) * a1111_number(o, "n_iter", 1);
    return n == 1 ? 0 : set_number(w, "count", n, e);
}

static int set_seed(Wish *w, const cJSON *o, Err *e)
{
    const cJSON *v = a1111_member(o, "seed");
    bool open = !v || cJSON_IsNull(v) || (cJSON_IsNumber(v) && v->valuedouble < 0) ||
                (cJSON_IsString(v) && *v->valuestring == '-');
    if (open) return wish_set(w, "seed", "random", e);
    return wish_json(w, "seed", v, e);
}

/* One of a list of values by its place. */
static int set_choice(Wish *w, const cJSON *o, const char *field, const char *option, const char *const *values, Err *e)
{
    const cJSON *v = a1111_member(o, field);
    if (!v || cJSON_IsNull(v)) return 0;
    int n = 0;
    while (values[n]) n++;
    if (!cJSON_IsNumber(v) || v->valuedouble < 0 || v->valuedouble >= n || v->valuedouble != (int)v->valuedouble)
        return err_usage(e, "%s: a number from 0 to %d is expected", field, n - 1);
    return wish_set(w, option, values[v->valueint], e);
}

static int set_scripts(Wish *w, cJSON *o, Err *e)
{
    cJSON *item;
    const cJSON *images = a1111_member(o, "init_images");
    const char *start = cJSON_IsArray(images) && cJSON_IsString(images->child) ? images->child->valuestring : NULL;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(o, "alwayson_scripts"))
    {
        const cJSON *args = a1111_member(item, "args");
        if (strcasecmp(item->string, "controlnet") == 0) {
            if (a1111_control(w, item, start, e)) return -1;
        } else if (args && args->child) wish_pass(w, item->string);
    }
    return 0;
}

/* A picture to start from, and its mask. */
static int set_start(Wish *w, const cJSON *o, Err *e)
{
    static const char *const modes[] = { "stretch", "crop", "fit", NULL };
    static const char *const fills[] = { "fill", "original", "noise", "nothing", NULL };
    const cJSON *images = a1111_member(o, "init_images"), *first = cJSON_IsArray(images) ? images->child : NULL;
    const char *mask = a1111_text(o, "mask");
    if (!first || !cJSON_IsString(first)) return err_usage(e, "Init image not found");
    if (first->next)
        return err_usage(e, "init_images: one picture is expected, %d were sent", cJSON_GetArraySize(images));
    if (wish_picture(w, "init-image", first->valuestring, e) ||
        set_number(w, "strength", a1111_number(o, "denoising_strength", 0.75), e) ||
        set_choice(w, o, "resize_mode", "resize-mode", modes, e))
        return -1;
    if (!mask || !*mask) return 0;
    if (wish_picture(w, "mask", mask, e) || set_choice(w, o, "inpainting_fill", "fill", fills, e)) return -1;
    if (!cJSON_IsNumber(a1111_member(o, "mask_blur")) &&
        set_number(w, "mask-blur", a1111_number(o, "mask_blur_x", 4), e))
        return -1;
    if (a1111_number(o, "inpainting_mask_invert", 0) != 0 && wish_set(w, "mask-invert", "true", e)) return -1;
    if (cJSON_IsFalse(a1111_member(o, "inpaint_full_res")) || a1111_number(o, "inpaint_full_res", 1) == 0) return 0;
    return set_number(w, "only-masked", a1111_number(o, "inpaint_full_res_padding", 0), e);
}

/* hr_scale, or the size that the second pass ends with; limn does not cut off what another shape has too much. */
static int set_hires_size(Wish *w, const cJSON *o, Err *e)
{
    double x = a1111_number(o, "hr_resize_x", 0), y = a1111_number(o, "hr_resize_y", 0),
           scale = a1111_number(o, "hr_scale", 2);
    if (x <= 0 && y <= 0) return set_number(w, "hires", scale, e);
    double width = a1111_number(o, "width", w->job.width), height = a1111_number(o, "height", w->job.height);
    if (width <= 0 || height <= 0)
        return err_usage(e, "hr_resize_x, hr_resize_y: width and height are expected with them");
    if (x > 0 && y > 0 && x * height != y * width)
        return err_usage(e, "hr_resize_x, hr_resize_y: %gx%g has another shape than %gx%g", x, y, width, height);
    return set_number(w, "hires", x > 0 ? x / width : y / height, e);
}

/* Left out, the second pass has the first one's; "Automatic" is its own sampler's. */
static int set_hires_schedule(Wish *w, const cJSON *o, Err *e)
{
    const char *name = a1111_text(o, "hr_scheduler"), *first = a1111_text(o, "scheduler");
    if (!name || !*name || strcmp(name, "Use same scheduler") == 0) return 0;
    if (strcasecmp(name, "Automatic") != 0) return wish_set(w, "hires-schedule", name, e);
    if (!first || !*first || strcasecmp(first, "Automatic") == 0) return 0;
    const char *said = w->job.hires_sampler ? w->job.hires_sampler : w->job.sampler;
    const Sampler *s = said ? sampler_find(said) : NULL;
    return wish_set(w, "hires-schedule", s && s->automatic ? s->automatic : "normal", e);
}

/* Left out or empty, they are the first pass's. */
static int set_hires_prompts(Wish *w, const cJSON *o, Err *e)
{
    const char *prompt = a1111_text(o, "hr_prompt"), *negative = a1111_text(o, "hr_negative_prompt");
    if (prompt && *prompt && wish_set(w, "hires-prompt", prompt, e)) return -1;
    return negative && *negative ? wish_set(w, "hires-negative-prompt", negative, e) : 0;
}

/* enable_hr: what is drawn a second time. */
static int set_hires(Wish *w, const cJSON *o, Err *e)
{
    const char *with = a1111_text(o, "hr_upscaler"), *sampler = a1111_text(o, "hr_sampler_name");
    if (!cJSON_IsTrue(a1111_member(o, "enable_hr"))) return 0;
    if (set_hires_size(w, o, e) || set_number(w, "hires-strength", a1111_number(o, "denoising_strength", 0.75), e))
        return -1;
    if (a1111_number(o, "hr_second_pass_steps", 0) > 0 &&
        set_number(w, "hires-steps", a1111_number(o, "hr_second_pass_steps", 0), e))
        return -1;
    if (cJSON_IsNumber(a1111_member(o, "hr_cfg")) && set_number(w, "hires-cfg-scale", a1111_number(o, "hr_cfg", 0), e))
        return -1;
    if (with && *with && wish_set(w, "hires-with", strcmp(with, "None") == 0 ? "lanczos" : with, e))
        return err_in(e, "hr_upscaler");
    bool same = !sampler || !*sampler || strcmp(sampler, "Use same sampler") == 0;
    if (!same && wish_set(w, "hires-sampler", sampler, e)) return -1;
    return set_hires_schedule(w, o, e) || set_hires_prompts(w, o, e) ? -1 : 0;
}

/* Values that say what is so here anyway; others are listed. */
static void pass_values(Wish *w, const cJSON *o)
{
    double image = a1111_number(o, "image_cfg_scale", 0), x = a1111_number(o, "mask_blur_x", 4),
           y = a1111_number(o, "mask_blur_y", 4);
    bool one_blur = cJSON_IsNumber(a1111_member(o, "mask_blur"));
    if (image > 0 && image != 1.5) wish_pass(w, "image_cfg_scale");
    if (!one_blur && x != y) wish_pass(w, "mask_blur_y");
}

/* ---- styles: what lies around the prompts, those of a second pass too ---- */

enum { MOST_STYLES = 100, MOST_STYLED = 1 << 20 /* bytes */ };

const cJSON *a1111_styles(const cJSON *o)
{
    const cJSON *list = a1111_member(o, "styles");
    return cJSON_IsArray(list) && list->child ? list : NULL;
}

/* One prompt with all styles; said: what it is without. */
static int set_styled(Wish *w, const cJSON *list, const char *option, const char *said, bool negative, Err *e)
{
    const cJSON *name;
    char *text = mem_strdup(said ? said : "");
    cJSON_ArrayForEach(name, list)
    {
        const Style *style = styles_find(&w->server->styles, name->valuestring);
        Str all = { 0 };
        if (!style) continue;
        style_add(negative ? style->negative : style->prompt, text, &all);
        free(text);
        text = all.s ? all.s : mem_strdup("");
        if (all.len > MOST_STYLED) break; /* it is refused below, and one style may double what is there */
    }
    bool same = strcmp(text, said ? said : "") == 0;
    int failed = same ? 0 : wish_set(w, option, text, e);
    free(text);
    return failed;
}

/* A style of no name here is passed over, as A1111 does. */
static int set_styles(Wish *w, const cJSON *o, Err *e)
{
    const cJSON *list = a1111_styles(o), *name;
    const Job *j = &w->job;
    if (cJSON_GetArraySize(list) > MOST_STYLES) return err_usage(e, "styles: more than %d of them", MOST_STYLES);
    cJSON_ArrayForEach(name, list)
    {
        Str full = { 0 };
        if (!cJSON_IsString(name)) return err_usage(e, "styles: names are expected");
        str_addf(&full, "styles.%.60s", name->valuestring);
        if (!styles_find(&w->server->styles, name->valuestring)) wish_pass(w, str_text(&full));
        str_release(&full);
    }
    if (!list) return 0;
    if (j->hires_prompt && set_styled(w, list, "hires-prompt", j->hires_prompt, false, e)) return -1;
    if (j->hires_negative_prompt && set_styled(w, list, "hires-negative-prompt", j->hires_negative_prompt, true, e))
        return -1;
    return set_styled(w, list, "prompt", j->prompt, false, e) ||
                   set_styled(w, list, "negative-prompt", j->negative_prompt, true, e)
               ? -1
               : 0;
}

static int set_variation(Wish *w, const cJSON *o, Err *e)
{
    if (a1111_number(o, "subseed_strength", 0) <= 0) return 0;
    if (set_number(w, "variation-strength", a1111_number(o, "subseed_strength", 0), e)) return -1;
    return a1111_number(o, "subseed", -1) < 0 ? 0 : set_number(w, "variation-seed", a1111_number(o, "subseed", 0), e);
}

/* ---- all fields ---- */

static int set_field(Wish *w, const cJSON *v, Err *e)
{
    size_t i = 0, n = sizeof fields / sizeof *fields;
    while (i < n && strcmp(fields[i].name, v->string) != 0) i++;
    if (i == n) {
        wish_pass(w, v->string);
        return 0;
    }
    if (fields[i].kind == FIELD_NEUTRAL && !a1111_says_nothing(v)) wish_pass(w, v->string);
    if (fields[i].kind == FIELD_ONE && !cJSON_IsNull(v) && !(cJSON_IsNumber(v) && v->valuedouble == 1) &&
        !cJSON_IsTrue(v))
        wish_pass(w, v->string);
    if (fields[i].kind == FIELD_POSITIVE && a1111_says_nothing(v)) return 0;
    return fields[i].kind == FIELD_OPTION || fields[i].kind == FIELD_POSITIVE ? wish_json(w, fields[i].to, v, e) : 0;
}

int a1111_read(Wish *w, cJSON *o, bool from_picture, Err *e)
{
    const cJSON *item;
    if (fit_types(w, o, e)) return -1;
    const cJSON *settings = a1111_member(o, "override_settings");
    if (!w->job.compat && wish_set(w, "compat", "a1111", e)) return -1;
    if (a1111_stored_settings(w, e) || a1111_settings(w, settings, "override_settings.", e)) return -1;
    cJSON_ArrayForEach(item, o) if (set_field(w, item, e)) return -1;
    if (set_seed(w, o, e) || set_sampler(w, o, e) || set_count(w, o, e)) return -1;
    if (cJSON_IsTrue(a1111_member(o, "tiling")) && wish_set(w, "tile", "both", e)) return -1;
    if ((!from_picture && set_hires(w, o, e)) || set_variation(w, o, e) || set_styles(w, o, e)) return -1;
    const char *refiner = a1111_text(o, "refiner_checkpoint");
    if (refiner && *refiner && strcmp(refiner, "None") != 0 &&
        (wish_set(w, "refiner", refiner, e) ||
         set_number(w, "refiner-at", a1111_number(o, "refiner_switch_at", 0.8), e)))
        return -1;
    if (set_scripts(w, o, e)) return -1;
    if (from_picture) pass_values(w, o);
    return (from_picture && set_start(w, o, e)) || wish_finish(w, e) ? -1 : 0;
}
