/* utf8.c - see utf8.h. */
#include "base/utf8.h"

enum { REPLACEMENT = 0xFFFD };

/* What the first byte announces; 0: it cannot be one. */
static size_t sequence_len(unsigned char lead)
{
    if (lead < 0x80) return 1;
    if (lead < 0xC2) return 0; /* a later byte, or an overlong form */
    if (lead < 0xE0) return 2;
    if (lead < 0xF0) return 3;
    return lead < 0xF5 ? 4 : 0;
}

size_t utf8_next(const char *s, size_t n, uint32_t *code, bool *valid)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char lead = p[0];
    size_t len = sequence_len(lead);
    uint32_t c = len == 2 ? lead & 0x1FU : len == 3 ? lead & 0x0FU : len == 4 ? lead & 0x07U : lead;

    size_t i = 1;
    for (; i < len && i < n; i++) {
        /* the second byte is bounded further: no overlong forms, no surrogates, nothing above U+10FFFF */
        unsigned char low = i > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        unsigned char high = i > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (p[i] < low || p[i] > high) break;
        c = c << 6 | (p[i] & 0x3FU);
    }
    bool ok = len && i == len;
    *code = ok ? c : REPLACEMENT;
    if (valid) *valid = ok;
    return i;
}

void utf8_put(Str *out, uint32_t code)
{
    char b[4];
    if (code < 0x80) {
        b[0] = (char)code;
        str_addn(out, b, 1);
    } else if (code < 0x800) {
        b[0] = (char)(0xC0 | code >> 6);
        b[1] = (char)(0x80 | (code & 0x3F));
        str_addn(out, b, 2);
    } else if (code < 0x10000) {
        b[0] = (char)(0xE0 | code >> 12);
        b[1] = (char)(0x80 | (code >> 6 & 0x3F));
        b[2] = (char)(0x80 | (code & 0x3F));
        str_addn(out, b, 3);
    } else {
        b[0] = (char)(0xF0 | code >> 18);
        b[1] = (char)(0x80 | (code >> 12 & 0x3F));
        b[2] = (char)(0x80 | (code >> 6 & 0x3F));
        b[3] = (char)(0x80 | (code & 0x3F));
        str_addn(out, b, 4);
    }
}

bool utf8_add(Str *out, const char *s, size_t n)
{
    bool all = true;
    while (n) {
        uint32_t code;
        bool valid;
        size_t took = utf8_next(s, n, &code, &valid);
        if (valid) str_addn(out, s, took);
        else utf8_put(out, code);
        all = all && valid;
        s += took;
        n -= took;
    }
    return all;
}

bool utf8_valid(const char *s, size_t n)
{
    bool valid = true;
    for (size_t i = 0; i < n && valid;) {
        uint32_t code;
        i += utf8_next(s + i, n - i, &code, &valid);
    }
    return valid;
}
