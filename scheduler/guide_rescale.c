/* guide_rescale.c - the guided output with the deviation of the prompt's. Lin et al. 2023, arXiv:2305.08891, eq. 15 and 16. */
#include <math.h>
#include <string.h>

#include "scheduler/guide_internal.h"

/* Only what guidance changed can be brought back. value[0]: how far, 0 .. 1. */
bool rescale_on(const Guidance *g, const double *value) { return value[0] > 0 && cfg_on(g, value); }

/* The standard deviation of count values, about their mean (n - 1, as torch's). */
static double deviation(const float *x, size_t count)
{
    double sum = 0, squares = 0;
    for (size_t k = 0; k < count; k++) sum += (double)x[k];
    for (size_t k = 0; k < count; k++)
        squares += ((double)x[k] - sum / (double)count) * ((double)x[k] - sum / (double)count);
    return sqrt(squares / (double)(count - 1));
}

/* One picture's output as v, or back; x in unit variance. sigma / sqrt(sigma^2 + 1) is the share of noise in it. */
static void to_v(float *out, const float *x, size_t count, double sigma, bool back)
{
    double noise = sigma / sqrt(sigma * sigma + 1), alpha = 1 / sqrt(sigma * sigma + 1);
    float a = (float)(back ? alpha : 1 / alpha), b = (float)(back ? noise : -noise / alpha);
    for (size_t k = 0; k < count; k++) out[k] = a * out[k] + b * x[k]; /* epsilon = alpha v + noise x */
}

/* diffusers measures what the network predicts, ComfyUI v whatever it predicts. */
void rescale_join(GuideStep *s, const double *value)
{
    double share = (double)(float)value[0];
    bool v = s->guidance->comfyui && s->prediction == PREDICT_EPSILON;
    Tensor all = guide_raw(s, BRANCH_PROMPT), prompt = tensor_like(s->arena, tensor_slice(all, 0, 1));
    size_t count = tensor_len(prompt);
    for (int i = 0; s->out.data && i < s->out.n; i++) {
        float *guided = tensor_slice(s->out, i, 1).data, *in = tensor_slice(s->in, i, 1).data;
        tensor_copy(prompt, tensor_slice(all, i, 1));
        if (v) to_v(guided, in, count, s->sigma, false);
        if (v) to_v(prompt.data, in, count, s->sigma, false);
        double ratio = deviation(prompt.data, count) / deviation(guided, count);
        float factor = (float)(share * ratio + 1 - share);
        for (size_t k = 0; k < count; k++) guided[k] *= factor;
        if (v) to_v(guided, in, count, s->sigma, true);
    }
}
