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
};

const char *pretok_reason_name(enum pretok_reason reason)
{
    return reasons[reason].name;
}

const char *pretok_reason_text(enum pretok_reason reason)
{
    return reasons[reason].text;
}
