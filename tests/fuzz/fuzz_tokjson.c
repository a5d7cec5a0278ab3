/* fuzz_tokjson.c - tokenizer.json of any bytes; where it is taken, a text is encoded. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/parts_internal.h"
#include "tests/fuzz/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Err e;
    PartTokenizer *part = mem_alloc(sizeof *part);
    work_file("tokenizer.json", data, size);
    Source *s = source_open(work_folder(), &e);
    if (s && parts_read_tokenizer(part, s, "", &e) == 0) {
        Tokenizer *t = tokenizer_new(&part->files, &e);
        TokenList l = { 0 };
        if (t) tokenizer_encode(t, "a red potion, caf\xC3\xA9 abc", &l);
        token_list_release(&l);
        tokenizer_free(t);
    }
    str_release(&part->vocab);
    str_release(&part->merges);
    str_release(&part->added_tokens);
    free(part->where);
    free(part);
    source_free(s);
    return 0;
}
