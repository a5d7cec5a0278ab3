/*
 * job.h - the user's request: one picture, or several. One table of options drives the command line, --help, the
 * fields of a batch file and the PNG's metadata.
 */
#ifndef LIMN_PIPELINE_JOB_H
#define LIMN_PIPELINE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef struct {
    char *prompt, *negative_prompt;           /* valid UTF-8: job_set() replaces what is not */
    char *prompt_2, *negative_prompt_2;       /* for the second text encoder; NULL: the same */
    bool negative_given;                      /* also where it is "": SDXL takes zeros where none was given */
    char *original_size, *crop, *target_size; /* SDXL's size inputs: "1024x1024", "0,0"; NULL: the picture's */
    char *negative_original_size, *negative_crop, *negative_target_size; /* NULL: as the prompt's */
    char *refiner, *refiner_sha256;                                      /* the model that takes over; NULL: none */
    double refiner_at;                                                   /* < 0: the usual */
    double aesthetic_score, negative_aesthetic_score;                    /* < 0: the refiner's usual */
    int steps;                                                           /* 0: the model's default */
    double cfg_scale;                                                    /* < 0: the model's default */
    bool has_seed;                                                       /* else random */
    uint64_t seed;
    int width, height;        /* pixels; 0: the model's default */
    char *sampler, *schedule; /* NULL: the model's default */
    char *timesteps;          /* in the schedule's place: "999,749,499,249"; NULL */
    double eta;               /* < 0: the sampler's default */
    int count;
    int clip_skip;                           /* 1: none */
    char *rng;                               /* NULL: what compat's tool takes; "torch" | "philox" */
    char *compat;                            /* NULL: diffusers; "diffusers" | "a1111" | "comfyui" */
    double cfg_rescale;                      /* < 0: none */
    char *guidance_interval;                 /* NULL: all steps; "0.2:0.8" */
    double pag, pag_adaptive;                /* < 0: none */
    char *pag_layers, *seg_layers;           /* selfs.h's; NULL: the usual */
    double seg, seg_sigma, sag;              /* < 0: none, the usual, none */
    double apg, apg_threshold, apg_momentum; /* < 0: none */
    bool cfg_zero_star;
    double perp_neg, mimic_scale, mimic_percentile; /* < 0: none, none, all */
    double ngms, skip_early;                        /* < 0: none */
    bool ngms_all;
    int reuse_negative;                      /* 0: not */
    int ensd;                                /* A1111's eta noise seed delta */
    int solver_order;                        /* 0: the sampler's own */
    double s_churn, s_tmin, s_tmax, s_noise; /* < 0: not given */
    char *prediction;                        /* NULL: the model's; "epsilon" | "v_prediction" | "sample" | "flow" */
    double flow_shift;                       /* < 0: the model's */
    char *long_prompt;                       /* NULL: as the prompt's syntax has it; "truncate" | "chunk" */
    char *region;                            /* prompts of parts of the picture, a line each (regions.h); NULL: none */
    double region_scale;                     /* no option: of a second pass, how much larger it is; 0: 1 */
    char *prompt_syntax;                     /* NULL, "auto": compat's; clip/language.h's names */
    char *emphasis;                          /* NULL: "original"; "no-norm" | "ignore" | "none" (clip/emphasis.h) */
    char *precision;                         /* precision.h */
    int diffusion_tile;                      /* pixels that the UNet takes at once; 0: all */
    double diffusion_overlap;                /* pixels that two of them share; < 0: the usual */
    char *vae_tile;                          /* "auto" | "off" | a number of pixels */
    char *tile;                              /* NULL: not; "x" | "y" | "both" */
    bool transparent, transparent_holes;     /* the background becomes alpha */
    double transparent_tolerance;            /* < 0: the usual */
    int resize;                              /* pixels of the longer side; 0: as it was drawn */
    char *lora;                              /* adapters, a line each: "FILE:WEIGHT:TEXT_WEIGHT"; NULL: none */
    char *lora_dir;                          /* where <lora:name> finds them; NULL: the usual folder */
    char *lora_sha256;                       /* of their files, a line each; NULL: whatever they are */
    char *embedding, *embedding_dir;         /* "FILE=TOKEN", a line each; where names are found; NULL */
    char *embedding_sha256;                  /* as lora_sha256 */
    double lora_strength;                    /* of those without a weight; < 0: 1 */
    bool lora_partial;                       /* what fits of them */
    char *control, *adapter,
        *ip_adapter;                 /* conditioning other than the prompt, a line each (control_line.h); NULL: none */
    double control_strength;         /* of ControlNets whose line has none; < 0: 1 */
    char *init_image, *mask;         /* what to start from, and where it may change; "alpha": where it is clear */
    char *init_sha256, *mask_sha256; /* of their bytes; NULL: whatever they are */
    char *init_background;           /* under its transparent parts; NULL: white */
    double strength;                 /* < 0: the usual */
    char *resize_mode, *fill;        /* "stretch" | "crop" | "fit"; "original" | "fill" | "noise" | "nothing" */
    int mask_blur;                   /* pixels */
    bool mask_invert, soft_mask;
    double only_masked;                        /* pixels around what is drawn larger; < 0: the whole picture is drawn */
    char *depth, *depth_sha256;                /* a map of depths; NULL: none */
    double noise_level;                        /* < 0: the usual; whole */
    double image_cfg_scale;                    /* < 0: the usual */
    char *extend;                              /* extend.h's; NULL: not */
    double variation_seed, variation_strength; /* < 0: random; none. A whole number below 2^53 */
    double interpolate;                        /* limn generate's: the seed that the last picture has; < 0: none */
    char *blend_prompt;                        /* the prompt that the pictures go to; NULL: none */
    double blend;                              /* how far; < 0: pictures of a count go all the way in even parts */
    double hires;                              /* > 1: how much larger a second pass draws; < 0: there is none */
    int hires_steps;                           /* 0: as many as the first */
    double hires_strength, hires_cfg_scale;    /* < 0: the usual; the first's */
    char *hires_with, *hires_sha256;           /* ways.h's name, or a network's file, and its hash; NULL: the usual */
    char *hires_sampler, *hires_schedule;      /* NULL: the first's */
    char *hires_prompt, *hires_negative_prompt; /* NULL: the first's */
    int first_steps; /* no option: of a second pass, the first one's, as prompts count them; 0: there is none */
    int second_pass; /* no option: hires.c says that this is one, 1: over latents, 2: over pixels, which are encoded */
    char *model, *vae, *unet, *tokenizer, *latents; /* files that the picture is made from; NULL: none given */
    /* the machine's: not part of the picture's identity */
    char *output, *trace;
    char *revision, *include, *to; /* of limn pull; NULL: not given */
    bool offline;
    char *weights, *type; /* of limn merge; NULL: not given */
    double difference;    /* < 0: not given */
    char *sizes, *atlas;  /* further files: smaller copies, "128,64"; one picture of all */
    int atlas_size, atlas_padding;
    bool atlas_pot;
    char *memory;       /* "low" | "normal" | "high" */
    char *memory_limit; /* "8G"; NULL: none */
    int threads;        /* 0: all cores */
    bool quiet, json, verbose, sandbox;
    /* changes of the network, and less work */
    char *freeu;                                   /* NULL: not; "v1" | "v2" */
    double freeu_b1, freeu_b2, freeu_s1, freeu_s2; /* < 0: the family's */
    int deepcache, hypertile, hypertile_depth;     /* 0: not, not, the largest level */
    double tome;                                   /* < 0: not */
    /* limn upscale's */
    char *with;    /* NULL: not said */
    double factor; /* < 0: the network's own */
    /* limn convert's; NULL: not said */
    char *to_precision, *layout; /* "f16" | "bf16" | "f32"; "diffusers" | "file" */
    bool prune;
    /* limn bench's */
    char *shape;
    int size, batch; /* size 0: the shape's own */
    bool layers;
    /* limn batch's */
    char *shard, *batch_size, *wildcards, *expand, *changed, *format; /* shard NULL: all of it */
    bool dry_run, merge, sheet, retry_failed, keep_going, fail_fast;
    /* limn serve's */
    char *host, *api_key_file, *model_dir, *control_dir, *upscaler_dir, *styles_file, *allow_host,
        *cors; /* NULL: not said, but for host */
    int port, queue;
    bool resume;
    /* limn again's */
    char *node; /* NULL: not said */
    bool find;
    /* limn compare's; NULL: not said */
    char *samplers, *schedules, *step_counts; /* values parted by commas */
    char *axes;                               /* "cfg-scale=3,5", a line each */
    char *by, *target, *against;              /* "steps" | "evaluations"; "psnr:35"; "converged" or "steps=20,..." */
    char *prompts;                            /* file of prompts, one a line; NULL */
    int seeds;                                /* 0: not said */
    int preview;                              /* steps from one preview to the next; 0: none */
    char *preview_vae;                        /* NULL: the model's own way */
    bool save_steps;                          /* limn generate's */
} Job;

enum {
    JOB_MAX_SIDE = 8192,    /* pixels */
    JOB_MAX_TOLD = 65536,   /* pixels of SDXL's size inputs */
    JOB_MAX_TEXT = 1 << 20, /* bytes of a prompt */
    JOB_MAX_SIZES = 16,     /* of --sizes */
    JOB_MAX_BATCH = 64,     /* pictures at once */
    JOB_USUAL_STEPS = 20,   /* if neither the job nor the model has a number */
    JOB_THREADS_A_CORE = 4, /* more is taken for a mistake */
};

/* OPT_LINES: may be given several times; each adds a line. */
typedef enum { OPT_STR, OPT_PATH, OPT_INT, OPT_SEED, OPT_FLOAT, OPT_FLAG, OPT_CHOICE, OPT_LINES } OptionType;

/*
 * Options that --help shows together, and that a command accepts together (cmd/command.h). In this order; those before
 * GROUP_BENCH are for all commands that draw, the others for one command or a few.
 */
typedef enum {
    GROUP_EVERYDAY,
    GROUP_ASSETS,
    GROUP_START, /* from a picture */
    GROUP_CONTROL,
    GROUP_LARGER, /* variations, and a second pass */
    GROUP_TOOLS,  /* compatibility with other tools */
    GROUP_GUIDANCE,
    GROUP_SDXL,
    GROUP_FILES,    /* of the model */
    GROUP_ADAPTERS, /* LoRA, embeddings */
    GROUP_MACHINE,
    GROUP_KEPT, /* messages, and files besides the picture */
    GROUP_BENCH,
    GROUP_COMPARE,
    GROUP_BATCH,
    GROUP_UPSCALE,
    GROUP_PULL,
    GROUP_MERGE,
    GROUP_SHARDS, /* for work that several machines share */
    GROUP_TYPE,   /* of weights: for commands that write or measure them */
    GROUP_SERVE,
    GROUP_CONVERT,
    GROUP_AGAIN,
    GROUP_DRY_RUN,   /* for commands that can show what they would do */
    GROUP_MODEL_DIR, /* for commands that look for models */
    GROUPS
} OptionGroup;

typedef struct {
    const char *name; /* "cfg-scale"; a batch field and metadata key with '-' as '_' */
    char letter;      /* 's', or 0 */
    OptionType type;
    size_t offset;    /* in Job */
    const char *dflt; /* the default as text; NULL: unset, the model's choice */
    double min, max;  /* OPT_INT, OPT_FLOAT */
    const char *
        value; /* what --help calls the value: "N", "FILE"; OPT_CHOICE: the choices, "torch|philox"; "[N=32]": 32 without one */
    bool picture; /* part of the picture's identity: written into the PNG */
    OptionGroup group;
    int (*check)(const char *text, Err *e); /* a check beyond the type; may be NULL */
    const char *help;
    const char *aliases; /* other tools' names with exactly that meaning, separated by commas; NULL: none */
} Option;

extern const Option job_options[]; /* ends with name NULL */

void job_init(Job *j); /* every option at its default */
void job_release(Job *j);
void job_copy(Job *dst, const Job *src); /* dst uninitialised */

/*
 * Finds it by its name (the first row's, if one command has a row of its own) or an alias; case, '-', '_' and
 * spaces do not count. NULL: none.
 */
const Option *option_find(const char *name, size_t len);
/* Returns whether that is another tool's name for it. */
bool option_is_alias(const Option *o, const char *name, size_t len);
const Option *option_letter(char c);

/*
 * Parses the whole text ("1x" is an error; NaN, infinity and out of range too) and stores it. A flag takes "true" or "false".
 * Values as other tools write them are understood where they mean the same (foreign.h). The error tells what was found and what
 * is expected; the caller puts the option's name before it (err_in).
 */
int job_set(Job *j, const Option *o, const char *text, Err *e);

/* The value of an option that is given without one; false: it needs one. */
bool option_implied(const Option *o, char out[32]);

/* Unsets an option of text without a default (OPT_LINES then starts anew). */
void job_open(Job *j, const Option *o);

/* Sets an option to its default; or several, by name, the last NULL. */
void job_reset(Job *j, const Option *o);
void job_reset_all(Job *j, const char *const *names);

/* Appends the value as text, as job_set() takes it. False: the option is unset, and nothing was appended. */
bool job_get(const Job *j, const Option *o, Str *out);

/* The number of an option, by its name, OPT_INT or OPT_FLOAT; of an OPT_FLAG 1 or 0. 0: it is unset. */
double job_number(const Job *j, const char *name);

/* "999,749,499" as numbers, heap; how many. NULL or "": none, 0. */
int job_timesteps(const char *text, double **out);

/* --guidance-interval as the steps first <= i < end of a run; NULL text: all of them. The text was checked by job_set(). */
void job_interval(const char *text, int steps, int *first, int *end);

/* --sizes: "128,64" as numbers, returns how many, at most JOB_MAX_SIZES; -1 and an error for anything else. NULL has none. */
int job_sizes(const char *text, int sizes[JOB_MAX_SIZES], Err *e);

/* --original-size and --target-size, "1024x768"; --crop, "left,top". False: the text is no such thing. */
bool job_pair(const char *text, char between, int *first, int *second);

/* A number of bytes, "8G", "512M", "1.5GB": powers of 1024. 0: the text is no such thing, or out of range; NULL has none. */
size_t job_bytes(const char *text);

/* Returns whether --tile is along that axis, 'x' or 'y'. */
bool job_tiles(const Job *j, char axis);

#endif
