#include "filter.h"

#include "t.h"

static enum pretok_filtered text(const struct pretok_filter *f, const char *s)
{
    return pretok_filter_text(f, (const uint8_t *)s, strlen(s));
}

T_CASE(both_ends_are_kept)
{
    struct pretok_filter f = {.min_chars = 2, .max_chars = 4, .min_tokens = 3, .max_tokens = 5};

    T_EQ_INT(text(&f, ""), PRETOK_FEW_CHARS);
    T_EQ_INT(text(&f, "\xE6\x97\xA5"), PRETOK_FEW_CHARS); /* characters, not bytes */
    T_EQ_INT(text(&f, "\xE6\x97\xA5\xE6\x9C\xAC"), PRETOK_KEPT);
    T_EQ_INT(text(&f, "abcd"), PRETOK_KEPT);
    T_EQ_INT(text(&f, "\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80"),
             PRETOK_KEPT);
    T_EQ_INT(text(&f, "abcde"), PRETOK_MANY_CHARS);
    T_EQ_INT(pretok_filter_ids(&f, 2), PRETOK_FEW_TOKENS);
    T_EQ_INT(pretok_filter_ids(&f, 3), PRETOK_KEPT);
    T_EQ_INT(pretok_filter_ids(&f, 5), PRETOK_KEPT);
    T_EQ_INT(pretok_filter_ids(&f, 6), PRETOK_MANY_TOKENS);
}

T_CASE(no_end_keeps_all)
{
    struct pretok_filter none = {0}, low = {.min_chars = 1, .min_tokens = 1};

    T_EQ_INT(text(&none, ""), PRETOK_KEPT);
    T_EQ_INT(pretok_filter_ids(&none, UINT64_MAX), PRETOK_KEPT);
    T_EQ_INT(text(&low, "a"), PRETOK_KEPT);
    T_EQ_INT(pretok_filter_ids(&low, UINT64_MAX), PRETOK_KEPT);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
