/* names.c - see names.h. */
#include "scheduler/names.h"

#include <stddef.h>
#include <string.h>

static bool counts(char c) { return c != ' ' && c != '_' && c != '-'; }

static int lower(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c; }

/* The next character that counts; *s is moved behind it. ',' and the end are '\0'. */
static int next_letter(const char **s)
{
    while (!counts(**s)) (*s)++;
    return **s && **s != ',' ? lower(*(*s)++) : '\0';
}

/* first: the first letter of `asked`, which is behind it. Most names differ there already: names are looked up for each job. */
static bool same_name(const char *name, int first, const char *asked)
{
    int a = next_letter(&name), b = first;
    for (; a == b && a; b = next_letter(&asked)) a = next_letter(&name);
    return a == b && !*asked; /* a comma in what was asked is no end of a name */
}

bool names_have(const char *names, const char *asked)
{
    int first = asked ? next_letter(&asked) : '\0';
    if (!first) return false;
    for (const char *name = names; name; name = strchr(name, ',')) {
        if (*name == ',') name++;
        if (same_name(name, first, asked)) return true;
    }
    return false;
}
