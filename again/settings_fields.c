/*
 * settings_fields.c - see settings.h. Sources: InvokeAI's invocations/metadata.py and its ldm/invoke/pngwriter.py of 2022; fastsdcpu's
 * backend/models/lcmdiffusion_setting.py and image_saver.py; Draw Things' pictures and its HTTP API; NovelAI's pictures; Fooocus'
 * modules/meta_parser.py; SwarmUI's T2IParamTypes.cs; Easy Diffusion's dnd.js and save_utils.py.
 */
#include "again/settings.h"

#define OFF "0|0.0|false|none|null"

/* clang-format off */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* a row ends with what it says */
const Field settings_invokeai[] = {
    { "positive_prompt", "prompt" },
    { "negative_prompt", "negative-prompt" },
    { "positive_style_prompt", "prompt-2", "" },
    { "negative_style_prompt", "negative-prompt-2", "" },
    { "width|image.width", "width" },
    { "height|image.height", "height" },
    { "seed|image.seed", "seed" },
    { "cfg_scale|image.cfg_scale", "cfg-scale" },
    { "cfg_rescale_multiplier", "cfg-rescale", OFF },
    { "steps|image.steps", "steps" },
    { "scheduler|image.sampler", "@sampler" },
    { "clip_skip", "@clip-skip-0", OFF },
    { "rand_device", "@rand-device" },
    { "seamless_x", "@tile-x", OFF },
    { "seamless_y", "@tile-y", OFF },
    { "image.seamless", "@tile", OFF },
    { "model.name|model.model_name|model_weights", "@model" },
    { "vae.name|vae.model_name", "@vae" },
    { "init_image", "@init" },
    { "strength", "strength" },
    { "refiner_model.name|refiner_model.model_name", "@refiner" },
    { "refiner_start", "refiner-at" },
    { "refiner_model|refiner_steps|refiner_cfg_scale|refiner_scheduler|refiner_positive_aesthetic_score|refiner_negative_aesthetic_score",
      NULL, "*" },
    { "loras|controlnets|ipAdapters|t2iAdapters|image.prompt", NULL, "*" }, /* looked at elsewhere */
    { "app_version|app_id|model|model_hash|model.hash|model.key|model.base|model.type|model.base_model|model.model_type|generation_mode|image.type|image.variations|"
      "image.postprocessing|vae|vae.key|vae.hash|vae.base|vae.type|vae.base_model|canvas_v2_metadata|ref_images|regions|"
      "_canvas_objects|z_image|use_cpu|is_intermediate|id|created_by|dy_pe|type", NULL, "*" },
    { "hrf_enabled", NULL, OFF, MATTERS_WHOLLY, "a second pass: --hires 2 is near it" },
    { "hrf_method|hrf_strength|hrf_width|hrf_height", NULL, "*" },
    { "image.hires_fix", NULL, OFF, MATTERS_WHOLLY, "a second pass: --hires 2 is near it" },
    { "image.threshold|image.perlin", NULL, OFF, MATTERS_WHOLLY, "limn cannot do that" },
    { NULL },
};

const Field settings_fastsdcpu[] = {
    { "prompt", "prompt" },
    { "negative_prompt", "negative-prompt" },
    { "image_width", "width" },
    { "image_height", "height" },
    { "inference_steps", "steps" },
    { "guidance_scale", "cfg-scale" },
    { "strength", "strength" },
    { "tiny_auto_encoder", NULL, "*" },
    { "use_tiny_auto_encoder", NULL, OFF, MATTERS_SEEN, "it was decoded by a TAESD: --vae names one" },
    { "use_openvino", NULL, OFF, MATTERS_LITTLE, "OpenVINO rounds otherwise" },
    { "token_merging", NULL, OFF, MATTERS_SEEN, "it was drawn with tokens merged" },
    { "controlnet", NULL, "", MATTERS_WHOLLY, "its picture is not in here: --control model=FILE,image=FILE" },
    { "clip_skip", NULL, "1|0", MATTERS_SEEN, "try --clip-skip" },
    { "seed|use_seed|lcm_model_id|openvino_lcm_model_id|use_lcm_lora|lcm_lora|lora|use_offline_model|number_of_images|use_safety_checker|"
      "diffusion_task|dirs|rebuild_pipeline|use_gguf_model|gguf_model|controlnet|init_image|generated_images", NULL, "*" },
    { NULL },
};

const Field settings_draw_things[] = {
    { "c|prompt", "prompt" },
    { "uc|negativePrompt|negative_prompt", "negative-prompt" },
    { "model", "@model" },
    { "sampler", "@sampler" },
    { "scale|guidance_scale", "cfg-scale" },
    { "seed", "seed" },
    { "steps", "steps" },
    { "size", "@size" },
    { "v2.clipSkip", "@clip-skip" },
    { "v2.stochasticSamplingGamma|v2.guidanceScale|v2.seed|v2.steps|v2.width|v2.height|v2.strength|v2.model|v2.sampler", NULL, "*" },
    { "v2.hiresFix", NULL, OFF, MATTERS_WHOLLY, "a second pass: --hires is near it" },
    { "v2.sharpness", NULL, OFF, MATTERS_SEEN, "limn draws without" },
    { "v2.refinerModel", "@refiner", "" },
    { "v2.zeroNegativePrompt", NULL, OFF, MATTERS_SEEN, "the negative prompt was zeros" },
    { "seed_mode", "@seed-mode" },
    { "strength", "@strength", "1" },
    { "mask_blur", NULL, "*" },
    { "v2|lora|control|profile|shift|aesthetic_score|negative_aesthetic_score|crop_left|crop_top|original_size|target_size|"
      "negative_original_size|batch_size|refiner_start|seed_mode_id|fps|generated_by", NULL, "*" },
    { NULL },
};

const Field settings_novelai[] = {
    { "prompt", "prompt" },
    { "uc", "negative-prompt" },
    { "steps", "steps" },
    { "width", "width" },
    { "height", "height" },
    { "scale", "cfg-scale" },
    { "seed", "seed" },
    { "cfg_rescale", "cfg-rescale", OFF },
    { "sampler", "@sampler" },
    { "noise_schedule", "@schedule", "native" },
    { "strength", "@strength" },
    { "sm|sm_dyn", NULL, OFF, MATTERS_SEEN, "SMEA is NovelAI's own" },
    { "dynamic_thresholding", NULL, OFF, MATTERS_SEEN, "limn draws without" },
    { "uncond_scale|uncond_per_vibe", NULL, "*" },
    { "n_samples|hide_debug_overlay|request_type|signed_hash|legacy|legacy_v3_extend|skip_cfg_above_sigma|v4_prompt|v4_negative_prompt|"
      "controlnet_strength|controlnet_model|noise|extra_passthrough_testing|add_original_image|version|deliberate_euler_ancestral_bug|"
      "prefer_brownian|cfg_sched_eligibility|explike_fine_detail|minimize_sigma_inf|wonky_vibe_correlation|lora_unet_weights|"
      "lora_clip_weights|reference_information_extracted_multiple|reference_strength_multiple|stream|dynamic_thresholding_percentile|"
      "dynamic_thresholding_mimic_scale", NULL, "*" },
    { NULL },
};

const Field settings_fooocus[] = {
    { "prompt", "prompt" },
    { "negative_prompt", "negative-prompt" },
    { "base_model", "@model" },
    { "base_model_hash", "@model-hash" },
    { "steps", "steps" },
    { "guidance_scale", "cfg-scale" },
    { "seed", "seed" },
    { "sampler", "@sampler" },
    { "scheduler", "@schedule" },
    { "vae", "@vae", "Default (model)" },
    { "clip_skip", "@clip-skip", "2" },
    { "refiner_model", "@refiner", "None" },
    { "refiner_switch", NULL, "*" },
    { "sharpness", NULL, OFF, MATTERS_SEEN, "Fooocus' own filter in the sampler, on by default" },
    { "adm_guidance", NULL, "", MATTERS_SEEN, "Fooocus' own guidance of sizes, on by default" },
    { "adaptive_cfg", NULL, "", MATTERS_SEEN, "Fooocus' own guidance, on by default" },
    { "freeu", NULL, "", MATTERS_SEEN, "limn draws without" },
    { "inpaint_engine_version|inpaint_method", NULL, "", MATTERS_WHOLLY, "Fooocus' own inpainting" },
    { "full_prompt|full_negative_prompt|resolution|loras|styles|prompt_expansion|performance|created_by|metadata_scheme|version|"
      "image_number|refiner_swap_method|lora_combined_1|base_model_sha", NULL, "*" },
    { NULL },
};

const Field settings_swarmui[] = {
    { "prompt", "prompt" },
    { "negativeprompt", "negative-prompt" },
    { "model", "@model" },
    { "seed", "seed" },
    { "steps", "steps" },
    { "cfgscale", "cfg-scale" },
    { "width", "width" },
    { "height", "height" },
    { "sampler", "@sampler" },
    { "scheduler", "@schedule" },
    { "vae", "@vae", "None|Automatic" },
    { "clipstopatlayer", "@clip-layer" },
    { "variationseed", "variation-seed" },
    { "variationseedstrength", "variation-strength", OFF },
    { "seamlesstileable", NULL, OFF, MATTERS_SEEN, "try --tile both" },
    { "initimagecreativity", "@strength" },
    { "refinermodel", "@refiner" },
    { "refinercontrolpercentage|refinercontrol", NULL, OFF, MATTERS_WHOLLY, "a second pass: --refiner, or --hires" },
    { "refinerupscale", NULL, "1", MATTERS_WHOLLY, "a second pass: --hires" },
    { "refinermethod|refinerupscalemethod|refinersteps", NULL, "*" },
    { "loras|loraweights|aspectratio|images|automaticvae|swarm_version|date|generation_time|imageformat|nopreviews|wildcardseed|"
      "original_prompt|original_negativeprompt|used_wildcards|used_embeddings|prompt_expanded|presets|donotsave|batchsize|"
      "personalnote|debugregionalprompting|internalbackendtype|exactbackendid|loratencweights|lorasectionconfinement|"
      "resolution|sidelength|automaticallyremovebackground|unsampler_prompt|parser_settings|intermediate", NULL, "*" },
    { NULL },
};

const Field settings_easy_diffusion[] = {
    { "prompt|Prompt", "prompt" },
    { "negative_prompt|Negative Prompt", "negative-prompt" },
    { "seed|Seed", "seed" },
    { "num_inference_steps|Steps", "steps" },
    { "guidance_scale|Guidance Scale", "cfg-scale" },
    { "width|Width", "width" },
    { "height|Height", "height" },
    { "sampler_name|Sampler", "@sampler" },
    { "scheduler_name", "@schedule" },
    { "use_stable_diffusion_model|Stable Diffusion model", "@model" },
    { "use_vae_model|VAE model", "@vae", "none|null|false" },
    { "clip_skip|Clip Skip", "@clip-skip-on" },
    { "tiling|Seamless Tiling", "@tiling", "none|null" },
    { "prompt_strength|Prompt Strength", "@strength" },
    { "use_hypernetwork_model|Hypernetwork model", NULL, "none|null", MATTERS_WHOLLY, "limn has no hypernetworks" },
    { "use_controlnet_model|ControlNet model", NULL, "none|null", MATTERS_WHOLLY, "its picture is not in here: --control model=FILE,image=FILE" },
    { "use_face_correction|Use Face Correction", NULL, "none|null|false", MATTERS_SEEN, "limn does not restore faces" },
    { "use_upscale|Use Upscaling", NULL, "none|null|false", MATTERS_SEEN, "it was made larger afterwards: limn upscale" },
    { "use_lora_model|LoRA model|lora_alpha|LoRA Strength|used_random_seed|num_outputs|vram_usage_level|output_format|output_quality|"
      "metadata_output_format|original_prompt|active_tags|inactive_tags|show_only_filtered_image|block_nsfw|stream_progress_updates|"
      "stream_image_progress|session_id|use_embeddings_model|upscale_amount|Upscale By|hypernetwork_strength|request_id|"
      "output_lossless|enable_vae_tiling|filters|backend|use_text_encoder_model", NULL, "*" },
    { NULL },
};
#pragma GCC diagnostic pop
/* clang-format on */
