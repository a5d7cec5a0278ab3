/* fuzz_hub.c - what a hub says: model_index.json and an index of shards of any bytes; addresses that it leads to. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hub/cache.h"
#include "hub/files.h"
#include "hub/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {
        "model_index.json", "unet/config.json",      "unet/model.safetensors",         "unet/a.safetensors",
        "vae/config.json",  "vae/model.safetensors", "scheduler/scheduler_config.json"
    };
    char *text = mem_strndup((const char *)data, size);
    HubFiles f = { 0 };
    Str out = { 0 };
    Err e;
    HubName n;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) hub_files_add(&f, paths[i]);
    hub_files_choose(&f, text, NULL, &(HubChoice){ .variant = "fp16" }, &out, &e);
    hub_files_add_shards(&f, "unet/model.safetensors.index.json", text, &e);
    if (!url_join(&out, "https://h.org/a/b?c", text, &e) && !url_is(out.s)) abort();
    url_file_name(text, &out);
    if (out.len && (!url_safe_path(out.s) || strchr(out.s, '/'))) abort();
    if (hub_name_parse(text, &n)) hub_name_release(&n);
    str_release(&out);
    hub_files_release(&f);
    free(text);
    return 0;
}
