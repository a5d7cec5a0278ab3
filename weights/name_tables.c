/* name_tables.c - the names of each kind of checkpoint. See name_rules.h. */
#include "weights/name_rules.h"

#include <stddef.h>

static const Leaf unet_resnet[] = {
    { "in_layers.0.", "norm1." },
    { "in_layers.2.", "conv1." },
    { "emb_layers.1.", "time_emb_proj." },
    { "out_layers.0.", "norm2." },
    { "out_layers.3.", "conv2." },
    { "skip_connection.", "conv_shortcut." },
    { NULL, NULL },
};

static const NameRule ldm_unet[] = {
    { "time_embed.0.*", "time_embedding.linear_1.*", NUM_SAME, NULL, KEEP },
    { "time_embed.2.*", "time_embedding.linear_2.*", NUM_SAME, NULL, KEEP },
    { "time_embed.cond_proj.*", "time_embedding.cond_proj.*", NUM_SAME, NULL, KEEP },
    { "label_emb.0.0.*", "add_embedding.linear_1.*", NUM_SAME, NULL, KEEP },
    { "label_emb.0.2.*", "add_embedding.linear_2.*", NUM_SAME, NULL, KEEP },
    { "input_blocks.0.0.*", "conv_in.*", NUM_SAME, NULL, KEEP },
    { "input_blocks.#.0.op.*", "down_blocks.%b.downsamplers.0.conv.*", NUM_DOWN, NULL, KEEP },
    { "input_blocks.#.0.*", "down_blocks.%b.resnets.%l.*", NUM_DOWN, unet_resnet, KEEP },
    { "input_blocks.#.1.*", "down_blocks.%b.attentions.%l.*", NUM_DOWN, NULL, KEEP },
    { "middle_block.0.*", "mid_block.resnets.0.*", NUM_SAME, unet_resnet, KEEP },
    { "middle_block.1.*", "mid_block.attentions.0.*", NUM_SAME, NULL, KEEP },
    { "middle_block.2.*", "mid_block.resnets.1.*", NUM_SAME, unet_resnet, KEEP },
    { "output_blocks.#.0.*", "up_blocks.%b.resnets.%l.*", NUM_UP, unet_resnet, KEEP },
    { "output_blocks.#.1.conv.*", "up_blocks.%b.upsamplers.0.conv.*", NUM_UP, NULL, KEEP },
    { "output_blocks.#.2.conv.*", "up_blocks.%b.upsamplers.0.conv.*", NUM_UP, NULL, KEEP },
    { "output_blocks.#.1.*", "up_blocks.%b.attentions.%l.*", NUM_UP, NULL, KEEP },
    { "out.0.*", "conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "out.2.*", "conv_out.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

/* lllyasviel/ControlNet, cldm.py. What is not named here is as in the UNet. */
static const NameRule ldm_control[] = {
    { "input_hint_block.0.*", "controlnet_cond_embedding.conv_in.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.2.*", "controlnet_cond_embedding.blocks.0.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.4.*", "controlnet_cond_embedding.blocks.1.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.6.*", "controlnet_cond_embedding.blocks.2.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.8.*", "controlnet_cond_embedding.blocks.3.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.10.*", "controlnet_cond_embedding.blocks.4.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.12.*", "controlnet_cond_embedding.blocks.5.*", NUM_SAME, NULL, KEEP },
    { "input_hint_block.14.*", "controlnet_cond_embedding.conv_out.*", NUM_SAME, NULL, KEEP },
    { "zero_convs.#.0.*", "controlnet_down_blocks.%b.*", NUM_SAME, NULL, KEEP },
    { "middle_block_out.0.*", "controlnet_mid_block.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const Leaf vae_resnet[] = { { "nin_shortcut.", "conv_shortcut." }, { NULL, NULL } };
static const Leaf vae_attention[] = {
    { "norm.", "group_norm." },   { "q.", "to_q." }, { "k.", "to_k." }, { "v.", "to_v." },
    { "proj_out.", "to_out.0." }, { NULL, NULL },
};

static const NameRule ldm_vae[] = {
    { "encoder.conv_in.*", "encoder.conv_in.*", NUM_SAME, NULL, KEEP },
    { "encoder.down.#.block.#.*", "encoder.down_blocks.%b.resnets.%l.*", NUM_SAME, vae_resnet, KEEP },
    { "encoder.down.#.downsample.conv.*", "encoder.down_blocks.%b.downsamplers.0.conv.*", NUM_SAME, NULL, KEEP },
    { "encoder.mid.block_1.*", "encoder.mid_block.resnets.0.*", NUM_SAME, NULL, KEEP },
    { "encoder.mid.attn_1.*", "encoder.mid_block.attentions.0.*", NUM_SAME, vae_attention, FLATTEN },
    { "encoder.mid.block_2.*", "encoder.mid_block.resnets.1.*", NUM_SAME, NULL, KEEP },
    { "encoder.norm_out.*", "encoder.conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "encoder.conv_out.*", "encoder.conv_out.*", NUM_SAME, NULL, KEEP },
    { "quant_conv.*", "quant_conv.*", NUM_SAME, NULL, KEEP },
    { "post_quant_conv.*", "post_quant_conv.*", NUM_SAME, NULL, KEEP },
    { "decoder.conv_in.*", "decoder.conv_in.*", NUM_SAME, NULL, KEEP },
    { "decoder.mid.block_1.*", "decoder.mid_block.resnets.0.*", NUM_SAME, NULL, KEEP },
    { "decoder.mid.attn_1.*", "decoder.mid_block.attentions.0.*", NUM_SAME, vae_attention, FLATTEN },
    { "decoder.mid.block_2.*", "decoder.mid_block.resnets.1.*", NUM_SAME, NULL, KEEP },
    { "decoder.up.#.block.#.*", "decoder.up_blocks.%b.resnets.%l.*", NUM_RAISE, vae_resnet, KEEP },
    { "decoder.up.#.upsample.conv.*", "decoder.up_blocks.%b.upsamplers.0.conv.*", NUM_RAISE, NULL, KEEP },
    { "decoder.norm_out.*", "decoder.conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "decoder.conv_out.*", "decoder.conv_out.*", NUM_SAME, NULL, KEEP },
    { "loss.*", NULL, NUM_SAME, NULL, DROP },      /* the discriminator of a VAE's training */
    { "model_ema.*", NULL, NUM_SAME, NULL, DROP }, /* averages kept by its training */
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const Leaf old_attention[] = {
    { "query.", "to_q." }, { "key.", "to_k." }, { "value.", "to_v." }, { "proj_attn.", "to_out.0." }, { NULL, NULL },
};

static const NameRule diffusers_vae[] = {
    { "encoder.mid_block.attentions.#.*", "encoder.mid_block.attentions.%b.*", NUM_SAME, old_attention, FLATTEN },
    { "decoder.mid_block.attentions.#.*", "decoder.mid_block.attentions.%b.*", NUM_SAME, old_attention, FLATTEN },
    { "encoder.*", "encoder.*", NUM_SAME, NULL, KEEP },
    { "decoder.*", "decoder.*", NUM_SAME, NULL, KEEP },
    { "quant_conv.*", "quant_conv.*", NUM_SAME, NULL, KEEP },
    { "post_quant_conv.*", "post_quant_conv.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule taesd[] = {
    { "#.*", "layers.%b.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule taesd_raised[] = {
    { "#.*", "layers.%b.*", NUM_LESS, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule diffusers_unet[] = {
    { "conv_in.*", "conv_in.*", NUM_SAME, NULL, KEEP },
    { "time_embedding.*", "time_embedding.*", NUM_SAME, NULL, KEEP },
    { "add_embedding.*", "add_embedding.*", NUM_SAME, NULL, KEEP },
    { "class_embedding.*", "class_embedding.*", NUM_SAME, NULL, KEEP },
    { "down_blocks.*", "down_blocks.*", NUM_SAME, NULL, KEEP },
    { "mid_block.*", "mid_block.*", NUM_SAME, NULL, KEEP },
    { "up_blocks.*", "up_blocks.*", NUM_SAME, NULL, KEEP },
    { "conv_norm_out.*", "conv_norm_out.*", NUM_SAME, NULL, KEEP },
    { "conv_out.*", "conv_out.*", NUM_SAME, NULL, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const Leaf openclip_block[] = {
    { "ln_1.", "layer_norm1." },
    { "ln_2.", "layer_norm2." },
    { "mlp.c_fc.", "mlp.fc1." },
    { "mlp.c_proj.", "mlp.fc2." },
    { "attn.out_proj.", "self_attn.out_proj." },
    { NULL, NULL },
};

static const NameRule openclip_text[] = {
    { "token_embedding.weight", "text_model.embeddings.token_embedding.weight", NUM_SAME, NULL, KEEP },
    { "positional_embedding", "text_model.embeddings.position_embedding.weight", NUM_SAME, NULL, KEEP },
    { "transformer.resblocks.#.attn.in_proj_weight", "text_model.encoder.layers.%b.self_attn.%q_proj.weight", NUM_TEXT,
      NULL, SPLIT },
    { "transformer.resblocks.#.attn.in_proj_bias", "text_model.encoder.layers.%b.self_attn.%q_proj.bias", NUM_TEXT,
      NULL, SPLIT },
    { "transformer.resblocks.#.*", "text_model.encoder.layers.%b.*", NUM_TEXT, openclip_block, KEEP },
    { "ln_final.*", "text_model.final_layer_norm.*", NUM_SAME, NULL, KEEP },
    { "text_projection", "text_projection.weight", NUM_POOL, NULL, TURN },
    { "text_projection.weight", "text_projection.weight", NUM_POOL, NULL,
      KEEP }, /* a file that was converted by halves */
    { "logit_scale", NULL, NUM_SAME, NULL, DROP },
    { "logit_bias", NULL, NUM_SAME, NULL, DROP },
    { "visual.*", NULL, NUM_SAME, NULL, DROP },  /* the half for pictures */
    { "attn_mask", NULL, NUM_SAME, NULL, DROP }, /* the causal mask, stored as a buffer */
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule clip_text[] = {
    { "text_model.embeddings.position_ids", NULL, NUM_SAME, NULL, DROP }, /* 0, 1, 2, ... */
    { "text_model.encoder.layers.#.self_attn.in_proj.weight", "text_model.encoder.layers.%b.self_attn.%q_proj.weight",
      NUM_TEXT, NULL, SPLIT }, /* as stable-diffusion.cpp writes OpenCLIP's */
    { "text_model.encoder.layers.#.self_attn.in_proj.bias", "text_model.encoder.layers.%b.self_attn.%q_proj.bias",
      NUM_TEXT, NULL, SPLIT },
    { "text_model.encoder.layers.#.*", "text_model.encoder.layers.%b.*", NUM_TEXT, NULL, KEEP },
    { "text_model.text_projection", "text_projection.weight", NUM_POOL, NULL, TURN },
    { "text_model.*", "text_model.*", NUM_SAME, NULL, KEEP },
    { "embeddings.position_ids", NULL, NUM_SAME, NULL, DROP },
    { "embeddings.*", "text_model.embeddings.*", NUM_SAME, NULL, KEEP }, /* as transformers 5.6 and later save it */
    { "encoder.*", "text_model.encoder.*", NUM_SAME, NULL, KEEP },
    { "final_layer_norm.*", "text_model.final_layer_norm.*", NUM_SAME, NULL, KEEP },
    { "text_projection.*", "text_projection.*", NUM_SAME, NULL, KEEP },
    { "logit_scale", NULL, NUM_SAME, NULL, DROP },
    { "vision_model.*", NULL, NUM_SAME, NULL, DROP }, /* the half for pictures */
    { "visual_projection.*", NULL, NUM_SAME, NULL, DROP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

/* CLIP's half for pictures. */
static const NameRule clip_image[] = {
    { "vision_model.embeddings.position_ids", NULL, NUM_SAME, NULL, DROP },
    { "vision_model.embeddings.patch_embedding.weight", "vision_model.embeddings.patch_embedding.weight", NUM_SAME,
      NULL, FOLD },
    { "vision_model.*", "vision_model.*", NUM_SAME, NULL, KEEP },
    { "visual_projection.*", "visual_projection.*", NUM_SAME, NULL, KEEP },
    { "embeddings.position_ids", NULL, NUM_SAME, NULL, DROP },
    { "embeddings.patch_embedding.weight", "vision_model.embeddings.patch_embedding.weight", NUM_SAME, NULL, FOLD },
    { "embeddings.*", "vision_model.embeddings.*", NUM_SAME, NULL, KEEP },
    { "encoder.*", "vision_model.encoder.*", NUM_SAME, NULL, KEEP },
    { "pre_layrnorm.*", "vision_model.pre_layrnorm.*", NUM_SAME, NULL, KEEP },
    { "post_layernorm.*", "vision_model.post_layernorm.*", NUM_SAME, NULL, KEEP },
    { "text_model.*", NULL, NUM_SAME, NULL, DROP }, /* the other half */
    { "text_projection.*", NULL, NUM_SAME, NULL, DROP },
    { "logit_scale", NULL, NUM_SAME, NULL, DROP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

static const NameRule openclip_image[] = {
    { "class_embedding", "vision_model.embeddings.class_embedding", NUM_SAME, NULL, KEEP },
    { "positional_embedding", "vision_model.embeddings.position_embedding.weight", NUM_SAME, NULL, KEEP },
    { "conv1.weight", "vision_model.embeddings.patch_embedding.weight", NUM_SAME, NULL, FOLD },
    { "ln_pre.*", "vision_model.pre_layrnorm.*", NUM_SAME, NULL, KEEP },
    { "ln_post.*", "vision_model.post_layernorm.*", NUM_SAME, NULL, KEEP },
    { "proj", "visual_projection.weight", NUM_SAME, NULL, TURN },
    { "transformer.resblocks.#.attn.in_proj_weight", "vision_model.encoder.layers.%b.self_attn.%q_proj.weight",
      NUM_SAME, NULL, SPLIT },
    { "transformer.resblocks.#.attn.in_proj_bias", "vision_model.encoder.layers.%b.self_attn.%q_proj.bias", NUM_SAME,
      NULL, SPLIT },
    { "transformer.resblocks.#.*", "vision_model.encoder.layers.%b.*", NUM_SAME, openclip_block, KEEP },
    { NULL, NULL, NUM_SAME, NULL, KEEP },
};

const NameRule *const name_tables[NAMES_COUNT] = {
    [NAMES_LDM_UNET] = ldm_unet,
    [NAMES_LDM_VAE] = ldm_vae,
    [NAMES_OPENCLIP_TEXT] = openclip_text,
    [NAMES_CLIP_TEXT] = clip_text,
    [NAMES_DIFFUSERS_UNET] = diffusers_unet,
    [NAMES_DIFFUSERS_VAE] = diffusers_vae,
    [NAMES_TAESD] = taesd,
    [NAMES_TAESD_RAISED] = taesd_raised,
    [NAMES_LDM_CONTROL] = ldm_control,
    [NAMES_CLIP_IMAGE] = clip_image,
    [NAMES_OPENCLIP_IMAGE] = openclip_image,
};

const NameRule *const name_tables_behind[NAMES_COUNT] = { [NAMES_LDM_CONTROL] = ldm_unet };
