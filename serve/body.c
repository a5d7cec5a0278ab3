/* body.c - what a request's body holds: a JSON object, or the parts of a form. See http.h. */
#include <cjson/cJSON.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "serve/http.h"

enum { FORM_BUFFER = 64 << 10, FORM_PARTS = 64 };

cJSON *call_json(const Call *r, Err *e)
{
    const char *text = str_text(&r->body);
    if (!utf8_valid(text, r->body.len)) {
        err_usage(e, "the body is not UTF-8");
        return NULL;
    }
    return json_parse((Bytes){ (const unsigned char *)text, r->body.len }, e);
}

typedef struct {
    Form *form;
    bool wrong;
} FormReader;

static enum MHD_Result on_part(void *ctx, enum MHD_ValueKind kind, const char *key, const char *file, const char *type,
                               const char *coding, const char *data, uint64_t at, size_t len)
{
    FormReader *f = ctx;
    Form *form = f->form;
    (void)kind;
    (void)type;
    f->wrong = f->wrong || !key || (coding && strcasecmp(coding, "binary") != 0 && strcasecmp(coding, "8bit") != 0);
    if (f->wrong || (at == 0 && form->count == FORM_PARTS)) return MHD_NO;
    if (at == 0) {
        form->parts = mem_grow(form->parts, (form->count + 1) * sizeof *form->parts);
        form->parts[form->count++] = (FormPart){ .name = mem_strdup(key), .file = file != NULL };
    }
    if (!form->count) return MHD_NO;
    str_addn(&form->parts[form->count - 1].data, data, len);
    return MHD_YES;
}

int call_form(Call *r, Form *out, Err *e)
{
    FormReader f = { .form = out };
    *out = (Form){ 0 };
    struct MHD_PostProcessor *p = MHD_create_post_processor(r->connection, FORM_BUFFER, on_part, &f);
    bool ok = p && MHD_post_process(p, str_text(&r->body), r->body.len) == MHD_YES;
    if (p) ok = MHD_destroy_post_processor(p) == MHD_YES && ok;
    return ok && !f.wrong ? 0 : err_usage(e, "the body is not multipart/form-data of at most %d parts", FORM_PARTS);
}

void form_release(Form *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->parts[i].name);
        str_release(&f->parts[i].data);
    }
    free(f->parts);
    *f = (Form){ 0 };
}
