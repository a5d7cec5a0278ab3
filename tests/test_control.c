/*
 * test_control.c - networks that steer the UNet, alone against diffusers (tests/golden/control.py); and lines of --control. Whole
 * pictures with them are in test_pipeline.c.
 */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/controlnet.h"
#include "control/ip.h"
#include "control/t2i.h"
#include "pipeline/control_line.h"

static const double LIMIT = 7e-6; /* relative L2, as test_unet.c's */

typedef struct {
    Fixture unet_weights, weights, io;
    UNet *unet;
    ControlNet *net;
    int count;
    Tensor results[UNET_MAX_RESIDUALS];
} Case;

static void xl_open(Case *c)
{
    Err e = { 0 };
    *c = (Case){ 0 };
    fixture_open(&c->unet_weights, GOLDEN "/unet/sdxl/diffusion_pytorch_model.safetensors");
    fixture_open(&c->weights, GOLDEN "/control/xl/diffusion_pytorch_model.safetensors");
    fixture_open(&c->io, GOLDEN "/control/xl/io.safetensors");
    Config *config = config_open(GOLDEN "/unet/sdxl/config.json");
    c->unet = unet_new(config, c->unet_weights.w, &e);
    config_free(config);
    config = config_open(GOLDEN "/control/xl/config.json");
    config_pass_over(config);
    c->net = controlnet_new(config, c->weights.w, NULL, &e);
    config_free(config);
    if (!c->unet || !c->net) fail_msg("%s", e.text);
    if (controlnet_fits(c->net, c->unet, 8, &e)) fail_msg("%s", e.text);
}

static void xl_close(Case *c)
{
    unet_free(c->unet);
    controlnet_free(c->net);
    fixture_close(&c->io);
    fixture_close(&c->weights);
    fixture_close(&c->unet_weights);
}

/* Every result, one behind the other in the arena; each was 1 before. */
static Tensor xl_forward(Nn *nn, void *ctx)
{
    Case *c = ctx;
    Tensor x = fixture_nchw(&c->io, "sample", nn->arena),
           context = fixture_tokens(&c->io, "encoder_hidden_states", nn->arena);
    Tensor hint = fixture_nchw(&c->io, "hint", nn->arena);
    size_t len;
    const float *pooled = fixture_f32(&c->io, "text_embeds", &len), *ids = fixture_f32(&c->io, "time_ids", NULL);
    float scales[UNET_MAX_RESIDUALS];
    UNetInputs in = { .pooled = { (float *)(size_t)pooled, x.n, 1, 1, (int)len / x.n }, .ids = ids, .id_count = 6 };
    in.kv = tensor_new(nn->arena, context.n, context.h, 1, controlnet_context_columns(c->net));
    controlnet_context(nn, c->net, context, in.kv);
    c->count = unet_residual_shapes(c->unet, x.n, x.h, x.w, c->results);
    for (int i = 0; i < c->count; i++) {
        scales[i] = 0.7f;
        c->results[i] = tensor_like(nn->arena, c->results[i]);
        for (size_t k = 0; c->results[i].data && k < tensor_len(c->results[i]); k++) c->results[i].data[k] = 1;
    }
    Tensor made = controlnet_hint(nn, c->net, hint, 0);
    size_t before = nn->arena->used;
    controlnet_forward(nn, c->net, x, 421.5f, &in, &(Controlled){ made, scales, c->results, 0 });
    assert_int_equal(nn->arena->used, before);
    return made;
}

static void xl_alone(void **state)
{
    (void)state;
    Case c;
    Arena a;
    xl_open(&c);
    run_measured(xl_forward, &c, 2, &a);
    for (int i = 0; i < c.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "out.%d", i);
        for (size_t k = 0; k < tensor_len(c.results[i]); k++) c.results[i].data[k] -= 1;
        assert_error(relative_l2_nchw(c.results[i], &c.io, name), LIMIT * 10, "xl %s",
                     name); /* less 1: digits are lost */
    }
    arena_release(&a);
    xl_close(&c);
}

/* ---- what SDXL's UNet makes of maps and of tokens ---- */

typedef struct {
    Fixture unet_weights, adapter_weights, ip_weights, io;
    UNet *unet;
    T2iAdapter *adapter;
    IpAdapter *ip;
    bool tokens;
} Steered;

static void steered_open(Steered *s)
{
    Err e = { 0 };
    *s = (Steered){ 0 };
    fixture_open(&s->unet_weights, GOLDEN "/unet/sdxl/diffusion_pytorch_model.safetensors");
    fixture_open(&s->adapter_weights, GOLDEN "/control/t2i_xl/diffusion_pytorch_model.safetensors");
    fixture_open(&s->ip_weights, GOLDEN "/control/ip_xl.safetensors");
    fixture_open(&s->io, GOLDEN "/control/t2i_xl/io.safetensors");
    Config *config = config_open(GOLDEN "/unet/sdxl/config.json");
    s->unet = unet_new(config, s->unet_weights.w, &e);
    config_free(config);
    s->adapter = t2i_new(NULL, s->adapter_weights.w, &e); /* by its shapes, as a file alone */
    if (!s->unet || !s->adapter) fail_msg("%s", e.text);
    s->ip = ip_new(s->ip_weights.w, s->unet, &e);
    if (!s->ip || t2i_fits(s->adapter, s->unet, 8, 48, 48, &e)) fail_msg("%s", e.text);
    assert_string_equal(t2i_type(s->adapter), "full_adapter_xl");
}

static void steered_close(Steered *s)
{
    unet_free(s->unet);
    t2i_free(s->adapter);
    ip_free(s->ip);
    fixture_close(&s->io);
    fixture_close(&s->ip_weights);
    fixture_close(&s->adapter_weights);
    fixture_close(&s->unet_weights);
}

/* Tokens of each sample's vector, and their keys and values. */
static Tensor pictures_of(Nn *nn, Steered *s, int n)
{
    Tensor vectors = fixture_tokens(&s->io, "vectors", nn->arena);
    int count = ip_tokens(s->ip, 1);
    Tensor tokens = tensor_new(nn->arena, n, count, 1, ip_context_width(s->ip));
    Tensor kv = tensor_new(nn->arena, n, count, 1, unet_context_columns(s->unet));
    for (int i = 0; i < n; i++) {
        Tensor one = ip_project(nn, s->ip, tensor_slice(vectors, i, 1));
        if (one.data) tensor_copy(tensor_slice(tokens, i, 1), one);
    }
    ip_context(nn, s->ip, tokens, 0.8f, kv);
    return kv;
}

static Tensor steered_forward(Nn *nn, void *ctx)
{
    Steered *s = ctx;
    Tensor x = fixture_nchw(&s->io, "sample", nn->arena), maps[T2I_MAX_MAPS];
    Tensor context = fixture_tokens(&s->io, "encoder_hidden_states", nn->arena),
           hint = fixture_nchw(&s->io, "hint", nn->arena);
    size_t len;
    const float *pooled = fixture_f32(&s->io, "text_embeds", &len), *ids = fixture_f32(&s->io, "time_ids", NULL);
    UNetInputs in = {
        .context = context, .pooled = { (float *)(size_t)pooled, x.n, 1, 1, (int)len / x.n }, .ids = ids, .id_count = 6
    };
    int count = t2i_forward(nn, s->adapter, hint, maps);
    assert_int_equal(count, 4);
    for (int i = 0; maps[0].data && i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "map.%d", i);
        assert_error(relative_l2_nchw(maps[i], &s->io, name), LIMIT, "xl %s", name);
    }
    if (!s->tokens) in.features = maps, in.feature_count = count;
    Tensor kv = { 0 };
    if (s->tokens) kv = pictures_of(nn, s, x.n);
    if (s->tokens) in.pictures = &kv, in.picture_count = 1;
    return unet_forward(nn, s->unet, x, 421.5f, &in);
}

static void xl_steered(void **state)
{
    (void)state;
    Steered s;
    steered_open(&s);
    for (int i = 0; i < 2; i++) {
        Arena a;
        s.tokens = i;
        Tensor y = run_measured(steered_forward, &s, 2, &a);
        const char *name = i ? "with_tokens" : "with_maps";
        assert_error(relative_l2_nchw(y, &s.io, name), LIMIT, "xl %s", name);
        arena_release(&a);
    }
    steered_close(&s);
}

/* A network of other widths is refused by a word. */
static void other_families(void **state)
{
    (void)state;
    Case c;
    Err e = { 0 };
    Fixture sd1;
    xl_open(&c);
    fixture_open(&sd1, GOLDEN "/unet/sd1/diffusion_pytorch_model.safetensors");
    Config *config = config_open(GOLDEN "/unet/sd1/config.json");
    UNet *u = unet_new(config, sd1.w, &e);
    config_free(config);
    if (!u) fail_msg("%s", e.text);
    assert_int_equal(controlnet_fits(c.net, u, 8, &e), -1);
    assert_non_null(strstr(e.text, "another family"));
    assert_int_equal(controlnet_fits(c.net, c.unet, 4, &e), -1);
    assert_non_null(strstr(e.text, "one in 8"));
    unet_free(u);
    fixture_close(&sd1);
    xl_close(&c);
}

/* What is written is what was read, without what is usual. */
static void lines(void **state)
{
    static const struct {
        ControlKind kind;
        const char *in, *out; /* out NULL: the same */
    } cases[] = {
        { CONTROL_NET, "model=a,image=b", NULL },
        { CONTROL_NET, "image=b,model=a,strength=1", "model=a,image=b,strength=1" },
        { CONTROL_NET, "model=a,image=b,weight=.5,guess=false", "model=a,image=b,strength=0.5" },
        { CONTROL_NET, "model=a,image=b,start=0,end=1,guess", "model=a,image=b,guess" },
        { CONTROL_NET, "model=x, y,image=lines:20:b,c d.png,end=0.5", "model=x, y,image=lines:20:b,c d.png,end=0.5" },
        { CONTROL_T2I, "model=a,image=b,strength=2,end=0.5", NULL },
        { CONTROL_IP, "model=a,image=b,image=c,encoder=d,scale=0.4", "model=a,image=b,image=c,encoder=d,strength=0.4" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ControlLine l;
        Err e;
        Str out = { 0 };
        if (control_line_parse(&l, cases[i].kind, cases[i].in, &e)) fail_msg("%s: %s", cases[i].in, e.text);
        control_line_write(&l, &out);
        assert_string_equal(str_text(&out), cases[i].out ? cases[i].out : cases[i].in);
        control_line_release(&l);
        str_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(xl_alone), cmocka_unit_test(xl_steered),
                                        cmocka_unit_test(other_families), cmocka_unit_test(lines) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
