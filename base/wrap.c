/* wrap.c - see wrap.h. */
#include "base/wrap.h"

#include <string.h>

static int columns(const char *text, size_t len)
{
    int n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

void wrap_add(Str *out, const char *text, int left, int width)
{
    for (int at = left; *text;) {
        size_t len = strcspn(text, " ");
        int wide = columns(text, len);
        if (at > left && at + 1 + wide > width) {
            str_addf(out, "\n%*s", left, "");
            at = left;
        }
        str_addf(out, "%s%.*s", at > left ? " " : "", (int)len, text);
        at += (at > left) + wide;
        text += len + (text[len] == ' ');
    }
    str_add(out, "\n");
}
