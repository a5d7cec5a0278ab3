/* colour.c - see colour.h. */
#include "image/colour.h"

#include <math.h>

void srgb_linear_table(float light[256])
{
    for (int i = 0; i < 256; i++) {
        double v = i / 255.0;
        light[i] = (float)(v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
}

uint8_t srgb_from_linear(float light)
{
    if (!(light > 0)) return 0;
    if (light >= 1) return 255;
    float v = light <= 0.0031308F ? light * 12.92F : 1.055F * powf(light, 1 / 2.4F) - 0.055F;
    return (uint8_t)(v * 255 + 0.5F);
}

OkLab oklab_from_linear(float r, float g, float b)
{
    float l = cbrtf(0.4122214708F * r + 0.5363325363F * g + 0.0514459929F * b);
    float m = cbrtf(0.2119034982F * r + 0.6806995451F * g + 0.1073969566F * b);
    float s = cbrtf(0.0883024619F * r + 0.2817188376F * g + 0.6299787005F * b);
    OkLab c = {
        .l = 0.2104542553F * l + 0.7936177850F * m - 0.0040720468F * s,
        .a = 1.9779984951F * l - 2.4285922050F * m + 0.4505937099F * s,
        .b = 0.0259040371F * l + 0.7827717662F * m - 0.8086757660F * s,
    };
    const float k1 = 0.206F, k2 = 0.03F, k3 = (1 + k1) / (1 + k2);
    float u = k3 * c.l - k1, toe = 0.5F * (u + sqrtf(u * u + 4 * k2 * k3 * c.l)), share = c.l > 0 ? toe / c.l : 0;
    return (OkLab){ toe, share * c.a, share * c.b };
}

float oklab_distance(OkLab x, OkLab y)
{
    float l = x.l - y.l, a = x.a - y.a, b = x.b - y.b;
    return 100 * sqrtf(l * l + a * a + b * b);
}
