/*
 * parts_internal.h - what parts.c and the files parts_*.c share.
 */
#ifndef LIMN_PIPELINE_PARTS_INTERNAL_H
#define LIMN_PIPELINE_PARTS_INTERNAL_H

#include "pipeline/parts.h"
#include "pipeline/parts_yaml.h"

/* A model in a diffusers folder (or inside the program), but for what --vae, --unet and --tokenizer replace. */
int parts_open_folder(Parts *parts, Source *s, const ModelPaths *p, Err *e);

/* A model in one file with LDM names. */
int parts_open_file(Parts *parts, const char *path, const ModelPaths *p, Err *e);

/*
 * Replaces the model's part by one from elsewhere: a folder with config.json, or a file with diffusers' or LDM's names.
 * option: the option that names it, for messages.
 */
int parts_open_alone(Parts *parts, Part *part, const char *path, const char *option, Err *e);

/* Returns whether an option gives another place for it: --vae, --unet. */
bool parts_given_alone(const Part *part, const ModelPaths *p);

/* Makes that file's SHA-256 the model's. */
void parts_hash_by(Parts *parts, const PartFile *file);

/* Maps a file, which the parts keep. *out: good until the next. */
int parts_map(Parts *parts, const char *path, PartFile **out, Err *e);

/*
 * Reads config.json and weights of a component's folder ("": the source itself). If the class is not known yet, the config's is
 * used.
 */
int parts_read_component(Parts *parts, Source *s, const char *folder, Part *part, Err *e);

/*
 * How a network is named in a single file: the prefix of its tensors and one tensor that must be there; the table of their names
 * in diffusers; and the function that takes them out of `all` (c: the YAML next to the file) and makes their config.json.
 */
typedef struct Form Form;
struct Form {
    const char *part; /* the component's name */
    const char *prefix, *probe;
    NameTable table;
    enum { IN_ANY, IN_POOLED, IN_PLAIN } in; /* any model; only one whose UNet takes pooled text; only another */
    int (*take)(Part *p, Weights *all, const Form *f, const FileConfig *c, Err *e);
};

/* The form that a component has in a file; NULL: it is not there. */
const Form *parts_form(const Weights *all, const Component *is);

/* Takes a part out of a file. Error: it is not there, or not whole. */
int parts_take(Part *p, Weights *all, const FileConfig *c, Err *e);

/*
 * The prediction type of a single file's UNet (in: its channels; context: its context's width), as in scheduler_config.json: from
 * the configuration, or else guessed. If they differ, a note says so, and an uncertain guess is the parts' note.
 */
const char *parts_prediction(Parts *parts, const Weights *all, const FileConfig *c, int in, int context);

/* The parts' scheduler: diffusers' defaults for a single file, except for what the configuration says. */
typedef struct {
    const char *prediction, *class;
    bool zero_snr; /* the schedule ends without signal */
} FileNoise;
void parts_describe_noise(Parts *parts, const FileConfig *c, const FileNoise *n);

/*
 * The settings of a single file with EDM's noise, from its tensors: Playground v2.5 (edm_mean, edm_std), CosXL
 * (edm_vpred.sigma_max). prediction NULL: it is another network. parts_edm_release() also on an error.
 */
typedef struct {
    const char *prediction;
    Str scheduler;      /* scheduler_config.json */
    Str shift;          /* the VAE's latents_mean and latents_std, as they stand in its config; empty: it has none */
    double scaling;     /* the VAE's scaling factor; 0: the family's */
    bool scaled_beside; /* Parts', where the network edits */
} FileEdm;
int parts_edm(FileEdm *out, Weights *all, Err *e);
void parts_edm_release(FileEdm *x);

/* Adds the parts' shift to the config of a VAE that came without one. */
void parts_shift_vae(const Parts *parts, Part *vae);

/* Returns whether a file's UNet takes pooled text (SD XL). */
bool parts_pooled(const Weights *all);

/* The scaling factor of a VAE without a configuration: that of the model's family. */
double parts_vae_scaling(const Parts *parts);

/*
 * The tensors of a tiny autoencoder in any of its files' namings, with a config of their shapes: decoder and encoder, or what
 * there is of them. With a path, a missing half is looked for in its own file in the same folder (taesd_encoder next to
 * taesd_decoder), which the parts keep. Error: it is none.
 */
bool parts_is_tiny(const Weights *all);
int parts_take_tiny(Parts *parts, Part *part, Weights *all, const char *path, Err *e);
/* Notes which model's latents it was made for, which only the file's name shows. */
void parts_note_tiny(Parts *parts, const char *path);

/* Returns whether it is a tensor of single files that belongs to no network and is not needed for drawing. */
bool parts_needless(const char *name);

/* Adds a note about tensors that no network has taken, except those known to be needless: a few names, and how many. */
void parts_note_rest(Parts *parts, Weights *all, const char *where);

/* A file's text; *where becomes its path, on the heap. */
int parts_read_text(Source *s, const char *file, Str *out, char **where, Err *e);

/* Reads vocab.json and merges.txt, or tokenizer.json, and the settings in the same folder; folder ends with '/' or is "". */
int parts_read_tokenizer(PartTokenizer *part, Source *s, const char *folder, Err *e);

/* The same of a text encoder, in the folder of its tokenizer's name. */
int parts_read_tokenizer_of(Part *text, Source *s, Err *e);

/*
 * --tokenizer, for all text encoders: a folder with the files themselves, or a model's. The padding of an encoder whose own
 * folder is not there stays what it was trained with, which parts_keep_padding() has read in the model's folder before.
 */
int parts_give_tokenizers(Parts *parts, Source *given, Err *e);
int parts_keep_padding(Part *text, Source *model, Err *e);

/* Finds CLIP's vocabulary for a single file: next to it, or in the user's data folder. optional: its absence is no error. */
int parts_find_tokenizer(Parts *parts, const char *path, bool optional, Err *e);

/* The parts keep a source until parts_release(). */
Source *parts_keep(Parts *parts, Source *s);

#endif
