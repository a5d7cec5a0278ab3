/* reply.c - replies in the shape that clients of each interface read. See server.h. */
#include <cjson/cJSON.h>
#include <string.h>

#include "serve/server.h"
#include "base/json.h"

void reply_json(Reply *out, int status, cJSON *value)
{
    char *text = cJSON_PrintUnformatted(value);
    out->status = status;
    out->type = "application/json";
    str_clear(&out->body);
    str_add(&out->body, text ? text : "null");
    cJSON_free(text);
    cJSON_Delete(value);
}

void reply_text(Reply *out, int status, const char *type, const char *text)
{
    out->status = status;
    out->type = type;
    str_clear(&out->body);
    str_add(&out->body, text);
}

/* FastAPI's: its clients read "detail". */
static cJSON *a1111_error(int status, const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "error", status == 422 ? "UnprocessableEntity" : "HTTPException");
    json_add_text(o, "detail", text);
    cJSON_AddStringToObject(o, "body", "");
    json_add_text(o, "errors", text);
    return o;
}

static cJSON *openai_error(int status, const char *field, const char *text)
{
    cJSON *o = cJSON_CreateObject(), *in = cJSON_AddObjectToObject(o, "error");
    const char *type = "invalid_request_error", *code = NULL;
    if (status == 401) code = "invalid_api_key";
    if (status == 404) code = "not_found";
    if (status == 429) type = "rate_limit_error", code = "queue_full";
    if (status >= 500) type = "server_error";
    json_add_text(in, "message", text);
    cJSON_AddStringToObject(in, "type", type);
    if (field) json_add_text(in, "param", field);
    else cJSON_AddNullToObject(in, "param");
    if (code) cJSON_AddStringToObject(in, "code", code);
    else cJSON_AddNullToObject(in, "code");
    return o;
}

void reply_error(const Call *r, Reply *out, int status, const char *field, const char *text)
{
    bool a1111 = r->route ? r->route->api == API_A1111 : strncmp(r->path, "/sdapi/", 7) == 0;
    if (field && !*field) field = NULL;
    reply_json(out, status, a1111 ? a1111_error(status, text) : openai_error(status, field, text));
    int n = 0;
    if (status == 429 || status == 503) out->header[n][0] = "Retry-After", out->header[n++][1] = "5";
    /* the SDKs try again after 5xx: what failed once fails again */
    if (status == 500) out->header[n][0] = "x-should-retry", out->header[n++][1] = "false";
}

void reply_err(const Call *r, Reply *out, const Err *e)
{
    int status = e->code == ERR_USAGE ? 400 : 500;
    if (str_starts(e->text, "the server is stopping")) status = 503;
    else if (str_starts(e->text, "the queue is full")) status = 429;
    reply_error(r, out, status, NULL, e->text);
}
