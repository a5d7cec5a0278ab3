/*
 * fuzz_tokenizer.c - any files, any text. The input is cut at its NUL bytes:
 *   text                                       encoded with a vocabulary of all bytes and a few merges
 *   text NUL vocab NUL merges [NUL config [NUL special_map [NUL added [NUL list]]]]
 *                                              encoded with those files, where they can be read
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "clip/tokenizer.h"

static const char merges[] = "#version: 0.2\na b\nab c</w>\nb c\n! !\n\xC3\x83 \xC2\xA9</w>\n"; /* the last: é */

/* Every byte's symbol, alone and at the end of a word; what the merges make; the special tokens. */
static Tokenizer *byte_tokenizer(void)
{
    static const char *const rest[] = {
        "ab", "abc</w>", "bc", "!!", "\xC3\x83\xC2\xA9</w>", "<|startoftext|>", "<|endoftext|>"
    };
    Str v = { 0 };
    Err e;
    int id = 0, spare = 256;

    for (int byte = 0; byte < 256; byte++) {
        int cp = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174 ? byte : spare++;
        str_addf(&v, "%s\"\\u%04x\": %d, \"\\u%04x</w>\": %d", id ? ", " : "{", (unsigned)cp, id, (unsigned)cp, id + 1);
        id += 2;
    }
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) str_addf(&v, ", \"%s\": %d", rest[i], id++);
    str_add(&v, "}");
    TokenizerFiles f = { .vocab = { (const unsigned char *)v.s, v.len },
                         .merges = { (const unsigned char *)merges, sizeof merges - 1 } };
    Tokenizer *t = tokenizer_new(&f, &e);
    assert(t);
    str_release(&v);
    return t;
}

static void check_rows(const Tokenizer *t, const char *text, size_t count)
{
    for (int chunk = 0; chunk < 2; chunk++) {
        int rows, max = tokenizer_max(t);
        const char *lost;
        int *ids = tokenizer_rows(t, text, chunk, &rows, &lost);
        assert(rows >= 1 && (chunk || rows == 1));
        assert((lost != NULL) == (!chunk && count > (size_t)max - 2));
        assert(!lost || (lost >= text && lost < text + strlen(text)));
        for (int i = 0; i < rows * max; i++) assert(ids[i] >= 0 && ids[i] < tokenizer_size(t));
        for (int r = 0; r < rows; r++) assert(ids[r * max] == tokenizer_bos(t));
        free(ids);
    }
}

static void check(const Tokenizer *t, const char *text)
{
    TokenList l = { 0 };
    tokenizer_encode(t, text, &l);
    for (size_t i = 0; i < l.count; i++) {
        assert(l.id[i] >= 0 && l.id[i] < tokenizer_size(t));
        assert(l.from[i] < l.to[i] && l.to[i] <= strlen(text));
    }
    check_rows(t, text, l.count);
    token_list_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Tokenizer *bytes;
    Bytes part[7] = { { data, 0 } };
    size_t parts = 1;

    if (!bytes) bytes = byte_tokenizer();
    for (size_t i = 0; i < size; i++) {
        if (data[i] || parts == 7) part[parts - 1].len++;
        else part[parts++] = (Bytes){ data + i + 1, 0 };
    }
    char *text = mem_strndup((const char *)part[0].data, part[0].len);
    if (parts < 3) {
        check(bytes, text);
    } else {
        Err e = { .text = "" };
        TokenizerFiles f = {
            part[1], part[2], .added = { .config = part[3], .special_map = part[4], .added = part[5], .list = part[6] }
        };
        Tokenizer *t = tokenizer_new(&f, &e);
        assert(t || e.text[0]);
        if (t) check(t, text);
        tokenizer_free(t);
    }
    free(text);
    return 0;
}
