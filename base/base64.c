/* base64.c - see base64.h. */
#include "base/base64.h"

#include <nettle/base64.h>
#include <stdlib.h>

#include "base/mem.h"

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

int base64_read(const char *text, size_t len, Str *out, Err *e)
{
    struct base64_decode_ctx ctx;
    size_t got = BASE64_DECODE_LENGTH(len);
    uint8_t *plain = mem_plain(got + 1);
    base64_decode_init(&ctx);
    bool ok = base64_decode_update(&ctx, &got, plain, len, text) && base64_decode_final(&ctx);
    if (ok) str_addn(out, (const char *)plain, got);
    free(plain);
    return ok ? 0 : err_usage(e, "base64 is expected");
}
