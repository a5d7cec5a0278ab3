/*
 * test_lora_names.c - what trainers and tools call the modules of the real networks: every matrix of SD 1.5, 2.1, SDXL and its refiner
 * (tests/golden/ldm, names in LDM's and in diffusers' words) is found by all names that adapters' files have for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/mem.h"
#include "tests/support.h"

enum { MOST = 2000, PARTS = 3 };

/* A network's matrices, and what a single file calls each. */
typedef struct {
    BoundMatrix matrix[MOST];
    char ldm[MOST][160];
    BoundMemory bound;
} Network;

static const char *const parts[PARTS] = {
    [NETWORK_UNET] = "unet", [NETWORK_TEXT] = "text_encoder", [NETWORK_TEXT_2] = "text_encoder_2"
};

/* A row of the table: LDM's name, its shape, the part, diffusers' name, its shape, the row of a joined matrix. */
static void take_row(Network all[PARTS], char *line)
{
    char *column[6], *rest = line;
    for (int i = 0; i < 6; i++) column[i] = strsep(&rest, "\t");
    if (!rest && !column[5]) return;
    for (int p = 0; p < PARTS; p++) {
        Network *n = &all[p];
        size_t k = n->bound.matrix_count;
        if (strcmp(column[2], parts[p]) != 0 || !strchr(column[4], 'x') || !str_ends(column[3], ".weight")) continue;
        assert_true(k < MOST);
        n->matrix[k].name = mem_strdup(column[3]);
        const char *ldm = column[0];
        if (str_starts(ldm, "model.diffusion_model.")) ldm += strlen("model.diffusion_model.");
        snprintf(n->ldm[k], sizeof n->ldm[k], "%s", ldm);
        n->bound.matrix_count++;
    }
}

static void read_table(Network all[PARTS], const char *file)
{
    char path[512], line[1024];
    snprintf(path, sizeof path, GOLDEN "/ldm/%s.tsv", file);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (int p = 0; p < PARTS; p++) all[p].bound.matrices = all[p].matrix;
    while (fgets(line, sizeof line, f)) take_row(all, line);
    fclose(f);
}

static void expect(const Places *x, const BoundMatrix *m, AdapterNetwork network, const char *name)
{
    AdapterName n;
    Err e = { 0 };
    if (adapter_name(name, &n, &e)) fail_msg("%s: %s", name, e.text);
    if (n.network != network) fail_msg("%s: network %d, not %d", name, (int)n.network, (int)network);
    const Place *place = places_find(x, str_text(&n.module));
    if (!place || place->matrix != m) fail_msg("%s: %s is not %s", name, str_text(&n.module), m->name);
    str_release(&n.module);
    str_release(&n.dotted);
}

/* "%s": the module's name, dots as they are; "%_": with underscores. */
static void expect_as(const Places *x, const BoundMatrix *m, AdapterNetwork network, const char *form,
                      const char *module)
{
    char name[512], flat[256];
    const char *at = strchr(form, '%');
    snprintf(flat, sizeof flat, "%s", module);
    for (char *p = flat; at[1] == '_' && *p; p++)
        if (*p == '.') *p = '_';
    snprintf(name, sizeof name, "%.*s%s%s", (int)(at - form), form, flat, at + 2);
    expect(x, m, network, name);
}

/* kohya's, LyCORIS', diffusers' of 2023 and today, PEFT's (with an adapter's name), ComfyUI's, OneTrainer's. */
static const char *const of_unet[] = { "lora_unet_%_.lora_down.weight",
                                       "lora_unet_%_.alpha",
                                       "lora_unet_%_.hada_w1_a",
                                       "lycoris_%_.lokr_w1",
                                       "unet.%s.lora_A.weight",
                                       "unet.%s.lora.down.weight",
                                       "unet.%s.lora_B.default_0.weight",
                                       "unet.%s.dora_scale",
                                       "base_model.model.%s.lora_A.weight",
                                       "base_model.model.%s.lora_magnitude_vector.default.weight",
                                       "%s.lora_A.weight",
                                       "diffusion_model.%s.lora_up.weight",
                                       NULL };
static const char *const of_ldm[] = { "lora_unet_%_.lora_up.weight",      "lora_unet_%_.diff",
                                      "diffusion_model.%s.lora_A.weight", "model.diffusion_model.%s.lora_B.weight",
                                      "unet.%s.lora_down.weight",         NULL };
static const char *const of_text[] = { "lora_te_%_.lora_down.weight",
                                       "lora_te1_%_.lora_down.weight",
                                       "lora_te1_%_.alpha",
                                       "text_encoder.%s.lora_A.weight",
                                       "text_encoder.%s.lora.up.weight",
                                       "text_encoder.%s.lora_linear_layer.up.weight",
                                       "text_encoders.clip_l.transformer.%s.lora_A.weight",
                                       NULL };
static const char *const of_text_2[] = { "lora_te2_%_.lora_up.weight",
                                         "lora_te2_%_.oft_blocks",
                                         "text_encoder_2.%s.lora_B.weight",
                                         "text_encoder_2.%s.lora_linear_layer.down.weight",
                                         "text_encoders.clip_g.transformer.%s.lora_A.weight",
                                         NULL };

static void check_network(const Network *n, AdapterNetwork network)
{
    static const char *const *const forms[] = { of_unet, of_text, of_text_2 };
    AdapterTarget t = { network, &n->bound, network == NETWORK_UNET ? 2 : 0, 1 };
    Places x = places_new(&t);
    for (size_t i = 0; i < n->bound.matrix_count; i++) {
        const BoundMatrix *m = &n->matrix[i];
        char module[256], ldm[256];
        snprintf(module, sizeof module, "%.*s", (int)(strlen(m->name) - strlen(".weight")), m->name);
        if (strstr(module, "embedding.weight") || strstr(module, "_embedding")) continue; /* tables, not layers */
        for (const char *const *f = forms[network]; *f; f++) expect_as(&x, m, network, *f, module);
        snprintf(ldm, sizeof ldm, "%.*s", (int)(strlen(n->ldm[i]) - strlen(".weight")), n->ldm[i]);
        for (const char *const *f = of_ldm; network == NETWORK_UNET && *f; f++) expect_as(&x, m, network, *f, ldm);
    }
    places_free(&x);
}

static void check_model(const char *file, const size_t least[PARTS])
{
    Network *all = mem_array(PARTS, sizeof *all);
    read_table(all, file);
    for (int p = 0; p < PARTS; p++) {
        if (all[p].bound.matrix_count < least[p])
            fail_msg("%s: %zu matrices of the %s", file, all[p].bound.matrix_count, parts[p]);
        check_network(&all[p], (AdapterNetwork)p);
        for (size_t i = 0; i < all[p].bound.matrix_count; i++) free(all[p].matrix[i].name);
    }
    free(all);
}

static void test_real_names(void **state)
{
    (void)state;
    check_model("sd15", (size_t[PARTS]){ 280, 70, 0 });
    check_model("sd21", (size_t[PARTS]){ 280, 130, 0 });
    check_model("sdxl", (size_t[PARTS]){ 700, 70, 190 });
    check_model("sdxl-refiner", (size_t[PARTS]){ 500, 0, 190 });
}

/* diffusers' attention processors of 2023, in both networks. */
static void test_processors(void **state)
{
    (void)state;
    Network *all = mem_array(PARTS, sizeof *all);
    read_table(all, "sdxl");
    AdapterTarget unet = { NETWORK_UNET, &all[NETWORK_UNET].bound, 2, 1 },
                  text = { NETWORK_TEXT, &all[NETWORK_TEXT].bound, 0, 1 };
    Places x = places_new(&unet), y = places_new(&text);
    int found = 0;
    for (size_t i = 0; i < all[NETWORK_UNET].bound.matrix_count; i++) {
        const BoundMatrix *m = &all[NETWORK_UNET].matrix[i];
        const char *to = strstr(m->name, ".to_");
        if (!to) continue;
        char name[256];
        snprintf(name, sizeof name, "unet.%.*s.processor.to_%.*s_lora.down.weight", (int)(to - m->name), m->name,
                 to[4] == 'o' ? 3 : 1, to + 4);
        expect(&x, m, NETWORK_UNET, name);
        found++;
    }
    assert_int_equal(found, 4 * 2 * 70);
    for (size_t i = 0; i < all[NETWORK_TEXT].bound.matrix_count; i++) {
        const BoundMatrix *m = &all[NETWORK_TEXT].matrix[i];
        if (strcmp(m->name, "text_model.encoder.layers.3.self_attn.q_proj.weight") == 0)
            expect(&y, m, NETWORK_TEXT, "text_encoder.text_model.encoder.layers.3.self_attn.to_q_lora.up.weight");
        if (strcmp(m->name, "text_model.encoder.layers.3.self_attn.out_proj.weight") == 0)
            expect(&y, m, NETWORK_TEXT, "text_encoder.text_model.encoder.layers.3.self_attn.to_out_lora.down.weight");
    }
    places_free(&x);
    places_free(&y);
    for (int p = 0; p < PARTS; p++)
        for (size_t i = 0; i < all[p].bound.matrix_count; i++) free(all[p].matrix[i].name);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_real_names), cmocka_unit_test(test_processors) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
