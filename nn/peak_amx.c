/* peak_amx.c - bfloat16 products in tile registers, 8192 at once; see peak.inc. */
#include <stdint.h>

#include "nn/peak_loops.h"
#include "nn/tiles.h"

double peak_bf16_amx(long rounds)
{
    tiles_begin();
    for (long r = 0; r < rounds / 16; r++) { /* as long as the other loops take */
        TILE_MULTIPLY(0, 4, 6);
        TILE_MULTIPLY(1, 4, 7);
        TILE_MULTIPLY(2, 5, 6);
        TILE_MULTIPLY(3, 5, 7);
    }
    tiles_end();
    return 4.0 * 2 * 16 * 16 * 32 / 16;
}
