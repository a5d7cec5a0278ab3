/*
 * document.h - the results for programs: compare.csv with a row per cell, compare.json with everything, from which report.html is
 * made of too.
 */
#ifndef LIMN_COMPARE_DOCUMENT_H
#define LIMN_COMPARE_DOCUMENT_H

#include "compare/conclude.h"

struct cJSON;

/*
 * sampler,schedule,steps,seed,evaluations,latent_rmse,psnr,ssim,flip,flip_worst,spectrum,own_rmse,own_flip_worst,seconds,peak_mb,file,
 * prompt where there are several, and a column for each other axis. RFC 4180 with "\n". What was not measured is empty; the PSNR
 * of equal pictures is inf.
 */
void document_csv(const Comparison *c, Str *out);

/* cJSON_Delete() it. command: what the user typed. A number that is not finite is null. */
struct cJSON *document_json(const Comparison *c, const Conclusions *k, const char *command);

/* Measures as members of a cell's object. */
void document_add_measures(struct cJSON *to, const Measures *m);

/* A number, or null where it is not finite; with few digits. */
void document_add_number(struct cJSON *to, const char *key, double v);

#endif
