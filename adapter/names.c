/* names.c - what the names in adapters' files say. Dots became underscores in many of them, so names are compared, not parsed. */
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/json.h"

/* The ends of names, the special before the general. */
static const struct {
    const char *end;
    Factor factor;
} ends[] = {
    { ".lora_linear_layer.down.weight", FACTOR_DOWN },
    { ".lora_linear_layer.up.weight", FACTOR_UP },
    { ".lora_magnitude_vector.weight", FACTOR_MAGNITUDE },
    { ".lora_magnitude_vector", FACTOR_MAGNITUDE },
    { ".lora_down.weight", FACTOR_DOWN },
    { ".lora_up.weight", FACTOR_UP },
    { ".lora_mid.weight", FACTOR_MID },
    { ".lora.down.weight", FACTOR_DOWN },
    { ".lora.up.weight", FACTOR_UP },
    { ".lora_A.weight", FACTOR_DOWN },
    { ".lora_B.weight", FACTOR_UP },
    { ".lora_B.bias", FACTOR_UP_BIAS },
    { "_lora.down.weight", FACTOR_DOWN },
    { "_lora.up.weight", FACTOR_UP },
    { ".hada_w1_a", FACTOR_HADA_W1A },
    { ".hada_w1_b", FACTOR_HADA_W1B },
    { ".hada_w2_a", FACTOR_HADA_W2A },
    { ".hada_w2_b", FACTOR_HADA_W2B },
    { ".hada_t1", FACTOR_HADA_T1 },
    { ".hada_t2", FACTOR_HADA_T2 },
    { ".lokr_w1", FACTOR_LOKR_W1 },
    { ".lokr_w1_a", FACTOR_LOKR_W1A },
    { ".lokr_w1_b", FACTOR_LOKR_W1B },
    { ".lokr_w2", FACTOR_LOKR_W2 },
    { ".lokr_w2_a", FACTOR_LOKR_W2A },
    { ".lokr_w2_b", FACTOR_LOKR_W2B },
    { ".lokr_t2", FACTOR_LOKR_T2 },
    { ".a1.weight", FACTOR_A1 },
    { ".a2.weight", FACTOR_A2 },
    { ".b1.weight", FACTOR_B1 },
    { ".b2.weight", FACTOR_B2 },
    { ".bm.weight", FACTOR_BM },
    { ".on_input", FACTOR_ON_INPUT },
    { ".ia3_l", FACTOR_IA3_L },
    { ".oft_blocks", FACTOR_OFT_BLOCKS },
    { ".oft_diag", FACTOR_OFT_BLOCKS },
    { ".rescale", FACTOR_RESCALE },
    { ".diff", FACTOR_DIFF },
    { ".diff_b", FACTOR_DIFF_B },
    { ".w_norm", FACTOR_W_NORM },
    { ".b_norm", FACTOR_B_NORM },
    { ".dora_scale", FACTOR_DORA },
    { ".alpha", FACTOR_ALPHA },
    { ".scale", FACTOR_SCALE },
    { ".weight", FACTOR_WEIGHT },
};

/* Parts of names of what limn does not apply. */
static const struct {
    const char *part, *kind;
    bool whole; /* the whole name */
} others[] = {
    { "reshape_weight", "a weight that grows (ComfyUI)", false },
    { "set_weight", "a weight that replaces the model's (ComfyUI)", false },
    { "bias_indices", "a sparse bias (LyCORIS of 2023)", false },
    { "bias_values", "a sparse bias (LyCORIS of 2023)", false },
    { "bias_size", "a sparse bias (LyCORIS of 2023)", false },
    { "oft_R", "PEFT's OFT", false },
    { "boft_R", "PEFT's BOFT", false },
    { "boft_s", "PEFT's BOFT", false },
    { "vera_lambda", "VeRA", false },
    { "lora_embedding_", "a LoRA of the table of words", false },
    { "lora_prior_", "a LoRA of Stable Cascade", false },
    { "string_to_param", "textual inversion (--embedding takes it)", false },
    { "emb_params", "textual inversion (--embedding takes it)", false },
    { "clip_g", "textual inversion (--embedding takes it)", true },
    { "clip_l", "textual inversion (--embedding takes it)", true },
};

/* The beginnings of names. */
static const struct {
    const char *start;
    AdapterNetwork network;
} starts[] = {
    { "lora_unet_", NETWORK_UNET },
    { "lora_te1_", NETWORK_TEXT },
    { "lora_te2_", NETWORK_TEXT_2 },
    { "lora_te_", NETWORK_TEXT },
    { "unet.", NETWORK_UNET },
    { "text_encoder_2.", NETWORK_TEXT_2 },
    { "text_encoder.", NETWORK_TEXT },
    { "model.diffusion_model.", NETWORK_UNET },
    { "diffusion_model.", NETWORK_UNET },
    { "text_encoders.clip_l.transformer.", NETWORK_TEXT }, /* ComfyUI's own names */
    { "text_encoders.clip_g.transformer.", NETWORK_TEXT_2 },
    { "base_model.model.text_model.", NETWORK_TEXT }, /* PEFT's own file, of one network */
    { "base_model.model.", NETWORK_UNET },
    { "lycoris_text_model_", NETWORK_TEXT }, /* LyCORIS alone: a module as it was given */
    { "lycoris_", NETWORK_UNET },
    { "lora_", NETWORK_COUNT },
    { "text_encoder", NETWORK_COUNT },
    { "transformer.", NETWORK_COUNT },
    { "", NETWORK_UNET }, /* as diffusers once wrote them */
};

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static AdapterNetwork network_of(const char *name, size_t *len)
{
    size_t i = 0;
    while (!begins(name, starts[i].start)) i++; /* the last fits all */
    *len = strlen(starts[i].start);
    return starts[i].network;
}

static void replace_end(Str *s, const char *end, const char *by)
{
    if (!s->len || !str_ends(s->s, end)) return;
    s->len -= strlen(end);
    s->s[s->len] = 0;
    str_add(s, by);
}

/* Flat, and as diffusers names modules today. old: diffusers' names of 2023, in which a text encoder's attention is as a UNet's. */
static void flatten(Str *out, const char *from, size_t len, bool old, bool text)
{
    static const char PROCESSOR[] = ".processor", TEXT[] = "text_model_";
    for (size_t i = 0; i < len; i++) {
        if (strncmp(from + i, PROCESSOR, sizeof PROCESSOR - 1) == 0) i += sizeof PROCESSOR - 1;
        if (i < len) str_addn(out, from[i] == '.' ? "_" : from + i, 1);
    }
    if (old) replace_end(out, "_to_out", text ? "_out_proj" : "_to_out_0");
    if (old && text) {
        replace_end(out, "_to_q", "_q_proj");
        replace_end(out, "_to_k", "_k_proj");
        replace_end(out, "_to_v", "_v_proj");
    }
    if (!text || !out->len || !begins(out->s, TEXT)) return;
    memmove(out->s, out->s + sizeof TEXT - 1, out->len + 1 - (sizeof TEXT - 1));
    out->len -= sizeof TEXT - 1;
}

/* What limn does not apply, that it is of; NULL. */
static const char *other_kind(const char *name)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].whole ? strcmp(name, others[i].part) == 0 : strstr(name, others[i].part) != NULL)
            return others[i].kind;
    return NULL;
}

/* PEFT's own state: "x.lora_A.NAME.weight", NAME the adapter's. *end: where ".weight" begins; the name's length up to ".lora_A". */
static size_t before_adapter(const char *name, const char **end)
{
    static const char *const marks[] = { ".lora_A.", ".lora_B.", ".lora_magnitude_vector." };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *at = strstr(name, marks[i]);
        if (!at) continue;
        const char *adapter = at + strlen(marks[i]);
        *end = adapter + strcspn(adapter, ".");
        if (*end > adapter && (strcmp(*end, ".weight") == 0 || strcmp(*end, ".bias") == 0))
            return (size_t)(adapter - name) - 1;
    }
    return 0;
}

static int read_name(const char *name, AdapterName *out, Err *e)
{
    char buf[SHOWN_MAX];
    const char *other = other_kind(name);
    if (other) return err_set(e, "the tensor \"%s\" is of %s, which --lora does not apply", shown(name, buf), other);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (!str_ends(name, ends[i].end)) continue;
        size_t from, len = strlen(name) - strlen(ends[i].end);
        out->factor = ends[i].factor;
        out->network = network_of(name, &from);
        if (from > len) from = len;
        bool text = out->network == NETWORK_TEXT || out->network == NETWORK_TEXT_2;
        flatten(&out->module, name + from, len - from, ends[i].end[0] == '_', text);
        str_addn(&out->dotted, name + from, len - from);
        return 0;
    }
    return err_set(e, "the tensor \"%s\" is none of a LoRA's or its kin's", shown(name, buf));
}

int adapter_name(const char *name, AdapterName *out, Err *e)
{
    const char *end;
    size_t len = before_adapter(name, &end);
    *out = (AdapterName){ .network = NETWORK_COUNT };
    if (!len) return read_name(name, out, e);
    Str plain = { 0 };
    str_addn(&plain, name, len);
    str_add(&plain, end);
    int failed = read_name(plain.s, out, e);
    str_release(&plain);
    return failed;
}
