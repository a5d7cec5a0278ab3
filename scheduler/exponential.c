/* exponential.c - see exponential.h. */
#include "scheduler/exponential.h"

#include <math.h>

#include "scheduler/step.h"

Exponential exponential_data(double sigma, double to, double eta, bool flipped)
{
    double h = log(sigma / to), all = (1 + eta) * h, a = exp(-all), phi2 = expm1(-all) / all + 1;
    double phi3 = phi2 / all + (eta > 0 && flipped ? 0.5 : -0.5);
    return (Exponential){ .keep = a,
                          .phi1 = -expm1(-all),
                          .phi2 = phi2,
                          .phi3 = -phi3,
                          .noise = eta > 0 && to > 0 ? to * sqrt(-expm1(-2 * eta * h)) : 0 };
}

Exponential exponential_noise(double sigma, double to, bool sde)
{
    if (to == 0) return (Exponential){ .keep = 1, .phi1 = -sigma }; /* the estimate */
    double h = log(sigma / to), twice = sde ? 2 : 1;
    return (Exponential){ .keep = 1,
                          .phi1 = -twice * (sigma - to),
                          .phi2 = -twice * ((sigma - to) / h - to),
                          .phi3 = -twice * ((sigma - to - to * h) / (h * h) - to / 2),
                          .noise = sde ? sqrt(sigma * sigma - to * to) : 0 };
}

void exponential_second(Tensor x, const Exponential *w, bool heun, double r, const Tensor *m)
{
    double c = (heun ? w->phi2 : 0.5 * w->phi1) / r;
    add(x, c, m[0]);
    add(x, -c, m[1]);
}

/* D1 = d0 + (d0 - d1) r0 / (r0 + r1), D2 = (d0 - d1) / (r0 + r1), d0 = (m0 - m1) / r0, d1 = (m1 - m2) / r1 */
void exponential_third(Tensor x, const Exponential *w, const double r[2], const Tensor *m)
{
    double d1 = -(w->phi2 * r[0] + w->phi3) / (r[0] + r[1]), d0 = w->phi2 - d1; /* how much of each */
    add(x, d0 / r[0], m[0]);
    add(x, d1 / r[1] - d0 / r[0], m[1]);
    add(x, -d1 / r[1], m[2]);
}
