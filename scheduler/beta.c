/* beta.c - see beta.h. */
#include "scheduler/beta.h"

#include <math.h>

/* Lentz's continued fraction of the incomplete beta function. Abramowitz and Stegun 1964, 26.5.8. */
static double fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 500; m++) {
        double terms[] = { m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                           -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)) };
        double change = 1;
        for (int k = 0; k < 2; k++) {
            d = 1 + terms[k] * d;
            c = 1 + terms[k] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            change = c * d;
            h *= change;
        }
        if (fabs(change - 1) < 1e-16) break;
    }
    return h;
}

/* I_x(a, b). */
static double incomplete(double x, double a, double b)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    double scale = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? scale * fraction(x, a, b) / a : 1 - scale * fraction(1 - x, b, a) / b;
}

/* By halving in the logarithm of the nearer end's distance, so that both ends keep their digits. */
double beta_quantile(double p, double a, double b)
{
    if (!(p > 0)) return 0;
    if (p >= 1) return 1;
    if (p > incomplete(0.5, a, b)) return 1 - beta_quantile(1 - p, b, a);
    double low = log(1e-300), high = log(0.5);
    for (int i = 0; i < 62; i++) {
        double middle = (low + high) / 2;
        if (incomplete(exp(middle), a, b) < p) low = middle;
        else high = middle;
    }
    return exp((low + high) / 2);
}
