/* precision.c - see precision.h. */
#include "pipeline/precision.h"

#include <stdio.h>
#include <string.h>

#include "pipeline/speeds.h"

const PrecisionWay precision_ways[PRECISION_WAYS] = {
    { "conv", "f32", FACTORS_F32 },      { "conv", "i16", FACTORS_I16 },        { "conv", "bf16", FACTORS_BF16 },
    { "linear", "f32", FACTORS_F32 },    { "linear", "bf16", FACTORS_BF16 },    { "linear", "int8", FACTORS_I8 },
    { "attention", "f32", FACTORS_F32 }, { "attention", "bf16", FACTORS_BF16 },
};

static const struct {
    const char *name;
    Precision is;
} names[] = {
    { "f32", { FACTORS_F32, FACTORS_F32, FACTORS_F32 } },
    { "bf16", { FACTORS_I16, FACTORS_BF16, FACTORS_BF16 } },
    { "int8", { FACTORS_I16, FACTORS_I8, FACTORS_BF16 } },
};
enum { NAMES = sizeof names / sizeof *names };

Factors *precision_of_kind(Precision *p, const char *kind)
{
    return strcmp(kind, "conv") == 0 ? &p->conv : strcmp(kind, "linear") == 0 ? &p->linear : &p->attention;
}

/* "conv:i16" of n bytes. */
static const PrecisionWay *way_of(const char *text, size_t n)
{
    for (int i = 0; i < PRECISION_WAYS; i++) {
        size_t kind = strlen(precision_ways[i].kind);
        if (n == kind + 1 + strlen(precision_ways[i].name) && memcmp(text, precision_ways[i].kind, kind) == 0 &&
            text[kind] == ':' && memcmp(text + kind + 1, precision_ways[i].name, n - kind - 1) == 0)
            return &precision_ways[i];
    }
    return NULL;
}

int precision_parse(const char *text, Precision *p, Err *e)
{
    *p = (Precision){ 0 };
    for (int i = 0; i < NAMES; i++)
        if (strcmp(text, names[i].name) == 0) {
            *p = names[i].is;
            return 0;
        }
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "+");
        const PrecisionWay *way = way_of(at, n);
        if (!way || (at[n] && !at[n + 1]))
            return err_usage(
                e,
                "\"%.60s\" is none of " PRECISION_PLACEHOLDER
                "; by kind of layer: conv:f32|i16|bf16, linear:f32|bf16|int8, attention:f32|bf16, joined by +",
                text);
        *precision_of_kind(p, way->kind) = way->factors;
        at += n + (at[n] == '+');
    }
    return *text ? 0 : err_usage(e, "\"\" is none of " PRECISION_PLACEHOLDER);
}

int check_precision(const char *text, Err *e)
{
    Precision p;
    return strcmp(text, "auto") == 0 ? 0 : precision_parse(text, &p, e);
}

const char *precision_lacks(const Kernels *k, Precision p)
{
    if (p.linear == FACTORS_I8 && !k->gemm_i8) return "8-bit integers";
    if (p.conv == FACTORS_BF16 && !k->gemm_tiles) return "bfloat16 for convolutions";
    if (p.conv == FACTORS_I16 && !k->gemm_i16) return "16-bit integers";
    if ((p.linear == FACTORS_BF16 && !k->gemm_bf16) || (p.attention == FACTORS_BF16 && !k->attention_bf16))
        return "bfloat16";
    return NULL;
}

/* int8 as a wish: 8 bits in linear layers, and in the other kinds what there is. */
static void fit_int8(const char *asked, const Kernels *k, Precision *p)
{
    if (strcmp(asked, "int8") != 0) return;
    if (k->gemm_tiles) p->conv = FACTORS_BF16;
    else if (!k->gemm_i16) p->conv = FACTORS_F32;
    if (!k->attention_bf16 || speeds_of(k).chosen.attention == FACTORS_F32) p->attention = FACTORS_F32;
}

int precision_choose(Precision *p, const char *asked, const Kernels *k, size_t weights, Err *e)
{
    if (strcmp(asked, "auto") == 0) {
        *p = weights >= PRECISION_LARGE ? speeds_of(k).chosen : (Precision){ 0 };
        return 0;
    }
    if (precision_parse(asked, p, e)) return -1;
    fit_int8(asked, k, p);
    const char *what = precision_lacks(k, *p);
    return what ? err_usage(e, "precision %s: this CPU's kernels (%s) have no products of %s; use --precision f32",
                            asked, k->name, what)
                : 0;
}

const char *precision_text(Precision p, char *buf)
{
    for (int i = 0; i < NAMES; i++)
        if (memcmp(&p, &names[i].is, sizeof p) == 0) return strcpy(buf, names[i].name);
    size_t used = 0;
    for (int i = 0; i < PRECISION_WAYS; i++)
        if (*precision_of_kind(&p, precision_ways[i].kind) == precision_ways[i].factors)
            used += (size_t)snprintf(buf + used, PRECISION_TEXT - used, "%s%s:%s", used ? "+" : "",
                                     precision_ways[i].kind, precision_ways[i].name);
    return buf;
}
