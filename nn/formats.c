/* formats.c - see formats.h. */
#include "nn/formats.h"

const RowFormat row_formats[PANEL_TYPES] = {
    [PANEL_F32] = { "F32", 1, 4, NULL },
    [PANEL_F16] = { "F16", 1, 2, NULL },
    [PANEL_BF16] = { "BF16", 1, 2, NULL },
};
