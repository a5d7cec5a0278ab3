/* choice.c - see choice.h: what a parsed prompt comes to, and how many there are. The parser is choice_parse.c. */
#include "batch/choice.h"

#include <assert.h>
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
    n->values = 1;
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
    free(n->before);
    draw_free(n->draw);
    free(n);
}

Node *choice_alternatives(Node **options, double *weights, size_t count)
{
    Node *n = node_new(NODE_VARIANT);
    n->kids = options;
    n->weights = weights;
    n->count = count;
    n->text = mem_strdup(",");
    node_settle(n);
    return n;
}

/* ---- what it is chosen from ---- */

/* A variant of one wildcard chooses among that one's lines: {2$$__colour__}. Such a node only borrows them. */
static Node *options_of(Node *n)
{
    return n->count == 1 && n->kids[0]->type == NODE_WILDCARD ? n->kids[0]->borrowed : n;
}

static size_t least(const Node *n, const Node *options) { return n->min < options->count ? n->min : options->count; }
static size_t most(const Node *n, const Node *options) { return n->max < options->count ? n->max : options->count; }

/* ---- how many ---- */

enum { SURELY_MANY = 21 }; /* options in a row: 21! is above 2^64 */

/* sums[k] becomes the k-th elementary symmetric polynomial of the options' own values, k <= r. */
static void symmetric_sums(const Node *options, uint64_t *sums, size_t r)
{
    for (size_t k = 0; k <= r; k++) sums[k] = k == 0;
    for (size_t i = 0; i < options->count; i++)
        for (size_t k = r; k > 0; k--) sums[k] = plus(sums[k], times(sums[k - 1], options->kids[i]->values));
}

/* Ordered selections of r options, each in all its forms: r! times the r-th sum. */
static uint64_t selections(const uint64_t *sums, size_t r)
{
    uint64_t result = sums[r];
    for (size_t k = 2; k <= r; k++) result = times(result, k);
    return result;
}

static uint64_t variant_values(Node *n)
{
    const Node *options = options_of(n);
    uint64_t sums[SURELY_MANY + 1], total = 0;
    if (n->method == '~') return 1;
    if (options == n && n->count == 1) return n->kids[0]->values;
    size_t high = most(n, options);
    if (high >= SURELY_MANY) return UINT64_MAX;
    symmetric_sums(options, sums, high);
    for (size_t r = least(n, options); r <= high; r++) total = plus(total, selections(sums, r));
    return total;
}

void node_settle(Node *n)
{
    n->values = 1;
    switch (n->type) {
    case NODE_TEXT:
    case NODE_FIELD:
    case NODE_DEFINE:
    case NODE_GET: return;
    case NODE_SET: n->values = n->kids[0]->values; return;
    case NODE_REFERENCE: n->values = n->borrowed->values; return;
    case NODE_WILDCARD: n->values = n->method == '~' ? 1 : n->borrowed->values; return;
    case NODE_VARIANT: n->values = variant_values(n); return;
    case NODE_SEQUENCE:
        for (size_t i = 0; i < n->count; i++) n->values = times(n->values, n->kids[i]->values);
    }
}

uint64_t choice_count(const Node *n) { return n->values; }

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

static int run_node(Node *n, ChoiceRun *run, bool random, Str *out, Err *e);

static int run_random_variant(const Node *n, Node *options, ChoiceRun *run, Str *out, Err *e)
{
    size_t low = least(n, options), high = most(n, options), r = low;
    if (high > low) r += (size_t)(uniform(&run->random) * (double)(high - low + 1));
    if (!options->draw) options->draw = draw_new(options->weights, options->count);
    size_t *order = mem_array(r + 1, sizeof *order);
    for (size_t k = 0; k < r; k++) order[k] = draw_take(options->draw, uniform(&run->random));
    draw_put_back(options->draw, order, r);
    int failed = 0;
    for (size_t k = 0; k < r && !failed; k++) {
        if (k) str_add(out, n->text);
        failed = run_node(options->kids[order[k]], run, true, out, e);
    }
    free(order);
    return failed;
}

/* The option that the number falls on when one is selected; *number becomes that of its form. */
static size_t option_at(Node *options, uint64_t *number)
{
    size_t low = 0, high = options->count;
    if (!options->before) {
        options->before = mem_array(high, sizeof *options->before);
        for (size_t i = 1; i < high; i++)
            options->before[i] = plus(options->before[i - 1], options->kids[i - 1]->values);
    }
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (options->before[middle] <= *number) low = middle;
        else high = middle;
    }
    *number -= options->before[low];
    return low;
}

/*
 * The option that the number falls on when `left` are still to be selected of those that are not taken. sums: the symmetric sums
 * of these, which become those without it; *rest: how many selections follow on it in each of its forms.
 */
static size_t next_option(const Node *options, const bool *taken, uint64_t *sums, size_t left, uint64_t *number,
                          uint64_t *rest)
{
    uint64_t without[SURELY_MANY + 1] = { 1 };
    size_t last = 0;
    assert(left <= SURELY_MANY);
    for (size_t i = 0; i < options->count; i++) {
        if (taken[i]) continue;
        uint64_t own = options->kids[i]->values;
        for (size_t k = 1; k < left; k++) without[k] = sums[k] - own * without[k - 1];
        *rest = selections(without, left - 1);
        last = i;
        if (*number < times(own, *rest)) break;
        *number -= times(own, *rest);
    }
    memcpy(sums, without, left * sizeof *sums);
    return last;
}

/*
 * The run->number-th selection: its size, then option by option; the forms of the options chosen are the digits that are left
 * over, the last option's running fastest. There are no more than EXPAND_MAX of them, and so no sum is beyond its type.
 */
static int run_numbered_variant(const Node *n, Node *options, ChoiceRun *run, Str *out, Err *e)
{
    uint64_t sums[SURELY_MANY + 1] = { 0 }, number = run->number, outer = number;
    size_t r = least(n, options), high = most(n, options);
    if (high >= SURELY_MANY) return err_usage(e, "more choices than can be counted");
    if (high > 1) symmetric_sums(options, sums, high);
    else sums[0] = 1, sums[1] = n->values - (r == 0);
    for (uint64_t count; r < high && number >= (count = selections(sums, r)); r++) number -= count;
    bool *taken = r > 1 ? mem_array(options->count, sizeof *taken) : NULL;
    int failed = 0;
    for (size_t left = r; left > 0 && !failed; left--) {
        uint64_t rest = 1;
        size_t i = taken ? next_option(options, taken, sums, left, &number, &rest) : option_at(options, &number);
        if (taken) taken[i] = true;
        if (left < r) str_add(out, n->text);
        run->number = number / rest;
        number %= rest;
        failed = run_node(options->kids[i], run, false, out, e);
    }
    run->number = outer;
    free(taken);
    return failed;
}

static int run_variant(Node *n, ChoiceRun *run, bool random, Str *out, Err *e)
{
    Node *options = options_of(n);
    if (!n->count) return 0;
    if (options == n && n->count == 1) return run_node(n->kids[0], run, random, out, e);
    if (random || n->method == '~') return run_random_variant(n, options, run, out, e);
    return run_numbered_variant(n, options, run, out, e);
}

/* The number's digits are the parts' own numbers, the last running fastest. */
static int run_sequence(const Node *n, ChoiceRun *run, bool random, Str *out, Err *e)
{
    uint64_t outer = run->number, number = outer, rest = n->values;
    int failed = 0;
    for (size_t i = 0; i < n->count && !failed; i++) {
        if (!random) {
            rest /= n->kids[i]->values;
            run->number = number / rest;
            number %= rest;
        }
        failed = run_node(n->kids[i], run, random, out, e);
    }
    run->number = outer;
    return failed;
}

static int run_node(Node *n, ChoiceRun *run, bool random, Str *out, Err *e)
{
    if (++run->visited > CHOICE_MAX_PARTS)
        return err_usage(e, "its choices come to more than %d parts within each other", CHOICE_MAX_PARTS);
    switch (n->type) {
    case NODE_TEXT: str_add(out, n->text); break;
    case NODE_FIELD: run->field(run->ctx, n->text, out); break;
    case NODE_GET: str_add(out, str_text(&run->variables[n->slot])); break;
    case NODE_SET:
        str_clear(&run->variables[n->slot]);
        return run_node(n->kids[0], run, random, &run->variables[n->slot], e);
    case NODE_DEFINE: break;
    case NODE_REFERENCE: return run_node(n->borrowed, run, random, out, e);
    case NODE_WILDCARD: return run_node(n->borrowed, run, random || n->method == '~', out, e);
    case NODE_VARIANT: return run_variant(n, run, random, out, e);
    case NODE_SEQUENCE: return run_sequence(n, run, random, out, e);
    }
    return out->len <= JOB_MAX_TEXT ? 0 : err_usage(e, "its choices come to more than %d bytes of text", JOB_MAX_TEXT);
}

int choice_run(Node *n, ChoiceRun *run, Str *out, Err *e) { return run_node(n, run, run->mode != EXPAND_ALL, out, e); }
