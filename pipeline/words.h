/*
 * words.h - the words that a model knows, if it has a list of them: a model that was trained on captions of a small grammar
 * draws something for every prompt, without any sign of what it did not understand.
 *
 * limn-words.json in the folder of model_index.json; train/words.py writes limn's own. Members in this order are categories, each
 * an object of labels, each label a list of the phrases that mean it:
 *
 *     {"things": {"potion": ["potion", "potions", "potion bottle"]}, "backgrounds": {"white": ["white background"]},
 *      "also": ["a", "on", "next to"], "silent": ["the", "of"]}
 *
 * "also": phrases that are known and not listed; "silent": words without meaning of their own, which are ignored.
 */
#ifndef LIMN_PIPELINE_WORDS_H
#define LIMN_PIPELINE_WORDS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "base/told.h"

typedef struct {
    char *label;
    char **phrases;
    int count;
} Meaning;

typedef struct {
    char *name; /* "things" */
    Meaning *meanings;
    int count;
    bool headed; /* all phrases end in the same word, which means nothing without the rest: "background" */
} Category;

typedef struct Words {
    Category *categories; /* as the file has them */
    int count;
    char **also, **silent;
    int also_count, silent_count;
    struct Phrase *phrases; /* all of them, as tokens */
    int phrase_count;
    Told told; /* unknown words that words_unknown() has found */
} Words;

/* Error: the text is not such a file. words_free() takes NULL. */
Words *words_parse(Bytes json, Err *e);
void words_free(Words *w);

/*
 * Appends the words of a text that are in none of the phrases, as a list for a person: "rde" (red?), "horse". Each only once in
 * the life of w. Words are runs of letters or digits, lower case as the tokenizer has them; tags (<lora:x:1>) and weights (:1.3)
 * are none. False: nothing new.
 */
bool words_unknown(Words *w, const char *text, Str *out);

/* A category in one line: "gem (jewel), potion, ..."; synonyms: with what else means the same. */
void words_line(const Category *c, bool synonyms, Str *out);

#endif
