/* layer.c - see layer.h. */
#include "clip/layer.h"

#include <string.h>

enum { MAX_WIDTH = 16384 };

/* clang-format off */
const char *const clip_harmless[] = { /* what any transformers config may carry */
    "architectures", "dtype", "torch_dtype", "transformers_version", "tokenizer_class", "use_bfloat16", "torchscript",
    "return_dict", "output_attentions", "output_hidden_states", "tie_word_embeddings", "pruned_heads", "prefix",
    /* training */
    "attention_dropout", "dropout", "initializer_factor", "initializer_range", "gradient_checkpointing",
    "chunk_size_feed_forward", "finetuning_task", "task_specific_params", "problem_type", "id2label", "label2id",
    "num_labels", "tf_legacy_loss",
    /* text generation, which no text encoder does */
    "is_encoder_decoder", "is_decoder", "add_cross_attention", "cross_attention_hidden_size", "tie_encoder_decoder",
    "bos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id", "forced_bos_token_id",
    "forced_eos_token_id", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "max_length", "min_length",
    "length_penalty", "repetition_penalty", "diversity_penalty", "exponential_decay_length_penalty",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "num_beams", "num_beam_groups", "num_return_sequences",
    "output_scores", "return_dict_in_generate", "remove_invalid_values", "do_sample", "early_stopping", "temperature",
    "top_k", "top_p", "typical_p", "use_cache", NULL,
};
/* clang-format on */

int clip_shape_read(ClipShape *s, Config *c, Err *e)
{
    const char *act = config_str(c, "hidden_act", "quick_gelu");
    s->width = config_int(c, "hidden_size", s->width, 1, MAX_WIDTH);
    s->inner = config_int(c, "intermediate_size", s->inner, 1, 8 * MAX_WIDTH);
    s->heads = config_int(c, "num_attention_heads", s->heads, 1, MAX_WIDTH);
    s->eps = (float)config_num(c, "layer_norm_eps", 1e-5, 0, 1);
    if (strcmp(act, "quick_gelu") == 0) s->act = ACT_QUICK_GELU;
    else if (strcmp(act, "gelu") == 0) s->act = ACT_GELU;
    else return err_set(e, "hidden_act \"%s\" is not supported (supported: quick_gelu, gelu)", act);
    if (s->width % s->heads)
        return err_set(e, "hidden_size %d cannot be divided into num_attention_heads %d", s->width, s->heads);
    return 0;
}

int clip_layer_bind(Binder *b, const ClipShape *s, ClipLayer *l, int i)
{
    static const char *const qkv[] = { "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", NULL };
    int w = s->width;
    size_t mark = bind_enter(b, "encoder.layers.%d", i);
    int failed =
        bind_norm(b, &l->norm1, "layer_norm1", w, 0, s->eps) || bind_norm(b, &l->norm2, "layer_norm2", w, 0, s->eps) ||
        bind_linear_joined(b, &l->qkv, qkv, w, w, true) || bind_linear(b, &l->out, "self_attn.out_proj", w, w, true) ||
        bind_linear(b, &l->fc1, "mlp.fc1", w, s->inner, true) || bind_linear(b, &l->fc2, "mlp.fc2", s->inner, w, true);
    bind_leave(b, mark);
    return failed;
}

void clip_layer_forward(Nn *nn, const ClipShape *s, const ClipLayer *l, Tensor x)
{
    size_t mark = nn->arena->used;
    const With onto_x = { .residual = x, .into = x };
    Tensor h = nn_linear_with(nn, &l->qkv, x, &(With){ .norm = &l->norm1 });
    nn_linear_with(nn, &l->out, nn_attention_joined(nn, h, s->heads, s->causal), &onto_x);
    arena_reset(nn->arena, mark);

    h = nn_linear_with(nn, &l->fc1, x, &(With){ .norm = &l->norm2 });
    nn_act(nn, s->act, h);
    nn_linear_with(nn, &l->fc2, h, &onto_x);
    arena_reset(nn->arena, mark);
}
