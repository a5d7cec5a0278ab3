/* base64.c - see base64.h. */
#include "base/base64.h"

void base64_add(Str *out, Bytes b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < b.len; i += 3) {
        size_t left = b.len - i;
        unsigned v =
            (unsigned)b.data[i] << 16 | (left > 1 ? (unsigned)b.data[i + 1] << 8 : 0) | (left > 2 ? b.data[i + 2] : 0U);
        char four[4] = { digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63] };
        if (left < 3) four[3] = '=';
        if (left < 2) four[2] = '=';
        str_addn(out, four, 4);
    }
}
