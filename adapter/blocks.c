/* blocks.c - see blocks.h. Source: hako-mikan/sd-webui-lora-block-weight, its README and presets. */
#include "adapter/blocks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE = -1, MID = BLOCKS_MID, OUT = BLOCKS_OUT, MOST = 26 };

/* Which blocks the numbers of a list are for. */
static const struct {
    int numbers;
    signed char block[MOST];
} forms[] = {
    { 12, { BASE, 4, 5, 7, 8, MID, OUT, OUT + 1, OUT + 2, OUT + 3, OUT + 4, OUT + 5 } },
    { 17,
      { BASE, 1, 2, 4, 5, 7, 8, MID, OUT + 3, OUT + 4, OUT + 5, OUT + 6, OUT + 7, OUT + 8, OUT + 9, OUT + 10,
        OUT + 11 } },
    { 20, { BASE, 0,   1,       2,       3,       4,       5,       6,       7,       8,
            MID,  OUT, OUT + 1, OUT + 2, OUT + 3, OUT + 4, OUT + 5, OUT + 6, OUT + 7, OUT + 8 } },
    { 26, { BASE,    0,       1,       2,       3,       4,       5,        6,       7,
            8,       9,       10,      11,      MID,     OUT,     OUT + 1,  OUT + 2, OUT + 3,
            OUT + 4, OUT + 5, OUT + 6, OUT + 7, OUT + 8, OUT + 9, OUT + 10, OUT + 11 } },
};

static const struct {
    const char *name, *list;
} presets[] = {
    { "NONE", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0" },   { "ALL", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1" },
    { "INS", "1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0" },    { "IND", "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0" },
    { "INALL", "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0" },  { "MIDD", "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0" },
    { "OUTD", "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0" },   { "OUTS", "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1" },
    { "OUTALL", "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1" },
};

static int read_numbers(const char *text, float number[MOST], Err *e)
{
    int count = 0;
    for (const char *p = text; *p; p++) {
        char *end;
        double x = strtod(p, &end);
        bool plain = p[strspn(p, "0123456789.+-")] == ',' || !p[strspn(p, "0123456789.+-")];
        if (end == p || (*end && *end != ',') || !plain || fabs(x) > 100)
            return err_usage(e, "\"%.40s\" is no list of block weights such as 1,0,0,0,1,1,...", text);
        if (count < MOST) number[count] = (float)x;
        count++;
        p = end;
        if (!*p) break;
    }
    return count;
}

int blocks_parse(const char *text, BlockWeights *out, Err *e)
{
    float number[MOST];
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(text, presets[i].name) == 0) text = presets[i].list;
    int count = read_numbers(text, number, e);
    if (count < 0) return -1;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        if (forms[f].numbers != count) continue;
        *out = (BlockWeights){ .given = true, .numbers = count, .base = number[0] };
        for (int i = 1; i < count; i++) out->block[forms[f].block[i]] = number[i];
        return 0;
    }
    return err_usage(e,
                     "%d block weights: expected 17 or 26 for SD 1.x and 2.x, 12 or 20 for SDXL (the first is the text "
                     "encoder's)",
                     count);
}

int blocks_of(const char *ldm_name)
{
    int i;
    if (sscanf(ldm_name, "input_blocks.%d.", &i) == 1) return i < BLOCKS_IN ? i : -1;
    if (sscanf(ldm_name, "output_blocks.%d.", &i) == 1) return i < BLOCKS_IN ? OUT + i : -1;
    return strncmp(ldm_name, "middle_block.", 13) == 0 ? MID : -1;
}

void blocks_name(int block, char out[8])
{
    if (block == MID) snprintf(out, 8, "M00");
    else snprintf(out, 8, "%s%02d", block < MID ? "IN" : "OUT", (block < MID ? block : block - OUT) % 100);
}

int blocks_check(const BlockWeights *w, int last, Err *e)
{
    bool short_form = w->numbers == 12 || w->numbers == 20;
    if (!w->given || last < 8 || short_form == (last == 8)) return 0;
    return err_usage(e, "%d block weights are for %s, and this model has other blocks: expected %s", w->numbers,
                     short_form ? "SDXL" : "SD 1.x and 2.x", last == 8 ? "12 or 20" : "17 or 26");
}
