/*
 * fuzz_control.c - lines of --control and the like, and configs of the networks that they name, bound to weights made
 * up as asked for.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "control/controlnet.h"
#include "control/ip.h"
#include "control/t2i.h"
#include "pipeline/control_line.h"
#include "pipeline/synthetic.h"
#include "weights/config.h"
#include "weights/names.h"
#include "weights/safetensors.h"
#include "weights/shapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was parsed is written and parsed again. */
static void line(ControlKind kind, const uint8_t *data, size_t size)
{
    ControlLine l, again;
    Err e;
    Str out = { 0 };
    char *text = mem_strndup((const char *)data, size);
    if (!control_line_parse(&l, kind, text, &e)) {
        control_line_write(&l, &out);
        control_line_parse(&again, kind, str_text(&out), &e);
        control_line_release(&again);
    }
    control_line_release(&l);
    str_release(&out);
    free(text);
}

/* A safetensors file, as each of the networks that have no config. */
static void file(const uint8_t *data, size_t size)
{
    Err e;
    Str json = { 0 };
    Weights *w = weights_new(), *named = NULL;
    NameShape s = { 0 };
    if (!safetensors_read(w, (Bytes){ data, size }, &e)) {
        ip_free(ip_new(w, NULL, &e));
        t2i_free(t2i_new(NULL, w, &e));
        if (!names_numbering(w, "control_model.", &s, &e))
            named = names_convert(w, "control_model.", NAMES_LDM_CONTROL, s, &e);
        if (named) shapes_controlnet(named, &json, &e);
        weights_free(named);
        named = names_convert(w, "visual.", NAMES_OPENCLIP_IMAGE, (NameShape){ 0 }, &e);
        if (named) shapes_image(named, &json, &e);
    }
    weights_free(named);
    weights_free(w);
    str_release(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    if (!size) return 0;
    if (data[0] % 6 < CONTROL_KINDS) {
        line(data[0] % 6, data + 1, size - 1);
        return 0;
    }
    if (data[0] % 6 == 5) {
        file(data + 1, size - 1);
        return 0;
    }
    Config *c = config_parse((Bytes){ data + 1, size - 1 }, "config.json", &e);
    if (!c) return 0;
    Synthetic *s = synthetic_new(DT_F16, true, 1);
    if (data[0] % 6 == 3) controlnet_free(controlnet_new(c, synthetic_weights(s), NULL, &e));
    else t2i_free(t2i_new(c, synthetic_weights(s), &e));
    synthetic_free(s);
    config_free(c);
    return 0;
}
