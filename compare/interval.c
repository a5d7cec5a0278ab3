/* interval.c - see interval.h. */
#include "compare/interval.h"

#include <math.h>

enum { MOST_TERMS = 300 };

/* The continued fraction of the incomplete beta function, by Lentz's method. Source: DLMF 8.17.22. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double value = d;
    for (int m = 1; m <= MOST_TERMS; m++) {
        double before = value;
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int k = 0; k < 2; k++) {
            double term = k ? odd : even;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            if (fabs(c) < tiny) c = tiny;
            value *= c * d;
        }
        if (fabs(value / before - 1) < 1e-15) break;
    }
    return value;
}

/* The regularised incomplete beta function. */
static double beta_share(double a, double b, double x)
{
    if (x <= 0 || x >= 1) return x > 0;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_t(double confidence, int degrees)
{
    /* P(|T| > t) is the share of the beta distribution (degrees / 2, 1 / 2) below degrees / (degrees + t^2) */
    double low = 0, high = 1;
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        if (beta_share(degrees / 2.0, 0.5, middle) < 1 - confidence) low = middle;
        else high = middle;
    }
    return sqrt(degrees * (1 / low - 1));
}

Interval interval_of_mean(const double *v, int n)
{
    Interval out = { n, 0, NAN, NAN };
    double squares = 0;
    for (int i = 0; i < n; i++) out.mean += v[i] / n;
    if (n < 2) return out;
    for (int i = 0; i < n; i++) squares += (v[i] - out.mean) * (v[i] - out.mean);
    double half = student_t(INTERVAL_CONFIDENCE, n - 1) * sqrt(squares / (n - 1) / n);
    out.low = out.mean - half;
    out.high = out.mean + half;
    return out;
}

double interval_least_share(int k, int n, int tries)
{
    /* P(at least k of n) at the share p is the beta distribution (k, n - k + 1) below p */
    double alpha = (1 - INTERVAL_CONFIDENCE) / tries, low = 0, high = 1;
    if (k <= 0) return 0;
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        if (beta_share(k, n - k + 1, middle) < alpha) low = middle;
        else high = middle;
    }
    return low;
}
