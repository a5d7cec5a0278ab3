/* scan.c - see scan.h. */
#include "nn/scan.h"

#include <omp.h>

#include "nn/kernels.h"

enum { PIECE = 2 << 20 }; /* bytes: many pages at once, and many pieces to share out */

bool scan_knows(DType t) { return dtype_computes(t) && t != DT_F64; }

void scan_alone(void) { omp_set_num_threads(1); }

/* n: whole blocks. */
static bool finite_blocks(const Kernels *k, DType type, const unsigned char *data, size_t n)
{
    enum { SOME = 16 * BLOCK_MOST };
    float values[SOME];
    size_t block = dtype_block(type);
    for (size_t at = 0; at < n; at += SOME) {
        size_t some = n - at < SOME ? n - at : SOME;
        k->unpack[type](values, data + dtype_bytes(type, at), some / block);
        if (!k->finite32(values, some)) return false;
    }
    return true;
}

static bool finite(const Kernels *k, DType type, const unsigned char *data, size_t n)
{
    if (type > DT_BF16) return finite_blocks(k, type, data, n);
    return type == DT_F32 ? k->finite32(data, n) : k->finite16(data, n, type == DT_F16 ? 0x7c00 : 0x7f80);
}

int scan_weight(const Weight *t, bool evict, Err *e)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t n = weight_count(t), block = dtype_block(t->dtype), bad = n;
    size_t piece = PIECE / dtype_size(t->dtype) * block;
#pragma omp parallel for schedule(dynamic) reduction(min : bad) if (n > piece)
    for (size_t from = 0; from < n; from += piece) {
        size_t m = n - from < piece ? n - from : piece;
        const unsigned char *data = t->data + dtype_bytes(t->dtype, from);
        if (!finite(k, t->dtype, data, m) && from < bad) bad = from;
        if (evict) file_evict((Bytes){ data, dtype_bytes(t->dtype, m) });
    }
    if (bad == n) return 0;
    while (finite(k, t->dtype, t->data + dtype_bytes(t->dtype, bad), block)) bad += block;
    return err_set(e, "tensor %s holds NaN or infinity (element %zu): the file is damaged", t->name, bad);
}
