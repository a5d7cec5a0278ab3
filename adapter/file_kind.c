/* file_kind.c - what is given in an adapter's place (weights/kind.h has names that internal.h has too). */
#include "adapter/info.h"
#include "weights/kind.h"

const char *adapter_file_kind(Weights *w)
{
    const Kind *k = kind_of(w);
    return weights_count(w) && k->id != KIND_UNKNOWN ? k->what : NULL;
}
