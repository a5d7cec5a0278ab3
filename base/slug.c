/* slug.c - see slug.h. */
#include "base/slug.h"

#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "base/visible.h"

enum { LONGEST = 60 }; /* bytes */

void slug_add(Str *out, const char *text, bool small)
{
    Str s = { 0 };
    while (*text) {
        uint32_t code;
        bool valid;
        size_t took = utf8_next(text, strnlen(text, 4), &code, &valid);
        if (s.len + took > LONGEST) break;
        bool plain = code < 128 && (isalnum((int)code) || (!small && s.len && strchr("._+", (int)code)));
        if (valid && plain && small) str_addn(&s, &(char){ (char)tolower((int)code) }, 1);
        else if (valid && (plain || (code >= 0xA0 && visible(code)))) str_addn(&s, text, took);
        else if (s.len && s.s[s.len - 1] != '-') str_add(&s, "-");
        text += took;
    }
    while (s.len && s.s[s.len - 1] == '-') s.s[--s.len] = 0;
    str_add(out, s.len ? s.s : "untitled");
    str_release(&s);
}
