/*
 * fuzz_config.c - JSON of any bytes where each of limn's readers expects its own: the networks' configurations (against no
 * weights at all), the scheduler's, and every getter.
 */
#include <stddef.h>
#include <stdint.h>

#include "clip/text_encoder.h"
#include "scheduler/classes.h"
#include "scheduler/config.h"
#include "unet/unet.h"
#include "vae/vae.h"
#include "weights/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void getters(Config *c)
{
    Err e;
    int ints[4];
    bool bools[4];
    static const char *const ignored[] = { "c", "d", NULL };
    config_has(c, "a");
    config_int(c, "a", 1, 0, 10);
    config_num(c, "a", 1, 0, 10);
    config_bool(c, "b", true);
    config_str(c, "b", "x");
    config_ints(c, "list", 1, ints, 4, 0, 10);
    config_bools(c, "list", true, bools, 4);
    for (int i = -1; i <= config_list_len(c, "list") && i < 5; i++) {
        config_str_at(c, "list", i);
        config_num_at(c, "list", i);
    }
    config_ignore(c, ignored);
    config_only_str(c, "act_fn", "silu");
    config_only_num(c, "n", 1);
    config_only_bool(c, "f", false);
    config_only_null(c, "z");
    config_finish(c, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    Noise noise;
    Bytes json = { data, size };

    for (int reader = 0; reader < 4; reader++) {
        Config *c = config_parse(json, "config.json", &e);
        if (!c) break;
        Weights *none = weights_new();
        weights_set_dry(none);
        if (reader == 0) getters(c);
        if (reader == 1) unet_free(unet_new(c, none, &e));
        if (reader == 2) vae_free(vae_new(c, none, true, &e));
        if (reader == 3) text_encoder_free(text_encoder_new(c, none, &e));
        weights_free(none);
        config_free(c);
    }
    for (const SchedulerClass *c = scheduler_classes; c->name; c++) {
        SchedulerFile f = { .json = json, .where = "scheduler_config.json", .pipeline = "StableDiffusionPipeline" };
        if (scheduler_read(&noise, &f, &(SchedulerRun){ .name = c->name }, &e) == 0) noise_build(&noise, &e);
        noise_release(&noise);
    }
    return 0;
}
