/* fuzz_control.c - lines of --control and the like, and configs of the networks that they name, bound to weights made up as asked for. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "control/controlnet.h"
#include "control/t2i.h"
#include "pipeline/control_line.h"
#include "pipeline/synthetic.h"
#include "weights/config.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    if (!size) return 0;
    if (data[0] % 5 < CONTROL_KINDS) {
        line(data[0] % 5, data + 1, size - 1);
        return 0;
    }
    Config *c = config_parse((Bytes){ data + 1, size - 1 }, "config.json", &e);
    if (!c) return 0;
    Synthetic *s = synthetic_new(DT_F16, true, 1);
    if (data[0] % 5 == 3) controlnet_free(controlnet_new(c, synthetic_weights(s), NULL, &e));
    else t2i_free(t2i_new(c, synthetic_weights(s), &e));
    synthetic_free(s);
    config_free(c);
    return 0;
}
