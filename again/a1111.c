/*
 * a1111.c - A1111's text as a job: readers.h. Sources: A1111's modules/processing.py (create_infotext), infotext_utils.py,
 * infotext_versions.py; Forge's modules/processing.py; stable-diffusion.cpp's examples/common (get_image_params); SD.Next's
 * modules/infotext.py; Fooocus' modules/meta_parser.py.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "again/fields.h"
#include "again/infotext.h"
#include "again/readers.h"
#include "base/mem.h"
#include "pipeline/ways.h"
#include "scheduler/samplers.h"

#define OFF "0|0.0|false|none|null|disable|disabled"

/* clang-format off */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* a row ends with what it says */
static const Field fields[] = {
    { "Steps", "steps" },
    { "Sampler", "@sampler" },
    { "Schedule type|Scheduler", "@schedule" },
    { "CFG scale|Guidance Scale", "cfg-scale" },
    { "Image CFG scale", "image-cfg-scale" },
    { "Seed", "seed" },
    { "Size", "@size" },
    { "Model", "@model" },
    { "Model hash", "@model-hash" },
    { "VAE", "@vae", "Automatic|None|automatic|none" },
    { "VAE hash", "@vae-hash" },
    { "Clip skip|CLIP Skip", "@clip-skip" },
    { "ENSD", "ensd", OFF },
    { "Eta DDIM|DDIM Eta", "eta" },
    { "Variation seed", "variation-seed" },
    { "Variation seed strength", "variation-strength", OFF },
    { "Tiling", "@tile" },
    { "Refiner", "@refiner", "None" },
    { "Refiner switch at", "refiner-at" },
    { "Sigma churn", "s-churn", OFF },
    { "Sigma tmin", "s-tmin", OFF },
    { "Sigma tmax", "s-tmax", OFF },
    { "Sigma noise", "s-noise" },
    { "UniPC order", "solver-order" },
    { "Mask blur", "mask-blur", OFF },
    { "Hires sampler", "hires-sampler", "Use same sampler" },
    { "Hires CFG Scale", "hires-cfg-scale", OFF },
    { "Hires prompt", "hires-prompt", "" },
    { "Hires negative prompt", "hires-negative-prompt", "" },
    { "Hires schedule type", "@hires-schedule", "Use same scheduler" },
    { "Hires steps", "hires-steps", OFF },
    { "NGMS", "ngms", OFF },
    { "NGMS all steps", "ngms-all", OFF },
    { "Skip Early CFG", "skip-early", OFF },
    { "Token merging ratio", "tome", OFF },
    { "PAG scale|pag_scale", "pag", OFF },
    { "PAG adaptive scale", "pag-adaptive", OFF },
    { "SAG scale|sag_scale", "sag", OFF },
    { "dynthres_mimic_scale", "mimic-scale" },
    { "dynthres_threshold_percentile", "mimic-percentile" },
    { "freeu_version", "@freeu" },
    { "freeu_b1", "freeu-b1" },
    { "freeu_b2", "freeu-b2" },
    { "freeu_s1", "freeu-s1" },
    { "freeu_s2", "freeu-s2" },
    { "Hypertile U-Net max tile size", "hypertile" },
    { "Hypertile U-Net max depth", "hypertile-depth" },
    /* limn's own, where its JSON was lost */
    { "Compat", "compat" },
    { "Prompt syntax", "prompt-syntax" },
    { "Regions", "region" },
    { "PAG layers", "pag-layers" },
    { "SEG scale", "seg", OFF },
    { "SEG blur sigma", "seg-sigma" },
    { "SEG layers", "seg-layers" },
    { "APG", "apg", OFF },
    { "APG threshold", "apg-threshold" },
    { "APG momentum", "apg-momentum" },
    { "Perp-Neg", "perp-neg", OFF },
    { "CFG-Zero*", "cfg-zero-star" },
    { "Reuse negative", "reuse-negative" },
    { "DeepCache interval", "deepcache" },
    { "CFG Rescale|CFG Rescale φ|CFG Rescale phi", "cfg-rescale", OFF },
    { "Guidance interval", "guidance-interval" },
    { "Solver order", "solver-order" },

    /* looked at by read_pair() */
    { "Denoising strength|Hires upscale|Hires resize|Hires upscaler|RNG|Lora hashes|TI hashes|Hashes|Emphasis|Unet|Eta", NULL, "*" },

    /* nothing is lost */
    { "Version|User|App|Backend|Pipeline|Operations|Parser|Time taken|Time|Created Date|Image index|Batch index|Batch size|Batch pos|"
      "Template|Negative Template|Wildcard prompt|Negative wildcard prompt|Pad conds|Script|Diffusion in Low Bits|"
      "Guidance|Sampler RNG|VAE Encoder|VAE Decoder|Hashes|Init image hash|Init image size|Cache FP16 weight for LoRA|"
      "Downcast alphas_cumprod|Noise Schedule|Civitai resources|Civitai metadata|Metadata Scheme|Fooocus V2 Expansion|"
      "Performance|Generator|Size-1|Size-2|Mask mode|Inpaint area|Masked content|Masked area padding|Hires checkpoint|"
      "Seed Mode|Hypertile U-Net", NULL, "*" },

    /* not honoured */
    { "Seed resize from", NULL, "0x0|-1x-1", MATTERS_WHOLLY, "limn has no seeds of another size" },
    { "Soft inpainting enabled", NULL, OFF, MATTERS_SEEN,
      "its soft inpainting is not here; try --soft-mask without --compat, which blends in another way" },
    { "Soft inpainting schedule bias|Soft inpainting preservation strength|Soft inpainting transition contrast boost|"
      "Soft inpainting mask influence|Soft inpainting difference threshold|Soft inpainting difference contrast", NULL, "*" },
    { "Mask rounding", NULL, "True", MATTERS_LITTLE, "limn rounds the mask as A1111 does without it" },
    { "Face restoration", NULL, OFF, MATTERS_SEEN, "limn does not restore faces" },
    { "Conditional mask weight", NULL, "1|1.0", MATTERS_SEEN, "limn has no such weight" },
    { "Schedule max sigma|Schedule min sigma|Schedule rho", NULL, OFF, MATTERS_SEEN, "limn takes the schedule's own" },
    { "Discard penultimate sigma", NULL, OFF, MATTERS_SEEN, "limn does so where the sampler wants it" },
    { "UniPC variant", NULL, "bh1", MATTERS_SEEN, "try --sampler unipc_bh2" },
    { "UniPC skip type", NULL, "time_uniform", MATTERS_SEEN, "limn takes the schedule's own" },
    { "UniPC lower order final", NULL, "True", MATTERS_SEEN, "limn always ends with a lower order" },
    { "Beta schedule alpha|Beta schedule beta", NULL, "0.6", MATTERS_SEEN, "limn's beta has 0.6" },
    { "Token merging ratio hr", NULL, OFF, MATTERS_SEEN, "the second pass has the first one's" },
    { "FP8 weight", NULL, "Disable", MATTERS_SEEN, "weights were rounded to 8 bits" },
    { "SGM noise multiplier", NULL, OFF, MATTERS_SEEN, "limn has no such setting" },
    { "Hires Module 1|Hires Module 2|Hires module", NULL, "Use same choices", MATTERS_SEEN, "limn's second pass has the first one's model" },
    { "First pass size", NULL, "0x0", MATTERS_WHOLLY, "an old hires fix: try --hires, with -W and -H of the first pass" },
    { "Hypernet|Hypernet strength", NULL, "", MATTERS_WHOLLY, "limn has no hypernetworks" },
    { "AddNet Enabled", NULL, OFF, MATTERS_WHOLLY, "name its LoRAs with --lora" },
    { "Old prompt editing timelines", NULL, OFF, MATTERS_SEEN, "limn reads them as A1111 does since 1.6" },
    { "Dynamic thresholding enabled|dynthres_enabled|dynthres_mimic_mode|dynthres_cfg_mode|dynthres_cfg_scale_min|"
      "dynthres_mimic_scale_min|dynthres_sched_val|dynthres_separate_feature_channels|dynthres_scaling_startpoint|"
      "dynthres_variability_measure|dynthres_interpolate_phi|freeu_enabled|freeu_start|freeu_end|sag_enabled|pag_enabled", NULL, "*" },
    { "Distilled CFG Scale", NULL, "3.5", MATTERS_LITTLE, "that is for Flux, which limn cannot draw with" },
    { "Module 1|Module 2|Module 3", NULL, "", MATTERS_SEEN, "a part of its own: name a VAE with --vae" },
    { "TE", NULL, "", MATTERS_SEEN, "a text encoder of its own, which limn takes from the model" },
    { "Postprocess upscale by|Postprocess upscaler|Postprocess upscale to", NULL, "", MATTERS_SEEN,
      "it was made larger afterwards: limn upscale" },
    { "ControlNet Enabled|ControlNet 0|ControlNet 1|ControlNet 2", NULL, "", MATTERS_WHOLLY,
      "its picture is not in here: --control model=FILE,image=FILE" },
    { "ADetailer model|ADetailer version", NULL, "", MATTERS_SEEN, "faces were drawn again afterwards" },
    { "Ultimate SD upscale upscaler", NULL, "", MATTERS_WHOLLY, "it was made larger in tiles" },
    { "Tiled Diffusion|Tiled Diffusion upscaler", NULL, "", MATTERS_SEEN, "try --diffusion-tile" },
    { "SLG scale|Skip layers|Skip layer start|Skip layer end", NULL, OFF, MATTERS_LITTLE, "that is for SD 3" },
    { "Custom Sigmas", NULL, "", MATTERS_WHOLLY, "limn cannot do sigmas of your own" },
    { "Sharpness", NULL, OFF, MATTERS_SEEN, "Fooocus' own filter in the sampler" },
    { "ADM Guidance", NULL, "", MATTERS_SEEN, "Fooocus' own guidance of sizes" },
    { "Styles", NULL, "[]", MATTERS_SEEN, "styles are in Fooocus' full prompt only where it is written" },
    { "FreeU", NULL, "", MATTERS_SEEN, "name its version and figures: --freeu, --freeu-b1, ..." },
    { NULL },
};
#pragma GCC diagnostic pop
/* clang-format on */

/* Who writes such texts: told by "Version" or by a key. */
static const struct {
    const char *version; /* how the value of Version (or App) begins */
    const char *tool, *compat;
    Matters how;
    const char *says; /* what is not the same; NULL */
} writers[] = {
    { "limn", "limn", NULL, MATTERS_LITTLE, NULL },
    { "stable-diffusion.cpp", "stable-diffusion.cpp", "a1111", MATTERS_LITTLE,
      "stable-diffusion.cpp: limn draws as A1111 does, which is nearly the same" },
    { "SD.Next", "SD.Next", "a1111", MATTERS_SEEN,
      "SD.Next: limn draws as A1111 does; what SD.Next drew with diffusers is nearer with --compat diffusers" },
    { "ComfyUI", "ComfyUI", "comfyui", MATTERS_LITTLE, NULL },
    { "Fooocus", "Fooocus", "comfyui", MATTERS_SEEN,
      "Fooocus: its own sharpness, guidance of sizes and styles are not drawn" },
    { "f", "Forge", "a1111", MATTERS_LITTLE, "Forge: limn draws as A1111 does, which is nearly the same" },
    { "neo", "Forge Neo", "a1111", MATTERS_LITTLE, "Forge: limn draws as A1111 does, which is nearly the same" },
    { "classic", "Forge Classic", "a1111", MATTERS_LITTLE,
      "Forge: limn draws as A1111 does, which is nearly the same" },
};

static void set_writer(Reading *r, const Infotext *t)
{
    const char *version = infotext_value(t, "Version"), *app = infotext_value(t, "App");
    const char *who = app ? app : version ? version : "";
    r->tool = "A1111";
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        if (!str_starts(who, writers[i].version)) continue;
        r->tool = writers[i].tool;
        if (writers[i].compat) reading_set(r, "compat", writers[i].compat);
        if (writers[i].says) reading_remark(r, writers[i].how, "%s", writers[i].says);
        return;
    }
    reading_set(r, "compat", "a1111");
}

/* "GPU" is what A1111 does where nothing is said. */
static void read_rng(Reading *r, const char *value)
{
    bool cpu = strcasecmp(value, "CPU") == 0;
    bool nvidia = strcasecmp(value, "NV") == 0 || strcasecmp(value, "cuda") == 0;
    if (cpu || nvidia) {
        reading_set(r, "rng", cpu ? "torch" : "philox");
        return;
    }
    if (strcasecmp(value, "GPU") != 0)
        reading_remark(r, MATTERS_WHOLLY, "RNG %.40s: limn has no such noise, and takes CUDA's", value);
    reading_set(r, "rng", "philox");
}

/* "ink: 0123456789ab, pen: ..." */
static void read_lora_hashes(Reading *r, const char *value)
{
    for (const char *p = value; *p; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ",");
        char *one = mem_strndup(p, n), *colon = strrchr(one, ':');
        if (colon) {
            *colon++ = '\0';
            ReadLora *l = reading_lora(r, one);
            colon += strspn(colon, " ");
            if (l && *colon) free(l->hash), l->hash = mem_strndup(colon, strcspn(colon, " "));
        }
        free(one);
        p += n;
    }
}

/* {"model": "...", "vae": "...", "lora:ink": "...", "embed:word": "..."}: 10 digits of each file's SHA-256. */
static void read_hashes(Reading *r, const char *value)
{
    cJSON *all = loose_json(value);
    const cJSON *item;
    cJSON_ArrayForEach(item, all)
    {
        char **to = NULL;
        if (!cJSON_IsString(item)) continue;
        if (strcmp(item->string, "model") == 0) to = &r->model_hash;
        if (strcmp(item->string, "vae") == 0) to = &r->vae_hash;
        ReadLora *l = str_starts(item->string, "lora:") ? reading_lora(r, item->string + 5) : NULL;
        if (l) to = &l->hash;
        if (!to || *to) continue;
        *to = mem_strndup(item->valuestring, strnlen(item->valuestring, 64));
    }
    cJSON_Delete(all);
}

/* "1024x1536", the size of the second pass; it counts where it is the first's, times one factor. */
static void read_hires_size(Reading *r, const char *value)
{
    int w, h;
    if (sscanf(value, "%6dx%6d", &w, &h) != 2 || !r->job.width || !r->job.height || w < 1) return;
    if ((long long)w * r->job.height == (long long)h * r->job.width)
        reading_setf(r, "hires", "%.9g", (double)w / r->job.width);
    else
        reading_remark(r, MATTERS_WHOLLY, "Hires resize %.40s: another shape than the first pass, which limn cannot do",
                       value);
}

static void read_hires_way(Reading *r, const char *value)
{
    const Way *way = way_find(value);
    if (way) reading_set(r, "hires-with", way->name);
    else
        reading_remark(r, MATTERS_SEEN, "Hires upscaler %.80s: name its file with --hires-with; limn takes latent",
                       value);
}

static void read_emphasis(Reading *r, const char *value)
{
    static const char *const modes[][2] = {
        { "original", NULL }, { "no norm", "no-norm" }, { "ignore", "ignore" }, { "none", "none" }
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcasecmp(value, modes[i][0]) != 0) continue;
        if (modes[i][1]) reading_set(r, "emphasis", modes[i][1]);
        return;
    }
    reading_remark(r, MATTERS_SEEN, "Emphasis %.40s: limn weighs words as A1111's Original does", value);
}

/* stable-diffusion.cpp writes 0 where it is not asked for, and takes the sampler's own. */
static void read_eta(Reading *r, const char *value)
{
    bool own = strcmp(r->tool, "stable-diffusion.cpp") == 0 && strtod(value, NULL) == 0;
    if (!own) reading_set(r, "eta", value);
}

static void read_unet(Reading *r, const char *value) { reading_name(&r->model, value); }

static const struct {
    const char *key;
    void (*read)(Reading *r, const char *value);
} special[] = {
    { "RNG", read_rng },
    { "Lora hashes", read_lora_hashes },
    { "Hashes", read_hashes },
    { "Hires resize", read_hires_size },
    { "Hires upscaler", read_hires_way },
    { "Emphasis", read_emphasis },
    { "Unet", read_unet },
    { "Eta", read_eta },
};

static void read_pair(Reading *r, const InfoPair *p)
{
    fields_read(fields, r, p->key, p->value);
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcmp(special[i].key, p->key) == 0) special[i].read(r, p->value);
}

/* The strength of a second pass where there is one, of img2img otherwise. */
static void read_strength(Reading *r, const Infotext *t)
{
    const char *strength = infotext_value(t, "Denoising strength"), *by = infotext_value(t, "Hires upscale");
    r->hires = by || infotext_value(t, "Hires resize");
    if (by) reading_set(r, "hires", by);
    if (!strength) return;
    if (!r->hires) r->from_picture = true;
    reading_set(r, r->hires ? "hires-strength" : "strength", strength);
}

/* "Automatic" while a schedule was chosen for the first pass: the default schedule of the second pass' sampler. */
static void read_hires_automatic(Reading *r, const Infotext *t)
{
    const char *said = infotext_value(t, "Hires schedule type");
    const char *name = r->job.hires_sampler ? r->job.hires_sampler : r->job.sampler;
    const Sampler *s = name ? sampler_find(name) : NULL;
    if (!said || strcasecmp(said, "Automatic") != 0 || !r->job.schedule || !r->hires) return;
    reading_set(r, "hires-schedule", s && s->automatic ? s->automatic : "normal");
}

/*
 * Where nothing is said of a schedule: before 1.9 A1111 wrote it behind the sampler's name, and a name alone is the plain one;
 * since then "Automatic" is written. stable-diffusion.cpp's own is the plain one, too.
 */
static void read_unsaid_schedule(Reading *r, const Infotext *t)
{
    bool said = infotext_value(t, "Schedule type") || infotext_value(t, "Scheduler");
    const Sampler *s = r->job.sampler ? sampler_find(r->job.sampler) : NULL;
    bool theirs =
        strcmp(r->tool, "A1111") == 0 || strcmp(r->tool, "Forge") == 0 || strcmp(r->tool, "stable-diffusion.cpp") == 0;
    if (!said && theirs && !r->job.schedule && s && s->automatic && strcmp(s->name, "restart") != 0)
        reading_set(r, "schedule", "normal");
}

bool read_infotext(Reading *r, const char *text)
{
    Infotext t;
    infotext_parse(text, &t);
    bool is = t.count > 0 && (infotext_value(&t, "Steps") || infotext_value(&t, "Sampler"));
    if (is) {
        set_writer(r, &t);
        reading_set(r, "prompt", t.prompt);
        reading_set(r, "negative-prompt", t.negative);
        for (size_t i = 0; i < t.count; i++) read_pair(r, &t.pair[i]);
        read_strength(r, &t);
        read_hires_automatic(r, &t);
        read_unsaid_schedule(r, &t);
        if (strcmp(r->tool, "limn") == 0 && r->job.schedule && strcmp(r->job.schedule, "sgm_uniform") == 0)
            reading_remark(
                r, MATTERS_SEEN,
                "limn's JSON is lost, and A1111's text calls trailing SGM Uniform, too: --schedule trailing");
        bool said = infotext_value(&t, "RNG") != NULL;
        if (!said && strcmp(r->tool, "A1111") == 0)
            reading_remark(r, MATTERS_LITTLE,
                           "the noise was a GPU's: limn takes NVIDIA's; AMD's, Intel's and Apple's are others (--rng "
                           "torch: the CPU's)");
    }
    infotext_release(&t);
    return is;
}
