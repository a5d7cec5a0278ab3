/*
 * foreign.c - see foreign.h: the tables. Sources: diffusers 0.42 (pipelines' __call__), A1111's modules/processing.py,
 * modules/api/models.py and modules/cmd_args.py, ComfyUI's KSampler and cli_args.py, InvokeAI's ldm/invoke/args.py, CompVis'
 * scripts/txt2img.py, stable-diffusion.cpp's examples/cli/README.md, fastsdcpu's src/app.py, mflux's parsers.py, Draw Things' HTTP
 * API.
 */
#include "pipeline/foreign.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "scheduler/names.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

const char FOREIGN_OPEN[] = "";

static int read_size(const char *value, const ForeignSink *to, Err *e);
static int read_scheduler(const char *value, const ForeignSink *to, Err *e);
static int read_folder(const char *value, const ForeignSink *to, Err *e);
static int read_device(const char *value, const ForeignSink *to, Err *e);

#define OFF       "||0|0.0|false|False|none|null|"
#define LINE      .line = true
#define FLAG      .flag = true
#define YET(what) .says = "limn cannot do " what " yet"

/* clang-format off */
static const Foreign foreign[] = {
    /* the same thing in another form */
    { .names = "text", .letters = "p", LINE, .becomes = "prompt" },
    { .names = "neg", LINE, .becomes = "negative-prompt" },
    { .names = "scale, guidance", .letters = "C", LINE, .becomes = "cfg-scale" },
    { .names = "rng-seed, global-seed", .letters = "S", LINE, .becomes = "seed" },
    { .names = "W, w", LINE, .becomes = "width" },
    { .names = "H, h", LINE, .becomes = "height" },
    { .names = "size, resolution, image-size, img-size, dimensions",
      LINE, .read = read_size, .says = "-W and -H (width, height) are the sides in pixels" },
    { .names = "method", .letters = "A", LINE, .becomes = "sampler" },
    { .names = "scheduler, scheduler-name, scheduler-type", .read = read_scheduler },
    { .names = "ddim", LINE, FLAG, .becomes = "sampler=ddim" },
    { .names = "plms", LINE, FLAG, .becomes = "sampler=plms" },
    { .names = "karras, use-karras-sigmas", FLAG, .becomes = "schedule=karras" },
    { .names = "use-exponential-sigmas", FLAG, .becomes = "schedule=exponential" },
    { .names = "use-beta-sigmas", FLAG, .becomes = "schedule=beta" },
    { .names = "use-lu-lambdas", FLAG, .becomes = "schedule=lu" },
    { .names = "batch, iterations, images, samples, repeat, n, number", .letters = "b", LINE, .becomes = "count" },
    { .names = "batch-size, n-samples, num-samples", .becomes = "count", .times = true },
    { .names = "initial-image", .letters = "I", LINE, .becomes = "init-image" },
    { .names = "weights", LINE, .becomes = "model" },
    { .names = "dtype", LINE, .becomes = "precision" },
    { .names = "no-half, full-precision, fp32, float32, force-fp32", .letters = "F", FLAG, .becomes = "precision=f32" },
    { .names = "bf16, bfloat16", FLAG, .becomes = "precision=bf16" },
    { .names = "tiling, tileable, seamless, seamless-tiling, circular", FLAG, .becomes = "tile=both" },
    { .names = "seamless-x, tile-x, circularx", FLAG, .becomes = "tile=x" },
    { .names = "seamless-y, tile-y, circulary", FLAG, .becomes = "tile=y" },
    { .names = "low-ram, low-memory, low-mem", LINE, FLAG, .becomes = "memory=low" },
    { .names = "outdir, out-dir, output-dir, output-directory, output-folder, save-dir", LINE, .read = read_folder },
    { .names = "out, outfile, out-file, save-path, save-to", LINE, .becomes = "output" },
    { .names = "outpath-samples", .read = read_folder },

    /* nothing to do: limn does so in any case, or does not do it at all */
    { .names = "cpu, no-cuda, skip-torch-cuda-test, cpu-vae, vae-on-cpu, clip-on-cpu", LINE, FLAG, .neutral = "*" },
    { .names = "device", LINE, .read = read_device },
    { .names = "skip-grid, no-grid, do-not-save-grid", FLAG, .neutral = "*" },
    { .names = "n-rows", LINE, .says = "limn compare makes a grid, limn batch JOBS --sheet a sheet of all pictures" },
    { .names = "prompt-for-display, outpath-grids, n-rows", .neutral = "*" },
    { .names = "do-not-save-samples, skip-save, noimagesave",
      FLAG, .neutral = OFF, .says = "limn always writes the picture; -o - writes it to stdout" },
    { .names = "subseed", .neutral = "|-1|", .becomes = "variation-seed" },
    { .names = "seed-resize-from-w, seed-resize-from-h", LINE, .neutral = "|0|-1||null|none|", .says = "limn cannot do seeds of another size yet" },
    { .names = "mmap, enable-mmap, send-images, save-images", FLAG, .neutral = "*" },
    { .names = "disable-safety-checker, disable-nsfw-checker, no-nsfw-checker, no-safety-checker",
      FLAG, .neutral = "*" },
    { .names = "C, latent-channels",
      LINE, .neutral = "|4|", .says = "the model has as many latent channels as it has" },
    { .names = "f, downsampling-factor", LINE, .neutral = "|8|", .says = "the model's VAE has the factor that it has" },
    { .names = "xformers, enable-xformers-memory-efficient-attention, attention-slicing, enable-attention-slicing, "
      "vae-slicing, enable-vae-slicing, opt-sdp-attention, opt-sdp-no-mem-attention, opt-split-attention, "
      "opt-channelslast, use-split-cross-attention, use-pytorch-cross-attention, fa, diffusion-fa, flash-attention, "
      "diffusion-conv-direct, vae-conv-direct, upcast-sampling, no-half-vae, disable-nan-check, "
      "always-batch-cond-uncond, compile, torch-compile, use-openvino, cuda-malloc, deterministic, channels-last, "
      "offload-to-cpu, enable-model-cpu-offload, enable-sequential-cpu-offload, sequential-cpu-offload, "
      "dont-upcast-attention, use-cpu", LINE, .says = "a switch of GPU tools, which limn does not need: leave it out" },

    /* nearly the same thing */
    { .names = "lowvram, medvram, medvram-sdxl, novram, reserve-vram, max-vram, free-gpu-mem",
      LINE, .says = "limn takes no graphics memory; --memory low takes less of the other" },
    { .names = "highvram, normalvram, gpu-only",
      LINE, .says = "limn takes no graphics memory; --memory high takes more of the other" },
    { .names = "gpu, cuda, gpu-id, cuda-device, device-id, gpus, backend, mps", LINE, .says = "limn draws on the CPU" },
    { .names = "fp16, half, float16, force-fp16, fp16-vae, fp16-unet, autocast",
      LINE,
      .says = "weights of any precision are read as they are; --precision f32, bf16 or int8 is that of the arithmetic" },
    { .names = "vae-tiling, enable-vae-tiling, tiled-decoding, tiled-vae, always-tiled-vae",
      FLAG, .neutral = OFF,
      .says = "limn decodes in tiles by itself where memory is short; --vae-tile 512 always does" },
    { .names = "vae-tile-size, vae-relative-tile-size, vae-tile-overlap, decoding-tile-width, decoding-tile-height",
      .neutral = OFF, .says = "--vae-tile PIXELS is the side of limn's tiles" },
    { .names = "auto-seeds, num-seeds",
      LINE, .says = "--count N draws N pictures, with the seeds that follow each other" },
    { .names = "seeds",
      LINE,
      .says = "limn compare takes it; --count N draws seeds that follow each other, limn batch any list of them" },
    { .names = "fixed-code, same-seed",
      LINE, .says = "each picture of --count has a seed of its own, --seed plus 0, 1, 2, ..." },
    { .names = "seed-mode", LINE, .says = "limn's noise is torch's, or CUDA's with --rng philox" },
    { .names = "seed-mode", .neutral = "*" },
    { .names = "prompt-file, prompts-file, from-file, batch-prompts-file, prompts-from-file, file",
      LINE, .says = "limn batch FILE draws each line of it; limn generate - < FILE takes all of it as one prompt" },
    { .names = "grid, contact-sheet, xyz-plot",
      .letters = "g", LINE, .says = "limn compare makes a grid, limn batch JOBS --sheet a sheet of all pictures" },
    { .names = "x-axis, y-axis", LINE, .says = "limn compare PROMPT --axis OPTION=VALUE,VALUE makes a grid" },
    { .names = "benchmark", LINE, .says = "limn bench measures this machine" },
    { .names = "metadata, export-metadata, embed-metadata",
      LINE, FLAG, .says = "every PNG holds how it was made: limn info PNG; --json prints it as well" },
    { .names = "no-metadata, disable-metadata",
      LINE, .says = "every PNG holds how it was made; limn cannot leave it out" },
    { .names = "config-from-metadata, from-metadata, from-png, from-image",
      LINE, .says = "limn again PNG draws a picture again, another tool's too; --dry-run only shows its command" },
    { .names = "config, config-file, conf, custom-settings, preset, settings",
      LINE, .says = "limn reads no file of settings; limn batch FILE reads jobs with any options" },
    { .names = "base-model, yaml, original-config, original-config-file",
      LINE, .says = "limn sees from the checkpoint what it is; --prediction v says what cannot be seen" },
    { .names = "stepwise-image-output-dir, save-intermediates, log-every-t, save-step-images",
      LINE, .says = "--save-steps writes what each step predicts, beside the picture" },
    { .names = "no-progress, disable-progress-bar, disable-tqdm, disable-console-progressbars, silent",
      LINE, FLAG, .says = "-q, --quiet shows no progress, and says nothing but errors" },
    { .names = "debug, log-level, loglevel",
      LINE, .says = "-v, --verbose says what was used, --trace FILE writes every tensor" },
    { .names = "jobs, workers, cpu-count", LINE, .says = "-t, --threads N is how many threads are used" },
    { .names = "filename-prefix, fnformat, prefix, filename-pattern, samples-filename-pattern, name",
      LINE, .says = "-o 'x-{seed}.png' is the pattern of the names" },
    { .names = "image-format, output-format, samples-format, file-format, usejpeg, jpeg, webp, jpeg-quality, "
      "quality, format, png-compression", .letters = "z", LINE, .says = "limn writes PNG" },
    { .names = "stop-at-clip-layer, clip-layer, clip-last-layer",
      .neutral = "|-1|", .says = "--clip-skip 2 is what other tools call layer -2" },
    { .names = "eta-ddim, eta-ancestral", .says = "--eta is that of the sampler, whichever it is" },
    { .names = "beta-schedule, beta-start, beta-end, num-train-timesteps, steps-offset, clip-sample, "
      "rescale-betas-zero-snr, zsnr",
      LINE, .says = "that is the model's own: scheduler/scheduler_config.json in its folder" },
    { .names = "sampler-rng", LINE, .says = "--rng is that of all noise" },
    { .names = "prompt-as-dir", LINE, .says = "-o '{prompt}-{seed}.png' names pictures by their prompt" },
    { .names = "log-tokenization", LINE, .says = "--trace FILE writes the ids of the tokens" },
    { .names = "individual", LINE, FLAG, .neutral = "*" },
    { .names = "karras-max", LINE, .says = "--schedule karras is Karras' noise schedule, whatever the steps" },
    { .names = "algorithm-type, solver-type, lower-order-final, final-sigmas-type",
      LINE, .says = "limn list samplers: each of them is a sampler of its own" },
    { .names = "aspect-ratio, ar, aspect, orientation", LINE, .says = "-W and -H are the sides in pixels" },
    { .names = "max-size, downscale, scale-to", LINE, .says = "--resize PIXELS makes the finished picture smaller" },
    { .names = "rembg, remove-background, remove-bg, no-background, alpha",
      LINE, .says = "--transparent makes a plain background transparent" },
    { .names = "use-offline-model, cache-dir, hf-token, token, force-download, "
      "no-download-sd-model, models-dir, user-directory, extra-model-paths-config, model-dir, ckpt-dir, data-dir, "
      "root-dir, base-path",
      LINE, .says = "-m names a folder, a file, or a model that limn pull has fetched; nothing else is downloaded" },
    { .names = "clip-l, clip-name, text-encoder, clip-path, "
      "lcm-scheduler", LINE, .says = "limn takes no part of a model but --unet, --vae and --tokenizer; -m is a whole model" },
    { .names = "styles, prompt-styles",
      .neutral = "||none|[]|", .says = "limn has no styles; write them into the prompt" },
    { .names = "style-preset, style, prompt-style",
      LINE, .neutral = "||none|", .says = "limn has no styles; write it into the prompt" },
    { .names = "mode",
      .letters = "M", LINE, .neutral = "|img_gen|txt2img|text2img|",
      .says = "limn --help shows what limn can do; the mode is its first word" },
    { .names = "override-settings, alwayson-scripts, script-name, script-args",
      .neutral = "||{}|[]|null|none|", .says = "A1111's settings and scripts; limn's options stand beside the prompt" },
    { .names = "override-settings-restore-afterwards, do-not-reload-embeddings, disable-extra-networks",
      .neutral = "*" },
    { .names = "add-noise, return-with-leftover-noise",
      .neutral = "|enable|true|disable|false|", .says = "limn draws from noise to the end" },
    { .names = "start-at-step, end-at-step, last-step",
      .neutral = "|0|10000|", .says = "limn draws from noise to the end" },
    { .names = "output-type, return-dict, callback-steps, generator",
      LINE, .says = "limn writes PNG files; --trace FILE writes the tensors" },

    /* what limn lacks as yet */
    { .names = "lora-paths, lora-weight, lora-weights, lora-scale, lora-scales, "
      "lora-name, lora-apply-mode, lora-strength, strength-model, strength-clip, use-lcm-lora, "
      "lcm-lora-id, base-model-id, lora-style, lyco, lycoris",
      .neutral = "||[]|null|none|false|", LINE, .says = "limn has --lora FILE[:WEIGHT[:TEXT_WEIGHT]], which may be given again" },
    { .names = "hypernetwork, hypernetworks, hypernetwork-dir", .neutral = OFF, YET("hypernetworks") },
    { .names = "embeddings", LINE, .says = "limn has --embedding FILE[=TOKEN], which may be given again, and --embedding-dir" },
    { .names = "image-strength, init-strength, fit",
      LINE, .says = "limn has --strength: the share of the steps that are run" },
    { .names = "inpainting-fill", LINE, .becomes = "fill" },
    { .names = "outpaint, outcrop, outpainting", LINE, .says = "limn has --extend left=64,top=0,right=0,bottom=0" },
    { .names = "masked-image-path, inpaint, text-mask",
      LINE, .says = "limn has --init-image FILE --mask FILE, or --mask alpha for a picture that is clear in places" },
    { .names = "image-guidance, instruction", .neutral = "||null|none|", LINE, .says = "limn has --init-image FILE, the instruction as the prompt, and --image-cfg-scale" },
    { .names = "control-net, controlnet, control-image, controlnet-image-path, controlnet-strength, controlnet-model, "
      "control-net-cpu, control-guidance-start, control-guidance-end, controls, controlnet-units",
      .neutral = "||[]|null|none|false|",
      .says = "limn has --control model=FILE,image=FILE[,strength=1,start=0,end=1,guess], which may be given again" },
    { .names = "canny", .neutral = "||null|none|false|", LINE,
      .says = "limn has --control model=FILE,image=edges:FILE, which finds the edges as OpenCV does" },
    { .names = "t2i-adapter", LINE, .says = "limn has --adapter model=FILE,image=FILE[,strength=1,start=0,end=1]" },
    { .names = "ip-adapter-image, ip-adapter-scale, ip-adapter-path", LINE,
      .says = "limn has --ip-adapter model=FILE,image=FILE[,encoder=FILE,scale=0.6]" },
    { .names = "photo-maker, pm-id-images-dir, pm-style-strength, ref-image, reference-image",
      .letters = "r", LINE, YET("reference pictures") },
    { .names = "hires-fix, highres-fix, enable-hr", FLAG, .becomes = "hires=2" },
    { .names = "hr-resize-x, hr-resize-y, hires-fix-width, hires-fix-height",
      LINE, .neutral = "|0|", .says = "limn has --hires X: how many times as large" },
    { .names = "hr-scheduler, hr-prompt, hr-negative-prompt, hr-checkpoint-name, hr-additional-modules, "
      "firstphase-width, firstphase-height",
      .neutral = "||null|none|[]|0|", LINE, .says = "limn's second pass has the first one's; it has --hires-sampler and --hires-cfg-scale" },
    { .names = "hr-scale", .neutral = "|2|2.0||null|none|", LINE, .becomes = "hires" },
    { .names = "hr-second-pass-steps", .neutral = "|0||null|none|", LINE, .becomes = "hires-steps" },
    { .names = "hr-upscaler", .neutral = "||latent|null|none|", LINE, .becomes = "hires-with" },
    { .names = "hr-sampler-name", .neutral = "||null|none|use same sampler|", LINE, .becomes = "hires-sampler" },
    { .names = "hr-cfg", LINE, .becomes = "hires-cfg-scale" },
    { .names = "hr-scale, hr-second-pass-steps, hr-upscaler, hr-sampler-name, hr-cfg",
      .neutral = "||2|2.0|0|latent|null|none|use same sampler|1|1.0|",
      .says = "limn's fields are hires (how many times as large), hires_steps, hires_with, hires_sampler, hires_cfg_scale" },
    { .names = "hires-fix-strength", LINE, .becomes = "hires-strength" },
    { .names = "hires-upscalers-dir", LINE, .says = "limn has --hires-with FILE" },
    { .names = "upscale, upscaler, upscale-model, upscale-by, upscale-repeats, upscale-factor, esrgan, "
      "esrgan-model, realesrgan, sdupscale, upscaler-scale, upscaler-1, embiggen",
      .letters = "U", LINE, .says = "limn upscale FILE --with MODEL makes pictures larger, --hires 2 draws them larger" },
    { .names = "taesd, tae, use-tiny-auto-encoder, tiny-vae, taesd-path, use-tiny-autoencoder, tiny-autoencoder",
      LINE, .says = "--vae FILE takes a TAESD, a tiny VAE" },
    { .names = "preview-path, preview-method, live-preview",
      LINE, .says = "--preview N shows the picture so far every N steps, --preview-vae FILE by a TAESD" },
    { .names = "denoising-start, denoising-end, refiner-steps",
      .neutral = "||null|none|", .says = "limn runs both models at once: --refiner MODEL --refiner-at 0.8" },
    { .names = "crops-coords-top-left, crop-top, crop-left, original-width, original-height, target-width, "
      "target-height", LINE, .says = "--crop X,Y, --original-size WxH and --target-size WxH are what SD XL is told" },
    { .names = "text-encoder-2, clip-g",
      LINE, .says = "limn takes no part of a model but --unet, --vae and --tokenizer; -m is a whole model" },
    { .names = "prompt-3, t5xxl, text-encoder-3, t5, clip-vision, llm, flow-shift, shift, distilled-cfg-scale, "
      "true-cfg-scale, max-sequence-length", LINE, YET("SD 3, Flux and their kin") },
    { .names = "with-variations, variations", LINE, .says = "limn has --variation-seed N --variation-strength X, and limn variants PNG" },
    { .names = "perlin, threshold, thresholding",
      .neutral = OFF, .says = "limn cannot do Perlin noise or InvokeAI's threshold yet; it has --mimic-scale" },
    { .names = "quantize, quantization, quant, tensor-type-rules, weight-type, wtype, gguf",
      LINE, .says = "weights are read as a file has them, GGUF's types too; limn convert MODEL FILE.gguf --type q8_0 packs them" },
    { .names = "sigmas, custom-sigmas",
      LINE, .says = "limn takes timesteps of your own (--timesteps 999,749,499,249), and no sigmas; --schedule names a rule" },
    { .names = "token-merging-ratio-hr, token-merging-ratio-img2img", .neutral = OFF, .says = "limn has --tome X, which counts in all passes" },
    { .names = "cache-mode, cache-option, cache-preset", .neutral = OFF, .says = "limn has --deepcache N" },
    { .names = "listen, port, host, server, serve, web, webui, gui, api, api-port, share, autolaunch, auto-launch, "
      "cors-allow-origins, theme, front-end-version, enable-cors-header, nowebui, realtime, interactive, "
      "enable-insecure-extension-access, gradio-auth",
      LINE, .says = "limn serve is the server: --host, --port, --api-key-file" },
    { .names = "convert, convert-name, merge, merge-models", LINE, YET("conversions or merges of models") },
    { .names = "restore-faces, gfpgan, gfpgan-strength, codeformer, codeformer-weight, codeformer-fidelity, "
      "facetool, facetool-strength, face-restoration",
      .letters = "G", .neutral = OFF, .says = "limn does not restore faces" },
    { .names = "safety-checker, use-safety-checker, nsfw-checker, requires-safety-checker",
      FLAG, .neutral = OFF, .says = "limn has no safety checker" },
    { .names = "watermark, add-watermark", FLAG, .neutral = OFF, .says = "limn puts no watermark into a picture" },
    { .names = "video-frames, num-frames, fps, frames, motion-scale", LINE, .says = "limn draws pictures, not films" },
    { .names = "slg-scale, skip-layers, skip-layer-start, skip-layer-end",
      LINE, .says = "that is for SD 3, which limn cannot draw with" },
    { .names = "high-noise-steps, high-noise-cfg-scale, high-noise-diffusion-model, moe-boundary",
      LINE, .says = "that is for Wan, which limn cannot draw with" },
    { .names = NULL },
};

/* Values of limn's options; .ours NULL: refused, with these words. */
static const struct {
    const char *option, *theirs, *ours, *says;
} values[] = {
    { "rng", "cuda, nv", "philox", NULL },
    { "rng", "cpu", "torch", NULL },
    { "rng", "gpu", NULL, "a GPU's noise is its maker's: choose of torch|philox; NVIDIA's is philox" },
    { "rng", "std_default", NULL, "the noise of C++'s library, which limn lacks; choose of torch|philox" },
    { "compat", "auto1111, automatic1111, automatic, webui, sd-webui, stable-diffusion-webui", "a1111", NULL },
    { "compat", "comfy", "comfyui", NULL },
    { "compat", "diffuser, huggingface, hf", "diffusers", NULL },
    { "compat", "forge, reforge, sd-webui-forge", NULL,
      "limn does not know where Forge differs from A1111; a1111 is the nearest" },
    { "compat", "vlad, sdnext, sd.next", NULL,
      "limn does not know what SD.Next does otherwise; diffusers and a1111 are the nearest" },
    { "compat",
      "invoke, invokeai, sdcpp, sd.cpp, stable-diffusion.cpp, compvis, ldm, fooocus, swarmui, drawthings, mflux", NULL,
      "limn does not know this tool's ways; it has diffusers|a1111|comfyui" },
    { "prediction", "eps, noise", "epsilon", NULL },
    { "prediction", "v, v-pred, vpred, velocity", "v_prediction", NULL },
    { "prediction", "x0, x-start, original", "sample", NULL },
    { "prediction", "edm-v, sd3-flow, flux-flow, flux2-flow, flow, flow-prediction", NULL,
      "limn cannot draw with such models; it has epsilon|v_prediction|sample" },
    { "precision", "full, fp32, float32, float, torch.float32", "f32", NULL },
    { "precision", "bfloat16, torch.bfloat16", "bf16", NULL },
    { "precision", "i8, qint8, torch.int8", "int8", NULL },
    { "precision", "fp16, f16, float16, half, torch.float16, autocast, mixed", NULL,
      "limn has no arithmetic of 16-bit floats but bf16: choose of auto|f32|bf16|int8" },
    { "tile", "xy, all", "both", NULL },
    { "tile", "off, none, false", FOREIGN_OPEN, NULL },
    { "refiner", "none, null", FOREIGN_OPEN, NULL },
    { "schedule", "automatic, auto", FOREIGN_OPEN, NULL },
    { "schedule", "linear, scaled-linear, squaredcos-cap-v2", NULL,
      "that is a schedule of betas, which is the model's own; limn list schedules shows limn's" },
    { "seed", "auto, rand", "random", NULL },
    { "fill", "0", "fill", NULL }, /* A1111's numbers */
    { "fill", "1", "original", NULL },
    { "fill", "2, latent-noise", "noise", NULL },
    { "fill", "3, latent-nothing", "nothing", NULL },
    { "resize-mode", "0, just-resize", "stretch", NULL },
    { "resize-mode", "1, crop-and-resize", "crop", NULL },
    { "resize-mode", "2, resize-and-fill", "fit", NULL },
    { "resize-mode", "3", NULL, "A1111's resize of latents, which limn cannot do; choose of stretch|crop|fit" },
    { "mask-invert", "1", "true", NULL },
    { "mask-invert", "0", "false", NULL },
    { "memory", "lowvram, medvram", "low", NULL },
    { NULL, NULL, NULL, NULL },
};
/* clang-format on */

/* Whether a name of one letter is in the list: there case counts. */
static bool has_letter(const char *names, char c)
{
    for (const char *p = names; *p; p += strcspn(p, ","), p += strspn(p, ", "))
        if (*p == c && (p[1] == ',' || !p[1])) return true;
    return false;
}

const Foreign *foreign_find(const char *name, size_t len, bool line)
{
    char text[64];
    if (!len || len >= sizeof text) return NULL;
    memcpy(text, name, len);
    text[len] = '\0';
    for (const Foreign *f = foreign; f->names; f++)
        if ((!f->line || line) && (len == 1 ? has_letter(f->names, *text) : names_have(f->names, text))) return f;
    return NULL;
}

const Foreign *foreign_letter(char c)
{
    for (const Foreign *f = foreign; f->names; f++)
        if (c && f->letters && strchr(f->letters, c)) return f;
    return NULL;
}

bool foreign_takes_value(const Foreign *f) { return !f->flag && (f->becomes || f->neutral || f->read); }

static bool is_neutral(const Foreign *f, const char *value)
{
    char text[64];
    if (!f->neutral || !value) return false;
    if (strcmp(f->neutral, "*") == 0) return true;
    snprintf(text, sizeof text, "|%.60s|", value);
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a'); /* a spreadsheet's FALSE, Python's None */
    return strstr(f->neutral, text) != NULL;
}

int foreign_apply(const Foreign *f, const char *value, const ForeignSink *to, Err *e)
{
    char option[64];
    if (is_neutral(f, value)) return 0;
    if (f->read) return f->read(value, to, e);
    if (!f->becomes) return err_usage(e, "%s", f->says);
    size_t len = strcspn(f->becomes, "=");
    snprintf(option, sizeof option, "%.*s", (int)len, f->becomes);
    if (!f->becomes[len]) return to->set(to->ctx, option, value, e);
    bool on = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
    return on ? to->set(to->ctx, option, f->becomes + len + 1, e) : 0;
}

void foreign_try(Nearest *n)
{
    for (const Foreign *f = foreign; f->names; f++)
        if (f->becomes && !strchr(f->becomes, '=')) nearest_try_aliases(n, f->names, f->becomes);
}

int foreign_tell(const Foreign *f, Err *e)
{
    if (f->says) return err_usage(e, "%s", f->says);
    return err_usage(e, "limn calls it --%.*s", (int)strcspn(f->becomes ? f->becomes : "help", "="),
                     f->becomes ? f->becomes : "help");
}

const char *foreign_value(const char *option, const char *text, Err *e)
{
    for (size_t i = 0; values[i].option; i++) {
        if (strcmp(values[i].option, option) != 0 || !names_have(values[i].theirs, text)) continue;
        if (values[i].ours) return values[i].ours;
        err_usage(e, "\"%.60s\": %s", text, values[i].says);
        return NULL;
    }
    return text;
}

/* ---- values that have to be looked at ---- */

/* "512x768", also with '*', 'X' or ','; "512" is both sides. */
static int read_size(const char *value, const ForeignSink *to, Err *e)
{
    char width[16], height[16];
    size_t w = strspn(value, "0123456789");
    const char *second = value + w + (value[w] != '\0');
    size_t h = strspn(second, "0123456789");
    bool square = w && !value[w];
    bool both = w && value[w] && strchr("xX*,", value[w]) && h && !second[h];
    if ((!square && !both) || w >= sizeof width || h >= sizeof height)
        return err_usage(e, "\"%.60s\" is no size such as 512x768; -W and -H are the sides in pixels", value);
    snprintf(width, sizeof width, "%.*s", (int)w, value);
    snprintf(height, sizeof height, "%.*s", square ? (int)w : (int)h, square ? value : second);
    return to->set(to->ctx, "width", width, e) || to->set(to->ctx, "height", height, e) ? -1 : 0;
}

/* In A1111, ComfyUI and stable-diffusion.cpp limn's schedule, in diffusers and InvokeAI its sampler: the name tells which. */
static int read_scheduler(const char *value, const ForeignSink *to, Err *e)
{
    bool sampler = sampler_find(value) != NULL, schedule = schedule_find(value) != NULL;
    if (sampler && schedule)
        return err_usage(
            e, "\"%.60s\" is a schedule in some tools and a sampler in others: --schedule or --sampler says which",
            value);
    return to->set(to->ctx, sampler ? "sampler" : "schedule", value, e);
}

/* A folder, which need not be there. */
static int read_folder(const char *value, const ForeignSink *to, Err *e)
{
    char path[4096];
    size_t len = strlen(value);
    int n = snprintf(path, sizeof path, "%s%s", value, len && value[len - 1] == '/' ? "" : "/");
    if (!len || n < 0 || (size_t)n >= sizeof path) return err_usage(e, "\"%.60s\" is not the name of a folder", value);
    return to->set(to->ctx, "output", path, e);
}

static int read_device(const char *value, const ForeignSink *to, Err *e)
{
    (void)to;
    if (strcmp(value, "cpu") == 0 || strcmp(value, "auto") == 0) return 0;
    return err_usage(e, "\"%.60s\": limn draws on the CPU", value);
}
