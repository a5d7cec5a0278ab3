/* self.c - see self.h. */
#include "unet/self.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "unet/merge.h"

bool self_wanted(const UNetSelf *s) { return s->groups > 0 || s->merge > 0 || s->tile > 0; }

/* ---- blurred queries ---- */

/* diffusers' Gaussian: 6 deviations wide, but no wider than reflecting once at the ends allows. Beyond this deviation: the mean. */
static const double BLUR_INFINITE = 9999;

static int taps_of(double sigma, int size)
{
    int wide = (int)fmin(ceil(6 * sigma), 1e6), most = size - (size % 2 - 1);
    wide += 1 - wide % 2;
    return wide < most ? wide : most;
}

static int reflect(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

/* Lines of `size` samples, `step` floats apart, of c channels each; line: room for size * c. */
static void blur_line(float *x, float *line, int size, size_t step, size_t c, double sigma)
{
    int taps = taps_of(sigma, size), half = taps / 2;
    double sum = 0;
    for (int k = -half; k <= half; k++) sum += exp(-.5 * (k / sigma) * (k / sigma));
    for (int i = 0; i < size; i++) {
        float *to = line + (size_t)i * c;
        memset(to, 0, c * sizeof *to);
        for (int k = -half; k <= half; k++) {
            float weight = (float)(exp(-.5 * (k / sigma) * (k / sigma)) / sum);
            const float *from = x + (size_t)reflect(i + k, size) * step;
            for (size_t j = 0; j < c; j++) to[j] += weight * from[j];
        }
    }
    for (int i = 0; i < size; i++) memcpy(x + (size_t)i * step, line + (size_t)i * c, c * sizeof *x);
}

static void mean_query(float *x, size_t tokens, size_t stride, size_t c, float *mean)
{
    memset(mean, 0, c * sizeof *mean);
    for (size_t i = 0; i < tokens; i++)
        for (size_t k = 0; k < c; k++) mean[k] += x[i * stride + k] / (float)tokens;
    for (size_t i = 0; i < tokens; i++) memcpy(x + i * stride, mean, c * sizeof *mean);
}

/* The queries of one sample, over its places. */
static void blur_queries(Nn *nn, Tensor qkv, double sigma)
{
    size_t mark = nn->arena->used, stride = (size_t)qkv.c, c = stride / 3, row = (size_t)qkv.w * stride;
    int longest = qkv.w > qkv.h ? qkv.w : qkv.h;
    float *line = arena_alloc(nn->arena, (size_t)longest * c * sizeof *line);
    if (line && sigma > BLUR_INFINITE) mean_query(qkv.data, (size_t)qkv.h * (size_t)qkv.w, stride, c, line);
    else if (line) {
        for (int y = 0; y < qkv.h; y++) blur_line(qkv.data + (size_t)y * row, line, qkv.w, stride, c, sigma);
        for (int x = 0; x < qkv.w; x++) blur_line(qkv.data + (size_t)x * stride, line, qkv.h, row, c, sigma);
    }
    arena_reset(nn->arena, mark);
}

/* ---- what the middle looks at ---- */

/* The probabilities of one head and query, added to sums with a weight. scores: room for all keys. */
static void add_probabilities(const float *q, const float *keys, size_t stride, size_t d, size_t tokens, double weight,
                              double *scores, double *sums)
{
    double most = -INFINITY, total = 0;
    for (size_t k = 0; k < tokens; k++) {
        double dot = 0;
        for (size_t i = 0; i < d; i++) dot += (double)q[i] * (double)keys[k * stride + i];
        scores[k] = dot / sqrt((double)d);
        most = fmax(most, scores[k]);
    }
    for (size_t k = 0; k < tokens; k++) total += scores[k] = exp(scores[k] - most);
    for (size_t k = 0; k < tokens; k++) sums[k] += weight * scores[k] / total;
}

/* map[n, h, w, 1]: the mean over heads of what all queries together give a place; 1 would be even. */
static void look(Nn *nn, Tensor map, Tensor qkv, int heads)
{
    size_t mark = nn->arena->used, tokens = (size_t)qkv.h * (size_t)qkv.w, stride = (size_t)qkv.c, c = stride / 3,
           d = c / (size_t)heads;
    double *room = arena_alloc(nn->arena, 2 * tokens * sizeof *room);
    assert(tensor_rows(map) == tensor_rows(qkv));
    for (int n = 0; room && n < qkv.n; n++) {
        const float *all = tensor_slice(qkv, n, 1).data;
        float *out = tensor_slice(map, n, 1).data;
        memset(room, 0, tokens * sizeof *room);
        for (size_t i = 0; i < tokens * (size_t)heads; i++) {
            size_t head = i % (size_t)heads * d, query = i / (size_t)heads;
            add_probabilities(all + query * stride + head, all + c + head, stride, d, tokens, 1.0 / heads,
                              room + tokens, room);
        }
        for (size_t k = 0; k < tokens; k++) out[k] = (float)room[k];
    }
    arena_reset(nn->arena, mark);
}

/* ---- less work ---- */

/* Of one sample, over what is left of its tokens. */
static void attend_merged(Nn *nn, Tensor to, Tensor x, Tensor qkv, int heads, int left)
{
    size_t mark = nn->arena->used;
    int *place = arena_alloc(nn->arena, tensor_rows(x) * sizeof *place);
    merge_match(nn, x, left, place);
    Tensor fewer = tensor_new(nn->arena, 1, left, 1, qkv.c);
    merge_tokens(nn, fewer, qkv, place);
    merge_undo(to, nn_attention_joined(nn, fewer, heads, false), place);
    arena_reset(nn->arena, mark);
}

static void attend_tiled(Nn *nn, Tensor to, Tensor qkv, int heads, int down, int across)
{
    size_t mark = nn->arena->used;
    Tensor tiles = tensor_new(nn->arena, qkv.n * down * across, qkv.h / down, qkv.w / across, qkv.c);
    tiles_cut(tiles, qkv, down, across);
    tiles_join(to, nn_attention_joined(nn, tiles, heads, false), down, across);
    arena_reset(nn->arena, mark);
}

/* How often the latent's size was halved for an attention's. */
static int level_of(const SelfPlace *s, Tensor x)
{
    int level = 0;
    for (int h = s->h; h > x.h; h = (h + 1) / 2) level++;
    return level;
}

static void attend_plain(Nn *nn, const SelfPlace *s, Tensor to, Tensor x, Tensor qkv, int heads)
{
    const UNetSelf *a = s->asked;
    int level = level_of(s, x), left = merge_left(x.h, x.w, a->merge);
    int down = a->tile ? tiles_of(x.h, a->tile) : 1, across = a->tile ? tiles_of(x.w, a->tile) : 1;
    if (a->merge > 0 && level == 0 && left < x.h * x.w) {
        for (int i = 0; i < x.n; i++)
            attend_merged(nn, tensor_slice(to, i, 1), tensor_slice(x, i, 1), tensor_slice(qkv, i, 1), heads, left);
        return;
    }
    if (a->tile && level <= a->tile_depth && down * across > 1) {
        attend_tiled(nn, to, qkv, heads, down, across);
        return;
    }
    size_t mark = nn->arena->used;
    tensor_copy(to, nn_attention_joined(nn, qkv, heads, false));
    arena_reset(nn->arena, mark);
}

/* ---- together ---- */

static SelfKind kind_of(const UNetSelf *s, int at, int sample, int n)
{
    if (!s->groups) return SELF_PLAIN;
    SelfKind kind = s->kind[sample / (n / s->groups)];
    return kind != SELF_PLAIN && s->at[kind][at] ? kind : SELF_PLAIN;
}

/* The identity as the map: what stands there. */
static void take_values(Tensor y, Tensor qkv)
{
    size_t c = (size_t)y.c;
    for (size_t i = 0; y.data && i < tensor_rows(y); i++)
        memcpy(y.data + i * c, qkv.data + i * 3 * c + 2 * c, c * sizeof *y.data);
}

Tensor self_attend(Nn *nn, const SelfPlace *place, int at, Tensor x, Tensor qkv, int heads)
{
    const UNetSelf *s = place->asked;
    assert(!s->groups || qkv.n % s->groups == 0);
    Tensor y = tensor_new(nn->arena, qkv.n, qkv.h, qkv.w, qkv.c / 3);
    if (s->map.n && at == s->map_at) look(nn, s->map, qkv, heads);
    for (int i = 0, end; i < qkv.n; i = end) {
        SelfKind kind = kind_of(s, at, i, qkv.n);
        for (end = i + 1; end < qkv.n && kind_of(s, at, end, qkv.n) == kind; end++) {
        }
        Tensor part = tensor_slice(qkv, i, end - i), to = tensor_slice(y, i, end - i);
        for (int k = i; kind == SELF_BLURRED && k < end; k++) blur_queries(nn, tensor_slice(qkv, k, 1), s->blur);
        if (kind == SELF_IDENTITY) take_values(to, part);
        else attend_plain(nn, place, to, tensor_slice(x, i, end - i), part, heads);
    }
    return y;
}
