/* tokens.c - see tokens.h. What is found is put together as JSON; the lines for a person are made of that. */
#include "pipeline/tokens.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "pipeline/advice.h"
#include "pipeline/embeddings.h"
#include "pipeline/recipe.h"

/* ---- JSON ---- */

/* As it was written: 1.3, and not the double that is next to the float. */
static double written(float weight)
{
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)weight);
    return strtod(text, NULL);
}

/* One row of ids, without bos, eos and padding. */
static void add_chunk(cJSON *chunks, const Tokenizer *t, const struct TokenPieces *pieces, const int *ids,
                      const float *weight)
{
    int max = tokenizer_max(t), count = 0;
    cJSON *chunk = cJSON_CreateObject(), *tokens = cJSON_AddArrayToObject(chunk, "tokens");
    int end = max - 1;
    while (end > 1 && ids[end] == tokenizer_pad(t)) end--; /* the eos, or before it where that pads */
    if (ids[end] != tokenizer_eos(t)) end++;
    for (int i = 1; i < end && i < max - 1; i++, count++) {
        Str piece = { 0 };
        tokenizer_piece(t, pieces, ids[i], &piece);
        cJSON *token = cJSON_CreateObject();
        cJSON_AddNumberToObject(token, "id", ids[i]);
        json_add_text(token, "piece", str_text(&piece));
        cJSON_AddNumberToObject(token, "weight", weight ? written(weight[i]) : 1);
        cJSON_AddItemToArray(tokens, token);
        str_release(&piece);
    }
    cJSON_AddNumberToObject(chunk, "padding", max - 2 - count);
    cJSON_AddItemToArray(chunks, chunk);
}

static cJSON *encoder_json(const TextPart *text, const Ids *ids)
{
    const Tokenizer *t = text->tokenizer;
    struct TokenPieces *pieces = tokenizer_pieces(t);
    cJSON *encoder = cJSON_CreateObject(), *chunks = cJSON_AddArrayToObject(encoder, "chunks");
    size_t max = (size_t)tokenizer_max(t);
    for (int i = 0; i < ids->own; i++) {
        size_t at = (size_t)i * max;
        add_chunk(chunks, t, pieces, ids->ids + at, ids->weight ? ids->weight + at : NULL);
    }
    cJSON_AddNumberToObject(encoder, "left_out", (double)ids->lost);
    token_pieces_free(pieces);
    return encoder;
}

static void add_prompt(cJSON *prompts, const Model *m, const char *name, const char *text, const Ids *ids)
{
    cJSON *prompt = cJSON_CreateObject();
    cJSON_AddStringToObject(prompt, "name", name);
    json_add_text(prompt, "text", text);
    cJSON *encoders = cJSON_AddArrayToObject(prompt, "encoders");
    for (int i = 0; i < m->texts; i++) cJSON_AddItemToArray(encoders, encoder_json(&m->text[i], &ids[i]));
    cJSON_AddItemToArray(prompts, prompt);
}

static cJSON *document(const Model *m, const PromptReader *r, const PromptTexts *texts, const Prompts *p)
{
    cJSON *root = cJSON_CreateObject();
    json_add_text(root, "model", m->path);
    cJSON_AddStringToObject(root, "prompt_syntax", r->language->name);
    cJSON_AddStringToObject(root, "long_prompt", r->chunk ? "chunk" : "truncate");
    cJSON_AddNumberToObject(root, "room", tokenizer_max(m->text[0].tokenizer) - 2);
    cJSON *prompts = cJSON_AddArrayToObject(root, "prompts");
    add_prompt(prompts, m, "prompt", texts->prompt, p->positive);
    if (texts->negative) add_prompt(prompts, m, "negative_prompt", texts->negative, p->negative);
    return root;
}

/* ---- lines for a person ---- */

static int number(const cJSON *o, const char *key)
{
    return (int)cJSON_GetObjectItemCaseSensitive(o, key)->valuedouble;
}

static const char *text_of(const cJSON *o, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static void print_chunk(const cJSON *chunk, int index, int room, Str *out)
{
    const cJSON *token, *tokens = cJSON_GetObjectItemCaseSensitive(chunk, "tokens");
    str_addf(out, "  chunk %d: %d of %d\n", index, cJSON_GetArraySize(tokens), room);
    cJSON_ArrayForEach(token, tokens)
    {
        double weight = cJSON_GetObjectItemCaseSensitive(token, "weight")->valuedouble;
        str_addf(out, "    %6d  %s", number(token, "id"), text_of(token, "piece"));
        if (weight != 1) str_addf(out, "  x %g", weight);
        str_add(out, "\n");
    }
}

static void print_encoder(const cJSON *encoder, int room, Str *out)
{
    const cJSON *chunk, *chunks = cJSON_GetObjectItemCaseSensitive(encoder, "chunks");
    int index = 0, left_out = number(encoder, "left_out");
    cJSON_ArrayForEach(chunk, chunks) print_chunk(chunk, ++index, room, out);
    if (left_out) str_addf(out, "  left out: %d more (--long-prompt chunk keeps them)\n", left_out);
}

/* What the second text encoder reads is shown where it is not the same. */
static void print_encoders(const cJSON *encoders, int room, Str *out)
{
    int count = cJSON_GetArraySize(encoders);
    const cJSON *first = cJSON_GetArrayItem(encoders, 0);
    bool same = true;
    for (int i = 1; i < count; i++) same = same && cJSON_Compare(first, cJSON_GetArrayItem(encoders, i), true);
    for (int i = 0; i < (same ? 1 : count); i++) {
        if (!same) str_addf(out, "  text encoder %d\n", i + 1);
        print_encoder(cJSON_GetArrayItem(encoders, i), room, out);
    }
    if (same && count > 1) str_addf(out, "  (the same for both text encoders)\n");
}

static void print_document(const cJSON *root, Str *out)
{
    const cJSON *prompt, *prompts = cJSON_GetObjectItemCaseSensitive(root, "prompts");
    int room = number(root, "room");
    str_addf(out, "prompt-syntax %s, chunks of %d tokens\n", text_of(root, "prompt_syntax"), room);
    cJSON_ArrayForEach(prompt, prompts)
    {
        bool negative = strcmp(text_of(prompt, "name"), "prompt") != 0;
        str_addf(out, "%s \"%s\"\n", negative ? "negative prompt" : "prompt", text_of(prompt, "text"));
        print_encoders(cJSON_GetObjectItemCaseSensitive(prompt, "encoders"), room, out);
    }
}

/* ---- both ---- */

int tokens_describe(Model *m, const Job *j, const Watch *w, Str *out, Err *e)
{
    Prompts p;
    PromptTexts texts = recipe_texts(j);
    if (embeddings_use(m, j, w, e) < 0) return -1;
    PromptReader r = recipe_job_reader(j, m, w);
    if (prompts_read(&r, &texts, &p, e)) return -1;
    advise_prompts(m, &texts, texts.negative != NULL, w);
    cJSON *root = document(m, &r, &texts, &p);
    if (j->json) {
        char *text = cJSON_PrintUnformatted(root);
        str_add(out, text);
        cJSON_free(text);
    } else {
        print_document(root, out);
    }
    cJSON_Delete(root);
    prompts_release(&p);
    return 0;
}
