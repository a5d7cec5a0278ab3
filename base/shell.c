/* shell.c - see shell.h. */
#include "base/shell.h"

#include <string.h>

#include "base/utf8.h"
#include "base/visible.h"

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";

/*
 * The length of what must be escaped at the beginning of a text of `left` bytes, with one character more where it ends
 * in a newline.
 */
static size_t escaped_len(const char *s, size_t left)
{
    size_t n = 0, took = 0;
    for (; n < left; n += took) {
        uint32_t code;
        bool valid;
        took = utf8_next(s + n, left - n, &code, &valid);
        if (valid && visible(code)) return n && s[n - 1] == '\n' ? n + took : n;
    }
    while (n && s[n - 1] == '\n') n--; /* nothing follows */
    return n;
}

void shell_add(Str *out, const char *word)
{
    if (*word && !word[strspn(word, plain)]) str_add(out, word);
    else shell_add_quoted(out, word);
}

void shell_add_quoted(Str *out, const char *word)
{
    str_add(out, "'");
    const char *end = word + strlen(word);
    for (size_t n; word < end; word += n) {
        n = escaped_len(word, (size_t)(end - word));
        if (n) {
            str_add(out, "'\"$(printf '");
            for (size_t i = 0; i < n; i++) str_addf(out, "\\%03o", (unsigned)(unsigned char)word[i]);
            str_add(out, "')\"'");
        } else { /* a whole character: half of one would have to be escaped */
            uint32_t code;
            n = utf8_next(word, strnlen(word, 4), &code, NULL);
            if (*word == '\'') str_add(out, "'\\''");
            else str_addn(out, word, n);
        }
    }
    str_add(out, "'");
}
