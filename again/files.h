/*
 * files.h - finds the model, the VAE and the LoRAs that a text names in the folders that limn knows: by hash if the text has
 * one, since names change, by name otherwise.
 */
#ifndef LIMN_AGAIN_FILES_H
#define LIMN_AGAIN_FILES_H

#include "again/reading.h"

/* Callbacks for progress and cancelling. */
typedef struct {
    void *ctx;
    void (*say)(void *ctx, const char *what); /* may be NULL */
    bool (*stop)(void *ctx);                  /* may be NULL */
} FilesWatch;

/*
 * Whether a file has a hash as other tools write it: 8 digits, A1111's of 2022 (of 64 KB at 1 MB); 10, the file's SHA-256; 12,
 * that of its tensors; 64, either.
 */
bool files_hash_is(const char *path, const char *hash);

/*
 * Where the reading's model is: in dir (NULL: not), in limn's folder of models, in the hub's cache; heap. NULL: it is in none.
 * That a file of the name has another hash is remarked on.
 */
char *files_model(Reading *r, const char *dir, const FilesWatch *w);

/* What --vae takes for a file of weights: the folder that it lies in, where that has a config.json, else itself. The caller's. */
char *files_vae_of(const char *path);

/* The VAE, in "vae" of limn's data folder and where models are. NULL: not found, which is remarked on; or none is named. */
char *files_vae(Reading *r, const char *dir, const FilesWatch *w);

/*
 * The LoRAs, those of the prompt's tags and the others, in dir or limn's own folder. Tags get the name that the file has; the
 * others become --lora. One that is nowhere is taken out and remarked on. Error: the folder cannot be read.
 */
int files_loras(Reading *r, const char *dir, const FilesWatch *w, Err *e);

#endif
