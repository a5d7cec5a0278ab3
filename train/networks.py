"""networks.py - the text encoder, the denoiser and the noise schedule: shapes and where they are kept."""
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LATENT, CELLS, WIDTH, TOKENS = 8, 16, 128, 32


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
    """Text is read at the two lower levels. attention_head_dim is, in these classes, the number of heads: 32 channels each."""
    unet = UNet2DConditionModel(
        sample_size=CELLS, in_channels=LATENT, out_channels=LATENT, cross_attention_dim=WIDTH, layers_per_block=1,
        block_out_channels=(64, 128, 192), attention_head_dim=(2, 4, 6), norm_num_groups=32,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"))
    nn.init.zeros_(unet.conv_out.weight)
    unet.set_attn_processor(AttnProcessor())   # at 64 tokens plain matrix products are faster than fused attention
    return unet


def new_scheduler():
    """beta_end is higher than Stable Diffusion's: the last step is noise alone, so that black and white backgrounds can be learnt."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.02, prediction_type="v_prediction",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1, timestep_spacing="trailing")
