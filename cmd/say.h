/*
 * say.h - words, paths and JSON for stdout and stderr. Texts of others (names in files, prompts, paths) go through here, so that none
 * drives a terminal (base/visible.h).
 */
#ifndef LIMN_CMD_SAY_H
#define LIMN_CMD_SAY_H

#include <stdio.h>

struct cJSON;

/* printf() for people, on a terminal or not: what does not show is '?'. */
void say(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A path that a script may read, and a newline, on stdout: its bytes as they are; on a terminal as git shows one (visible_path()).
 * say_paths(): several, each ended by a newline.
 */
void say_path(const char *path);
void say_paths(const char *lines);

/* A value on one line of stdout, what does not show as \uXXXX; frees it. say_json_text(): any JSON that is printed already. */
void say_json(struct cJSON *value);
void say_json_text(const char *json);

#endif
