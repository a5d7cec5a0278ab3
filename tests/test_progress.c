/* test_progress.c - the progress line fits every terminal and says what matters most. */
#include "tests/support.h"

#include <string.h>

#include "base/utf8.h"
#include "cmd/progress.h"

static void fits_any_width(void **state)
{
    (void)state;
    for (int width = 10; width <= 200; width++) {
        for (int pictures = 1; pictures <= 100000; pictures *= 10) {
            for (int done = 0; done <= 1000; done += 100) {
                char line[256];
                Progress p = { .picture = 1, .pictures = pictures, .steps_done = done, .working = done * 7.5 };
                progress_line(line, width, &p, done, 1000);
                assert_true(strlen(line) <= (size_t)width);
                if (done == 400) assert_non_null(strstr(line, "400/1000"));
            }
        }
    }
}

static void says_what_is_known(void **state)
{
    (void)state;
    char line[256];
    Progress p = { .picture = 1, .pictures = 1 };
    progress_line(line, 60, &p, 0, 20);
    assert_null(strstr(line, "left"));
    p.steps_done = 5;
    p.working = 2.5;
    progress_line(line, 60, &p, 5, 20);
    assert_string_equal(line, "[=======>                      ] 5/20  8 s left  0.50 s/step");
    progress_line(line, 60, &p, 20, 20);
    assert_string_equal(line, "[========================================] 20/20  decoding");
    progress_line(line, 21, &p, 5, 20);
    assert_string_equal(line, "5/20  8 s left");
    p.pictures = 4;
    p.picture = 2;
    progress_line(line, 60, &p, 5, 20);
    assert_string_equal(line, "2/4 [======>                  ] 5/20  28 s left  0.50 s/step");
}

/* Of a batch, of a comparison: the words are cut between characters, and never push anything else out. */
static void words_are_cut(void **state)
{
    (void)state;
    for (int width = 4; width <= 200; width++) {
        char line[256];
        progress_compose(
            line, width,
            &(ProgressParts){ .head = "",
                              .share = 0.5,
                              .longest = 24,
                              .must = "5/10",
                              .more = { "  9 s left", "  1 failed" },
                              .words = "  \u017c\u00f3\u0142w \u5c0f\u3055\u306a\u732b \u017c\u00f3\u0142w" });
        size_t len = strlen(line);
        assert_true(len <= (size_t)width);
        assert_non_null(strstr(line, "5/10"));
        if (width >= 40) assert_non_null(strstr(line, "1 failed"));
        for (size_t at = 0; at < len;) {
            uint32_t code;
            bool valid;
            at += utf8_next(line + at, len - at, &code, &valid);
            assert_true(valid);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_any_width),
        cmocka_unit_test(says_what_is_known),
        cmocka_unit_test(words_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
