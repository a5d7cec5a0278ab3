/*
 * few_steps.c - see few_steps.h.
 *
 * Sources: the model cards of stabilityai/sd-turbo and sdxl-turbo, ByteDance/SDXL-Lightning and Hyper-SD, latent-consistency/lcm-*,
 * h1t/TCD-*, tianweiy/DMD2, jasperai/flash-*; for merges of Turbo and Lightning their makers' word (Lykon/dreamshaper-xl-*).
 */
#include "pipeline/few_steps.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "weights/safetensors.h"

enum { NAME_MOST = 256, ANY_COUNT = -1, NO_MATTER = -2 };

/* A word of three or four letters must stand alone in the name ("=lcm"), a longer one may be part of a word. */
typedef struct {
    const char *words[2];
    enum { OF_BOTH, OF_MODEL, OF_ADAPTER } of;
    int count; /* the steps that the name must tell; ANY_COUNT: some; NO_MATTER */
    FewSteps is;
} Row;

/* The first that fits. */
static const Row rows[] = {
    { { "hyper", "unet" }, OF_MODEL, 1, { "Hyper-SD's one-step UNet", .sampler = "lcm", .timesteps = "800" } },
    { { "hyper", "cfg" },
      OF_BOTH,
      ANY_COUNT,
      { "Hyper-SD with guidance", .sampler = "ddim", .schedule = "trailing", .elsewhere = "sgm_uniform",
        .cfg_scale = 5 } },
    { { "hyper" }, OF_BOTH, 1, { "Hyper-SD", .sampler = "tcd", .elsewhere = "sgm_uniform", .eta = 1 } },
    { { "hyper" },
      OF_BOTH,
      ANY_COUNT,
      { "Hyper-SD", .sampler = "ddim", .schedule = "trailing", .elsewhere = "sgm_uniform" } },
    { { "lightning" },
      OF_BOTH,
      ANY_COUNT,
      { "SDXL-Lightning", .sampler = "euler", .schedule = "trailing", .elsewhere = "sgm_uniform" } },
    { { "lightning" },
      OF_MODEL,
      NO_MATTER,
      { "a merge of SDXL-Lightning", .sampler = "dpmpp_sde", .schedule = "karras", .elsewhere = "karras", .steps = 5,
        .cfg_scale = 2 } },
    { { "sdxlturbo" },
      OF_MODEL,
      NO_MATTER,
      { "SDXL-Turbo", .sampler = "euler_ancestral", .schedule = "trailing", .elsewhere = "sd_turbo", .steps = 1,
        .side = 512 } },
    { { "sdturbo" },
      OF_MODEL,
      NO_MATTER,
      { "SD-Turbo", .sampler = "euler", .schedule = "trailing", .elsewhere = "sd_turbo", .steps = 1, .side = 512 } },
    { { "turbo" },
      OF_MODEL,
      NO_MATTER,
      { "a merge of SDXL-Turbo", .sampler = "dpmpp_sde", .schedule = "karras", .elsewhere = "karras", .steps = 6,
        .cfg_scale = 2 } },
    { { "turbo", "lora" },
      OF_ADAPTER,
      NO_MATTER,
      { "SDXL-Turbo's", .sampler = "lcm", .elsewhere = "sgm_uniform", .steps = 4 } },
    { { "dmd2" }, OF_BOTH, 1, { "DMD2 for one step", .sampler = "lcm", .timesteps = "399" } },
    { { "dmd2" },
      OF_BOTH,
      NO_MATTER,
      { "DMD2", .sampler = "lcm", .schedule = "trailing", .elsewhere = "sgm_uniform", .steps = 4 } },
    { { "flashsd" },
      OF_BOTH,
      NO_MATTER,
      { "Flash Diffusion", .sampler = "lcm", .schedule = "trailing", .elsewhere = "sgm_uniform", .steps = 4 } },
    { { "=tcd" }, OF_BOTH, NO_MATTER, { "TCD", .sampler = "tcd", .elsewhere = "sgm_uniform", .steps = 4, .eta = 0.3 } },
    { { "=lcm" }, OF_BOTH, NO_MATTER, { "LCM", .sampler = "lcm", .elsewhere = "sgm_uniform", .steps = 4 } },
};

static const double TOLD_SCALE = 8; /* of a UNet that is told its guidance: LCM_Dreamshaper_v7, lcm-sdxl */

/* ---- names ----------------------------------------------------------------------------------------------------------- */

/* The name without its folders; where that is a commit of the hub's cache, the repository's. */
static const char *own_name(const char *path, size_t *len)
{
    const char *end = path + strlen(path);
    while (end > path + 1 && end[-1] == '/') end--;
    const char *name = end;
    while (name > path && name[-1] != '/') name--;
    *len = (size_t)(end - name);
    const char *hub = strstr(path, "models--");
    if (!hub || *len != 40 || strspn(name, "0123456789abcdef") < 40) return name;
    *len = strcspn(hub, "/");
    return hub;
}

/* Letters of an alphabet and digits alone, small. */
static void squeeze(const char *name, char *out)
{
    for (; *name; name++)
        if (isalnum((unsigned char)*name)) *out++ = (char)tolower((unsigned char)*name);
    *out = 0;
}

/* Between a letter and what is none, and where a new word begins with a capital. */
static bool is_edge(char before, char after)
{
    bool a = isalpha((unsigned char)before), b = isalpha((unsigned char)after);
    return !a || !b || (islower((unsigned char)before) && isupper((unsigned char)after));
}

static bool stands_alone(const char *name, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; strlen(name) >= i + len; i++) {
        bool same = true;
        for (size_t k = 0; k < len && same; k++) same = tolower((unsigned char)name[i + k]) == word[k];
        if (same && is_edge(i ? name[i - 1] : 0, name[i]) && is_edge(name[i + len - 1], name[i + len])) return true;
    }
    return false;
}

/* "4step", "8-steps", "2_step": how many; 0: it does not say. */
static int steps_in(const char *name)
{
    for (const char *p = name; *p; p++) {
        if (!isdigit((unsigned char)*p) || (p > name && isdigit((unsigned char)p[-1]))) continue;
        size_t digits = strspn(p, "0123456789");
        const char *rest = p + digits;
        rest += strspn(rest, "-_ ");
        bool word = tolower((unsigned char)rest[0]) == 's' && tolower((unsigned char)rest[1]) == 't' &&
                    tolower((unsigned char)rest[2]) == 'e' && tolower((unsigned char)rest[3]) == 'p';
        if (digits <= 2 && word) return atoi(p);
    }
    return 0;
}

static bool fits(const Row *r, const char *name, const char *squeezed, int steps, bool adapter)
{
    if (r->of == (adapter ? OF_MODEL : OF_ADAPTER)) return false;
    if (r->count == ANY_COUNT ? !steps : r->count != NO_MATTER && steps != r->count) return false;
    for (int i = 0; i < 2 && r->words[i]; i++) {
        const char *w = r->words[i];
        if (*w == '=' ? !stands_alone(name, w + 1) : !strstr(squeezed, w)) return false;
    }
    return true;
}

/* What a row leaves open. */
static FewSteps complete(FewSteps f, int steps, const char *by)
{
    f.by = by;
    if (f.steps == 0) {
        f.steps = steps;
        f.exact = true;
    }
    if (f.cfg_scale <= 0) f.cfg_scale = 1;
    return f;
}

FewSteps few_steps_named(const char *path, bool adapter)
{
    char name[NAME_MOST], squeezed[NAME_MOST];
    size_t len;
    const char *own = own_name(path, &len);
    snprintf(name, sizeof name, "%.*s", (int)(len < NAME_MOST ? len : NAME_MOST - 1), own);
    squeeze(name, squeezed);
    int steps = steps_in(name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (fits(&rows[i], name, squeezed, steps, adapter)) return complete(rows[i].is, steps, "its name");
    return (FewSteps){ 0 };
}

/* Names that say nothing of what is in a file: diffusers', PEFT's and the hub's own. */
static bool says_nothing(const char *path)
{
    static const char *const names[] = {
        "pytorch_lora_weights", "adapter_model", "diffusion_pytorch_model", "model", "lora", "adapter"
    };
    const char *name = path_last(path);
    size_t len = path_stem(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && strncmp(name, names[i], len) == 0) return true;
    return false;
}

FewSteps few_steps_of_adapter(const char *path, Bytes file)
{
    static const char *const keys[] = { "ss_output_name", "modelspec.title" };
    FewSteps f = few_steps_named(path, true);
    if (!f.what && says_nothing(path) && path_last(path) > path + 1) {
        char *folder = mem_strndup(path, (size_t)(path_last(path) - path) - 1);
        f = few_steps_named(folder, true);
        f.by = "its folder's name";
        free(folder);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !f.what && file.len; i++) {
        char *name = safetensors_metadata(file, keys[i]);
        if (name) f = few_steps_named(name, true);
        f.by = "its trainer's name for it";
        free(name);
    }
    return f;
}

/* ---- models ---------------------------------------------------------------------------------------------------------- */

FewSteps few_steps_of_model(const char *path, const char *scheduler, bool told)
{
    FewSteps f = few_steps_named(path, false);
    if (!f.what && told) f = complete(few_steps_named("lcm", false), 0, "its UNet, which is told the guidance");
    if (!f.what && scheduler && strcmp(scheduler, "LCMScheduler") == 0)
        f = complete(few_steps_named("lcm", false), 0, "its LCMScheduler");
    if (!f.what && scheduler && strcmp(scheduler, "TCDScheduler") == 0)
        f = complete(few_steps_named("tcd", false), 0, "its TCDScheduler");
    if (f.what && told) f.cfg_scale = TOLD_SCALE;
    return f;
}

const char *few_steps_schedule(const FewSteps *f, Compat compat)
{
    if (!f->what) return NULL;
    return compat == COMPAT_DIFFUSERS ? f->schedule : f->elsewhere;
}

void few_steps_line(const FewSteps *f, Str *out)
{
    str_addf(out, "%s, by %s: %s", f->what, f->by, f->sampler);
    if (f->schedule) str_addf(out, ", %s", f->schedule);
    str_addf(out, ", %d step%s", f->steps, f->steps == 1 ? "" : "s");
    if (f->timesteps) str_addf(out, " at timestep %s", f->timesteps);
    if (f->cfg_scale > 1) str_addf(out, ", guidance %g", f->cfg_scale);
    else str_add(out, ", no guidance");
    if (f->eta > 0) str_addf(out, ", eta %g", f->eta);
}
