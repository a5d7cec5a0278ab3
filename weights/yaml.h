/*
 * yaml.h - the YAML that configurations of models are written in: mappings, lists and plain or quoted scalars, by indentation.
 * Source: YAML 1.2.2, the part of it that CompVis' and Stability's configs use. What is beyond that (anchors, tags, block scalars,
 * flow mappings, several documents) is an error, never guessed.
 */
#ifndef LIMN_WEIGHTS_YAML_H
#define LIMN_WEIGHTS_YAML_H

#include <stddef.h>

#include "base/err.h"
#include "base/file.h"

enum { YAML_MAX_BYTES = 1 << 20, YAML_MAX_VALUES = 2000, YAML_MAX_DEPTH = 32 };

/* One scalar, and where it stands: "model.params.unet_config.params.channel_mult.2"; entries of lists are numbered from 0. */
typedef struct {
    char *path;
    char *text; /* without its quotes; "" where the file has nothing or null */
} YamlValue;

typedef struct {
    YamlValue *items; /* in the file's order */
    size_t count, cap;
} Yaml;

/* Error: the line, and what is there. yaml_release() also then. */
int yaml_parse(Yaml *y, Bytes file, Err *e);
void yaml_release(Yaml *y);

/* The text of a scalar; NULL: there is none at that path. */
const char *yaml_get(const Yaml *y, const char *path);

#endif
