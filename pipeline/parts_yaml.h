/*
 * parts_yaml.h - what a single file does not say of itself: from NAME.yaml next to NAME.safetensors, where there is one (A1111's
 * convention), or as Stable Diffusion's releases have it.
 */
#ifndef LIMN_PIPELINE_PARTS_YAML_H
#define LIMN_PIPELINE_PARTS_YAML_H

#include <stdbool.h>

#include "pipeline/parts.h"
#include "weights/yaml.h"

typedef struct {
    char *path; /* of the YAML; NULL: there is none, and all below is the releases' */
    Yaml yaml;
    const char *prediction; /* as in a scheduler_config.json; NULL: not said */
    const char *beta_schedule;
    double beta_start, beta_end;
    double scaling_factor;    /* 0: not said */
    int steps;                /* of training */
    int heads, head_channels; /* of the UNet's attention; 0: not said */
    bool last_layer;          /* an OpenCLIP text encoder's last layer counts */
} FileConfig;

/* Error: the YAML, and what in it limn does not know or cannot run. One that is no model's configuration is noted. */
int file_config_read(FileConfig *c, Parts *parts, const char *checkpoint, Err *e);

/* The networks that were found must be those that the YAML tells of. Error: what differs. */
int file_config_check(const FileConfig *c, const Parts *parts, Err *e);

/* Notes files next to the checkpoint that another program would take; prediction: what was decided. own_vae: --vae was given. */
void file_config_note_others(const FileConfig *c, Parts *parts, const char *checkpoint, const char *prediction,
                             bool own_vae);

void file_config_release(FileConfig *c);

#endif
