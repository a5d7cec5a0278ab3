/*
 * config.h - reads a component's config.json so that no key in it is silently ignored.
 *
 * Every getter marks its key as understood. config_finish() fails if a key was never read, unless its
 * value is null, false, or the key begins with '_': an option that limn does not know might change the picture.
 * A value of the wrong type or outside its range is remembered as the first error and reported by config_finish(), so a
 * reader can be a plain list of calls.
 */
#ifndef LIMN_WEIGHTS_CONFIG_H
#define LIMN_WEIGHTS_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"

typedef struct Config Config;

/* Parses a JSON object. name is used in messages ("unet/config.json"). */
Config *config_parse(Bytes json, const char *name, Err *e);
void config_free(Config *c);

bool config_has(const Config *c, const char *key);     /* present and not null */
bool config_is_null(const Config *c, const char *key); /* present and null */
bool config_is_false(const Config *c, const char *key);

/* null and absent give the default. */
int config_int(Config *c, const char *key, int dflt, int min, int max);
double config_num(Config *c, const char *key, double dflt, double min, double max);
bool config_bool(Config *c, const char *key, bool dflt);
const char *config_str(Config *c, const char *key, const char *dflt); /* borrowed until config_free() */

/* A list of ints, or one int that stands for all; n entries are written. count: how many the list must have. */
void config_ints(Config *c, const char *key, int dflt, int *out, int count, int min, int max);
/*
 * A list of ints, or one int that stands for all; where a row's place has a list, its counts[i] numbers are the row's. Numbers
 * are 1 .. max. out [rows, stride].
 */
typedef struct {
    const int *counts; /* [rows] */
    int rows, stride, max;
} ConfigRows;
void config_int_rows(Config *c, const char *key, int dflt, int *out, const ConfigRows *r);
/* Returns whether a list has a list in it. */
bool config_nested(const Config *c, const char *key);
/* The same as config_ints() for bools. */
void config_bools(Config *c, const char *key, bool dflt, bool *out, int count);
/* The length of a list; 0 when absent; -1 when it is not a list. Does not mark the key. */
int config_list_len(const Config *c, const char *key);
/* Returns whether entry i of a list is a text. */
bool config_is_str_at(const Config *c, const char *key, int i);
/* The i-th key in the file's order; NULL behind the last. Does not mark it. */
const char *config_key(const Config *c, int i);
/* List entries as strings / numbers (NULL / 0 and a remembered error when they are something else). */
const char *config_str_at(Config *c, const char *key, int i);
double config_num_at(Config *c, const char *key, int i);

/* An object inside the config, to be read and finished like a config of its own; config_free() it. NULL when absent. */
Config *config_object(Config *c, const char *key);

/* Keys that may hold anything (they do not matter for inference). NULL-terminated. */
void config_ignore(Config *c, const char *const *keys);

/* A key that limn supports only with this value (or null/absent): anything else is remembered as an error naming it. */
void config_only_str(Config *c, const char *key, const char *value);
void config_only_num(Config *c, const char *key, double value);
void config_only_bool(Config *c, const char *key, bool value);
void config_only_null(Config *c, const char *key);

/*
 * A key that nobody asked for is not an error, but passed over: diffusers and transformers ignore what their classes do not know.
 * For a component whose reader asks for every key that its class knows. Of objects inside it, too.
 */
void config_pass_over(Config *c);

/* The keys that config_finish() passed over, "\"a\", \"b\""; NULL: none. Borrowed until config_free(). */
const char *config_passed_over(const Config *c);

/* `_class_name` must be that, or not be there. The error names the config. */
int config_check_class(Config *c, const char *name, Err *e);

/* The first remembered error, or the first key that nobody asked for. */
int config_finish(Config *c, Err *e);

/* Puts the config's name before an error that its reader found, unless it is there. Returns -1. */
int config_blame(const Config *c, Err *e);

#endif
