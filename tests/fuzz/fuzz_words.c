/*
 * fuzz_words.c - limn-words.json of any model, then any prompt against it: the first line is the file, what follows the prompt. And
 * the prompt alone, as a text with other tools' syntax: spans lie within it, and what is left out makes it no longer.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clip/syntax.h"
#include "pipeline/words.h"

static void check_syntax(const char *text)
{
    SyntaxSpan found[SYNTAX_COUNT];
    syntax_find(text, found);
    for (int k = 0; k < SYNTAX_COUNT; k++)
        assert(found[k].to == 0 || (found[k].from < found[k].to && found[k].to <= strlen(text)));
    char *bare = syntax_without_tags(text), *words = syntax_words(text);
    assert(strlen(bare) <= strlen(text) && strlen(words) <= strlen(text));
    free(bare);
    free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size), *prompt = strchr(text, '\n');
    Err e = { .text = "" };
    Str found = { 0 };
    if (prompt) *prompt++ = '\0';
    Words *w = words_parse((Bytes){ (const unsigned char *)text, strlen(text) }, &e);
    assert(w || e.text[0]);
    if (prompt) check_syntax(prompt);
    if (w && prompt) {
        bool any = words_unknown(w, prompt, &found);
        assert(any == (found.len > 0));
        assert(!words_unknown(w, prompt, &found));
    }
    for (int i = 0; w && i < w->count; i++) words_line(&w->categories[i], true, &found);
    words_free(w);
    str_release(&found);
    free(text);
    return 0;
}
