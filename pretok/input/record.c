#include "input/record.h"

static const struct {
    const char *name, *text;
} reasons[PRETOK_REASONS] = {
    [PRETOK_ACCEPTED] = {"accepted", "accepted"},
    [PRETOK_NOT_JSON] = {"not_json", "not JSON"},
    [PRETOK_NOT_OBJECT] = {"not_object", "JSON, but not an object"},
    [PRETOK_NO_KEY] = {"no_key", "no text key"},
    [PRETOK_WRONG_TYPE] = {"wrong_type", "the text is not a string"},
    [PRETOK_TOO_LONG] = {"too_long", "the text is longer than --max-doc-bytes"},
    [PRETOK_TOO_DEEP] = {"too_deep", "nested too deep"},
    [PRETOK_TOKENIZER] = {"tokenizer", "refused by the tokenizer"},
    [PRETOK_FIELDS_TOO_LONG] = {"fields_too_long",
                                "the values kept beside the text are longer than 1 MiB"},
    [PRETOK_NO_SET] = {"no_set", "no string, number, true or false at --split-by-key"},
    [PRETOK_BROKEN] = {"broken", "not a record as the format has them"},
    [PRETOK_CHARSET] = {"charset", "text in another encoding than UTF-8"},
    [PRETOK_NULL] = {"null", "the text is null"},
};

const char *pretok_reason_name(enum pretok_reason reason)
{
    return reasons[reason].name;
}

const char *pretok_reason_text(enum pretok_reason reason)
{
    return reasons[reason].text;
}

static const struct {
    const char *name, *text;
} filters[PRETOK_FILTERS] = {
    [PRETOK_KEPT] = {"kept", "kept"},
    [PRETOK_WARC_RESPONSE] = {"warc_response",
                              "WARC: HTTP responses; text is not extracted from HTML"},
    [PRETOK_WARC_NOT_TEXT] = {"warc_not_text",
                              "WARC: conversions and resources that are not text/plain"},
    [PRETOK_WARC_OTHER] = {"warc_other",
                           "WARC: requests, metadata and other records about records"},
    [PRETOK_FEW_CHARS] = {"min_chars", "shorter than --min-chars"},
    [PRETOK_MANY_CHARS] = {"max_chars", "longer than --max-chars"},
    [PRETOK_FEW_TOKENS] = {"min_tokens", "fewer tokens than --min-tokens"},
    [PRETOK_MANY_TOKENS] = {"max_tokens", "more tokens than --max-tokens"},
};

const char *pretok_filtered_name(enum pretok_filtered filtered)
{
    return filters[filtered].name;
}

const char *pretok_filtered_text(enum pretok_filtered filtered)
{
    return filters[filtered].text;
}
