/* test_few_steps.c - which models and adapters are made for few steps, by the names that their files have. */
#include <stdio.h>
#include <string.h>

#include "pipeline/few_steps.h"
#include "tests/support.h"

typedef struct {
    const char *name, *what, *sampler, *schedule;
    int steps;
    double cfg;
} Known;

static void check(const Known *k, bool adapter)
{
    FewSteps f = few_steps_named(k->name, adapter);
    if (!k->what) {
        if (f.what) fail_msg("%s: taken for %s", k->name, f.what);
        return;
    }
    if (!f.what) fail_msg("%s: not known", k->name);
    assert_string_equal(f.what, k->what);
    assert_string_equal(f.sampler, k->sampler);
    assert_string_equal(f.schedule ? f.schedule : "", k->schedule);
    assert_int_equal(f.steps, k->steps);
    assert_true(f.cfg_scale == k->cfg);
}

static void test_models(void **state)
{
    (void)state;
    static const Known known[] = {
        { "sd_turbo.safetensors", "SD-Turbo", "euler", "trailing", 1, 1 },
        { "models/stabilityai/sd-turbo/", "SD-Turbo", "euler", "trailing", 1, 1 },
        { "sd_xl_turbo_1.0_fp16.safetensors", "SDXL-Turbo", "euler_ancestral", "trailing", 1, 1 },
        { "/c/models--stabilityai--sdxl-turbo/snapshots/f4b0486b498f84668e828044de1d0c8ba486e05b", "SDXL-Turbo",
          "euler_ancestral", "trailing", 1, 1 },
        { "DreamShaperXL_Turbo_v2_1.safetensors", "a merge of SDXL-Turbo", "dpmpp_sde", "karras", 6, 2 },
        { "sdxl_lightning_4step.safetensors", "SDXL-Lightning", "euler", "trailing", 4, 1 },
        { "SDXL-Lightning-2steps", "SDXL-Lightning", "euler", "trailing", 2, 1 },
        { "RealVisXL_V4.0_Lightning.safetensors", "a merge of SDXL-Lightning", "dpmpp_sde", "karras", 5, 2 },
        { "Hyper-SDXL-1step-Unet.safetensors", "Hyper-SD's one-step UNet", "lcm", "", 1, 1 },
        { "LCM_Dreamshaper_v7", "LCM", "lcm", "", 4, 1 },
        { "absoluteRealityLCM.safetensors", "LCM", "lcm", "", 4, 1 },
        { "dmd2_sdxl_4step_unet.safetensors", "DMD2", "lcm", "trailing", 4, 1 },
        { "dmd2_sdxl_1step_unet.safetensors", "DMD2 for one step", "lcm", "", 1, 1 },
        { "turbo/sd15.safetensors", NULL, NULL, NULL, 0, 0 }, /* a folder's name is not the file's */
        { "calcmodel.safetensors", NULL, NULL, NULL, 0, 0 },
        { "v1-5-pruned-emaonly.safetensors", NULL, NULL, NULL, 0, 0 },
        { "hyperrealism.safetensors", NULL, NULL, NULL, 0, 0 },
        { "sprites", NULL, NULL, NULL, 0, 0 },
        { "", NULL, NULL, NULL, 0, 0 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) check(&known[i], false);
    assert_string_equal(few_steps_named("Hyper-SDXL-1step-Unet.safetensors", false).timesteps, "800");
    assert_string_equal(few_steps_named("dmd2_sdxl_1step_unet_fp16.bin", false).timesteps, "399");
    assert_null(few_steps_named("dmd2_sdxl_4step_unet.safetensors", false).timesteps);
    assert_int_equal(few_steps_named("sd_turbo.safetensors", false).side, 512);
}

static void test_adapters(void **state)
{
    (void)state;
    static const Known known[] = {
        { "lcm-lora-sdv1-5.safetensors", "LCM", "lcm", "", 4, 1 },
        { "Hyper-SD15-8steps-lora.safetensors", "Hyper-SD", "ddim", "trailing", 8, 1 },
        { "Hyper-SD15-1step-lora.safetensors", "Hyper-SD", "tcd", "", 1, 1 },
        { "Hyper-SDXL-12steps-CFG-lora.safetensors", "Hyper-SD with guidance", "ddim", "trailing", 12, 5 },
        { "sdxl_lightning_8step_lora.safetensors", "SDXL-Lightning", "euler", "trailing", 8, 1 },
        { "sd_xl_turbo_lora_v1.safetensors", "SDXL-Turbo's", "lcm", "", 4, 1 },
        { "TCD-SDXL-LoRA.safetensors", "TCD", "tcd", "", 4, 1 },
        { "lightning_strikes_v2.safetensors", NULL, NULL, NULL, 0, 0 }, /* what it shows */
        { "turbo_cars.safetensors", NULL, NULL, NULL, 0, 0 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) check(&known[i], true);
    assert_true(few_steps_named("TCD-SDXL-LoRA.safetensors", true).eta == 0.3);
}

static FewSteps of_file(const char *path, const char *metadata)
{
    unsigned char file[256];
    char head[200];
    snprintf(head, sizeof head, "{\"__metadata__\":{%s}}", metadata);
    size_t len = strlen(head);
    memset(file, 0, sizeof file);
    file[0] = (unsigned char)len;
    memcpy(file + 8, head, len);
    return few_steps_of_adapter(path, (Bytes){ file, 8 + len });
}

/* A name that says nothing is passed over for the folder's, in the hub's cache for the repository's; then for the trainer's. */
static void test_adapter_files(void **state)
{
    (void)state;
    static const char CACHED[] =
        "/c/models--latent-consistency--lcm-lora-sdv1-5/snapshots/f4b0486b498f84668e828044de1d0c8ba486e05b/"
        "pytorch_lora_weights.safetensors";
    FewSteps f = of_file("lcm-lora-sdv1-5/pytorch_lora_weights.safetensors", "");
    assert_string_equal(f.what, "LCM");
    assert_string_equal(f.by, "its folder's name");
    assert_string_equal(of_file(CACHED, "").what, "LCM");
    assert_null(of_file("lcm/style.safetensors", "").what);
    assert_null(of_file("pytorch_lora_weights.safetensors", "").what);
    assert_null(of_file("/lora.safetensors", "").what);
    f = of_file("x.safetensors", "\"ss_output_name\":\"Hyper-SD15-8steps-lora\"");
    assert_string_equal(f.what, "Hyper-SD");
    assert_string_equal(f.by, "its trainer's name for it");
    assert_string_equal(of_file("x.safetensors", "\"modelspec.title\":\"TCD-SDXL\"").sampler, "tcd");
    assert_null(of_file("x.safetensors", "\"ss_output_name\":\"ink\"").what);
    assert_string_equal(of_file("lcm-lora.safetensors", "\"ss_output_name\":\"Hyper-SD15-8steps-lora\"").what, "LCM");
}

static void test_schedulers(void **state)
{
    (void)state;
    assert_string_equal(few_steps_of_model("model", "LCMScheduler", false).by, "its LCMScheduler");
    assert_string_equal(few_steps_of_model("model", "TCDScheduler", false).sampler, "tcd");
    assert_true(few_steps_of_model("model", NULL, true).cfg_scale == 8);
    assert_true(few_steps_of_model("lcm-sdxl", "LCMScheduler", true).cfg_scale == 8);
    assert_null(few_steps_of_model("model", "EulerDiscreteScheduler", false).what);
    FewSteps f = few_steps_of_model("hyper-sd-sdxl-1-step-unet", "LCMScheduler", false);
    assert_string_equal(f.timesteps, "800");
    f = few_steps_named("sdxl_lightning_4step.safetensors", false);
    assert_string_equal(few_steps_schedule(&f, COMPAT_DIFFUSERS), "trailing");
    assert_string_equal(few_steps_schedule(&f, COMPAT_COMFYUI), "sgm_uniform");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_models), cmocka_unit_test(test_adapters),
                                        cmocka_unit_test(test_adapter_files), cmocka_unit_test(test_schedulers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
