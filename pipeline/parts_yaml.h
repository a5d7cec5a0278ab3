/*
 * parts_yaml.h - the configuration that a single file does not contain: from NAME.yaml next to NAME.safetensors, if there is one
 * (A1111's convention), or as in Stable Diffusion's releases.
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

/* Checks that the networks found are those of the YAML. Error: what differs. */
int file_config_check(const FileConfig *c, const Parts *parts, Err *e);

/* Notes files next to the checkpoint that another program would use; prediction: the one chosen. own_vae: --vae was given. */
void file_config_note_others(const FileConfig *c, Parts *parts, const char *checkpoint, const char *prediction,
                             bool own_vae);

void file_config_release(FileConfig *c);

#endif
