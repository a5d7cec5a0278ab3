/* pictures.h - given pictures measured against the first of them. */
#ifndef LIMN_COMPARE_PICTURES_H
#define LIMN_COMPARE_PICTURES_H

#include "compare/compare.h"

typedef struct {
    const char *path; /* the caller's */
    int w, h;
    char *error; /* why it could not be read or measured; NULL */
    Measures m;  /* the first's own: of itself */
} PictureRow;

typedef struct {
    PictureRow *rows;
    int count, failed;
    double *power; /* [bins] the first's spectrum */
    int bins;
    double step;
} Pictures;

/* paths: at least two PNGs. Error: the first cannot be read; what is wrong with the others stays in their rows. */
int pictures_measure(Pictures *p, char *const *paths, int count, Err *e);
void pictures_release(Pictures *p);

/* A table for a person, and file,psnr,ssim,flip,spectrum as CSV. */
void pictures_table(const Pictures *p, Str *out);
void pictures_csv(const Pictures *p, Str *out);

/* As document_json(): a row of cells, without samplers. cJSON_Delete() it. */
struct cJSON *pictures_json(const Pictures *p, const char *command);

/* Writes sheet.png, compare.csv, compare.json and report.html into a folder that is made. */
int pictures_write(const Pictures *p, const char *dir, const char *command, Err *e);

#endif
