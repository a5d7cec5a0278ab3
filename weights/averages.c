/* averages.c - see averages.h. */
#include "weights/averages.h"

#include <string.h>

static const char prefix[] = "model_ema.";

/* The words of a UNet's names: of two that fit, the longer. */
static const char *const words[] = {
    "diffusion_model",
    "time_embed",
    "label_emb",
    "input_blocks",
    "middle_block",
    "output_blocks",
    "out",
    "in_layers",
    "emb_layers",
    "out_layers",
    "skip_connection",
    "op",
    "conv",
    "norm",
    "norm1",
    "norm2",
    "norm3",
    "proj_in",
    "proj_out",
    "proj",
    "transformer_blocks",
    "attn1",
    "attn2",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "ff",
    "net",
    "weight",
    "bias",
};

static size_t word_at(const char *text)
{
    size_t longest = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts(text, words[i]) && strlen(words[i]) > longest) longest = strlen(words[i]);
    return longest;
}

/* Behind these a number of a block and one of a module, of one digit, stand together. */
static bool has_two(const char *word, size_t len)
{
    static const char *const two[] = { "input_blocks", "output_blocks", "label_emb" };
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (len == strlen(two[i]) && strncmp(word, two[i], len) == 0) return true;
    return false;
}

bool averages_name(const char *flat, Str *out)
{
    str_clear(out);
    while (*flat) {
        size_t len = word_at(flat), digits = strspn(flat + len, "0123456789");
        bool two = has_two(flat, len);
        if (!len || digits > 4 || (two && digits < 2)) return false;
        str_addf(out, "%s%.*s", out->len ? "." : "", (int)len, flat);
        if (two) str_addf(out, ".%.*s.%c", (int)digits - 1, flat + len, flat[len + digits - 1]);
        else if (digits) str_addf(out, ".%.*s", (int)digits, flat + len);
        flat += len + digits;
    }
    return str_starts(str_text(out), "diffusion_model.");
}

int averages_unfold(Weights *all, Err *e)
{
    Str dotted = { 0 }, name = { 0 };
    int count = 0;
    size_t had = weights_count(all);
    if (weights_find(all, "model.diffusion_model.input_blocks.0.0.weight")) return 0;
    for (size_t i = 0; i < had && count >= 0; i++) {
        Weight *t = weights_at(all, i), view = *t;
        if (!str_starts(t->name, prefix) || !averages_name(t->name + strlen(prefix), &dotted)) continue;
        str_clear(&name);
        str_addf(&name, "model.%s", dotted.s);
        count = weights_add(all, name.s, &view, e) ? -1 : count + 1;
    }
    str_release(&dotted);
    str_release(&name);
    return count;
}
