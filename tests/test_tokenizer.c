/*
 * test_tokenizer.c - ids against transformers on the texts of tests/golden/clip (clip.py makes and describes them), rows,
 * chunks, settings, and damaged files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "clip/tokenizer.h"
#include "tests/files.h"
#include "tests/support.h"

#define CLIP GOLDEN "/clip"

static void map(Bytes *b, const char *path)
{
    Err e = { 0 };
    if (file_map(b, path, &e)) fail_msg("%s", e.text);
}

static Bytes text_bytes(const char *s) { return (Bytes){ (const unsigned char *)s, s ? strlen(s) : 0 }; }

static Tokenizer *make(TokenizerFiles f)
{
    Err e = { 0 };
    Tokenizer *t = tokenizer_new(&f, &e);
    if (!t) fail_msg("%s", e.text);
    return t;
}

/* The golden vocabulary with settings as text; NULL: no such file. */
static Tokenizer *golden_with(const char *config, const char *special_map)
{
    Bytes vocab, merges;
    map(&vocab, CLIP "/tokenizer/vocab.json");
    map(&merges, CLIP "/tokenizer/merges.txt");
    Tokenizer *t = make((TokenizerFiles){
        vocab, merges, .added = { .config = text_bytes(config), .special_map = text_bytes(special_map) } });
    file_unmap(&vocab);
    file_unmap(&merges);
    return t;
}

static Tokenizer *plain(void)
{
    Bytes config;
    map(&config, CLIP "/tokenizer/tokenizer_config.json");
    char *text = strndup((const char *)config.data, config.len);
    Tokenizer *t = golden_with(text, NULL);
    free(text);
    file_unmap(&config);
    return t;
}

static Tokenizer *padded(void)
{
    Bytes config, special;
    map(&config, CLIP "/tokenizer-pad/tokenizer_config.json");
    map(&special, CLIP "/tokenizer-pad/special_tokens_map.json");
    char *a = strndup((const char *)config.data, config.len), *b = strndup((const char *)special.data, special.len);
    Tokenizer *t = golden_with(a, b);
    free(a);
    free(b);
    file_unmap(&config);
    file_unmap(&special);
    return t;
}

static cJSON *json(const char *path)
{
    Bytes file;
    map(&file, path);
    cJSON *j = cJSON_ParseWithLength((const char *)file.data, file.len);
    assert_non_null(j);
    file_unmap(&file);
    return j;
}

/* Checks the ids of one text, and that each token's place lies in the text. */
static void check_ids(const Tokenizer *t, const char *text, const cJSON *expected, const char *label)
{
    TokenList l = { 0 };
    size_t i = 0;
    const cJSON *id;

    tokenizer_encode(t, text, &l);
    cJSON_ArrayForEach(id, expected)
    {
        if (i >= l.count || l.id[i] != id->valueint)
            fail_msg("%s: id %zu is %d, expected %d", label, i, i < l.count ? l.id[i] : -1, id->valueint);
        i++;
    }
    if (i != l.count) fail_msg("%s: %zu ids, expected %zu", label, l.count, i);
    for (i = 0; i < l.count; i++) assert_true(l.from[i] < l.to[i] && l.to[i] <= strlen(text));
    token_list_release(&l);
}

/* "61ff" -> "a\xff" */
static char *from_hex(const char *hex)
{
    size_t n = strlen(hex) / 2;
    char *text = calloc(n + 1, 1);
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        text[i] = (char)byte;
    }
    return text;
}

static void test_ids(void **state)
{
    (void)state;
    Tokenizer *a = plain(), *b = padded();
    cJSON *cases = json(CLIP "/tokens.json"), *c;
    assert_true(cJSON_GetArraySize(cases) >= 200);

    cJSON_ArrayForEach(c, cases)
    {
        const cJSON *text = cJSON_GetObjectItem(c, "text"), *hex = cJSON_GetObjectItem(c, "hex");
        char *bytes = text ? strdup(text->valuestring) : from_hex(hex->valuestring);
        char *label = cJSON_PrintUnformatted(c);
        check_ids(a, bytes, cJSON_GetObjectItem(c, "ids"), label);
        check_ids(b, bytes, cJSON_GetObjectItem(c, "ids_pad"), label);
        cJSON_free(label);
        free(bytes);
    }
    cJSON_Delete(cases);
    tokenizer_free(a);
    tokenizer_free(b);
}

static void test_rows(void **state)
{
    (void)state;
    Tokenizer *t = plain();
    cJSON *cases = json(CLIP "/rows.json"), *c;
    cJSON_ArrayForEach(c, cases)
    {
        int rows, i = 0;
        const char *text = cJSON_GetObjectItem(c, "text")->valuestring, *lost;
        const cJSON *expected = cJSON_GetObjectItem(c, "ids"), *id;
        int *ids = tokenizer_rows(t, text, false, &rows, &lost);
        assert_int_equal(rows, 1);
        assert_int_equal(cJSON_GetArraySize(expected), tokenizer_max(t));
        cJSON_ArrayForEach(id, expected) assert_int_equal(ids[i++], id->valueint);
        free(ids);
    }
    cJSON_Delete(cases);
    tokenizer_free(t);
}

static void add_words(Str *s, const char *word, int count)
{
    for (int i = 0; i < count; i++) str_addf(s, "%s ", word);
}

static void test_lost(void **state)
{
    (void)state;
    Tokenizer *t = plain(); /* 32 ids: room for 30 */
    int rows;
    const char *lost;
    Str s = { 0 };

    add_words(&s, "a", 30);
    free(tokenizer_rows(t, s.s, false, &rows, &lost));
    assert_null(lost);

    str_add(&s, "red potion");
    free(tokenizer_rows(t, s.s, false, &rows, &lost));
    assert_ptr_equal(lost, strstr(s.s, "red potion"));

    free(tokenizer_rows(t, s.s, true, &rows, &lost));
    assert_null(lost);
    assert_int_equal(rows, 2);
    str_release(&s);
    tokenizer_free(t);
}

/* The chunks of `before` words, a comma, `after` words (-1: no comma): how many ids each row holds before its eos. */
static void chunks(int before, int after, int expected_rows, const int *expected)
{
    Tokenizer *t = plain();
    int rows, max = tokenizer_max(t);
    const char *lost;
    Str s = { 0 };

    add_words(&s, "a", before);
    if (after >= 0) str_add(&s, ", ");
    add_words(&s, "b", after);
    int *ids = tokenizer_rows(t, str_text(&s), true, &rows, &lost);
    assert_int_equal(rows, expected_rows);
    for (int r = 0; r < rows; r++) {
        const int *row = ids + r * max;
        int n = 0;
        assert_int_equal(row[0], tokenizer_bos(t));
        while (row[n + 1] != tokenizer_eos(t)) n++;
        assert_int_equal(n, expected[r]);
        for (int i = n + 1; i < max; i++) assert_int_equal(row[i], tokenizer_eos(t));
    }
    free(ids);
    str_release(&s);
    tokenizer_free(t);
}

/* As A1111's tokenize_line() cuts them, with 30 for its 75. */
static void test_chunks(void **state)
{
    (void)state;
    chunks(0, -1, 1, (int[]){ 0 });
    chunks(30, -1, 1, (int[]){ 30 });
    chunks(31, -1, 2, (int[]){ 30, 1 });
    chunks(90, -1, 3, (int[]){ 30, 30, 30 });
    chunks(20, 9, 1, (int[]){ 30 });
    chunks(20, 10, 2, (int[]){ 21, 10 });     /* what follows the comma moves on whole */
    chunks(10, 20, 2, (int[]){ 11, 20 });     /* the comma is the 20th id from the end: near enough */
    chunks(9, 21, 2, (int[]){ 30, 1 });       /* the 21st: not */
    chunks(29, 5, 2, (int[]){ 30, 5 });       /* the comma is the last that fits */
    chunks(30, 5, 2, (int[]){ 30, 6 });       /* the comma begins the next chunk */
    chunks(20, 45, 3, (int[]){ 21, 30, 15 }); /* a comma counts once */
}

static void test_padding(void **state)
{
    (void)state;
    Tokenizer *t = padded();
    int rows;
    const char *lost;
    assert_int_equal(tokenizer_max(t), 77); /* model_max_length is 1e30 */
    assert_int_equal(tokenizer_pad(t), 0);
    int *ids = tokenizer_rows(t, "", true, &rows, &lost);
    assert_int_equal(ids[0], tokenizer_bos(t));
    assert_int_equal(ids[1], tokenizer_eos(t));
    for (int i = 2; i < 77; i++) assert_int_equal(ids[i], 0);
    free(ids);
    tokenizer_free(t);
}

static void test_places(void **state)
{
    (void)state;
    Tokenizer *t = plain();
    TokenList l = { 0 };
    const char *text = "  A\xff"
                       "cafe\xCC\x81 <|endoftext|>";
    tokenizer_encode(t, text, &l);
    assert_true(l.count >= 4);
    assert_int_equal(l.from[0], 2); /* A */
    assert_int_equal(l.to[0], 3);
    assert_int_equal(l.from[1], 3);          /* the byte that is no UTF-8 */
    assert_int_equal(l.to[l.count - 2], 10); /* the e and its accent */
    assert_int_equal(l.from[l.count - 1], 11);
    assert_int_equal(l.to[l.count - 1], strlen(text));
    token_list_release(&l);
    tokenizer_free(t);
}

/* A member of an object as a file's text, on the heap; {0} when it is not there. */
static Bytes member_bytes(const cJSON *files, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(files, name);
    return item ? text_bytes(cJSON_PrintUnformatted(item)) : (Bytes){ 0 };
}

/* Tokens that the files add, wherever they stand, against transformers: the same ids on texts full of them. */
static void test_added(void **state)
{
    (void)state;
    cJSON *list = json(CLIP "/added.json"), *folder, *item;
    int number = 0;
    Bytes vocab, merges;
    map(&vocab, CLIP "/tokenizer/vocab.json");
    map(&merges, CLIP "/tokenizer/merges.txt");
    cJSON_ArrayForEach(folder, list)
    {
        const cJSON *files = cJSON_GetObjectItem(folder, "files");
        AddedFiles added = { .config = member_bytes(files, "tokenizer_config.json"),
                             .special_map = member_bytes(files, "special_tokens_map.json"),
                             .added = member_bytes(files, "added_tokens.json"),
                             .list = member_bytes(files, "tokenizer.json") };
        Tokenizer *t = make((TokenizerFiles){ .vocab = vocab, .merges = merges, .added = added });
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(folder, "cases"))
        {
            char label[256];
            const char *text = cJSON_GetObjectItem(item, "text")->valuestring;
            snprintf(label, sizeof label, "folder %d, \"%s\"", number, text);
            check_ids(t, text, cJSON_GetObjectItem(item, "ids"), label);
        }
        tokenizer_free(t);
        const Bytes all[] = { added.config, added.special_map, added.added, added.list };
        for (size_t i = 0; i < 4; i++) free((void *)(size_t)all[i].data);
        number++;
    }
    assert_int_equal(number, 40);
    cJSON_Delete(list);
    file_unmap(&vocab);
    file_unmap(&merges);
}

static int encodes_to_one(const Tokenizer *t, const char *text)
{
    TokenList l = { 0 };
    tokenizer_encode(t, text, &l);
    int id = l.count == 1 ? l.id[0] : -1;
    token_list_release(&l);
    return id;
}

static void test_settings(void **state)
{
    (void)state;
    Tokenizer *t = golden_with(NULL, NULL);
    int size = tokenizer_size(t);
    assert_int_equal(tokenizer_max(t), 77);
    assert_int_equal(tokenizer_pad(t), tokenizer_eos(t));
    assert_int_equal(tokenizer_eos(t), size - 1);
    assert_int_equal(tokenizer_bos(t), size - 2);
    assert_int_equal(encodes_to_one(t, "<|EndOfText|>"), -1);
    tokenizer_free(t);

    t = golden_with(
        "{\"eos_token\": {\"__type\": \"AddedToken\", \"content\": \"<|endoftext|>\", \"normalized\": true},"
        " \"unk_token\": {\"__type\": \"AddedToken\", \"content\": \"<|endoftext|>\", \"normalized\": true},"
        " \"pad_token\": null, \"model_max_length\": null}",
        NULL);
    assert_int_equal(encodes_to_one(t, "<|EndOfText|>"), -1); /* the padding is plain text and comes last */
    assert_int_equal(encodes_to_one(t, "<|endoftext|>"), size - 1);
    tokenizer_free(t);

    /* since transformers 4.34; the map is not read then */
    char config[512];
    snprintf(config, sizeof config,
             "{\"model_max_length\": 16, \"added_tokens_decoder\": {\"%d\": {\"content\": \"<concept>\", "
             "\"normalized\": false},"
             " \"%d\": {\"content\": \"<|endoftext|>\", \"normalized\": true}}}",
             size, size - 1);
    t = golden_with(config, "{\"pad_token\": \"!\"}");
    assert_int_equal(tokenizer_max(t), 16);
    assert_int_equal(tokenizer_size(t), size + 1);
    assert_int_equal(tokenizer_pad(t), size - 1);
    assert_int_equal(encodes_to_one(t, "<concept>"), size);
    assert_int_equal(encodes_to_one(t, "<|EndOfText|>"), size - 1);
    tokenizer_free(t);

    t = golden_with("{\"additional_special_tokens\": [\"<x>\", \"<y>\"]}", "{\"extra_special_tokens\": [\"<xx>\"]}");
    assert_int_equal(tokenizer_size(t), size + 3);
    assert_int_equal(encodes_to_one(t, "<y>"), size + 1);
    assert_int_equal(encodes_to_one(t, "<xx>"), size + 2);
    tokenizer_free(t);
}

/* With as many rows as the text encoder has, what would be behind them is left out, and told. */
static void test_rows_of_encoder(void **state)
{
    (void)state;
    char added[160];
    TokenizerFiles f = { 0 };
    map(&f.vocab, CLIP "/tokenizer/vocab.json");
    map(&f.merges, CLIP "/tokenizer/merges.txt");
    Tokenizer *t = make(f);
    int size = tokenizer_size(t);
    assert_null(tokenizer_left_out(t));
    tokenizer_free(t);

    snprintf(added, sizeof added, "{\"<b>\": %d, \"<a>\": %d, \"!\": 0, \"<c>\": %d}", size + 1, size, size + 2);
    f.added = (AddedFiles){ .added = text_bytes(added), .pad = "!" };
    f.max = 20;
    f.rows = size + 1;
    t = make(f);
    assert_int_equal(tokenizer_size(t), size + 1);
    assert_int_equal(tokenizer_pad(t), 0);
    assert_int_equal(tokenizer_max(t), 20);
    assert_int_equal(encodes_to_one(t, "<A>"), size);
    assert_int_equal(encodes_to_one(t, "<b>"), -1);
    assert_string_equal(tokenizer_left_out(t), "\"<b>\", \"<c>\"");
    tokenizer_free(t);
    file_unmap(&f.vocab);
    file_unmap(&f.merges);
}

#define SPECIAL    "\"<|startoftext|>\": 3, \"<|endoftext|>\": 4"
#define GOOD_VOCAB "{\"a\": 0, \"b\": 1, \"ab\": 2, " SPECIAL "}"

static const struct {
    const char *vocab, *merges, *config, *map;
    const char *expected; /* NULL: must be read */
} damaged[] = {
    { GOOD_VOCAB, "a b\n", NULL, NULL, NULL },
    { GOOD_VOCAB, "#version: 0.2\na b\n", NULL, NULL, NULL },
    { GOOD_VOCAB, "a b", NULL, NULL, NULL },
    { GOOD_VOCAB, "#version: 0.2\r\na b\r\n", NULL, NULL, NULL },
    { "\xEF\xBB\xBF" GOOD_VOCAB,
      "\xEF\xBB\xBF"
      "a b\n",
      NULL, NULL, NULL },
    { GOOD_VOCAB, "#version: 0.2\n", NULL, NULL, NULL },
    { GOOD_VOCAB, "\na b\n\n", NULL, NULL, NULL },
    { GOOD_VOCAB, "a b\na b\n", NULL, NULL, NULL },

    { "", "", NULL, NULL, "vocab.json: " },
    { "{", "", NULL, NULL, "vocab.json: " },
    { "[]", "", NULL, NULL, "vocab.json: " },
    { "12", "", NULL, NULL, "vocab.json: " },
    { "{}", "", NULL, NULL, "vocab.json: the vocabulary is empty" },
    { GOOD_VOCAB "x", "", NULL, NULL, "vocab.json: " },
    { "{\"a\": \"0\", " SPECIAL "}", "", NULL, NULL, "vocab.json: token \"a\" has the id \"0\"" },
    { "{\"a\": -1, \"b\": 1, \"ab\": 2, " SPECIAL "}", "", NULL, NULL, "token \"a\" has the id -1; 5 tokens" },
    { "{\"a\": 0.5, \"b\": 1, \"ab\": 2, " SPECIAL "}", "", NULL, NULL, "token \"a\" has the id 0.5" },
    { "{\"a\": 1e300, \"b\": 1, \"ab\": 2, " SPECIAL "}", "", NULL, NULL, "token \"a\" has the id 1e+300" },
    { "{\"a\": 0, \"b\": 5, \"ab\": 2, " SPECIAL "}", "", NULL, NULL,
      "token \"b\" has the id 5; 5 tokens must have the ids 0 to 4" },
    { "{\"a\": 0, \"b\": 0, \"ab\": 2, " SPECIAL "}", "", NULL, NULL, "tokens \"a\" and \"b\" both have the id 0" },
    { "{\"a\": 0, \"a\": 1, \"ab\": 2, " SPECIAL "}", "", NULL, NULL, "twice" },
    { "{\"a\": 0, \"<|endoftext|>\": 1}", "", NULL, NULL, "no \"<|startoftext|>\", the bos_token" },
    { "{\"a\": 0, \"<|startoftext|>\": 1}", "", NULL, NULL, "no \"<|endoftext|>\", the eos_token" },

    { GOOD_VOCAB, "", NULL, NULL, "merges.txt: empty" },
    { GOOD_VOCAB, "a b\na\n", NULL, NULL, "merges.txt: line 2: \"a\" is not two symbols" },
    { GOOD_VOCAB, "a  b\n", NULL, NULL, "merges.txt: line 1: " },
    { GOOD_VOCAB, "a b \n", NULL, NULL, "merges.txt: line 1: " },
    { GOOD_VOCAB, " a\n", NULL, NULL, "merges.txt: line 1: " },
    { GOOD_VOCAB, "#version: 0.2\na c\n", NULL, NULL, "merges.txt: line 2: \"c\" is not in vocab.json" },
    { GOOD_VOCAB, "a a\n", NULL, NULL, "merges.txt: line 1: \"aa\" is not in vocab.json" },

    { GOOD_VOCAB, "", "{", NULL, "tokenizer_config.json: " },
    { GOOD_VOCAB, "", "[]", NULL, "tokenizer_config.json: " },
    { GOOD_VOCAB, "", "{\"model_max_length\": 2}", NULL, "model_max_length is 2" },
    { GOOD_VOCAB, "", "{\"model_max_length\": -1}", NULL, "model_max_length" },
    { GOOD_VOCAB, "", "{\"model_max_length\": 7.5}", NULL, "model_max_length" },
    { GOOD_VOCAB, "", "{\"model_max_length\": \"77\"}", NULL, "model_max_length" },
    { GOOD_VOCAB, "", "{\"tokenizer_class\": \"T5Tokenizer\"}", NULL, "T5Tokenizer" },
    { GOOD_VOCAB, "", "{\"truncation_side\": \"left\"}", NULL, "truncation_side" },
    { GOOD_VOCAB, "", "{\"bos_token\": 3}", NULL, "tokenizer_config.json: bos_token: " },
    { GOOD_VOCAB, "", "{\"bos_token\": {\"lstrip\": true}}", NULL, "tokenizer_config.json: bos_token: " },
    { GOOD_VOCAB, "a b\n", "{\"pad_token\": {\"content\": \"a\", \"single_word\": true}}", NULL, NULL },
    { GOOD_VOCAB, "", "{\"pad_token\": \"[PAD]\"}", NULL, "no \"[PAD]\", the pad_token" },
    { GOOD_VOCAB, "", "{\"added_tokens_decoder\": []}", NULL, "added_tokens_decoder" },
    { GOOD_VOCAB, "", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"a\"}}}", NULL, "not an id" },
    { GOOD_VOCAB, "", "{\"added_tokens_decoder\": {\"1\": {\"content\": \"a\"}}}", NULL, "by vocab.json it is 0" },
    { GOOD_VOCAB, "", "{\"added_tokens_decoder\": {\"9\": {\"content\": \"x\"}}}", NULL, "by vocab.json it is 5" },
    { GOOD_VOCAB, "", "{\"added_tokens_decoder\": {\"1\": {\"content\": \"b\"}, \"01\": {\"content\": \"b\"}}}", NULL,
      "twice" },
    { GOOD_VOCAB, "", "{\"added_tokens_decoder\": {\"99999999999999999999\": {\"content\": \"b\"}}}", NULL,
      "not an id" },
    { GOOD_VOCAB, "", NULL, "{\"eos_token\": []}", "special_tokens_map.json: eos_token: " },
    { GOOD_VOCAB, "", "{\"extra_special_tokens\": [3]}", NULL, "tokenizer_config.json: a token must be" },
    { GOOD_VOCAB, "", NULL, "nonsense", "special_tokens_map.json: " },
};

static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        Err e = { 0 };
        TokenizerFiles f = { text_bytes(damaged[i].vocab), text_bytes(damaged[i].merges),
                             .added = { .config = text_bytes(damaged[i].config),
                                        .special_map = text_bytes(damaged[i].map) } };
        Tokenizer *t = tokenizer_new(&f, &e);
        if (!damaged[i].expected && !t) fail_msg("row %zu: %s", i, e.text);
        if (damaged[i].expected && t) fail_msg("row %zu was accepted: %s", i, damaged[i].expected);
        if (!t && !strstr(e.text, damaged[i].expected)) fail_msg("row %zu: %s", i, e.text);
        tokenizer_free(t);
    }
}

static void test_damaged_added(void **state)
{
    (void)state;
    static const struct {
        const char *added, *list, *said;
    } rows[] = {
        { "[]", NULL, "added_tokens.json: " },
        { "{\"a\": \"x\"}", NULL, "added_tokens.json: \"x\" is not an id" },
        { "{\"x\": 5, \"y\": 5}", NULL, "added_tokens.json: the id 5 is there twice" },
        { "{\"x\": 7}", NULL, "give \"x\" the id 7, by vocab.json it is 5" },
        { NULL, "{}", "tokenizer.json: added_tokens is not a list" },
        { NULL, "[{\"content\": \"x\"}]", "tokenizer.json: added_tokens: nothing is not an id" },
        { NULL, "[5]", "tokenizer.json: added_tokens: a token must be" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err e = { 0 };
        TokenizerFiles f = { text_bytes(GOOD_VOCAB), text_bytes("a b"),
                             .added = { .added = text_bytes(rows[i].added), .list = text_bytes(rows[i].list) } };
        if (tokenizer_new(&f, &e)) fail_msg("row %zu was accepted", i);
        assert_said(1, &e, rows[i].said);
    }
}

/* The golden files cut at many points: an error or, for merges between two lines, fewer merges; never a crash. */
static void test_cut(void **state)
{
    (void)state;
    Bytes vocab, merges;
    map(&vocab, CLIP "/tokenizer/vocab.json");
    map(&merges, CLIP "/tokenizer/merges.txt");
    for (size_t i = 0; i < 50; i++) {
        Err e = { 0 };
        TokenizerFiles f = { .vocab = { vocab.data, vocab.len * i / 50 }, .merges = merges };
        assert_null(tokenizer_new(&f, &e));
        assert_true(str_starts(e.text, "vocab.json: "));
        f = (TokenizerFiles){ .vocab = vocab, .merges = { merges.data, merges.len * i / 50 } };
        tokenizer_free(tokenizer_new(&f, &e));
    }
    file_unmap(&vocab);
    file_unmap(&merges);
}

/* One word of 256 KiB, and as many accents: quadratic time would be minutes. */
static void test_long_words(void **state)
{
    (void)state;
    Tokenizer *t = plain();
    TokenList l = { 0 };
    size_t len = 1 << 18;
    char *text = calloc(len + 1, 1);
    clock_t start = clock();

    for (size_t i = 0; i < len; i++) text[i] = (char)('a' + i * i * 7919 / 13 % 26);
    tokenizer_encode(t, text, &l);
    for (size_t i = 0; i < len; i += 4) memcpy(text + i, "\xCC\x81\xCC\xA3", 4);
    tokenizer_encode(t, text, &l);
    assert_true(l.count > 1000);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 10);
    token_list_release(&l);
    free(text);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),        cmocka_unit_test(test_rows),          cmocka_unit_test(test_lost),
        cmocka_unit_test(test_chunks),     cmocka_unit_test(test_padding),       cmocka_unit_test(test_places),
        cmocka_unit_test(test_settings),   cmocka_unit_test(test_added),         cmocka_unit_test(test_rows_of_encoder),
        cmocka_unit_test(test_damaged),    cmocka_unit_test(test_damaged_added), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
