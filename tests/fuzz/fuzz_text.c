/* fuzz_text.c - text in any encoding, from any bytes: cut into pieces by the first byte, it is what the whole is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TELLING = 64 }; /* bytes of the first piece, which tells the encoding */

/* Returns whether all of it was text. */
static int decode(Bytes text, size_t piece, TextEncoding encoding, Str *out)
{
    Err e;
    int failed = 0;
    TextDecoder d = { .name = "x", .encoding = encoding, .line = encoding != TEXT_UNKNOWN };
    for (size_t at = 0; !failed && (at < text.len || !at); at += piece) {
        size_t len = text.len - at < piece ? text.len - at : piece;
        failed = text_decode(&d, (Bytes){ text.data + at, len }, at + len == text.len, out, &e);
        if (at + len == text.len) break;
    }
    text_decoder_release(&d);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    Bytes text = { data + 1, size - 1 };
    Str whole = { 0 }, pieces = { 0 }, valid = { 0 };
    for (int encoding = TEXT_UNKNOWN; encoding <= TEXT_UTF32BE; encoding++) {
        str_clear(&whole);
        str_clear(&pieces);
        str_clear(&valid);
        int failed = decode(text, size, (TextEncoding)encoding, &whole);
        if (encoding == TEXT_UNKNOWN && text.len > TELLING) continue; /* a short piece may tell another */
        if (decode(text, encoding == TEXT_UNKNOWN ? TELLING : data[0] % 7 + 1U, (TextEncoding)encoding, &pieces) !=
            failed)
            abort();
        if (!failed && strcmp(str_text(&whole), str_text(&pieces)) != 0) abort();
        if (!failed && (!utf8_add(&valid, str_text(&whole), whole.len) || strlen(str_text(&whole)) != whole.len))
            abort();
    }
    str_release(&whole);
    str_release(&pieces);
    str_release(&valid);
    return 0;
}
