/*
 * digest.h - SHA-256 of the files that go with a model, and what a picture says of them: "SHA256:A1111's hash:name", a
 * line each.
 */
#ifndef LIMN_PIPELINE_DIGEST_H
#define LIMN_PIPELINE_DIGEST_H

#include "base/err.h"
#include "base/file.h"

enum { DIGEST_HEX = 65 /* with its NUL */ };

void digest_hex(Bytes b, char hex[DIGEST_HEX]);

/* Of what follows the header of a safetensors file: A1111's hash of LoRAs, Civitai's AutoV3. Of fewer than 8 bytes: of nothing. */
void digest_tensors(Bytes file, char hex[DIGEST_HEX]);

/* Of a whole file, remembered as a model's is (model_hash()). Error: it cannot be read. */
int digest_file(const char *path, char hex[DIGEST_HEX], Err *e);

/* Error: a line's digest is another than the same line's of what was said (NULL: nothing was). Either may be NULL. */
int digest_check(const char *said, const char *facts, const char *option, Err *e);

#endif
