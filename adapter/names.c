/* names.c - what the names in adapters' files say. Dots became underscores in many of them, so names are compared, not parsed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "weights/json.h"

/* The ends of names, the special before the general. */
static const struct {
    const char *end;
    Factor factor;
} ends[] = {
    { ".lora_linear_layer.down.weight", FACTOR_DOWN },
    { ".lora_linear_layer.up.weight", FACTOR_UP },
    { ".lora_A.default.weight", FACTOR_DOWN },
    { ".lora_B.default.weight", FACTOR_UP },
    { ".lora_down.weight", FACTOR_DOWN },
    { ".lora_up.weight", FACTOR_UP },
    { ".lora.down.weight", FACTOR_DOWN },
    { ".lora.up.weight", FACTOR_UP },
    { ".lora_A.weight", FACTOR_DOWN },
    { ".lora_B.weight", FACTOR_UP },
    { "_lora.down.weight", FACTOR_DOWN },
    { "_lora.up.weight", FACTOR_UP },
    { ".alpha", FACTOR_ALPHA },
};

/* Parts of names that belong to other kinds of adapters. */
static const struct {
    const char *part, *kind;
} others[] = {
    { "lora_mid", "a LoCon with a middle factor" },
    { "hada_", "LoHa" },
    { "lokr_", "LoKr" },
    { "dora_scale", "DoRA" },
    { "lora_magnitude_vector", "DoRA" },
    { "oft_", "OFT" },
    { "on_input", "IA3" },
    { ".a1.", "GLoRA" },
    { ".b1.", "GLoRA" },
    { ".diff", "a full difference" },
    { "w_norm", "a difference of norms" },
    { "b_norm", "a difference of norms" },
    { "lora_B.bias", "a LoRA with biases" },
    { "reshape_weight", "a weight that grows" },
    { "string_to_param", "textual inversion" },
    { "emb_params", "textual inversion" },
};

static int refuse(const char *name, Err *e)
{
    char buf[SHOWN_MAX];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(name, others[i].part))
            return err_set(e, "the tensor \"%s\" is of %s: limn cannot apply that yet, only LoRA", shown(name, buf),
                           others[i].kind);
    return err_set(e, "the tensor \"%s\" is none of a LoRA's", shown(name, buf));
}

static bool begins(const char *text, const char *with) { return with && strncmp(text, with, strlen(with)) == 0; }

/* Which network, and how long its beginning is. Names without one are the UNet's, as diffusers once wrote them: the first target. */
static int target_of(const char *name, const AdapterTarget *t, int count, size_t *len)
{
    *len = 0;
    for (int i = 0; i < count; i++) {
        const char *const starts[] = { t[i].kohya[0], t[i].kohya[1], t[i].dotted };
        for (size_t k = 0; k < sizeof starts / sizeof *starts; k++) {
            if (!begins(name, starts[k])) continue;
            *len = strlen(starts[k]);
            return i;
        }
    }
    static const char *const strangers[] = { "lora_", "text_encoder", "lycoris_", "transformer.", NULL };
    for (const char *const *s = strangers; *s; s++)
        if (begins(name, *s)) return -1;
    return 0;
}

static void replace_end(Str *s, const char *end, const char *by)
{
    if (!s->len || !str_ends(s->s, end)) return;
    s->len -= strlen(end);
    s->s[s->len] = 0;
    str_add(s, by);
}

/* Flat, and as diffusers names modules today. */
static void flatten(Str *out, const char *from, size_t len, bool old, bool text)
{
    static const char PROCESSOR[] = ".processor";
    for (size_t i = 0; i < len; i++) {
        if (strncmp(from + i, PROCESSOR, sizeof PROCESSOR - 1) == 0) i += sizeof PROCESSOR - 1;
        if (i < len) str_addn(out, from[i] == '.' ? "_" : from + i, 1);
    }
    if (!old) return;
    replace_end(out, "_to_out", text ? "_out_proj" : "_to_out_0");
    if (!text) return;
    replace_end(out, "_to_q", "_q_proj");
    replace_end(out, "_to_k", "_k_proj");
    replace_end(out, "_to_v", "_v_proj");
}

int adapter_name(const char *name, const AdapterTarget *targets, int count, AdapterName *out, Err *e)
{
    *out = (AdapterName){ .target = -1 };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(name, others[i].part)) return refuse(name, e);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (!str_ends(name, ends[i].end)) continue;
        size_t from, len = strlen(name) - strlen(ends[i].end);
        out->factor = ends[i].factor;
        out->target = target_of(name, targets, count, &from);
        if (from > len) from = len;
        flatten(&out->module, name + from, len - from, ends[i].end[0] == '_',
                out->target >= 0 && targets[out->target].text);
        return 0;
    }
    return refuse(name, e);
}

/* ---- LDM's names ------------------------------------------------------------------------------------------------------ */

/* "down_blocks.1.resnets.0.conv1" -> "input_blocks.4.0.in_layers.2"; false: it has no such name. L: residual blocks a level. */
static bool ldm_name(const char *name, int L, char out[256])
{
    static const char *const whole[][2] = {
        { "time_embedding.linear_1", "time_embed.0" },
        { "time_embedding.linear_2", "time_embed.2" },
        { "add_embedding.linear_1", "label_emb.0.0" },
        { "add_embedding.linear_2", "label_emb.0.2" },
        { "conv_in", "input_blocks.0.0" },
        { "conv_out", "out.2" },
    };
    static const char *const resnet[][2] = {
        { "conv1", "in_layers.2" },
        { "time_emb_proj", "emb_layers.1" },
        { "conv2", "out_layers.3" },
        { "conv_shortcut", "skip_connection" },
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(name, whole[i][0]) == 0) return snprintf(out, 256, "%s", whole[i][1]) > 0;
    int b = 0, i = 0, at = 0;
    char kind[16] = "";
    if (sscanf(name, "down_blocks.%d.%15[a-z].%d.%n", &b, kind, &i, &at) == 3 && at) {
        if (strcmp(kind, "downsamplers") == 0) return snprintf(out, 256, "input_blocks.%d.0.op", (L + 1) * (b + 1)) > 0;
        snprintf(out, 256, "input_blocks.%d.%d.", 1 + (L + 1) * b + i, strcmp(kind, "resnets") != 0);
    } else if (sscanf(name, "up_blocks.%d.%15[a-z].%d.%n", &b, kind, &i, &at) == 3 && at) {
        if (strcmp(kind, "upsamplers") == 0) return snprintf(out, 256, "output_blocks.%d.2.conv", (L + 1) * b + L) > 0;
        snprintf(out, 256, "output_blocks.%d.%d.", (L + 1) * b + i, strcmp(kind, "resnets") != 0);
    } else if (sscanf(name, "mid_block.%15[a-z].%d.%n", kind, &i, &at) == 2 && at) {
        snprintf(out, 256, "middle_block.%d.", strcmp(kind, "resnets") != 0 ? 1 : 2 * i);
    } else {
        return false;
    }
    const char *rest = name + at;
    for (size_t k = 0; strcmp(kind, "resnets") == 0 && k < sizeof resnet / sizeof *resnet; k++)
        if (strcmp(rest, resnet[k][0]) == 0) rest = resnet[k][1];
    size_t len = strlen(out);
    return snprintf(out + len, 256 - len, "%s", rest) > 0;
}

/* Whether a flat name is that one with dots. */
static bool same_flat(const char *flat, const char *dotted)
{
    for (; *flat && *dotted; flat++, dotted++)
        if (*flat != (*dotted == '.' ? '_' : *dotted)) return false;
    return !*flat && !*dotted;
}

bool adapter_names(const AdapterTarget *t, const BoundMatrix *m, const char *module)
{
    static const char TEXT[] = "text_model";
    char name[256], ldm[256];
    size_t len = strlen(m->name);
    if (!str_ends(m->name, ".weight") || len >= sizeof name) return false;
    memcpy(name, m->name, len - strlen(".weight"));
    name[len - strlen(".weight")] = 0;
    const char *own = name;
    if (t->text) { /* with "text_model" in front or not */
        if (begins(own, TEXT)) own += sizeof TEXT;
        if (begins(module, TEXT)) module += sizeof TEXT;
    }
    if (same_flat(module, own)) return true;
    return t->ldm_layers > 0 && ldm_name(own, t->ldm_layers, ldm) && same_flat(module, ldm);
}
