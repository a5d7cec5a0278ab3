/*
 * job.c - the table of options, see job.h. To add an option: a field in Job and a row here; what its type alone cannot check is a
 * function in job_checks.c.
 */
#include "pipeline/job_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/control_line.h"
#include "pipeline/embeddings.h"
#include "pipeline/loras.h"
#include "pipeline/precision.h"
#include "weights/quantise.h"
#include "scheduler/names.h"

#define JOB(field) offsetof(Job, field)

enum { RUN = false, PICTURE = true };

/* clang-format off */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* a row without aliases ends with its help */
const Option job_options[] = {
    { "prompt", 0, OPT_STR, JOB(prompt), "", 0, 0, "TEXT", PICTURE, GROUP_EVERYDAY, NULL,
      "what to draw; the same as the first word after the command", "positive-prompt" },
    { "negative-prompt", 'n', OPT_STR, JOB(negative_prompt), NULL, 0, 0, "TEXT", PICTURE, GROUP_EVERYDAY, NULL, "what to keep out",
      "negative, neg-prompt" },
    { "prompt-2", 0, OPT_STR, JOB(prompt_2), NULL, 0, 0, "TEXT", PICTURE, GROUP_SDXL, NULL,
      "what the second text encoder of SDXL reads; otherwise the same prompt" },
    { "negative-prompt-2", 0, OPT_STR, JOB(negative_prompt_2), NULL, 0, 0, "TEXT", PICTURE, GROUP_SDXL, NULL,
      "the same for the negative prompt" },
    { "steps", 's', OPT_INT, JOB(steps), NULL, 1, 1000, "N", PICTURE, GROUP_EVERYDAY, NULL, "denoising steps",
      "num-inference-steps, inference-steps, sampling-steps, sample-steps, ddim-steps, num-steps, n-steps" },
    { "cfg-scale", 0, OPT_FLOAT, JOB(cfg_scale), NULL, 0, 100, "X", PICTURE, GROUP_EVERYDAY, NULL,
      "guidance; 1 turns it off and halves the work",
      "cfg, guidance-scale, unconditional-guidance-scale, text-cfg-scale" },
    { "seed", 0, OPT_SEED, JOB(seed), "random", 0, 0, "N|random", PICTURE, GROUP_EVERYDAY, NULL,
      "torch's seed; picture i of a count has seed + i", "noise-seed, random-seed, manual-seed" },
    { "width", 'W', OPT_INT, JOB(width), NULL, 8, JOB_MAX_SIDE, "PIXELS", PICTURE, GROUP_EVERYDAY, NULL, "width of the picture",
      "image-width, img-width" },
    { "height", 'H', OPT_INT, JOB(height), NULL, 8, JOB_MAX_SIDE, "PIXELS", PICTURE, GROUP_EVERYDAY, NULL, "height of the picture",
      "image-height, img-height" },
    { "sampler", 0, OPT_STR, JOB(sampler), NULL, 0, 0, "NAME", PICTURE, GROUP_EVERYDAY, check_sampler, "limn list samplers",
      "sampler-name, sampler-index, sampling-method, sample-method" },
    { "schedule", 0, OPT_STR, JOB(schedule), NULL, 0, 0, "NAME", PICTURE, GROUP_EVERYDAY, check_schedule, "limn list schedules",
      "schedule-type, noise-schedule, sigma-schedule, timestep-spacing" },
    { "timesteps", 0, OPT_STR, JOB(timesteps), NULL, 0, 0, "T,T,..", PICTURE, GROUP_TOOLS, check_timesteps,
      "where the steps are, from most noise to least, in place of a schedule: 999,749,499,249", "custom-timesteps" },
    { "eta", 0, OPT_FLOAT, JOB(eta), NULL, 0, 1, "X", PICTURE, GROUP_TOOLS, NULL,
      "share of fresh noise in ddim and the ancestral samplers", "ddim-eta" },
    { "clip-skip", 0, OPT_INT, JOB(clip_skip), "1", 1, 64, "N", PICTURE, GROUP_TOOLS, NULL,
      "take the text encoder's N-th layer from the end", "clip-stop-at-last-layers" },
    { "compat", 0, OPT_CHOICE, JOB(compat), NULL, 0, 0, "diffusers|a1111|comfyui", PICTURE, GROUP_TOOLS, NULL,
      "whose pictures to draw, where the tools differ for the same words and settings; otherwise diffusers', but for what a prompt may say (--prompt-syntax)" },
    { "lora", 0, OPT_LINES, JOB(lora), NULL, 0, 0, "FILE[:W[:TEXT_W]]", PICTURE, GROUP_ADAPTERS, lora_lines_check,
      "lay a LoRA or one of its kin over the model, with this strength (1) for the UNet and the text encoders; lbw=1,0,.. "
      "behind another colon: a strength a block; may be given again", "lora-path, loras" },
    { "lora-dir", 0, OPT_PATH, JOB(lora_dir), NULL, 0, 0, "FOLDER", PICTURE, GROUP_ADAPTERS, NULL,
      "where <lora:name:weight> in a prompt finds name.safetensors; otherwise loras in limn's data folder",
      "lora-model-dir, lyco-dir" },
    { "lora-partial", 0, OPT_FLAG, JOB(lora_partial), "false", 0, 0, NULL, PICTURE, GROUP_ADAPTERS, NULL,
      "take what fits of a LoRA that was made for another model, and tell how much does not" },
    { "lora-sha256", 0, OPT_LINES, JOB(lora_sha256), NULL, 0, 0, "HEX", PICTURE, GROUP_ADAPTERS, check_lora_sha256,
      "refuse a LoRA whose file has another SHA-256, in their order; pictures carry it for limn again" },
    { "embedding", 0, OPT_LINES, JOB(embedding), NULL, 0, 0, "FILE[=TOKEN]", PICTURE, GROUP_ADAPTERS, embedding_lines_check,
      "a textual inversion: TOKEN, or the file's own word or name, stands for its vectors in prompts; may be given again",
      "textual-inversion, textual-inversion-path, ti, embedding-path" },
    { "embedding-dir", 0, OPT_PATH, JOB(embedding_dir), NULL, 0, 0, "FOLDER", PICTURE, GROUP_ADAPTERS, NULL,
      "where embedding:name in a prompt, with --compat a1111 the name alone, finds name.safetensors; otherwise embeddings in "
      "limn's data folder", "embd-dir, embeddings-dir, embedding-directory" },
    { "embedding-sha256", 0, OPT_LINES, JOB(embedding_sha256), NULL, 0, 0, "HEX", PICTURE, GROUP_ADAPTERS, check_lora_sha256,
      "the same as --lora-sha256 for embeddings" },
    { "init-image", 'i', OPT_PATH, JOB(init_image), NULL, 0, 0, "FILE", PICTURE, GROUP_START, NULL,
      "start from this picture (PNG, JPEG, WebP); its size is the size drawn where no other is given", "init-img, init, image, input-image, image-path, source-image, img, init-images" },
    { "strength", 0, OPT_FLOAT, JOB(strength), NULL, 0, 1, "X", PICTURE, GROUP_START, NULL,
      "how much of it changes: the share of the steps that are run; otherwise 0.8, with --mask 1",
      "denoising-strength, denoise, img2img-strength" },
    { "resize-mode", 0, OPT_CHOICE, JOB(resize_mode), "stretch", 0, 0, "stretch|crop|fit", PICTURE, GROUP_START, NULL,
      "where its shape is another than the one drawn: stretch it, cut off what is too much, or add at the edges" },
    { "init-background", 0, OPT_STR, JOB(init_background), NULL, 0, 0, "COLOUR", PICTURE, GROUP_START, check_colour,
      "what is under a picture that is transparent in places: #rrggbb, white, grey or black; otherwise white", "img2img-background-color" },
    { "mask", 0, OPT_PATH, JOB(mask), NULL, 0, 0, "FILE|alpha", PICTURE, GROUP_START, NULL,
      "where it may change: white is drawn anew, black stays to the byte; alpha: where the picture is transparent",
      "mask-image, mask-img, mask-path, init-mask" },
    { "init-image-sha256", 0, OPT_STR, JOB(init_sha256), NULL, 0, 0, "HEX", PICTURE, GROUP_START, check_sha256,
      "refuse a --init-image whose bytes have another SHA-256; pictures carry it for limn again" },
    { "mask-sha256", 0, OPT_STR, JOB(mask_sha256), NULL, 0, 0, "HEX", PICTURE, GROUP_START, check_sha256,
      "the same for --mask" },
    { "mask-blur", 0, OPT_INT, JOB(mask_blur), NULL, 0, 256, "PIXELS", PICTURE, GROUP_START, NULL,
      "soften the mask's edges, where the old picture is laid over the new one" },
    { "mask-invert", 0, OPT_FLAG, JOB(mask_invert), "false", 0, 0, NULL, PICTURE, GROUP_START, NULL,
      "draw what is black in the mask anew", "invert-mask, inpainting-mask-invert" },
    { "fill", 0, OPT_CHOICE, JOB(fill), NULL, 0, 0, "original|fill|noise|nothing", PICTURE, GROUP_START, NULL,
      "what the part that is drawn anew starts from; fill: colours of its surroundings; otherwise original, with --extend fill",
      "masked-content" },
    { "only-masked", 0, OPT_FLOAT, JOB(only_masked), NULL, 0, 4096, "[PADDING=32]", PICTURE, GROUP_START, check_padding,
      "draw only what the mask shows, at the full size, with so many pixels around it, and lay it back",
      "inpaint-full-res, padding-mask-crop, inpaint-full-res-padding" },
    { "soft-mask", 0, OPT_FLAG, JOB(soft_mask), "false", 0, 0, NULL, PICTURE, GROUP_START, NULL,
      "grey in the mask changes less: it is let go of later (differential diffusion)", "differential-diffusion" },
    { "image-cfg-scale", 0, OPT_FLOAT, JOB(image_cfg_scale), NULL, 0, 100, "X", PICTURE, GROUP_START, NULL,
      "models that edit by instruction (InstructPix2Pix): how near to stay to the picture; otherwise 1.5",
      "img-cfg-scale, image-guidance-scale" },
    { "noise-level", 0, OPT_FLOAT, JOB(noise_level), NULL, 0, 999, "N", PICTURE, GROUP_START, check_padding,
      "models that make variations of a picture (unCLIP: otherwise 0) or make it larger (x4 upscaler: otherwise 20, at most 350): how "
      "much noise is laid on what they see of it; more is freer" },
    { "depth", 0, OPT_PATH, JOB(depth), NULL, 0, 0, "FILE", PICTURE, GROUP_START, NULL,
      "models that go by depths (5 channels): a map of the picture's, what is near is light" },
    { "depth-sha256", 0, OPT_STR, JOB(depth_sha256), NULL, 0, 0, "HEX", PICTURE, GROUP_START, check_sha256,
      "refuse a --depth with another SHA-256; pictures carry it for limn again" },
    { "extend", 0, OPT_STR, JOB(extend), NULL, 0, 0, "SIDE=N,..", PICTURE, GROUP_START, check_extend,
      "draw on beyond the picture's edges: left=64,top=0,right=32,bottom=0 or all=64 (pixels)" },
    { "control", 0, OPT_LINES, JOB(control), NULL, 0, 0, "model=FILE,image=FILE[,..]", PICTURE, GROUP_CONTROL, control_check_nets,
      "steer by a picture with a ControlNet; also strength=1, start=0, end=1 (shares of the steps), guess; image=edges:FILE "
      "makes the map here (limn hint); may be given again" },
    { "control-strength", 0, OPT_FLOAT, JOB(control_strength), NULL, 0, 10, "X", PICTURE, GROUP_CONTROL, NULL,
      "how strongly the ControlNets count that have no strength of their own; otherwise 1",
      "controlnet-conditioning-scale, control-weight" },
    { "adapter", 0, OPT_LINES, JOB(adapter), NULL, 0, 0, "model=FILE,image=FILE[,..]", PICTURE, GROUP_CONTROL, control_check_adapters,
      "the same with a T2I-Adapter; also strength=1, start=0, end=1; may be given again" },
    { "ip-adapter", 0, OPT_LINES, JOB(ip_adapter), NULL, 0, 0, "model=FILE,image=FILE[,..]", PICTURE, GROUP_CONTROL, control_check_ips,
      "what a picture shows as a part of the prompt, with an IP-Adapter; also scale=0.6, start=0, end=1, encoder=FILE, further "
      "image=FILE; may be given again" },
    { "variation-strength", 0, OPT_FLOAT, JOB(variation_strength), NULL, 0, 1, "X", PICTURE, GROUP_LARGER, NULL,
      "how far the first noise goes from the seed's towards --variation-seed's; picture i of a count keeps the seed and has "
      "the variation seed + i", "subseed-strength, variation-amount" },
    { "variation-seed", 0, OPT_FLOAT, JOB(variation_seed), NULL, 0, 9007199254740992.0, "N", PICTURE, GROUP_LARGER, check_padding,
      "the seed of a second noise; otherwise random" },
    { "interpolate", 0, OPT_FLOAT, JOB(interpolate), NULL, 0, 9007199254740992.0, "SEED", RUN, GROUP_LARGER, check_padding,
      "pictures of --count go in even parts from --seed's to this seed's" },
    { "blend-prompt", 0, OPT_STR, JOB(blend_prompt), NULL, 0, 0, "TEXT", PICTURE, GROUP_LARGER, NULL,
      "a second prompt, to which pictures of --count go in even parts, or one picture as far as --blend says",
      "interpolate-prompt, prompt-b, target-prompt" },
    { "blend", 0, OPT_FLOAT, JOB(blend), NULL, 0, 1, "X", PICTURE, GROUP_LARGER, NULL,
      "how far it is from the prompt to --blend-prompt: 0 is the one, 1 the other" },
    { "hires", 0, OPT_FLOAT, JOB(hires), NULL, 1, 8, "X", PICTURE, GROUP_LARGER, NULL,
      "draw a second time, X times as large, from the first picture: A1111's hires fix" },
    { "hires-steps", 0, OPT_INT, JOB(hires_steps), NULL, 1, 1000, "N", PICTURE, GROUP_LARGER, NULL,
      "steps that the second pass runs; otherwise --steps" },
    { "hires-strength", 0, OPT_FLOAT, JOB(hires_strength), NULL, 0.01, 1, "X", PICTURE, GROUP_LARGER, NULL,
      "how much the second pass changes; otherwise 0.7", "hires-denoising-strength" },
    { "hires-with", 0, OPT_PATH, JOB(hires_with), NULL, 0, 0, "NAME|MODEL", PICTURE, GROUP_LARGER, check_way,
      "how the first picture becomes larger: latent, latent-antialiased, latent-bicubic, latent-bicubic-antialiased, "
      "latent-nearest, latent-nearest-exact, lanczos, or an upscaler's file; otherwise latent", "hires-upscaler" },
    { "hires-sha256", 0, OPT_STR, JOB(hires_sha256), NULL, 0, 0, "HEX", PICTURE, GROUP_LARGER, check_sha256,
      "refuse a --hires-with with another SHA-256; pictures carry it for limn again" },
    { "hires-sampler", 0, OPT_STR, JOB(hires_sampler), NULL, 0, 0, "NAME", PICTURE, GROUP_LARGER, check_sampler,
      "the second pass's sampler; otherwise --sampler" },
    { "hires-cfg-scale", 0, OPT_FLOAT, JOB(hires_cfg_scale), NULL, 0, 100, "X", PICTURE, GROUP_LARGER, NULL,
      "the second pass's guidance; otherwise --cfg-scale" },
    { "original-size", 0, OPT_STR, JOB(original_size), NULL, 0, 0, "WxH", PICTURE, GROUP_SDXL, check_size_pair,
      "SDXL: how large the picture was before it was cut, as the model is told; otherwise the picture's size" },
    { "crop", 0, OPT_STR, JOB(crop), NULL, 0, 0, "X,Y", PICTURE, GROUP_SDXL, check_crop,
      "SDXL: how many pixels were cut off at the left and the top; otherwise 0,0" },
    { "target-size", 0, OPT_STR, JOB(target_size), NULL, 0, 0, "WxH", PICTURE, GROUP_SDXL, check_size_pair,
      "SDXL: the size that is wanted, as the model is told; otherwise the picture's size" },
    { "negative-original-size", 0, OPT_STR, JOB(negative_original_size), NULL, 0, 0, "WxH", PICTURE, GROUP_SDXL, check_size_pair,
      "the same for the negative prompt; counts together with --negative-target-size" },
    { "negative-crop", 0, OPT_STR, JOB(negative_crop), NULL, 0, 0, "X,Y", PICTURE, GROUP_SDXL, check_crop,
      "the same for the negative prompt" },
    { "negative-target-size", 0, OPT_STR, JOB(negative_target_size), NULL, 0, 0, "WxH", PICTURE, GROUP_SDXL, check_size_pair,
      "the same for the negative prompt" },
    { "aesthetic-score", 0, OPT_FLOAT, JOB(aesthetic_score), NULL, 0, 10, "X", PICTURE, GROUP_SDXL, NULL,
      "SDXL's refiner: how pleasing the picture is to be; otherwise 6" },
    { "negative-aesthetic-score", 0, OPT_FLOAT, JOB(negative_aesthetic_score), NULL, 0, 10, "X", PICTURE, GROUP_SDXL, NULL,
      "the same for the negative prompt; otherwise 2.5" },
    { "refiner", 0, OPT_PATH, JOB(refiner), NULL, 0, 0, "MODEL", PICTURE, GROUP_FILES, NULL,
      "another model that takes over before the end, as SDXL's refiner does: a folder or a file of the same latents",
      "refiner-model, refiner-checkpoint, refiner-model-name" },
    { "refiner-at", 0, OPT_FLOAT, JOB(refiner_at), NULL, 0, 1, "X", PICTURE, GROUP_FILES, NULL,
      "how much of the noise is gone by then; otherwise 0.8", "refiner-switch-at, refiner-start" },
    { "refiner-sha256", 0, OPT_STR, JOB(refiner_sha256), NULL, 0, 0, "HEX", PICTURE, GROUP_FILES, check_sha256,
      "refuse a --refiner with another SHA-256; pictures carry it for limn again" },
    { "rng", 0, OPT_CHOICE, JOB(rng), NULL, 0, 0, "torch|philox", PICTURE, GROUP_TOOLS, NULL,
      "whose noise: torch's on the CPU, or CUDA's; otherwise torch's, with --compat a1111 CUDA's",
      "randn-source, rand-device" },
    { "cfg-rescale", 0, OPT_FLOAT, JOB(cfg_rescale), NULL, 0, 1, "X", PICTURE, GROUP_GUIDANCE, NULL,
      "bring the guided output's contrast back to the prompt's, by this share; 0.7 for zero-SNR models",
      "guidance-rescale, cfg-rescale-multiplier, rescale-cfg" },
    { "guidance-interval", 0, OPT_STR, JOB(guidance_interval), NULL, 0, 0, "A:B", PICTURE, GROUP_GUIDANCE, check_interval,
      "guide only in this part of the steps: 0.2:0.8 leaves out the first and last fifth, and saves half of their work" },
    { "solver-order", 0, OPT_INT, JOB(solver_order), NULL, 1, 4, "N", PICTURE, GROUP_GUIDANCE, NULL,
      "order of a multistep or singlestep sampler" },
    { "s-churn", 0, OPT_FLOAT, JOB(s_churn), NULL, 0, 1000, "X", PICTURE, GROUP_GUIDANCE, NULL,
      "fresh noise in euler, heun, dpm_2: raises sigma by X / steps before a step", "sigma-churn" },
    { "s-tmin", 0, OPT_FLOAT, JOB(s_tmin), NULL, 0, 1000, "SIGMA", PICTURE, GROUP_GUIDANCE, NULL, "--s-churn from this sigma on",
      "sigma-tmin" },
    { "s-tmax", 0, OPT_FLOAT, JOB(s_tmax), NULL, 0, 100000, "SIGMA", PICTURE, GROUP_GUIDANCE, NULL, "--s-churn up to this sigma",
      "sigma-tmax" },
    { "s-noise", 0, OPT_FLOAT, JOB(s_noise), NULL, 0, 2, "X", PICTURE, GROUP_GUIDANCE, NULL, "strength of all fresh noise; otherwise 1",
      "sigma-noise" },
    { "ensd", 0, OPT_INT, JOB(ensd), NULL, 0, 2147483647, "N", PICTURE, GROUP_TOOLS, NULL,
      "A1111's eta noise seed delta: fresh noise from the seed plus N", "eta-noise-seed-delta" },
    { "prediction", 0, OPT_CHOICE, JOB(prediction), NULL, 0, 0, "epsilon|v_prediction|sample", PICTURE, GROUP_TOOLS, NULL,
      "what the network predicts", "prediction-type, parameterization" },
    { "long-prompt", 0, OPT_CHOICE, JOB(long_prompt), NULL, 0, 0, "truncate|chunk", PICTURE, GROUP_TOOLS, NULL,
      "what to do with more than 75 tokens: read 75 at a time, or leave the rest out; otherwise chunk, with plain text truncate" },
    { "prompt-syntax", 0, OPT_CHOICE, JOB(prompt_syntax), NULL, 0, 0, "auto|limn|a1111|comfyui|weights|plain", PICTURE, GROUP_TOOLS, NULL,
      "which marks in a prompt mean something: limn's language, A1111's, ComfyUI's, weights and BREAK only, or none; otherwise "
      "limn's, with --compat that tool's (diffusers: none)" },
    { "diffusion-tile", 0, OPT_INT, JOB(diffusion_tile), NULL, 64, JOB_MAX_SIDE, "PIXELS", PICTURE, GROUP_MACHINE, NULL,
      "let the network see a larger picture in overlapping parts of this size, averaged in each step (MultiDiffusion): less memory, "
      "and sizes beyond what the model was trained at" },
    { "diffusion-overlap", 0, OPT_FLOAT, JOB(diffusion_overlap), NULL, 0, JOB_MAX_SIDE, "PIXELS", PICTURE, GROUP_MACHINE, check_padding,
      "what two of these parts share; otherwise a quarter" },
    { "vae-tile", 0, OPT_STR, JOB(vae_tile), "auto", 0, 0, "auto|off|PIXELS", PICTURE, GROUP_MACHINE, check_vae_tile,
      "decode in overlapping tiles to save memory" },
    { "precision", 0, OPT_STR, JOB(precision), "auto", 0, 0, PRECISION_PLACEHOLDER, PICTURE, GROUP_MACHINE, check_precision,
      "bf16: products of 16-bit factors, int8: of 8 bits in linear layers, faster where the CPU has them; or by kind of layer, as "
      "conv:i16+linear:int8+attention:f32", "torch-dtype" },
    { "tile", 0, OPT_CHOICE, JOB(tile), NULL, 0, 0, "x|y|both", PICTURE, GROUP_ASSETS, NULL,
      "seamless: opposite edges continue each other, left and right (x), top and bottom (y)", "seamless-axes" },
    { "transparent", 0, OPT_FLAG, JOB(transparent), "false", 0, 0, NULL, PICTURE, GROUP_ASSETS, NULL,
      "make a plain background transparent, from the border inwards" },
    { "transparent-tolerance", 0, OPT_FLOAT, JOB(transparent_tolerance), NULL, 0, 100, "X", PICTURE, GROUP_ASSETS, NULL,
      "how far from the background's colour is still background; black to white is 100; otherwise 6" },
    { "transparent-holes", 0, OPT_FLAG, JOB(transparent_holes), "false", 0, 0, NULL, PICTURE, GROUP_ASSETS, NULL,
      "also where the border does not lead, such as inside a ring" },
    { "resize", 0, OPT_INT, JOB(resize), NULL, 1, JOB_MAX_SIDE, "PIXELS", PICTURE, GROUP_ASSETS, NULL,
      "make the finished picture smaller: its longer side" },
    { "latents", 0, OPT_PATH, JOB(latents), NULL, 0, 0, "FILE", PICTURE, GROUP_KEPT, NULL,
      "initial noise from a safetensors file (as --trace writes it)" },
    { "vae", 0, OPT_PATH, JOB(vae), NULL, 0, 0, "FILE", PICTURE, GROUP_FILES, NULL,
      "another VAE: a file or a diffusers folder", "vae-path, vae-name, vae-file, vae-model, vae-id, sd-vae" },
    { "unet", 0, OPT_PATH, JOB(unet), NULL, 0, 0, "FILE", PICTURE, GROUP_FILES, NULL,
      "another UNet in place of the model's: a GGUF or safetensors file, or a folder",
      "unet-name, unet-path, diffusion-model, unet-file" },
    { "tokenizer", 0, OPT_PATH, JOB(tokenizer), NULL, 0, 0, "FOLDER", PICTURE, GROUP_FILES, NULL,
      "where vocab.json and merges.txt are", "tokenizer-path, tokenizer-dir" },

    { "output", 'o', OPT_PATH, JOB(output), NULL, 0, 0, "WHERE", RUN, GROUP_EVERYDAY, NULL,
      "x.png, a folder, or a template such as '{prompt}-{seed}.png'; otherwise limn-00001.png, a fresh number that "
      "replaces nothing", "output-path, output-file" },
    { "model", 'm', OPT_PATH, JOB(model), NULL, 0, 0, "MODEL", RUN, GROUP_EVERYDAY, NULL,
      "diffusers folder, .safetensors or .gguf file, or a name of limn list models",
      "model-id, model-path, model-name, model-file, ckpt, ckpt-path, ckpt-name, checkpoint, "
      "checkpoint-path, sd-model, sd-model-name, sd-model-checkpoint, pretrained-model-name-or-path, "
      "lcm-model-id" },
    { "count", 'c', OPT_INT, JOB(count), "1", 1, 100000, "N", RUN, GROUP_EVERYDAY, NULL, "how many pictures",
      "n-iter, batch-count, num-images, num-images-per-prompt, number-of-images, num-outputs" },
    { "sizes", 0, OPT_STR, JOB(sizes), NULL, 0, 0, "N,N,..", RUN, GROUP_ASSETS, check_sizes,
      "also write smaller copies: x_128.png, x_64.png for 128,64 (pixels of the longer side)" },
    { "atlas", 0, OPT_PATH, JOB(atlas), NULL, 0, 0, "FILE", RUN, GROUP_ASSETS, NULL,
      "also write all pictures as one sprite atlas: FILE.png and FILE.json for Phaser, PixiJS, ..." },
    { "atlas-size", 0, OPT_INT, JOB(atlas_size), "4096", 16, 16384, "PIXELS", RUN, GROUP_ASSETS, NULL,
      "the most a page of the atlas has on a side; what does not fit goes on further pages" },
    { "atlas-padding", 0, OPT_INT, JOB(atlas_padding), "2", 0, 256, "PIXELS", RUN, GROUP_ASSETS, NULL,
      "space around each picture of the atlas" },
    { "atlas-pot", 0, OPT_FLAG, JOB(atlas_pot), "false", 0, 0, NULL, RUN, GROUP_ASSETS, NULL,
      "make the sides of the atlas powers of two" },
    { "threads", 't', OPT_INT, JOB(threads), NULL, 1, 512, "N", RUN, GROUP_MACHINE, check_threads,
      "how many to use; otherwise one a core", "num-threads, n-threads, cpu-threads" },
    { "memory", 0, OPT_CHOICE, JOB(memory), "normal", 0, 0, "low|normal|high", RUN, GROUP_MACHINE, NULL,
      "low: decode in small tiles; high: keep transformed weights (limn info tells the bytes)" },
    { "trace", 0, OPT_PATH, JOB(trace), NULL, 0, 0, "FILE", RUN, GROUP_KEPT, NULL,
      "write every intermediate tensor to a safetensors file" },
    { "json", 0, OPT_FLAG, JOB(json), "false", 0, 0, NULL, RUN, GROUP_KEPT, NULL, "print JSON on stdout" },
    { "sandbox", 0, OPT_FLAG, JOB(sandbox), "false", 0, 0, NULL, RUN, GROUP_MACHINE, NULL,
      "let the kernel see to it that only what is named here is read, and only the output folder written" },
    { "quiet", 'q', OPT_FLAG, JOB(quiet), "false", 0, 0, NULL, RUN, GROUP_KEPT, NULL, "no progress, no words but errors" },
    { "verbose", 'v', OPT_FLAG, JOB(verbose), "false", 0, 0, NULL, RUN, GROUP_KEPT, NULL,
      "say what was used, how long it took, how much memory" },

    { "with", 0, OPT_PATH, JOB(with), NULL, 0, 0, "MODEL", RUN, GROUP_UPSCALE, NULL,
      "the network: a safetensors file of ESRGAN or Real-ESRGAN" },
    { "factor", 0, OPT_FLOAT, JOB(factor), NULL, 0.125, 16, "X", RUN, GROUP_UPSCALE, NULL,
      "how many times as large; otherwise what the network makes" },

    { "precision", 0, OPT_CHOICE, JOB(to_precision), NULL, 0, 0, "f16|bf16|f32", RUN, GROUP_CONVERT, NULL,
      "of the weights that are written; otherwise what each has" },
    { "layout", 0, OPT_CHOICE, JOB(layout), NULL, 0, 0, "diffusers|file", RUN, GROUP_CONVERT, NULL,
      "a folder of parts, or a single safetensors file; otherwise as OUT is named" },
    { "prune", 0, OPT_FLAG, JOB(prune), "false", 0, 0, NULL, RUN, GROUP_CONVERT, NULL,
      "leave out what drawing does not need: averages of a training (EMA), leftovers" },

    { "revision", 0, OPT_STR, JOB(revision), NULL, 0, 0, "REVISION", RUN, GROUP_PULL, NULL,
      "a branch, tag or commit; otherwise main" },
    { "include", 0, OPT_STR, JOB(include), NULL, 0, 0, "fp16|FILES", RUN, GROUP_PULL, NULL,
      "weights of 16 bits (fp16, bf16) where there are some, and further files: '*.txt,README.md'", "variant" },
    { "to", 0, OPT_PATH, JOB(to), NULL, 0, 0, "FOLDER", RUN, GROUP_PULL, NULL,
      "a folder for it, in place of the shared cache", "local-dir" },
    { "offline", 0, OPT_FLAG, JOB(offline), "false", 0, 0, NULL, RUN, GROUP_PULL, NULL,
      "open no connection: say where the model is if it is here", "local-files-only" },

    { "weights", 0, OPT_STR, JOB(weights), NULL, 0, 0, "X,X,...", RUN, GROUP_MERGE, NULL,
      "how much each model counts; otherwise all the same" },
    { "difference", 0, OPT_FLOAT, JOB(difference), NULL, 0, 10, "X", RUN, GROUP_MERGE, NULL,
      "of three models: the first, and X times what the second has more than the third", "add-difference" },
    { "type", 0, OPT_CHOICE, JOB(type), NULL, 0, 0, QUANTISE_TYPES, RUN, GROUP_TYPE, NULL,
      "of matrices in the file; otherwise as the first model has them" },

    { "shape", 0, OPT_CHOICE, JOB(shape), "sprites", 0, 0, "sd15|sd21|sdxl|sprites", RUN, GROUP_BENCH, NULL,
      "whose network is measured" },
    { "size", 0, OPT_INT, JOB(size), NULL, 8, JOB_MAX_SIDE, "PIXELS", RUN, GROUP_BENCH, NULL,
      "width and height; otherwise what the network was trained at" },
    { "batch", 0, OPT_INT, JOB(batch), "2", 1, 64, "N", RUN, GROUP_BENCH, NULL,
      "latents that go through the UNet at once; 2 is one picture with guidance" },
    { "layers", 0, OPT_FLAG, JOB(layers), "false", 0, 0, NULL, RUN, GROUP_BENCH, NULL, "tell what each distinct layer takes" },

    { "preview", 0, OPT_INT, JOB(preview), NULL, 1, 1000, "N", RUN, GROUP_KEPT, NULL,
      "every N steps, show the picture so far: in a file beside the output (x-preview.png, gone when the picture is there), and in a "
      "terminal that can (kitty, iTerm2, sixel)", "preview-interval, show-progress-every-n-steps" },
    { "preview-vae", 0, OPT_PATH, JOB(preview_vae), NULL, 0, 0, "FILE", RUN, GROUP_KEPT, NULL,
      "draw previews by this tiny autoencoder (TAESD); otherwise by the model's own, or by a map of the latents' colours" },
    { "save-steps", 0, OPT_FLAG, JOB(save_steps), "false", 0, 0, NULL, RUN, GROUP_KEPT, NULL,
      "also write what each step predicts that the picture will be, and all of them in a strip" },

    { "samplers", 0, OPT_STR, JOB(samplers), NULL, 0, 0, "NAME,NAME,...", RUN, GROUP_COMPARE, check_samplers,
      "limn list samplers; all: every one that takes a number of steps" },
    { "schedules", 0, OPT_STR, JOB(schedules), NULL, 0, 0, "NAME,NAME,...", RUN, GROUP_COMPARE, check_schedules,
      "limn list schedules; otherwise the model's own" },
    { "steps", 0, OPT_STR, JOB(step_counts), NULL, 0, 0, "N,N,...", RUN, GROUP_COMPARE, check_step_counts,
      "numbers of steps, also as 5-20 or 5-20:5; of evaluations with --by evaluations", "step-counts" },
    { "prompts", 0, OPT_PATH, JOB(prompts), NULL, 0, 0, "FILE", RUN, GROUP_COMPARE, NULL,
      "pictures of each of its prompts, one a line, so that the answer holds for all" },
    { "seeds", 0, OPT_INT, JOB(seeds), NULL, 1, 100, "N", RUN, GROUP_COMPARE, NULL,
      "pictures of each cell; otherwise 3, and 1 with a large model for samplers that draw no fresh noise" },
    { "by", 0, OPT_CHOICE, JOB(by), "steps", 0, 0, "steps|evaluations", RUN, GROUP_COMPARE, NULL,
      "line the cells up by steps, or by calls of the network, which are what costs" },
    { "target", 0, OPT_STR, JOB(target), "flip-worst:0.07", 0, 0, "MEASURE:X", RUN, GROUP_COMPARE, check_target,
      "how near the reference is near enough: flip-worst:X (FLIP where it is largest), flip:X, psnr:DB, ssim:X or rmse:X (of the latents)" },
    { "axis", 0, OPT_LINES, JOB(axes), NULL, 0, 0, "OPTION=V,V,...", RUN, GROUP_COMPARE, check_axis,
      "any option as columns; given again, another as rows" },
    { "against", 0, OPT_STR, JOB(against), NULL, 0, 0, "converged|OPTION=V,...", RUN, GROUP_COMPARE, NULL,
      "what the cells are measured against; otherwise the converged picture, or with other axes than sampler, schedule "
      "and steps the first cell" },

    { "dry-run", 0, OPT_FLAG, JOB(dry_run), "false", 0, 0, NULL, RUN, GROUP_BATCH, NULL,
      "only show the pictures, how many, how long they will take and how much disk" },
    { "expand", 0, OPT_CHOICE, JOB(expand), "random", 0, 0, "random|all|off", RUN, GROUP_BATCH, NULL,
      "{a|b} and __wildcards__: one by the picture's seed, every one of them, or left as they are" },
    { "wildcards", 0, OPT_PATH, JOB(wildcards), "wildcards", 0, 0, "FOLDER", RUN, GROUP_BATCH, NULL,
      "where __name__ finds name.txt" },
    { "format", 0, OPT_CHOICE, JOB(format), "auto", 0, 0, "auto|jsonl|json|csv|txt", RUN, GROUP_BATCH, NULL,
      "of the job file, where its name does not tell" },
    { "batch-size", 0, OPT_STR, JOB(batch_size), "auto", 0, 0, "auto|N", RUN, GROUP_BATCH, check_batch_size,
      "pictures drawn at once; auto measures what is fastest" },
    { "changed", 0, OPT_CHOICE, JOB(changed), "refuse", 0, 0, "refuse|render|keep", RUN, GROUP_BATCH, NULL,
      "what to do where a picture of that name was drawn from another job" },
    { "retry-failed", 0, OPT_FLAG, JOB(retry_failed), "false", 0, 0, NULL, RUN, GROUP_BATCH, NULL,
      "try again even what the model has refused before" },
    { "keep-going", 0, OPT_FLAG, JOB(keep_going), "false", 0, 0, NULL, RUN, GROUP_BATCH, NULL,
      "go on after a picture that fails; that is the default" },
    { "fail-fast", 0, OPT_FLAG, JOB(fail_fast), "false", 0, 0, NULL, RUN, GROUP_BATCH, NULL,
      "stop at the first picture that fails" },
    { "shard", 0, OPT_STR, JOB(shard), NULL, 0, 0, "I/N|auto", RUN, GROUP_BATCH, NULL,
      "draw only this part; auto asks Slurm, Kubernetes, AWS Batch, Grid Engine, ..." },
    { "merge", 0, OPT_FLAG, JOB(merge), "false", 0, 0, NULL, RUN, GROUP_BATCH, NULL,
      "draw nothing: join the shards' manifests and tell what is missing" },
    { "sheet", 0, OPT_FLAG, JOB(sheet), "false", 0, 0, NULL, RUN, GROUP_BATCH, NULL,
      "also make a contact sheet of all pictures (sheet.png) and a gallery of them (index.html)" },

    { "host", 0, OPT_STR, JOB(host), "127.0.0.1", 0, 0, "ADDRESS", RUN, GROUP_SERVE, NULL,
      "where to listen; 0.0.0.0 for everyone, which needs --api-key-file" },
    { "port", 0, OPT_INT, JOB(port), "7860", 0, 65535, "N", RUN, GROUP_SERVE, NULL, "its port; 0: any that is free" },
    { "api-key-file", 0, OPT_PATH, JOB(api_key_file), NULL, 0, 0, "FILE", RUN, GROUP_SERVE, NULL,
      "answer only those who send the key in it: Authorization: Bearer KEY, or as password" },
    { "allow-host", 0, OPT_STR, JOB(allow_host), NULL, 0, 0, "NAME,..", RUN, GROUP_SERVE, NULL,
      "names under which this server is reached, beside localhost and --host: a proxy's" },
    { "cors", 0, OPT_STR, JOB(cors), NULL, 0, 0, "ORIGIN,..", RUN, GROUP_SERVE, NULL,
      "pages of these origins may ask too: https://example.org" },
    { "queue", 0, OPT_INT, JOB(queue), "16", 1, 10000, "N", RUN, GROUP_SERVE, NULL, "requests that may wait; more are told to come back" },
    { "model-dir", 0, OPT_PATH, JOB(model_dir), NULL, 0, 0, "FOLDER", RUN, GROUP_SERVE, NULL,
      "models that a request may name" },
    { "control-dir", 0, OPT_PATH, JOB(control_dir), NULL, 0, 0, "FOLDER", RUN, GROUP_SERVE, NULL,
      "ControlNets that a request may name; otherwise controlnet in limn's data folder" },
    { "upscaler-dir", 0, OPT_PATH, JOB(upscaler_dir), NULL, 0, 0, "FOLDER", RUN, GROUP_SERVE, NULL,
      "networks that make pictures larger; otherwise upscalers in limn's data folder" },
    { "resume", 0, OPT_FLAG, JOB(resume), "false", 0, 0, NULL, RUN, GROUP_SERVE, NULL,
      "go on with jobs that were accepted before the last server ended" },
    { .name = NULL },
};
#pragma GCC diagnostic pop
/* clang-format on */

void job_init(Job *j)
{
    *j = (Job){ .negative_prompt = mem_strdup(""),
                .cfg_rescale = -1,
                .s_churn = -1,
                .s_tmin = -1,
                .s_tmax = -1,
                .s_noise = -1,
                .cfg_scale = -1,
                .eta = -1,
                .strength = -1,
                .control_strength = -1,
                .only_masked = -1,
                .diffusion_overlap = -1,
                .image_cfg_scale = -1,
                .noise_level = -1,
                .variation_seed = -1,
                .interpolate = -1,
                .blend = -1,
                .variation_strength = -1,
                .hires = -1,
                .hires_strength = -1,
                .hires_cfg_scale = -1,
                .factor = -1,
                .difference = -1,
                .aesthetic_score = -1,
                .refiner_at = -1,
                .negative_aesthetic_score = -1,
                .transparent_tolerance = -1 };
    for (const Option *o = job_options; o->name; o++) {
        Err e;
        int failed = o->dflt && job_set(j, o, o->dflt, &e);
        assert(!failed); /* a default is inside its own option's range */
        (void)failed;
    }
}

void job_release(Job *j)
{
    for (const Option *o = job_options; o->name; o++)
        if (option_is_text(o)) free(*(char **)option_field(j, o));
    *j = (Job){ 0 };
}

void job_copy(Job *dst, const Job *src)
{
    *dst = *src;
    for (const Option *o = job_options; o->name; o++) {
        if (!option_is_text(o)) continue;
        const char *s = *(char **)option_field(src, o);
        *(char **)option_field(dst, o) = s ? mem_strdup(s) : NULL;
    }
}

void job_reset(Job *j, const Option *o)
{
    Job fresh;
    void *to = option_field(j, o), *from;
    job_init(&fresh);
    from = option_field(&fresh, o);
    switch (o->type) {
    case OPT_INT: memcpy(to, from, sizeof(int)); break;
    case OPT_FLOAT: memcpy(to, from, sizeof(double)); break;
    case OPT_FLAG: memcpy(to, from, sizeof(bool)); break;
    case OPT_SEED: j->has_seed = false; break;
    case OPT_STR:
    case OPT_PATH:
    case OPT_CHOICE:
    case OPT_LINES:
        free(*(char **)to);
        *(char **)to = *(char **)from;
        *(char **)from = NULL;
        break;
    }
    job_release(&fresh);
}

void job_reset_all(Job *j, const char *const *names)
{
    for (; *names; names++) job_reset(j, option_find(*names, strlen(*names)));
}

/* The name with its end, for names_have(). False: no option has a name of such a length. */
static bool name_text(const char *name, size_t len, char text[64])
{
    if (len < 2 || len >= 64) return false;
    memcpy(text, name, len);
    text[len] = '\0';
    return true;
}

const Option *option_find(const char *name, size_t len)
{
    char text[64];
    if (!name_text(name, len, text)) return NULL;
    for (const Option *o = job_options; o->name; o++)
        if (names_have(o->name, text)) return o;
    for (const Option *o = job_options; o->name; o++)
        if (names_have(o->aliases, text)) return o;
    return NULL;
}

bool option_is_alias(const Option *o, const char *name, size_t len)
{
    char text[64];
    return name_text(name, len, text) && !names_have(o->name, text) && names_have(o->aliases, text);
}

const Option *option_letter(char c)
{
    for (const Option *o = job_options; o->name; o++)
        if (c && o->letter == c) return o;
    return NULL;
}
