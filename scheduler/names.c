/* names.c - see names.h. */
#include "scheduler/names.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool counts(char c) { return c != ' ' && c != '_' && c != '-'; }

/* The next character that counts; *s is moved behind it. ',' and the end are '\0'. */
static int next_letter(const char **s)
{
    while (!counts(**s)) (*s)++;
    return **s && **s != ',' ? tolower((unsigned char)*(*s)++) : '\0';
}

static bool same_name(const char *name, const char *asked)
{
    for (;;) {
        int a = next_letter(&name), b = next_letter(&asked);
        if (a != b) return false;
        if (!a) return !*asked; /* a comma in what was asked is no end of a name */
    }
}

bool names_have(const char *names, const char *asked)
{
    if (!asked || !asked[strspn(asked, " _-")]) return false;
    for (const char *name = names; name; name = strchr(name, ',')) {
        if (*name == ',') name++;
        if (same_name(name, asked)) return true;
    }
    return false;
}
