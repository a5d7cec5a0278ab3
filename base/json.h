/*
 * json.h - JSON read strictly, for files that may be hostile: on top of cJSON's parser, duplicate keys, NUL in strings
 * and text after the end are refused, so that what is read is what the file says.
 */
#ifndef LIMN_BASE_JSON_H
#define LIMN_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

struct cJSON;

/* What a text may grow to. A value takes some 100 bytes of memory, whatever it is: a million of them 100 MB. */
enum {
    JSON_MAX_BYTES = 100 * 1000 * 1000, /* safetensors' own limit for a header */
    JSON_MAX_VALUES = 1 << 20, /* a vocabulary and its merges are 0.2 million, an index of the largest models 0.1 */
    JSON_MAX_DEPTH = 100,
};

/* Returns whether a text is within these figures; it is not looked at otherwise. */
int json_check_size(Bytes text, Err *e);

/* The text must be one object. cJSON_Delete() frees it. Error: the byte where it stops being JSON, or what else is wrong. */
struct cJSON *json_parse(Bytes text, Err *e);

/* A whole number from 0 to 2^53, which a double holds exactly; false for anything else (1.5, -1, 1e400, "1"). */
bool json_whole(const struct cJSON *item, uint64_t *out);

/*
 * A number as the text that an option takes: the fewest digits that are read back as the same double, a whole one without exponent.
 * False: it is not finite, or 2^53 and more, where a double has not all digits of a whole number.
 */
enum { JSON_NUMBER = 32 };
bool json_number(double d, char out[JSON_NUMBER]);

/* A member of an object from any bytes: what is not UTF-8 (file names may be so) is replaced. */
void json_add_text(struct cJSON *to, const char *key, const char *value);

/* A member that is an array of a text's lines, each of which ends with a newline. */
void json_add_lines(struct cJSON *to, const char *key, const char *lines);

enum { SHOWN_MAX = 100 };

/* A name from a file for a message: at most SHOWN_MAX - 1 bytes, "..." when cut, what is not printable ASCII as '?'. */
const char *shown(const char *name, char buf[SHOWN_MAX]);

/* The same for a JSON value: its text. */
const char *json_shown(const struct cJSON *item, char buf[SHOWN_MAX]);

#endif
