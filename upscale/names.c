/*
 * names.c - an upscaler's tensors as Real-ESRGAN calls them, whatever release the file is of. Sources: BasicSR's rrdbnet_arch.py (new),
 * xinntao/ESRGAN's RRDBNet_arch.py (RRDB_trunk, ...) and its first release's (model.1.sub.0.RDB1.conv1.0, ...); the networks that
 * limn does not have by the list of chaiNNer-org/spandrel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "upscale/upscale_internal.h"

enum { MAX_INDEX = 1000, MAX_TAIL = 8 };

/* What trainers put in front of all names. */
static const char *const outer[] = { "params_ema.", "params.", "state_dict.", "module.", "netG." };

/* Words of a tensor's name that tell another network. */
static const struct {
    const char *word, *network;
} others[] = { { "conv1x1", "ESRGAN+" },
               { "relative_position", "SwinIR or a relative of it" },
               { "layers.0.residual_group", "SwinIR or a relative of it" },
               { "to_upsampling", "a transformer" },
               { "upsampler.", "another upscaler (PLKSR, SPAN, ...)" },
               { "block_1.c1_r", "SPAN" },
               { "feats.0", "OmniSR, PLKSR or a relative of them" },
               { "unet.", "a diffusion model (limn generate -m)" },
               { "model.diffusion_model", "a diffusion model (limn generate -m)" },
               { "down_blocks.", "a diffusion model's UNet (limn generate -m)" } };

static const char *without_outer(const char *name)
{
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++)
        if (str_starts(name, outer[i])) return name + strlen(outer[i]);
    return name;
}

/* "RDB2.conv4.0.weight", "rdb2.conv4.weight" -> rdb2.conv4.weight */
static bool inner_name(const char *rest, int block, Str *out)
{
    char end[16];
    int rdb, conv, read = 0;
    bool old = sscanf(rest, "RDB%d.conv%d.0.%15s%n", &rdb, &conv, end, &read) == 3 && !rest[read];
    if (!old && sscanf(rest, "RDB%d.conv%d.%15s%n", &rdb, &conv, end, &read) != 3) return false;
    if (rest[read] || (strcmp(end, "weight") != 0 && strcmp(end, "bias") != 0)) return false;
    str_addf(out, "body.%d.rdb%d.conv%d.%s", block, rdb, conv, end);
    return true;
}

/* The layers of the first release that are no blocks: which numbers there are tells how often it doubles. */
typedef struct {
    int tail[MAX_TAIL], count; /* model.N behind the blocks, ascending */
} Tail;

static void read_tail(Tail *t, Weights *all)
{
    *t = (Tail){ 0 };
    for (int n = 2; n < 32 && t->count < MAX_TAIL; n++) {
        bool found = false;
        for (size_t i = 0; i < weights_count(all) && !found; i++) {
            int at, read = 0;
            const char *name = without_outer(weights_at(all, i)->name);
            found = sscanf(name, "model.%d.weight%n", &at, &read) == 1 && read && !name[read] && at == n;
        }
        if (found) t->tail[t->count++] = n;
    }
}

static bool tail_name(const Tail *t, int number, const char *end, Str *out)
{
    for (int i = 0; i < t->count; i++) {
        if (t->tail[i] != number) continue;
        if (i == t->count - 1) str_addf(out, "conv_last.%s", end);
        else if (i == t->count - 2) str_addf(out, "conv_hr.%s", end);
        else str_addf(out, "conv_up%d.%s", i + 1, end);
        return true;
    }
    return false;
}

/* The first release's: model.0, model.1.sub.B.RDBR.convC.0, model.1.sub.NB, model.N. */
static bool first_release(const Tail *t, const char *name, Str *out)
{
    int number, block, read = 0;
    if (sscanf(name, "model.1.sub.%d.%n", &block, &read) == 1 && read) {
        if (block < 0 || block > MAX_INDEX) return false;
        if (inner_name(name + read, block, out)) return true;
        str_addf(out, "conv_body.%s", name + read);
        return true;
    }
    read = 0;
    if (sscanf(name, "model.%d.%n", &number, &read) != 1 || !read) return false;
    if (number) return tail_name(t, number, name + read, out);
    str_addf(out, "conv_first.%s", name + read);
    return true;
}

/* The second one's: RRDB_trunk.B.RDBR.convC, trunk_conv, upconvN, HRconv. */
static bool second_release(const char *name, Str *out)
{
    static const char *const pairs[][2] = { { "trunk_conv.", "conv_body." },
                                            { "upconv1.", "conv_up1." },
                                            { "upconv2.", "conv_up2." },
                                            { "upconv3.", "conv_up3." },
                                            { "HRconv.", "conv_hr." } };
    int block, read = 0;
    if (sscanf(name, "RRDB_trunk.%d.%n", &block, &read) == 1 && read)
        return block >= 0 && block <= MAX_INDEX && inner_name(name + read, block, out);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (str_starts(name, pairs[i][0])) {
            str_addf(out, "%s%s", pairs[i][1], name + strlen(pairs[i][0]));
            return true;
        }
    return false;
}

static int refuse_others(const char *name, Err *e)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(name, others[i].word))
            return err_set(e,
                           "it has a tensor %.80s: this is %s; limn upscales with RRDBNet (ESRGAN, Real-ESRGAN) and "
                           "SRVGGNetCompact",
                           name, others[i].network);
    return 0;
}

Weights *upscaler_rename(Weights *all, Err *e)
{
    Weights *out = weights_new();
    Tail tail;
    read_tail(&tail, all);
    for (size_t i = 0; i < weights_count(all); i++) {
        const Weight *w = weights_at(all, i);
        const char *name = without_outer(w->name);
        Str to = { 0 };
        int failed = refuse_others(w->name, e);
        if (!failed && !first_release(&tail, name, &to) && !second_release(name, &to)) {
            str_clear(&to);
            str_add(&to, name);
        }
        if (!failed) failed = weights_add(out, str_text(&to), w, e);
        str_release(&to);
        if (!failed) continue;
        weights_free(out);
        return NULL;
    }
    return out;
}
