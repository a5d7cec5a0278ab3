/*
 * builtin.h - the models inside the program, as scripts/pack lays them out.
 */
#ifndef LIMN_WEIGHTS_BUILTIN_H
#define LIMN_WEIGHTS_BUILTIN_H

typedef struct {
    const char *path; /* "sprites/unet/config.json" */
    const unsigned char *begin, *end;
    const char *sha256; /* 64 hexadecimal digits */
} BuiltinFile;

extern const BuiltinFile limn_builtin_files[]; /* ends with a path of NULL */
extern const char *const limn_builtin_names[]; /* "sprites", ..., NULL */

#endif
