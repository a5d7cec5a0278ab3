/* scan.c - see scan.h. */
#include "nn/scan.h"

#include <omp.h>

#include "nn/kernels.h"

enum { PIECE = 2 << 20 }; /* bytes: many pages at once, and many pieces to share out */

bool scan_knows(DType t) { return t == DT_F32 || t == DT_F16 || t == DT_BF16; }

void scan_alone(void) { omp_set_num_threads(1); }

static bool finite(const Kernels *k, DType type, const unsigned char *data, size_t n)
{
    return type == DT_F32 ? k->finite32(data, n) : k->finite16(data, n, type == DT_F16 ? 0x7c00 : 0x7f80);
}

int scan_weight(const Weight *t, bool forget, Err *e)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t item = dtype_size(t->dtype), n = weight_count(t), piece = PIECE / item, bad = n;
#pragma omp parallel for schedule(dynamic) reduction(min : bad) if (n > piece)
    for (size_t from = 0; from < n; from += piece) {
        size_t m = n - from < piece ? n - from : piece;
        const unsigned char *data = t->data + from * item;
        if (!finite(k, t->dtype, data, m) && from < bad) bad = from;
        if (forget) file_forget((Bytes){ data, m * item });
    }
    if (bad == n) return 0;
    while (finite(k, t->dtype, t->data + bad * item, 1)) bad++;
    return err_set(e, "tensor %s holds NaN or infinity (element %zu): the file is damaged", t->name, bad);
}
