/* kernels_neon.c - the neon row of the kernel table, for 64-bit ARM; see kernels.inc. Run under emulation only so far. */
#include <arm_neon.h>
#include <string.h>

/* Four of them, of any alignment. */
static inline float32x4_t from_half(const void *p)
{
    uint16x4_t h;
    memcpy(&h, p, sizeof h);
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

#define ROW              kernels_neon
#define ROW_NAME         "neon"
#define ROW_UNPACK       blocks_plain
#define VEC_BYTES        16
#define VEC_FROM_HALF(p) ((vec)from_half(p))
#include "nn/kernels.inc"
