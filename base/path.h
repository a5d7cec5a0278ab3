/* path.h - parts of a file's path. */
#ifndef LIMN_BASE_PATH_H
#define LIMN_BASE_PATH_H

#include <stddef.h>
#include <string.h>

/* Behind the last '/': "b.png" of "a/b.png". */
static inline const char *path_last(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* How much of a last part stands before its extension: 1 of "b.png"; all of ".png", which has none. */
static inline size_t path_stem(const char *last)
{
    const char *dot = strrchr(last, '.');
    return dot && dot != last ? (size_t)(dot - last) : strlen(last);
}

#endif
