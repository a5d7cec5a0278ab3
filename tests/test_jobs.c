/*
 * test_jobs.c - job files as people's programs write them: each format's text and the fields that come of it. Expected values:
 * Python's csv and shlex, A1111's scripts/prompts_from_file.py, pandas 2, what Excel and LibreOffice save.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "batch/expand.h"
#include "tests/files.h"
#include "tests/support.h"

static bool takes(const Option *o) { return strcmp(o->name, "size") != 0 && strcmp(o->name, "shape") != 0; }

/* "name=value|value;name=value/" for each job, "!message" where one is refused. */
static void dump(Jobs *jobs, Str *out)
{
    Err e = { 0 };
    Record r;
    int got;
    while ((got = jobs_next(jobs, &r, &e)) > 0) {
        for (size_t i = 0; i < r.count; i++) {
            str_addf(out, "%s%s=", i ? ";" : "", r.fields[i].name);
            for (uint64_t k = 0; k < r.fields[i].count; k++) {
                if (k) str_add(out, "|");
                field_value(&r.fields[i], k, out);
            }
        }
        str_add(out, "/");
        record_release(&r);
    }
    if (got < 0) str_addf(out, "!%s", e.text);
    record_release(&r);
}

static void read_jobs(Bytes text, JobsFormat format, Str *out)
{
    Err e = { 0 };
    JobsHost host = { .takes = takes };
    str_clear(out);
    Jobs *jobs = jobs_of(text, format, "x", &host, &e);
    if (jobs) dump(jobs, out);
    else str_addf(out, "!%s", e.text);
    jobs_free(jobs);
}

typedef struct {
    JobsFormat format;
    const char *text, *expected; /* "!part of a message" */
} Case;

static void check_case(const Case *c)
{
    Str found = { 0 };
    read_jobs((Bytes){ (const unsigned char *)c->text, strlen(c->text) }, c->format, &found);
    bool right = *c->expected == '!' ? strchr(str_text(&found), '!') && strstr(str_text(&found), c->expected + 1)
                                     : strcmp(str_text(&found), c->expected) == 0;
    if (!right) fail_msg("%s\n  gives %s\n  expected %s", c->text, str_text(&found), c->expected);
    str_release(&found);
}

#define CHECK(cases)                                                                                                   \
    for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++) check_case(&(cases)[i])

/* ---- tables ---- */

static void test_tables(void **state)
{
    (void)state;
    static const Case cases[] = {
        { JOBS_CSV, "prompt,seed\na,1\nb,2\n", "prompt=a;seed=1/prompt=b;seed=2/" },
        { JOBS_CSV, "prompt,seed\r\na,1\r\n", "prompt=a;seed=1/" },
        { JOBS_CSV, "prompt,seed\ra,1\rb,2", "prompt=a;seed=1/prompt=b;seed=2/" },
        { JOBS_CSV, "\n\nprompt\na\n\n\nb\n", "prompt=a/prompt=b/" },
        { JOBS_CSV, "sep=;\r\nprompt;steps\r\na;2\r\n", "prompt=a;steps=2/" },
        { JOBS_CSV, "\"sep=;\"\nprompt;steps\na, b;2\n", "prompt=a, b;steps=2/" },
        { JOBS_CSV, "sep=,,,\nprompt,steps,seed\na,2,1\n", "prompt=a;steps=2;seed=1/" },
        { JOBS_CSV, "sep=|\nprompt|steps\na|2\n", "prompt=a;steps=2/" },
        { JOBS_CSV, "prompt;negative_prompt\na, b;c, d\n", "prompt=a, b;negative-prompt=c, d/" },
        { JOBS_CSV, "prompt\tseed\na\t5\n", "prompt=a;seed=5/" },
        { JOBS_CSV, "\"a,b\";prompt\n1;c\n", "a,b=1;prompt=c/" },
        { JOBS_CSV, "prompt\n\"a \"\"b\"\" c\"\n", "prompt=a \"b\" c/" },
        { JOBS_CSV, "prompt,seed\n\"two\r\nlines\",1\n", "prompt=two\nlines;seed=1/" },
        { JOBS_CSV, "prompt, steps\n\"a, b\", 20\nc, 5\n", "prompt=a, b;steps=20/prompt=c;steps=5/" },
        { JOBS_CSV, "steps, prompt\n20, \"a, b\"\n", "steps=20;prompt=a, b/" },
        /* pandas: the index, "Unnamed: 0" of a table read and written again, floats where a column has empty cells, True */
        { JOBS_CSV, ",prompt,seed\n0,a,1\n1,b,2\n", "_column_1=0;prompt=a;seed=1/_column_1=1;prompt=b;seed=2/" },
        { JOBS_CSV, "Unnamed: 0,prompt\n0,a\n", "_column_1=0;prompt=a/" },
        { JOBS_CSV, "prompt,steps,seed\na,2.0,1.0\nb,2.0,\n", "prompt=a;steps=2;seed=1/prompt=b;steps=2/" },
        { JOBS_CSV, "prompt,cfg_scale,steps,transparent\na,nan,NaN,<NA>\n", "prompt=a/" },
        { JOBS_CSV, "prompt,negative_prompt\na,nan\n",
          "!negative-prompt: \"nan\" is what programs write for an empty cell" },
        { JOBS_CSV, "prompt,colour\na,NaN\n", "!colour: \"NaN\" is what" },
        { JOBS_CSV, "prompt,transparent\na,True\nb,False\nc,TRUE\nd,1\ne,0.0\n",
          "prompt=a;transparent=true/prompt=b;transparent=false/prompt=c;transparent=true/prompt=d;transparent=true/"
          "prompt=e;transparent=false/" },
        { JOBS_CSV, "prompt,transparent\na,WAHR\n", "!transparent: \"WAHR\" is not true or false" },
        /* Excel and LibreOffice */
        { JOBS_CSV, "prompt,seed,,\na,1,,\n,,,\nb,2,,\n", "prompt=a;seed=1/prompt=b;seed=2/" },
        { JOBS_CSV, "prompt,seed,steps\na\nb,2\n", "prompt=a/prompt=b;seed=2/" },
        { JOBS_CSV, "prompt;cfg_scale\na;7,5\n", "!x:2: cfg-scale: \"7,5\" has a decimal comma: a point is expected" },
        { JOBS_CSV, "prompt;steps\na;12,0\n", "!steps: \"12,0\" has a decimal comma" },
        { JOBS_CSV, "prompt,seed\na,\"1,234\"\n", "!seed: \"1,234\" may be one number: write it without commas" },
        { JOBS_CSV, "prompt,seed\na,\"1, 234\"\nb,\"1,23\"\n", "prompt=a;seed=1|234/prompt=b;seed=1|23/" },
        { JOBS_CSV, "prompt,seed\na,1.23457E+14\n", "!seed: \"1.23457E+14\" was rounded by a spreadsheet" },
        { JOBS_CSV, "prompt,seed\na,1E+03\n", "prompt=a;seed=1000/" },
        { JOBS_CSV, "prompt,seed\na,#NAME?\n", "!seed: \"#NAME?\" is a spreadsheet's error" },
        { JOBS_CSV, "prompt\n#WERT!\n", "!prompt: \"#WERT!\" is a spreadsheet's error" },
        { JOBS_CSV, "prompt\nErr:502\n", "!is a spreadsheet's error" },
        { JOBS_CSV, "prompt\n#1 fan!\n", "prompt=#1 fan!/" },
        { JOBS_CSV, "prompt,steps\na, 20 \n", "prompt=a;steps=20/" },
        { JOBS_CSV, "prompt,seed\na,18446744073709551615\n", "prompt=a;seed=18446744073709551615/" },
        /* broken */
        { JOBS_CSV, "prompt,steps\na,2,3\n", "!x:2: 3 cells or more in a row, the first row has 2" },
        { JOBS_CSV, "prompt,steps,steps\na,2,3\n", "!x:1: columns 2 and 3 are both called \"steps\"" },
        { JOBS_CSV, "prompt,cfg_scale,cfg-scale\na,2,3\n", "!x:1: columns 2 and 3 are both called" },
        { JOBS_CSV, "prompt,cfg,cfg_scale\na,2,3\n", "!x:2: cfg-scale: the field is there twice" },
        { JOBS_CSV, ",,\na,b,c\n", "!x:1: no names of columns" },
        { JOBS_CSV, "prompt\n\"a\n", "!x:2: a quote (\") is not closed" },
        { JOBS_CSV, "prompt\n\"a\"b\n", "!x:2: text after a closing quote" },
        { JOBS_CSV, "a\x1f,b\n1,2\n", "a\x1f=1;b=2/" },
        { JOBS_CSV, "", "" },
        { JOBS_CSV, "prompt,seed\n", "" },
    };
    CHECK(cases);
}

/* ---- JSON ---- */

static void test_json(void **state)
{
    (void)state;
    static const Case cases[] = {
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": 1e1, \"seed\": 2.0, \"cfg_scale\": 7}\n",
          "prompt=a;steps=10;seed=2;cfg-scale=7/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": \"12\", \"seed\": \"1e3\", \"transparent\": \"True\"}\n",
          "prompt=a;steps=12;seed=1000;transparent=true/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"seed\": null, \"steps\": null, \"x\": null}\n", "prompt=a/" },
        { JOBS_JSONL,
          "{\"prompt\": \"a\", \"seed\": \"1-3\"}\n{\"prompt\": \"b\", \"seed\": [\"5-9:2\", 1, \"2, 7-8\"]}\n",
          "prompt=a;seed=1|2|3/prompt=b;seed=5|7|9|1|2|7|8/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"transparent\": [true, false]}\n", "prompt=a;transparent=true|false/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"seed\": -1, \"vae_tile\": 64, \"sizes\": 64}\n",
          "prompt=a;seed=-1;vae-tile=64;sizes=64/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"seed\": -0.0}\n", "prompt=a;seed=0/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"override_settings\": {}, \"cfg_scale\": 1}\n", "prompt=a;cfg-scale=1/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"cfg_scale\": Infinity}\n", "!cfg_scale: a number that is finite" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"size\": \"big\", \"shape\": 3}\n", "prompt=a;size=big;shape=3/" },
        { JOBS_JSONL, "\n\xef\xbb\xbf{\"prompt\": \"a\"}\r\n\xef\xbb\xbf{\"prompt\": \"b\"}\r\n",
          "prompt=a/prompt=b/" },
        { JOBS_JSONL, "{\"prompt\": \"a {cfg}\", \"cfg\": \"big\"}\n", "prompt=a {cfg};cfg=big/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"cfg\": 3}\n", "prompt=a;cfg-scale=3/" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"cfg\": \"big\"}\n", "!cfg-scale: \"big\" is not a number" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": 2.5}\n", "!steps: \"2.5\" is not a whole number" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": true}\n", "!steps: \"true\" is not a whole number" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": \"9-3\"}\n", "!steps: \"9-3\" is neither a number nor a range" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"seed\": -5}\n", "!seed: \"-5\" is not a whole number" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": {\"from\": 1}}\n",
          "!steps: a text, a number, true, false or a list" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": [1, null]}\n",
          "!steps: a text, a number, true, false or a list" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": []}\n", "!steps: an empty list" },
        { JOBS_JSONL, "{\"prompt\": 5}\n", "!prompt: a text is expected, not 5" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"negative_prompt\": false}\n",
          "!negative-prompt: a text is expected, not false" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"model\": 15}\n", "!model: a text is expected, not 15" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"sampler\": 5}\n", "!sampler: \"5\" is not a sampler" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"tile\": true}\n", "!tile: \"true\" is not one of" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"seed\": 12345678901234567890}\n", "!seed: a number above 2^53" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"seed\": \"1e20\"}\n", "!seed: \"1e20\" is above 2^53" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"steps\": NaN}\n", "!not valid JSON" },
        { JOBS_JSONL, "{'prompt': 'a'}\n", "!not valid JSON" },
        { JOBS_JSONL, "{\"prompt\": \"a\"},\n", "!text after the end" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"prompt\": \"b\"}\n", "!twice" },
        { JOBS_JSONL, "{\"prompt\": \"a\", \"threads\": 2}\n", "!threads: that is for the whole batch" },
        { JOBS_JSON, "[{\"prompt\": \"a\"},\r\n {\"prompt\": \"b\"}]\r\n", "prompt=a/prompt=b/" },
        { JOBS_JSON, "[]", "" },
        { JOBS_JSON, "[{\"prompt\": \"a\"},]", "!x:1: a comma with no job behind it" },
        { JOBS_JSON, "{\"prompt\": \"a\"}\n{\n \"prompt\": \"b\"\n}\n", "prompt=a/prompt=b/" },
        { JOBS_JSON, "{\"prompt\": \"a\"}, {\"prompt\": \"b\"}", "!x:1: an object is expected" },
        { JOBS_JSON, "5", "!x:1: an object is expected, or an array" },
        { JOBS_JSONL, "{\n \"prompt\": \"a\"\n}\n", "!x:1: not valid JSON: no object ends on this line" },
        { JOBS_JSONL, "[{\"prompt\": \"a\"},\n{\"prompt\": \"b\"}]\n", "!x:1: " },
        { JOBS_JSON, "{\"jobs\": [{\"prompt\": \"a\"}]}", "!jobs: a text, a number, true, false or a list" },
    };
    CHECK(cases);
}

/* ---- lines ---- */

static void test_lines(void **state)
{
    (void)state;
    static const Case cases[] = {
        { JOBS_TXT, "a cat\r\n\r\n  # no\r\n  a dog \r\n", "prompt=a cat/prompt=a dog/" },
        { JOBS_TXT, "a\rb\rc", "prompt=a/prompt=b/prompt=c/" },
        { JOBS_TXT, "a cat -- a dog\n", "prompt=a cat -- a dog/" },
        { JOBS_TXT, "a cat --steps 5\n", "prompt=a cat --steps 5/" },
        { JOBS_TXT, "--prompt a photo of a ladybird --steps 2\n", "prompt=a photo of a ladybird;steps=2/" },
        { JOBS_TXT, "--steps 2 --prompt  a   cat\n", "steps=2;prompt=a cat/" },
        { JOBS_TXT, "--prompt \"a cat\", sitting --negative_prompt bad, ugly --seed 3\n",
          "prompt=a cat, sitting;negative-prompt=bad, ugly;seed=3/" },
        { JOBS_TXT, "--prompt \"a \\\"red\\\" \\(x\\)\" --seed 1\n", "prompt=a \"red\" \\(x\\);seed=1/" },
        { JOBS_TXT, "--prompt a \\(x\\) 'b \\ c'\n", "prompt=a (x) b \\ c/" },
        { JOBS_TXT, "--prompt \"\" --seed 1\n", "prompt=;seed=1/" },
        { JOBS_TXT, "--prompt '--x' y\n", "prompt=--x y/" },
        { JOBS_TXT, "--prompt=\"a cat\" --steps=3\n", "prompt=a cat;steps=3/" },
        { JOBS_TXT, "--prompt a --n_iter 2 --batch_size 3\n", "prompt=a;count=6/" },
        { JOBS_TXT, "--prompt a --sampler_name \"DPM++ 2M Karras\" --cfg_scale 7.0 --width 64\n",
          "prompt=a;sampler=DPM++ 2M Karras;cfg-scale=7.0;width=64/" },
        { JOBS_TXT, "--prompt a --restore_faces False --tiling TRUE --do_not_save_grid true --subseed 5\n",
          "prompt=a;tile=both;variation-seed=5/" },
        { JOBS_TXT, "--prompt a --restore_faces true\n", "!restore_faces: limn does not restore faces" },
        { JOBS_TXT, "--prompt --steps 2\n", "!--prompt: a value is expected after it" },
        { JOBS_TXT, "--prompt\n", "!--prompt: a value is expected" },
        { JOBS_TXT, "--prompt a --steps\n", "!--steps: a value is expected" },
        { JOBS_TXT, "--prompt a dog's life\n", "!x:1: a single quote is not closed" },
        { JOBS_TXT, "--prompt \"a\n", "!a double quote is not closed" },
        { JOBS_TXT, "--prompt a \\\n", "!a \\ with nothing behind it" },
        { JOBS_TXT, "--steps 3 cats --prompt a\n", "!\"cats\": an option such as --steps is expected" },
        { JOBS_TXT, "{\"prompt\": \"a\"}\n", "!x:1: this line is JSON, not a prompt" },
        { JOBS_TXT, "{\\rtf1\\ansi a cat}\n", "!this is a file of another kind" },
        { JOBS_TXT, "<!DOCTYPE html><html>\n", "!this is a file of another kind" },
        { JOBS_TXT, "{a|b} cat\n", "prompt={a|b} cat/" },
        { JOBS_TXT, "a cat\nNegative prompt: bad\n", "!x:2: this line is of a picture's parameters" },
        { JOBS_TXT, "Steps: 20, Sampler: Euler a, CFG scale: 7\n", "!this line is of a picture's parameters" },
    };
    CHECK(cases);
}

/* ---- encodings ---- */

static void put_unit(Str *out, TextEncoding encoding, uint32_t unit)
{
    bool little = encoding == TEXT_UTF16LE || encoding == TEXT_UTF32LE;
    int size = encoding == TEXT_UTF8 ? 1 : encoding <= TEXT_UTF16BE ? 2 : 4;
    for (int k = 0; k < size; k++) {
        char byte = (char)(unit >> 8 * (little ? k : size - 1 - k));
        str_addn(out, &byte, 1);
    }
}

/* UTF-8 in another encoding, perhaps with a mark before it. */
static Bytes encode(const char *text, TextEncoding encoding, bool mark)
{
    Str from = { 0 }, out = { 0 };
    str_addf(&from, "%s%s", mark ? "\xef\xbb\xbf" : "", text);
    for (size_t at = 0; at < from.len;) {
        uint32_t code;
        size_t took = utf8_next(from.s + at, from.len - at, &code, NULL);
        bool pair = (encoding == TEXT_UTF16LE || encoding == TEXT_UTF16BE) && code > 0xFFFF;
        if (encoding == TEXT_UTF8) str_addn(&out, from.s + at, took);
        else put_unit(&out, encoding, pair ? 0xD800 + ((code - 0x10000) >> 10) : code);
        if (pair) put_unit(&out, encoding, 0xDC00 + (code & 0x3FF));
        at += took;
    }
    Bytes bytes = exact(str_text(&out), out.len);
    str_release(&from);
    str_release(&out);
    return bytes;
}

static void test_encodings(void **state)
{
    (void)state;
    static const Case cases[] = {
        { JOBS_TXT, "a caf\xc3\xa9\r\na red potion \xf0\x9f\xa7\xaa\r\n",
          "prompt=a caf\xc3\xa9/prompt=a red potion \xf0\x9f\xa7\xaa/" },
        { JOBS_CSV, "prompt\tseed\ra\t1\r\"\xd0\xba\xd0\xbe\xd1\x82\"\t2\r",
          "prompt=a;seed=1/prompt=\xd0\xba\xd0\xbe\xd1\x82;seed=2/" },
        { JOBS_JSONL, "{\"prompt\": \"\xe6\xb0\xb4 a\"}\n", "prompt=\xe6\xb0\xb4 a/" },
        { JOBS_JSON, "[{\"prompt\": \"a\"}]", "prompt=a/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int encoding = TEXT_UTF8; encoding <= TEXT_UTF32BE; encoding++) {
            for (int mark = 0; mark < 2; mark++) {
                Str found = { 0 };
                Bytes bytes = encode(cases[i].text, (TextEncoding)encoding, mark);
                read_jobs(bytes, cases[i].format, &found);
                if (strcmp(str_text(&found), cases[i].expected) != 0)
                    fail_msg("case %zu, encoding %d, mark %d: %s", i, encoding, mark, str_text(&found));
                str_release(&found);
                free((void *)(size_t)bytes.data);
            }
        }
    }
}

/* Text that is in no encoding which can be told, or in none at all. */
static void test_not_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } cases[] = {
        { "a\nb caf\xe9 c\n", 11,
          "x:2: not UTF-8: a byte 0xE9; save it as UTF-8, or if it is Windows-1252, where this reads \"caf\xc3\xa9\"" },
        { "don\x92t", 5, "where this reads \"don\xe2\x80\x99t\"" },
        { "a\xff", 2, "x:1: not UTF-8: a byte 0xFF" },
        { "a\xc3", 2, "not UTF-8: a byte 0xC3" },
        { "a\xed\xa0\x80", 4, "not UTF-8: a byte 0xED" },
        { "a\n\n\0b\n", 6, "x:3: a NUL byte: this is not text" },
        { "{\"prompt\": \"a\0b\"}\n", 18, "x:1: a NUL byte" },
        { "PK\3\4\0\0\0\0\0\0", 10, "a NUL byte" },
        { "\x90\x85\x82\xcc", 4, "x:1: not UTF-8: a byte 0x90; save it as UTF-8, or convert it (iconv)" },
        { "4l\x84v+s\n\0", 8, "zero bytes: this is not text, or UTF-16 without a mark" },
        { "\xff\xfe"
          "a\0\n\0\0\xd8"
          "b\0",
          10, "x:2: half a character: this is not UTF-16LE" },
        { "\xff\xfe"
          "a\0b",
          5, "half a character" },
        { "\xff\xfe"
          "a\0\0\0b\0",
          8, "a NUL byte" },
        { "\0\0\xfe\xff\0\x11\0\0", 8, "half a character: this is not UTF-32BE" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Str found = { 0 };
        Bytes bytes = exact(cases[i].bytes, cases[i].len);
        read_jobs(bytes, JOBS_TXT, &found);
        if (*str_text(&found) != '!' || !strstr(str_text(&found), cases[i].says))
            fail_msg("case %zu: %s, expected %s", i, str_text(&found), cases[i].says);
        str_release(&found);
        free((void *)(size_t)bytes.data);
    }
}

/* Cut anywhere, the pieces give what the whole gives. */
static void test_pieces(void **state)
{
    (void)state;
    static const char text[] = "\xff\xfe"
                               "a\0\r\0\n\0\x3e\xd8\xea\xdd"
                               "b\0\r\0c\0\x1a";
    for (size_t first = 2; first < sizeof text; first++) {
        TextDecoder d = { .name = "x" };
        Str out = { 0 };
        Err e = { 0 };
        const unsigned char *p = (const unsigned char *)text;
        assert_int_equal(text_decode(&d, (Bytes){ p, first }, false, &out, &e), 0);
        for (size_t i = first; i < sizeof text; i++)
            assert_int_equal(text_decode(&d, (Bytes){ p + i, 1 }, false, &out, &e), 0);
        assert_int_equal(text_decode(&d, (Bytes){ p, 0 }, true, &out, &e), 0);
        assert_string_equal(str_text(&out), "a\n\xf0\x9f\xa7\xaa"
                                            "b\nc");
        assert_int_equal(d.line, 3);
        text_decoder_release(&d);
        str_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),    cmocka_unit_test(test_json),     cmocka_unit_test(test_lines),
        cmocka_unit_test(test_encodings), cmocka_unit_test(test_not_text), cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
