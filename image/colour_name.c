/* colour_name.c - see colour_name.h. */
#include "image/colour_name.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t grey;
} names[] = { { "white", 255 }, { "grey", 128 }, { "gray", 128 }, { "black", 0 } };

int colour_parse(const char *text, uint8_t rgb[3], Err *e)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i].name) == 0) {
            memset(rgb, names[i].grey, 3);
            return 0;
        }
    if (*text != '#' || strlen(text) != 7 || text[1 + strspn(text + 1, "0123456789abcdefABCDEF")])
        return err_usage(e, "\"%.60s\" is no colour: #rrggbb, white, grey or black are expected", text);
    unsigned long v = strtoul(text + 1, NULL, 16);
    for (int i = 0; i < 3; i++) rgb[i] = (uint8_t)(v >> (16 - 8 * i));
    return 0;
}
