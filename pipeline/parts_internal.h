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
 * A part from a place of its own, in place of the model's: a folder with config.json, or a file with diffusers' or LDM's names.
 * option: what asked for it, for messages.
 */
int parts_open_alone(Parts *parts, Part *part, const char *path, const char *option, Err *e);

/* Another place is given for it: --vae, --unet. */
bool parts_given_alone(const Part *part, const ModelPaths *p);

/* That file stands for the model in its SHA-256. */
void parts_hash_by(Parts *parts, const PartFile *file);

/* Maps a file, which the parts keep. *out: good until the next. */
int parts_map(Parts *parts, const char *path, PartFile **out, Err *e);

/* config.json and weights of a component's folder ("": the source itself). A class that is not known yet is the config's. */
int parts_read_component(Parts *parts, Source *s, const char *folder, Part *part, Err *e);

/*
 * How a network is named in a single file: the tensors under a prefix of which one is called so; how their names become diffusers';
 * and what takes them out of `all` (c: what lies beside the file) and makes their config.json.
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
 * What a single file's UNet (in: its channels; context: its context's width) predicts, as in scheduler_config.json: as the configuration
 * says, or else guessed; where they differ, that is noted, and a guess on thin ground is the parts' note.
 */
const char *parts_prediction(Parts *parts, const Weights *all, const FileConfig *c, int in, int context);

/* The parts' scheduler: what diffusers gives to a single file, but for what the configuration says. */
typedef struct {
    const char *prediction, *class;
    bool zero_snr; /* the schedule ends without signal */
} FileNoise;
void parts_describe_noise(Parts *parts, const FileConfig *c, const FileNoise *n);

/*
 * What a single file of a network with EDM's noise says of it by its tensors: Playground v2.5 (edm_mean, edm_std), CosXL
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
 * The tensors of a tiny autoencoder in any of its files' namings, with a config of their shapes: decoder and encoder, or what there is
 * of them. With a path the half that is missing is looked for in a file of its own beside it (taesd_encoder beside taesd_decoder), which the
 * parts keep. Error: it is none.
 */
bool parts_is_tiny(const Weights *all);
int parts_take_tiny(Parts *parts, Part *part, Weights *all, const char *path, Err *e);
/* Whose latents it was made for stands in the file's name alone. */
void parts_note_tiny(Parts *parts, const char *path);

/* A tensor that single files have besides the networks, and drawing does not need. */
bool parts_needless(const char *name);

/* Notes what of a file no network has taken, but for what is known to be needless: a few names, and how many. */
void parts_note_rest(Parts *parts, Weights *all, const char *where);

/* A file's text; *where becomes its path, on the heap. */
int parts_read_text(Source *s, const char *file, Str *out, char **where, Err *e);

/* vocab.json and merges.txt, or tokenizer.json, and the settings beside them; folder ends with '/' or is "". */
int parts_read_tokenizer(PartTokenizer *part, Source *s, const char *folder, Err *e);

/* The same of a text encoder, in the folder of its tokenizer's name. */
int parts_read_tokenizer_of(Part *text, Source *s, Err *e);

/*
 * --tokenizer, for all text encoders: a folder with the files themselves, or a model's. The padding of an encoder whose own folder is
 * not there stays what it was trained with, which parts_keep_padding() has read in the model's folder before.
 */
int parts_give_tokenizers(Parts *parts, Source *given, Err *e);
int parts_keep_padding(Part *text, Source *model, Err *e);

/* CLIP's vocabulary for a single file: beside it, or where the user keeps it. optional: its absence is no error. */
int parts_find_tokenizer(Parts *parts, const char *path, bool optional, Err *e);

/* The parts keep a source until parts_release(). */
Source *parts_keep(Parts *parts, Source *s);

#endif
