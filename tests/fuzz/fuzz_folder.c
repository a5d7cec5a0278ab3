/*
 * fuzz_folder.c - a model's folder: the first byte chooses which of its files the rest replaces; then described as
 * `limn info` does.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pipeline/model.h"
#include "tests/fuzz/work.h"
#include "weights/builtin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
    "model_index.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "limn.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer.json",
    "tokenizer/added_tokens.json",
    "unet/diffusion_pytorch_model.safetensors.index.json",
};
enum { FILES = sizeof files / sizeof *files };

/* The built-in model's own file, or none. */
static void restore(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "model/%s", name);
    work_remove(path);
    for (const BuiltinFile *f = limn_builtin_files; f->path; f++)
        if (strncmp(f->path, "sprites/", 8) == 0 && (!*name || strcmp(f->path + 8, name) == 0)) {
            snprintf(path, sizeof path, "model/%s", f->path + 8);
            work_file(path, f->begin, (size_t)(f->end - f->begin));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int made;
    char path[256], root[128];
    if (!size) return 0;
    if (!made++) restore("");
    const char *name = files[data[0] % FILES];
    snprintf(path, sizeof path, "model/%s", name);
    work_file(path, data + 1, size - 1);
    snprintf(root, sizeof root, "%s/model", work_folder());
    ModelPaths paths = { .path = root, .no_weights = true };
    Str out = { 0 };
    Err e = { .text = "" };
    int failed = model_describe(&paths, data[0] & 128, 0, 0, &out, &e);
    if (failed ? !e.text[0] : !out.len) abort();
    str_release(&out);
    restore(name);
    return 0;
}
