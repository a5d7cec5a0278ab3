/* visible.c - see visible.h. */
#include "base/visible.h"

#include <string.h>

#include "base/utf8.h"

/* Sorted. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    { 0x0, 0x1F },      { 0x7F, 0x9F },       { 0xAD, 0xAD },       { 0x61C, 0x61C },     { 0x180E, 0x180E },
    { 0x200B, 0x200B }, { 0x200E, 0x200F },   { 0x2028, 0x202E },   { 0x2060, 0x206F },   { 0xFEFF, 0xFEFF },
    { 0xFFF9, 0xFFFB }, { 0x13430, 0x1343F }, { 0x1BCA0, 0x1BCA3 }, { 0x1D173, 0x1D17A }, { 0xE0000, 0xE0FFF },
};

bool visible(uint32_t code)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden && code >= hidden[i].first; i++)
        if (code <= hidden[i].last) return false;
    return true;
}

bool visible_all(const char *text)
{
    for (size_t left = strlen(text), took; left; left -= took, text += took) {
        uint32_t code;
        bool valid;
        took = utf8_next(text, left, &code, &valid);
        if (!valid || !visible(code)) return false;
    }
    return true;
}

void visible_mask(char *text, bool lines)
{
    char *to = text;
    for (size_t left = strlen(text), took; left; left -= took, text += took) {
        uint32_t code;
        bool valid;
        took = utf8_next(text, left, &code, &valid);
        if (valid && (visible(code) || (lines && (code == '\n' || code == '\t')))) {
            memmove(to, text, took);
            to += took;
        } else {
            *to++ = '?';
        }
    }
    *to = 0;
}

/* As JSON writes a character that it does not write as it is: UTF-16. */
static void add_escape(Str *out, uint32_t code)
{
    if (code > 0xFFFF) {
        str_addf(out, "\\u%04x\\u%04x", 0xD800U | (code - 0x10000) >> 10, 0xDC00U | (code & 0x3FFU));
    } else {
        str_addf(out, "\\u%04x", code);
    }
}

void visible_json(Str *out, const char *json)
{
    for (size_t left = strlen(json), took; left; left -= took, json += took) {
        uint32_t code;
        bool valid;
        took = utf8_next(json, left, &code, &valid);
        bool layout = code < 32; /* between values: within a text it is an escape already */
        if (valid && (layout || (visible(code) && code != 0x200C && code != 0x200D))) str_addn(out, json, took);
        else add_escape(out, code);
    }
}

void visible_path(Str *out, const char *path)
{
    static const char letters[] = "abtnvfr"; /* of 7 to 13 */
    if (visible_all(path) && !strpbrk(path, "\"\\")) {
        str_add(out, path);
        return;
    }
    str_add(out, "\"");
    for (size_t left = strlen(path), took; left; left -= took, path += took) {
        uint32_t code;
        bool valid;
        took = utf8_next(path, left, &code, &valid);
        if (code >= 7 && code <= 13) str_addf(out, "\\%c", letters[code - 7]);
        else if (code == '"' || code == '\\') str_addf(out, "\\%c", (char)code);
        else if (valid && visible(code)) str_addn(out, path, took);
        else
            for (size_t i = 0; i < took; i++) str_addf(out, "\\%03o", (unsigned)(unsigned char)path[i]);
    }
    str_add(out, "\"");
}
