/*
 * tokenizer.c - see tokenizer.h. The stages, as in transformers' CLIPTokenizer:
 *
 *   text ─ decode ─▶ code points ─ cut at added tokens ─▶ stretches ─ normalise ─▶ cut at added tokens that are looked for
 *   in normalised text ─▶ stretches ─ cut into words ─▶ words ─ UTF-8 bytes, merged by BPE ─▶ ids
 *
 * Easy to get wrong: normalising works on a stretch, so a combining mark after an added token stays alone; digits are
 * words one by one, and so are "'s", "'re", ...; white space is only what Unicode calls so (U+001C is not).
 */
#include "clip/tokenizer.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "clip/added_tokens.h"
#include "clip/bpe.h"
#include "clip/concepts.h"
#include "clip/unicode.h"

enum {
    DEFAULT_MAX = 77,
    LARGEST_MAX = 65536, /* a larger model_max_length means "none": transformers writes 1e30 */
    COMMA_BACKTRACK = 20 /* A1111's setting "Prompt word wrap length limit", its default */
};

struct Tokenizer {
    Bpe bpe;
    AddedTokens added;
    const Concepts *concepts; /* NULL: none; borrowed */
    int max;
};

/* What transformers reads from tokenizer_config.json and what changes the ids. */
static int read_config(Tokenizer *t, Bytes file, Err *e)
{
    static const char *const classes[] = { "CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast",
                                           "TokenizersBackend" };
    char buf[SHOWN_MAX];

    t->max = DEFAULT_MAX;
    if (!file.data) return 0;
    cJSON *config = json_parse(file, e);
    if (!config) goto fail;

    const cJSON *max = cJSON_GetObjectItemCaseSensitive(config, "model_max_length");
    if (!max) max = cJSON_GetObjectItemCaseSensitive(config, "max_len"); /* its older name */
    if (max && !cJSON_IsNull(max)) {
        uint64_t n;
        if (cJSON_IsNumber(max) && max->valuedouble > LARGEST_MAX) n = DEFAULT_MAX;
        else if (!json_whole(max, &n) || n < 3) {
            err_set(e, "model_max_length is %s; it must be a whole number of at least 3", json_shown(max, buf));
            goto fail;
        }
        t->max = (int)n;
    }

    const cJSON *class = cJSON_GetObjectItemCaseSensitive(config, "tokenizer_class");
    bool known = !cJSON_IsString(class);
    for (size_t i = 0; i < sizeof classes / sizeof *classes && !known; i++)
        known = strcmp(class->valuestring, classes[i]) == 0;
    if (!known) {
        err_set(e, "tokenizer_class is %s; limn reads CLIPTokenizer", json_shown(class, buf));
        goto fail;
    }

    static const char *const sides[] = { "truncation_side", "padding_side" };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        const cJSON *side = cJSON_GetObjectItemCaseSensitive(config, sides[i]);
        if (cJSON_IsString(side) && strcmp(side->valuestring, "right") != 0) {
            err_set(e, "%s is %s; limn supports \"right\"", sides[i], json_shown(side, buf));
            goto fail;
        }
    }
    cJSON_Delete(config);
    return 0;
fail:
    cJSON_Delete(config);
    return err_in(e, "tokenizer_config.json");
}

Tokenizer *tokenizer_new(const TokenizerFiles *f, Err *e)
{
    Tokenizer *t = mem_alloc(sizeof *t);
    Vocab vocab;

    if (vocab_init(&vocab, f->vocab, e)) {
        err_in(e, "vocab.json");
        goto fail;
    }
    if (read_config(t, f->added.config, e)) goto fail;
    if (f->max) t->max = f->max;
    if (added_tokens_init(&t->added, &vocab, &f->added, f->rows, e)) goto fail;
    if (bpe_init(&t->bpe, &vocab, f->merges, t->added.unk, e)) {
        err_in(e, "merges.txt");
        goto fail;
    }
    vocab_release(&vocab);
    return t;
fail:
    vocab_release(&vocab);
    tokenizer_free(t);
    return NULL;
}

void tokenizer_free(Tokenizer *t)
{
    if (!t) return;
    bpe_release(&t->bpe);
    added_tokens_release(&t->added);
    free(t);
}

int tokenizer_bos(const Tokenizer *t) { return t->added.bos; }
int tokenizer_eos(const Tokenizer *t) { return t->added.eos; }
int tokenizer_pad(const Tokenizer *t) { return t->added.pad; }
int tokenizer_max(const Tokenizer *t) { return t->max; }
int tokenizer_size(const Tokenizer *t) { return t->added.size; }
const char *tokenizer_left_out(const Tokenizer *t) { return t->added.left_out; }

void token_list_push(TokenList *l, int id, size_t from, size_t to)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 128;
        l->id = mem_grow(l->id, l->cap * sizeof *l->id);
        l->from = mem_grow(l->from, l->cap * sizeof *l->from);
        l->to = mem_grow(l->to, l->cap * sizeof *l->to);
    }
    l->id[l->count] = id;
    l->from[l->count] = from;
    l->to[l->count] = to;
    l->count++;
}

void token_list_release(TokenList *l)
{
    free(l->id);
    free(l->from);
    free(l->to);
    *l = (TokenList){ 0 };
}

/* What one call of tokenizer_encode() works with. */
typedef struct {
    const Tokenizer *t;
    TokenList *out;
    Word word;
} Encoder;

static void encode_word(Encoder *en, const Char *c, size_t count)
{
    Word *w = &en->word;

    w->count = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char utf8[4];
        int n = unicode_encode(c[i].cp, utf8);
        for (int k = 0; k < n; k++) word_push(w, utf8[k], c[i].from, c[i].to);
    }
    bpe_merge(&en->t->bpe, w);
    for (size_t i = 0; i < w->count; i++)
        if (w->symbol[i].id >= 0) token_list_push(en->out, w->symbol[i].id, w->symbol[i].from, w->symbol[i].to);
}

static bool begins_with(const Char *c, size_t count, const char *ascii)
{
    size_t i = 0;
    while (i < count && ascii[i] && c[i].cp == (unsigned char)ascii[i]) i++;
    return !ascii[i];
}

static bool is_mark(uint32_t cp) { return !unicode_space(cp) && !unicode_letter(cp) && !unicode_number(cp); }

/* The length of the word that begins at c, which is no space: 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ */
static size_t word_length(const Char *c, size_t count)
{
    static const char *const endings[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    size_t n = 1;

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (begins_with(c, count, endings[i])) return strlen(endings[i]);
    if (unicode_letter(c[0].cp))
        while (n < count && unicode_letter(c[n].cp)) n++;
    else if (!unicode_number(c[0].cp))
        while (n < count && is_mark(c[n].cp)) n++;
    return n;
}

static void encode_words(Encoder *en, const Char *c, size_t count)
{
    static const char *const literals[] = { "<|startoftext|>", "<|endoftext|>" };

    for (size_t i = 0; i < count;) {
        if (unicode_space(c[i].cp)) {
            i++;
            continue;
        }
        /* "<|STARTOFTEXT|>" is no special token, but its first pattern matches it; then it is three words */
        bool literal = false;
        for (size_t k = 0; k < 2 && !literal; k++) {
            if (!begins_with(c + i, count - i, literals[k])) continue;
            size_t n = strlen(literals[k]);
            encode_word(en, c + i, 2);
            encode_word(en, c + i + 2, n - 4);
            encode_word(en, c + i + n - 2, 2);
            i += n;
            literal = true;
        }
        if (literal) continue;
        size_t n = word_length(c + i, count - i);
        encode_word(en, c + i, n);
        i += n;
    }
}

/* Whether the stretch c[0 .. count - 1] has a letter, mark, digit or '_' at i. */
static bool is_word(const Char *c, size_t count, size_t i) { return i < count && unicode_word(c[i].cp); }

/*
 * Cuts at the added tokens of one kind and hands the stretches between them on. White space that a token takes is looked over
 * for further tokens all the same, as tokenizers does it.
 */
static void encode_stretches(Encoder *en, const Char *c, size_t count, bool normalized,
                             void (*stretch)(Encoder *en, const Char *c, size_t count))
{
    size_t done = 0;

    if (!count) return;
    for (size_t i = 0; i < count;) {
        const AddedToken *a = added_tokens_match(&en->t->added, normalized, c + i, count - i);
        size_t from = i, to = i + (a ? a->chars.count : 1);
        i = to;
        if (!a || (a->single_word && (is_word(c, count, from - 1) || is_word(c, count, to)))) continue;
        while (a->lstrip && from > done && unicode_space(c[from - 1].cp)) from--;
        if (a->lstrip && from < done) from = done; /* it stands in white space that the one before took */
        while (a->rstrip && to < count && unicode_space(c[to].cp)) to++;
        if (from > done) stretch(en, c + done, from - done);
        if (from < to) token_list_push(en->out, a->id, c[from].from, c[to - 1].to);
        done = to;
    }
    if (done < count) stretch(en, c + done, count - done);
}

static void encode_raw(Encoder *en, const Char *c, size_t count)
{
    Chars n = { 0 };
    for (size_t i = 0; i < count; i++) chars_push(&n, c[i]);
    chars_normalize(&n);
    encode_stretches(en, n.at, n.count, true, encode_words);
    chars_release(&n);
}

static void encode_plain(const Tokenizer *t, const char *text, size_t len, TokenList *out)
{
    Encoder en = { .t = t, .out = out };
    Chars c = { 0 };

    chars_decode(&c, text, len);
    encode_stretches(&en, c.at, c.count, false, encode_raw);
    chars_release(&c);
    word_release(&en.word);
}

void tokenizer_encode(const Tokenizer *t, const char *text, TokenList *out)
{
    if (t->concepts && t->concepts->count) concepts_encode(t->concepts, t, text, out, encode_plain);
    else encode_plain(t, text, strlen(text), out);
}

void tokenizer_set_concepts(Tokenizer *t, const Concepts *c) { t->concepts = c; }
const Concept *tokenizer_concept(const Tokenizer *t, int id)
{
    return id < t->added.size ? NULL : concepts_begins(t->concepts, id);
}

/* A1111's modules/sd_hijack_clip.py, tokenize_line(): a concept's vectors that do not fit open the next chunk. */
size_t *tokenizer_chunks(const Tokenizer *t, const TokenList *l, size_t room, int *chunks)
{
    int comma = t->bpe.byte_id[1][','];
    size_t *begin = mem_array(l->count + 2, sizeof *begin);
    size_t start = 0, last_comma = SIZE_MAX;

    *chunks = 1;
    for (size_t i = 0; i < l->count; i++) {
        if (l->id[i] == comma) {
            last_comma = i;
        } else if (i - start == room && last_comma != SIZE_MAX && i - last_comma <= COMMA_BACKTRACK) {
            start = begin[(*chunks)++] = last_comma + 1;
            last_comma = SIZE_MAX;
        }
        const Concept *concept = tokenizer_concept(t, l->id[i]);
        size_t vectors = concept && (size_t) concept->vectors <= room ? (size_t) concept->vectors : 1;
        if (i - start + vectors > room) {
            start = begin[(*chunks)++] = i;
            last_comma = SIZE_MAX;
        }
        i += vectors - 1;
    }
    return begin;
}

int *tokenizer_rows(const Tokenizer *t, const char *text, bool chunk, int *rows, const char **lost)
{
    size_t max = (size_t)t->max, room = max - 2;
    TokenList l = { 0 };

    tokenizer_encode(t, text, &l);
    *lost = !chunk && l.count > room ? text + l.from[room] : NULL;
    if (*lost) l.count = room;

    size_t *begin = tokenizer_chunks(t, &l, room, rows);
    int *ids = mem_array((size_t)*rows * max, sizeof *ids), *row = ids;
    for (int r = 0; r < *rows; r++, row += max) {
        size_t end = r + 1 < *rows ? begin[r + 1] : l.count, n = end - begin[r];
        assert(n <= room);
        row[0] = t->added.bos;
        if (n) memcpy(row + 1, l.id + begin[r], n * sizeof *row);
        row[n + 1] = t->added.eos;
        for (size_t k = n + 2; k < max; k++) row[k] = t->added.pad;
    }
    free(begin);
    token_list_release(&l);
    return ids;
}

/* ---- back to text ---- */

struct TokenPieces {
    const Merge **makers;
};

struct TokenPieces *tokenizer_pieces(const Tokenizer *t)
{
    struct TokenPieces *p = mem_alloc(sizeof *p);
    p->makers = bpe_makers(&t->bpe, t->added.size);
    return p;
}

void token_pieces_free(struct TokenPieces *p)
{
    if (p) free(p->makers);
    free(p);
}

void tokenizer_piece(const Tokenizer *t, const struct TokenPieces *p, int id, Str *out)
{
    for (size_t i = 0; i < t->added.count; i++)
        if (t->added.token[i].id == id) {
            str_add(out, t->added.token[i].content);
            return;
        }
    for (size_t i = 0; t->concepts && i < t->concepts->count; i++) {
        const Concept *c = &t->concepts->at[i];
        if (id < c->first || id >= c->first + c->vectors) continue;
        str_addf(out, "%s[%d]", c->name, id - c->first);
        return;
    }
    bpe_piece(&t->bpe, p->makers, t->added.size, id, out);
}
