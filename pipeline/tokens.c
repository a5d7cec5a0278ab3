/* tokens.c - see tokens.h. The result is built as JSON; the lines for a person are made from that. */
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

static cJSON *chunks_json(const Tokenizer *t, const struct TokenPieces *pieces, const Ids *ids)
{
    cJSON *chunks = cJSON_CreateArray();
    size_t max = (size_t)tokenizer_max(t);
    for (int i = 0; i < ids->own; i++) {
        size_t at = (size_t)i * max;
        add_chunk(chunks, t, pieces, ids->ids + at, ids->weight ? ids->weight + at : NULL);
    }
    return chunks;
}

/* What one encoder makes of a text: its chunks, where it is a sum of several with their weights and places. */
static cJSON *encoder_json(const TextPart *text, const Mix *m)
{
    struct TokenPieces *pieces = tokenizer_pieces(text->tokenizer);
    cJSON *encoder = cJSON_CreateObject(), *sum = cJSON_AddArrayToObject(encoder, "sum");
    for (int i = 0; i < m->count; i++) {
        const Term *t = &m->term[i];
        if (t->filler) continue;
        cJSON *term = cJSON_CreateObject();
        cJSON_AddNumberToObject(term, "weight", t->weight);
        cJSON_AddNumberToObject(term, "chunk", t->at + 1);
        cJSON_AddItemToObject(term, "chunks", chunks_json(text->tokenizer, pieces, &t->ids));
        cJSON_AddNumberToObject(term, "left_out", (double)t->ids.lost);
        cJSON_AddItemToArray(sum, term);
    }
    token_pieces_free(pieces);
    return encoder;
}

static cJSON *part_json(const Model *m, const Prompts *p, const PromptPart *part)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddNumberToObject(out, "weight", part->weight);
    cJSON *texts = cJSON_AddArrayToObject(out, "texts");
    for (int i = 0; i < part->count; i++) {
        const PromptText *t = &p->text[part->text[i]];
        cJSON *text = cJSON_CreateObject();
        cJSON_AddNumberToObject(text, "until", part->until[i]);
        json_add_text(text, "text", t->said[0]);
        cJSON *encoders = cJSON_AddArrayToObject(text, "encoders");
        for (int k = 0; k < m->texts; k++) cJSON_AddItemToArray(encoders, encoder_json(&m->text[k], &t->of[k]));
        cJSON_AddItemToArray(texts, text);
    }
    return out;
}

static cJSON *add_prompt(cJSON *prompts, const char *name, const char *text)
{
    cJSON *prompt = cJSON_CreateObject();
    cJSON_AddStringToObject(prompt, "name", name);
    json_add_text(prompt, "text", text);
    cJSON_AddItemToArray(prompts, prompt);
    return cJSON_AddArrayToObject(prompt, "parts");
}

static cJSON *document(const Model *m, const PromptReader *r, const PromptTexts *texts, const Prompts *p)
{
    cJSON *root = cJSON_CreateObject();
    json_add_text(root, "model", m->path);
    cJSON_AddStringToObject(root, "prompt_syntax", r->language->name);
    cJSON_AddStringToObject(root, "long_prompt", r->chunk ? "chunk" : "truncate");
    cJSON_AddNumberToObject(root, "room", tokenizer_max(m->text[0].tokenizer) - 2);
    cJSON_AddNumberToObject(root, "steps", r->steps.steps);
    cJSON *prompts = cJSON_AddArrayToObject(root, "prompts"), *parts = add_prompt(prompts, "prompt", texts->prompt);
    for (int i = 0; i < p->parts; i++) cJSON_AddItemToArray(parts, part_json(m, p, &p->part[i]));
    if (!texts->negative) return root;
    parts = add_prompt(prompts, "negative_prompt", texts->negative);
    cJSON_AddItemToArray(parts, part_json(m, p, &p->negative));
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

static double real(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key)->valuedouble; }

static void print_term(const cJSON *term, bool several, int room, Str *out)
{
    const cJSON *chunk, *chunks = cJSON_GetObjectItemCaseSensitive(term, "chunks");
    int index = number(term, "chunk"), left_out = number(term, "left_out");
    if (several) str_addf(out, "  %g of\n", real(term, "weight"));
    cJSON_ArrayForEach(chunk, chunks) { print_chunk(chunk, index++, room, out); }
    if (left_out) str_addf(out, "  left out: %d more (--long-prompt chunk keeps them)\n", left_out);
}

static void print_encoder(const cJSON *encoder, int room, Str *out)
{
    const cJSON *term, *sum = cJSON_GetObjectItemCaseSensitive(encoder, "sum");
    bool several = cJSON_GetArraySize(sum) > 1;
    cJSON_ArrayForEach(term, sum) { print_term(term, several, room, out); }
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

/* A text that holds for some evaluations only says for which. A1111 counts from 0, so that the first one has one more. */
static void print_part(const cJSON *part, bool several, int steps, int room, Str *out)
{
    const cJSON *text, *texts = cJSON_GetObjectItemCaseSensitive(part, "texts");
    int from = 1;
    if (several || real(part, "weight") != 1) str_addf(out, "part x %g\n", real(part, "weight"));
    cJSON_ArrayForEach(text, texts)
    {
        int until = number(text, "until") + 1;
        if (from > steps) return; /* the first one took its time */
        if (until >= steps && from > 1) str_addf(out, "  from step %d: \"%s\"\n", from, text_of(text, "text"));
        else if (until < steps) str_addf(out, "  steps %d to %d: \"%s\"\n", from, until, text_of(text, "text"));
        print_encoders(cJSON_GetObjectItemCaseSensitive(text, "encoders"), room, out);
        from = until + 1;
    }
}

static void print_document(const cJSON *root, Str *out)
{
    const cJSON *prompt, *part, *prompts = cJSON_GetObjectItemCaseSensitive(root, "prompts");
    int room = number(root, "room");
    str_addf(out, "prompt-syntax %s, chunks of %d tokens\n", text_of(root, "prompt_syntax"), room);
    cJSON_ArrayForEach(prompt, prompts)
    {
        bool negative = strcmp(text_of(prompt, "name"), "prompt") != 0;
        const cJSON *parts = cJSON_GetObjectItemCaseSensitive(prompt, "parts");
        bool several = cJSON_GetArraySize(parts) > 1;
        int steps = number(root, "steps");
        str_addf(out, "%s \"%s\"\n", negative ? "negative prompt" : "prompt", text_of(prompt, "text"));
        cJSON_ArrayForEach(part, parts) { print_part(part, several, steps, room, out); }
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
    advise_prompts(m, &p, texts.negative != NULL, w);
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
