"""networks.py - the text encoder, the denoiser and the noise schedule: shapes and where they are kept."""
import re

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LATENT, CELLS, WIDTH, TOKENS = 8, 32, 128, 32


def load_tokenizer(folder):
    return CLIPTokenizer.from_pretrained(folder)


def tokenize(tokenizer, texts):
    return tokenizer(texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt").input_ids


def new_text_encoder(tokenizer):
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=TOKENS, hidden_act="quick_gelu", projection_dim=WIDTH, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id))


def new_unet():
    """Text is read at the two lowest of four levels. attention_head_dim is, in these classes, the number of heads: 32 channels each."""
    unet = UNet2DConditionModel(
        sample_size=CELLS, in_channels=LATENT, out_channels=LATENT, cross_attention_dim=WIDTH, layers_per_block=1,
        block_out_channels=(64, 64, 128, 192), attention_head_dim=(2, 2, 4, 6), norm_num_groups=32,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"))
    nn.init.zeros_(unet.conv_out.weight)
    unet.set_attn_processor(AttnProcessor())   # at 64 tokens plain matrix products are faster than fused attention
    return unet


@torch.no_grad()
def grow(unet, smaller):
    """
    Begin the four levels of `unet` from the three of one for pictures half as wide.

    Its levels become the lower three. The outermost, new one begins as: blocks that add nothing, halving by the mean of
    2x2 cells, doubling by repetition. So from the first step the large forms are those that `smaller` draws.
    """
    own, old = unet.state_dict(), smaller.state_dict()
    for name, value in old.items():
        level = re.match(r"down_blocks\.(\d)\.(.*)", name)
        name = f"down_blocks.{int(level[1]) + 1}.{level[2]}" if level else name
        if name in own and own[name].shape == value.shape:
            own[name].copy_(value)
        else:
            raise ValueError(f"{name}: {list(value.shape)} has no place")
    down, up = unet.down_blocks[0], unet.up_blocks[3]
    for block in (*down.resnets, *up.resnets):
        nn.init.zeros_(block.conv2.weight)
        nn.init.zeros_(block.conv2.bias)
    width = down.resnets[0].out_channels
    halve, double = down.downsamplers[0].conv, unet.up_blocks[2].upsamplers[0].conv
    for conv in (halve, double, *(block.conv_shortcut for block in up.resnets)):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    channels = torch.arange(width)
    halve.weight[channels, channels, 1:, 1:] = .25
    double.weight[channels, channels, 1, 1] = 1
    for block in up.resnets:
        block.conv_shortcut.weight[channels, channels, 0, 0] = 1


@torch.no_grad()
def take_words(text_encoder, tokenizer, other, other_tokenizer):
    """Begin from another text encoder of this shape: all its weights, and for each token that both know its embedding."""
    own, old = text_encoder.state_dict(), other.state_dict()
    table = next(name for name in own if name.endswith("token_embedding.weight"))
    known, words = other_tokenizer.get_vocab(), tokenizer.get_vocab()
    for name, value in old.items():
        if name != table:
            own[name].copy_(value)
    for word, i in words.items():
        if word in known:
            own[table][i] = old[table][known[word]]


def new_scheduler():
    """beta_end is higher than Stable Diffusion's: the last step is noise alone, so that black and white backgrounds can be learnt."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.025, prediction_type="v_prediction",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, timestep_spacing="trailing")


def noised(scheduler, z, t, noise):
    """(noisy latents, the v to be predicted)."""
    alpha = scheduler.alphas_cumprod.to(z.device)[t][:, None, None, None]
    return alpha.sqrt() * z + (1 - alpha).sqrt() * noise, alpha.sqrt() * noise - (1 - alpha).sqrt() * z
