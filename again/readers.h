/*
 * readers.h - one reader for each form of metadata, internal to again/. Each fills a Reading from reading_init().
 */
#ifndef LIMN_AGAIN_READERS_H
#define LIMN_AGAIN_READERS_H

#include "again/reading.h"

struct cJSON;

/*
 * A1111's text, as it, Forge, SD.Next, stable-diffusion.cpp, Fooocus and image savers of ComfyUI's write it. False: it is none.
 */
bool read_infotext(Reading *r, const char *text);

/*
 * ComfyUI's graph: `prompt`, the API's form. node: the sampler that is meant, by its id; NULL: the only one. Error (ERR_USAGE):
 * there are several, which the text lists, none of that id, or none at all; ERR_FAILED: links that lead in circles.
 */
int read_comfyui(Reading *r, const struct cJSON *graph, const char *node, Err *e);

/* The API's form of ComfyUI's other one, `workflow`, for the nodes that come with ComfyUI. cJSON_Delete() it. */
struct cJSON *comfyui_from_workflow(const struct cJSON *workflow);

/*
 * One object of settings: InvokeAI's, fastsdcpu's, Draw Things', NovelAI's, Fooocus', SwarmUI's, Easy Diffusion's.
 * False: no known tool's.
 */
bool read_settings(Reading *r, const struct cJSON *settings);

/* InvokeAI's of 2022: a command line of its prompt. */
bool read_dream(Reading *r, const char *text);

/*
 * JSON as these tools write it: NaN and infinity, which ComfyUI writes, become null, and whole numbers that a double does not
 * hold (seeds) strings. cJSON_Delete() it; NULL: it is no JSON object.
 */
struct cJSON *loose_json(const char *text);

/* A number, a text, true or false as text; false: it is something else. */
bool loose_text(const struct cJSON *item, Str *out);

#endif
