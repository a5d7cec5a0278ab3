/* between.c - see between.h. */
#include "scheduler/between.h"

#include <math.h>
#include <stdbool.h>

/* The sum over the column's rows of a * b; a column's samples are `step` apart. */
static float dot(const float *a, const float *b, int h, size_t step)
{
    float sum = 0;
    for (int y = 0; y < h; y++) sum += a[(size_t)y * step] * b[(size_t)y * step];
    return sum;
}

/* The cosine of the angle between two columns. */
static float cosine(const float *a, const float *b, int h, size_t step)
{
    return dot(a, b, h, step) / (sqrtf(dot(a, a, h, step)) * sqrtf(dot(b, b, h, step)));
}

void noise_between(Tensor x, Tensor other, double t)
{
    static const double NEARLY_THE_SAME = 0.9995;
    size_t columns = (size_t)x.w * (size_t)x.c;
    double mean = 0;
    for (size_t i = 0; i < columns; i++) mean += (double)cosine(x.data + i, other.data + i, x.h, columns);
    bool same = mean / (double)columns > NEARLY_THE_SAME;
    for (size_t i = 0; i < columns; i++) {
        float angle = acosf(cosine(x.data + i, other.data + i, x.h, columns)), sine = sinf(angle);
        float a = same ? (float)t : sinf((1 - (float)t) * angle) / sine;
        float b = same ? 1 - (float)t : sinf((float)t * angle) / sine;
        for (size_t k = i; k < tensor_len(x); k += columns) x.data[k] = a * x.data[k] + b * other.data[k];
    }
}
