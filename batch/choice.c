/* choice.c - see choice.h: what a parsed prompt comes to, and how many there are. The parser is choice_parse.c. */
#include "batch/choice.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "batch/node.h"
#include "batch/record.h"

Node *node_new(NodeType type)
{
    Node *n = mem_alloc(sizeof *n);
    n->type = type;
    n->min = n->max = 1;
    return n;
}

void node_add(Node *n, Node *kid, double weight)
{
    if (!(n->count & (n->count - 1))) {
        n->kids = mem_grow(n->kids, (2 * n->count + 1) * sizeof *n->kids);
        n->weights = mem_grow(n->weights, (2 * n->count + 1) * sizeof *n->weights);
    }
    n->kids[n->count] = kid;
    n->weights[n->count++] = weight;
}

void choice_free(Node *n)
{
    if (!n) return;
    for (size_t i = 0; i < n->count; i++) choice_free(n->kids[i]);
    free(n->kids);
    free(n->weights);
    free(n->text);
    free(n);
}

Node *choice_alternatives(Node **options, double *weights, size_t count)
{
    Node *n = node_new(NODE_VARIANT);
    n->kids = options;
    n->weights = weights;
    n->count = count;
    return n;
}

/* ---- what it is chosen from ---- */

/* A variant of one wildcard chooses among that one's lines: {2$$__colour__}. Such a node only borrows them. */
static const Node *options_of(const Node *n)
{
    return n->count == 1 && n->kids[0]->type == NODE_WILDCARD ? n->kids[0]->borrowed : n;
}

static size_t least(const Node *n, const Node *options) { return n->min < options->count ? n->min : options->count; }
static size_t most(const Node *n, const Node *options) { return n->max < options->count ? n->max : options->count; }

/* ---- how many ---- */

/*
 * Ordered selections of r of the options that are not taken, each in all its forms: r! times the r-th elementary symmetric
 * polynomial of the options' own counts.
 */
static uint64_t selections(const Node *options, const bool *taken, size_t r)
{
    if (r == 0) return 1;
    uint64_t *sums = mem_array(r + 1, sizeof *sums), result;
    sums[0] = 1;
    for (size_t i = 0; i < options->count; i++) {
        if (taken && taken[i]) continue;
        uint64_t own = choice_count(options->kids[i]);
        for (size_t k = r; k > 0; k--) sums[k] = plus(sums[k], times(sums[k - 1], own));
    }
    result = sums[r];
    for (size_t k = 2; k <= r; k++) result = times(result, k);
    free(sums);
    return result;
}

static uint64_t variant_count(const Node *n)
{
    const Node *options = options_of(n);
    uint64_t total = 0;
    if (n->method == '~') return 1;
    if (options == n && n->count == 1) return choice_count(n->kids[0]);
    for (size_t r = least(n, options); r <= most(n, options); r++) total = plus(total, selections(options, NULL, r));
    return total;
}

uint64_t choice_count(const Node *n)
{
    uint64_t total = 1;
    switch (n->type) {
    case NODE_TEXT:
    case NODE_FIELD:
    case NODE_DEFINE:
    case NODE_GET: return 1;
    case NODE_SET: return choice_count(n->kids[0]);
    case NODE_REFERENCE: return choice_count(n->borrowed);
    case NODE_WILDCARD: return n->method == '~' ? 1 : choice_count(n->borrowed);
    case NODE_VARIANT: return n->known ? n->known : variant_count(n);
    case NODE_SEQUENCE:
        for (size_t i = 0; i < n->count; i++) total = times(total, choice_count(n->kids[i]));
        return total;
    }
    return total;
}

void node_count(Node *n) { n->known = variant_count(n); }

/* ---- which one ---- */

/* SplitMix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators". */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t choice_seed(uint64_t seed, int use)
{
    uint64_t state = seed + (uint64_t)use * UINT64_C(0xD1342543DE82EF95);
    return next_random(&state);
}

/* 0 <= x < 1 */
static double uniform(uint64_t *state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

static void run_node(const Node *n, ChoiceRun *run, bool random, Str *out);

/* One of the options that are not taken, by weight; when all weigh nothing, all weigh the same. */
static size_t draw(const Node *options, const bool *taken, uint64_t *state)
{
    double total = 0;
    size_t last = 0, free_count = 0;
    for (size_t i = 0; i < options->count; i++)
        if (!taken[i]) total += options->weights[i], free_count++;
    double at = uniform(state) * (total > 0 ? total : (double)free_count);
    for (size_t i = 0; i < options->count; i++) {
        if (taken[i]) continue;
        last = i;
        at -= total > 0 ? options->weights[i] : 1;
        if (at < 0) break;
    }
    return last;
}

static void run_random_variant(const Node *n, const Node *options, ChoiceRun *run, Str *out)
{
    size_t low = least(n, options), high = most(n, options), r = low;
    if (high > low) r += (size_t)(uniform(&run->random) * (double)(high - low + 1));
    bool *taken = mem_array(options->count, sizeof *taken);
    size_t *order = mem_array(r + 1, sizeof *order);
    for (size_t k = 0; k < r; k++) taken[order[k] = draw(options, taken, &run->random)] = true;
    for (size_t k = 0; k < r; k++) {
        if (k) str_add(out, n->text);
        run_node(options->kids[order[k]], run, true, out);
    }
    free(taken);
    free(order);
}

/*
 * The run->number-th selection: its size, then option by option; the forms of the options chosen are the digits that are left
 * over, the last option's running fastest.
 */
static void run_numbered_variant(const Node *n, const Node *options, ChoiceRun *run, uint64_t number, Str *out)
{
    size_t r = least(n, options);
    for (uint64_t count; r < most(n, options) && number >= (count = selections(options, NULL, r)); r++) number -= count;
    bool *taken = mem_array(options->count, sizeof *taken);
    uint64_t outer = run->number;
    for (size_t left = r; left > 0; left--) {
        size_t i = 0;
        uint64_t rest = 1, own = 1;
        for (; i < options->count; i++) {
            if (taken[i]) continue;
            taken[i] = true;
            rest = selections(options, taken, left - 1);
            own = choice_count(options->kids[i]);
            if (number < times(own, rest)) break;
            number -= times(own, rest);
            taken[i] = false;
        }
        if (left < r) str_add(out, n->text);
        run->number = number / rest;
        number %= rest;
        run_node(options->kids[i], run, false, out);
    }
    run->number = outer;
    free(taken);
}

static void run_variant(const Node *n, ChoiceRun *run, bool random, Str *out)
{
    const Node *options = options_of(n);
    if (!n->count) return;
    if (options == n && n->count == 1) run_node(n->kids[0], run, random, out);
    else if (random || n->method == '~') run_random_variant(n, options, run, out);
    else run_numbered_variant(n, options, run, run->number, out);
}

/* The number's digits are the parts' own numbers, the last running fastest. */
static void run_sequence(const Node *n, ChoiceRun *run, bool random, Str *out)
{
    uint64_t outer = run->number, rest = 1;
    for (size_t i = 0; i < n->count; i++) rest = times(rest, choice_count(n->kids[i]));
    uint64_t number = outer;
    for (size_t i = 0; i < n->count; i++) {
        if (!random) {
            rest /= choice_count(n->kids[i]);
            run->number = number / rest;
            number %= rest;
        }
        run_node(n->kids[i], run, random, out);
    }
    run->number = outer;
}

static void run_node(const Node *n, ChoiceRun *run, bool random, Str *out)
{
    switch (n->type) {
    case NODE_TEXT: str_add(out, n->text); break;
    case NODE_FIELD: run->field(run->ctx, n->text, out); break;
    case NODE_GET: str_add(out, str_text(&run->variables[n->slot])); break;
    case NODE_SET:
        str_clear(&run->variables[n->slot]);
        run_node(n->kids[0], run, random, &run->variables[n->slot]);
        break;
    case NODE_DEFINE: break;
    case NODE_REFERENCE: run_node(n->borrowed, run, random, out); break;
    case NODE_WILDCARD: run_node(n->borrowed, run, random || n->method == '~', out); break;
    case NODE_VARIANT: run_variant(n, run, random, out); break;
    case NODE_SEQUENCE: run_sequence(n, run, random, out); break;
    }
}

void choice_run(const Node *n, ChoiceRun *run, Str *out) { run_node(n, run, run->mode != EXPAND_ALL, out); }
