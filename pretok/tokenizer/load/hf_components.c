/* See hf_components.h. Sequences are walked with a stack of their own. */
#include "load/hf_components.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8_inline.h"

/* Steps of one list, Sequences within Sequences: more than any file in use by far. */
#define MAX_STEPS 64
#define MAX_NESTED 16

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* One component being read: where it stands, for messages. */
struct part {
    const struct ngt_json *object;
    const char *path, *root, *type;
    uint64_t number; /* how many components were read before it */
    struct ngt_error *reterr;
};

static enum ngt_status refuse(const struct part *p, const char *format, ...) NGT_PRINTF(2, 3);
static enum ngt_status refuse(const struct part *p, const char *format, ...)
{
    char text[160];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ngt_fail(p->reterr, NGT_E_DATA, p->path, NGT_NO_POS, NGT_NO_POS,
                    "%s, component %" PRIu64 "%s%.40s: %s", p->root, p->number, p->type ? ", " : "",
                    p->type ? p->type : "", text);
}

static enum ngt_status no_memory(const struct part *p)
{
    return ngt_fail(p->reterr, NGT_E_NOMEM, p->path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the tokenizer");
}

/* Keys beyond "type" and those in `known` are refused. */
static enum ngt_status only(const struct part *p, const char *const *known)
{
    for (const struct ngt_json *m = p->object->first; m; m = m->next) {
        bool found = strcmp(m->key, "type") == 0;
        for (const char *const *k = known; *k && !found; k++)
            found = strcmp(m->key, *k) == 0;
        if (!found)
            return refuse(p, "option \"%.40s\" is not understood", m->key);
    }
    return NGT_OK;
}
#define ONLY(p, ...) only(p, (const char *const[]){__VA_ARGS__, NULL})

static enum ngt_status get_bool(const struct part *p, const char *key, bool *ret)
{
    const struct ngt_json *m = ngt_json_get(p->object, key);

    if (!m || (m->type != NGT_JSON_TRUE && m->type != NGT_JSON_FALSE))
        return refuse(p, "\"%s\" is not true or false", key);
    *ret = m->type == NGT_JSON_TRUE;
    return NGT_OK;
}

static enum ngt_status get_optional_bool(const struct part *p, const char *key, bool *ret)
{
    const struct ngt_json *m = ngt_json_get(p->object, key);

    return !m || m->type == NGT_JSON_NULL ? NGT_OK : get_bool(p, key, ret);
}

static enum ngt_status get_string(const struct part *p, const char *key,
                                  const struct ngt_json **ret)
{
    *ret = ngt_json_get(p->object, key);
    if (!*ret || (*ret)->type != NGT_JSON_STRING)
        return refuse(p, "\"%s\" is not a string", key);
    return NGT_OK;
}

static enum ngt_status get_character(const struct part *p, const char *key, uint32_t *ret)
{
    const struct ngt_json *m;
    enum ngt_status status = get_string(p, key, &m);
    unsigned size;

    if (status != NGT_OK)
        return status;
    if (m->length == 0 || tok_utf8_lead_size((uint8_t)m->string[0]) != m->length)
        return refuse(p, "\"%s\" is not one character", key);
    *ret = tok_utf8_get((const uint8_t *)m->string, &size);
    return NGT_OK;
}

static enum ngt_status copy_bytes(const struct part *p, const char *from, uint64_t n, uint8_t **ret)
{
    *ret = malloc(n + 1);
    if (!*ret)
        return no_memory(p);
    memcpy(*ret, from, n);
    (*ret)[n] = '\0';
    return NGT_OK;
}

/* {"String": "x"} or {"Regex": "x"} */
static enum ngt_status get_pattern(const struct part *p, struct tok_hf_pattern *ret)
{
    const struct ngt_json *m = ngt_json_get(p->object, "pattern");
    const struct ngt_json *value = m && m->type == NGT_JSON_OBJECT ? m->first : NULL;

    if (!value || value->next || value->type != NGT_JSON_STRING)
        return refuse(p, "\"pattern\" is neither {\"String\": ...} nor {\"Regex\": ...}");
    bool regex = strcmp(value->key, "Regex") == 0;
    if (!regex && strcmp(value->key, "String") != 0)
        return refuse(p, "a pattern of kind \"%.40s\" is not understood", value->key);
    ret->size = value->length;
    enum ngt_status status = copy_bytes(p, value->string, value->length, &ret->literal);
    if (status != NGT_OK || !regex)
        return status;
    ret->spaces = value->length == 5 && memcmp(value->string, " {2,}", 5) == 0;
    ret->white_space = value->length == 3 && memcmp(value->string, "\\s+", 3) == 0;
    return tok_split_new_oniguruma(value->string, value->length, p->path, &ret->regex, p->reterr);
}

static enum ngt_status get_behavior(const struct part *p, enum tok_hf_behavior *ret)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const struct ngt_json *m;
    enum ngt_status status = get_string(p, "behavior", &m);

    if (status != NGT_OK)
        return status;
    for (unsigned i = 0; i < 5; i++)
        if (strcmp(m->string, names[i]) == 0) {
            *ret = (enum tok_hf_behavior)i;
            return NGT_OK;
        }
    return refuse(p, "behavior \"%.40s\" is not understood", m->string);
}

/*
 * Walks components in order: `member` of a Sequence holds its parts. *ret is the next component that
 * is no Sequence, or NULL at the end.
 */
struct walk {
    const struct ngt_json *stack[MAX_NESTED];
    unsigned depth;
    const char *member;
    struct part part;
    bool started;
};

static enum ngt_status next_part(struct walk *w, const struct ngt_json *root, bool *ret_found)
{
    const struct ngt_json *at = NULL;

    *ret_found = false;
    if (!w->started) {
        w->started = true;
        at = root;
        if (!at || at->type == NGT_JSON_NULL)
            return NGT_OK;
    }
    for (;; at = NULL) {
        while (!at && w->depth) {
            at = w->stack[w->depth - 1];
            if (at)
                w->stack[w->depth - 1] = at->next;
            else
                w->depth--;
        }
        if (!at)
            return NGT_OK;
        w->part.object = at;
        w->part.type = NULL;
        w->part.number++;
        if (at->type != NGT_JSON_OBJECT)
            return refuse(&w->part, "not an object");
        const struct ngt_json *type = ngt_json_get(at, "type");
        if (!type || type->type != NGT_JSON_STRING)
            return refuse(&w->part,
                          "without a \"type\"; write the file anew with a current release "
                          "of tokenizers");
        w->part.type = type->string;
        if (strcmp(type->string, "Sequence") != 0) {
            *ret_found = true;
            return NGT_OK;
        }
        const struct ngt_json *list = ngt_json_get(at, w->member);
        enum ngt_status status = ONLY(&w->part, w->member);
        if (status != NGT_OK)
            return status;
        if (!list || list->type != NGT_JSON_ARRAY)
            return refuse(&w->part, "\"%s\" is not an array", w->member);
        if (w->depth == MAX_NESTED)
            return refuse(&w->part, "nested too deep");
        w->stack[w->depth++] = list->first;
    }
}

/* ---- normalizers ---- */

static enum ngt_status add_normalizer(const struct part *p, struct tok_hf_normalizers *list,
                                      struct tok_hf_normalizer step)
{
    if (list->count == MAX_STEPS)
        return refuse(p, "more than %d steps", MAX_STEPS);
    list->steps[list->count++] = step;
    return NGT_OK;
}

static enum ngt_status read_bert(const struct part *p, struct tok_hf_normalizers *list)
{
    bool clean = false, chinese = false, lower = false, accents;
    enum ngt_status status =
        ONLY(p, "clean_text", "handle_chinese_chars", "strip_accents", "lowercase");

    if (status == NGT_OK)
        status = get_bool(p, "clean_text", &clean);
    if (status == NGT_OK)
        status = get_bool(p, "handle_chinese_chars", &chinese);
    if (status == NGT_OK)
        status = get_bool(p, "lowercase", &lower);
    accents = lower;
    if (status == NGT_OK)
        status = get_optional_bool(p, "strip_accents", &accents);
    const struct {
        bool wanted;
        struct tok_hf_normalizer step;
    } steps[] = {
        {clean, {.step = TOK_HF_BERT_CLEAN}},
        {chinese, {.step = TOK_HF_BERT_CHINESE}},
        {accents, {.step = TOK_HF_FORM, .form = TOK_HF_NFD}},
        {accents, {.step = TOK_HF_BERT_ACCENTS}},
        {lower, {.step = TOK_HF_LOWERCASE}},
    };
    for (unsigned i = 0; i < 5 && status == NGT_OK; i++)
        if (steps[i].wanted)
            status = add_normalizer(p, list, steps[i].step);
    return status;
}

static enum ngt_status read_with_options(const struct part *p, struct tok_hf_normalizer *step)
{
    const struct ngt_json *m = NULL;
    enum ngt_status status;

    switch (step->step) {
    case TOK_HF_STRIP:
        status = ONLY(p, "strip_left", "strip_right");
        if (status == NGT_OK)
            status = get_bool(p, "strip_left", &step->left);
        return status == NGT_OK ? get_bool(p, "strip_right", &step->right) : status;
    case TOK_HF_PREPEND:
        status = ONLY(p, "prepend");
        if (status == NGT_OK)
            status = get_string(p, "prepend", &m);
        break;
    case TOK_HF_REPLACE:
        status = ONLY(p, "pattern", "content");
        if (status == NGT_OK)
            status = get_pattern(p, &step->pattern);
        if (status == NGT_OK)
            status = get_string(p, "content", &m);
        break;
    case TOK_HF_PRECOMPILED:
        status = ONLY(p, "precompiled_charsmap");
        if (status == NGT_OK)
            status = get_string(p, "precompiled_charsmap", &m);
        return status == NGT_OK
                   ? tok_hf_charsmap_new(m->string, m->length, p->path, &step->map, p->reterr)
                   : status;
    default:
        return ONLY(p, NULL);
    }
    if (status == NGT_OK)
        status = copy_bytes(p, m->string, m->length, &step->content);
    if (status == NGT_OK)
        step->content_size = m->length;
    return status;
}

static enum ngt_status read_normalizer(const struct part *p, struct tok_hf_normalizers *list)
{
    static const struct {
        const char *type;
        struct tok_hf_normalizer step;
    } known[] = {
        {"NFC", {.step = TOK_HF_FORM, .form = TOK_HF_NFC}},
        {"NFD", {.step = TOK_HF_FORM, .form = TOK_HF_NFD}},
        {"NFKC", {.step = TOK_HF_FORM, .form = TOK_HF_NFKC}},
        {"NFKD", {.step = TOK_HF_FORM, .form = TOK_HF_NFKD}},
        {"Lowercase", {.step = TOK_HF_LOWERCASE}},
        {"StripAccents", {.step = TOK_HF_STRIP_ACCENTS}},
        {"Strip", {.step = TOK_HF_STRIP}},
        {"Replace", {.step = TOK_HF_REPLACE}},
        {"Prepend", {.step = TOK_HF_PREPEND}},
        {"Precompiled", {.step = TOK_HF_PRECOMPILED}},
        {"Nmt", {.step = TOK_HF_NMT}},
        {"ByteLevel", {.step = TOK_HF_BYTE_CHARS}},
    };

    if (strcmp(p->type, "BertNormalizer") == 0)
        return read_bert(p, list);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(p->type, known[i].type) != 0)
            continue;
        /* into the list first: what it owns is released with the list */
        enum ngt_status status = add_normalizer(p, list, known[i].step);
        return status == NGT_OK ? read_with_options(p, &list->steps[list->count - 1]) : status;
    }
    return refuse(p, "a normalizer of this type is not understood");
}

enum ngt_status tok_hf_read_normalizers(const struct ngt_json *root, const char *path,
                                        struct tok_hf_normalizers *ret, struct ngt_error *reterr)
{
    struct walk w = {.member = "normalizers",
                     .part = {.path = path, .root = "normalizer", .reterr = reterr}};
    struct tok_hf_normalizers list = {.steps = calloc(MAX_STEPS, sizeof *list.steps)};
    bool found = true;
    enum ngt_status status = list.steps ? NGT_OK : no_memory(&w.part);

    while (status == NGT_OK) {
        status = next_part(&w, root, &found);
        if (status != NGT_OK || !found)
            break;
        status = read_normalizer(&w.part, &list);
    }
    if (status == NGT_OK)
        *ret = list;
    else
        tok_hf_normalizers_done(&list);
    return status;
}

/* ---- pre-tokenizers ---- */

static enum ngt_status add_cut(const struct part *p, struct tok_hf_pretokenizers *list,
                               struct tok_hf_pretokenizer step)
{
    if (list->count == MAX_STEPS)
        return refuse(p, "more than %d steps", MAX_STEPS);
    list->steps[list->count++] = step;
    return NGT_OK;
}

static enum ngt_status read_byte_level(const struct part *p, struct tok_hf_pretokenizers *list)
{
    bool prefix = false, trim = false, regex = true;
    enum ngt_status status = ONLY(p, "add_prefix_space", "trim_offsets", "use_regex");

    if (status == NGT_OK)
        status = get_bool(p, "add_prefix_space", &prefix);
    if (status == NGT_OK)
        status = get_bool(p, "trim_offsets", &trim); /* decides about offsets alone */
    if (status == NGT_OK && ngt_json_get(p->object, "use_regex"))
        status = get_bool(p, "use_regex", &regex);
    if (status == NGT_OK && prefix)
        status = add_cut(p, list, (struct tok_hf_pretokenizer){.cut = TOK_HF_CUT_PREFIX});
    if (status == NGT_OK && regex) {
        status = add_cut(
            p, list,
            (struct tok_hf_pretokenizer){.cut = TOK_HF_CUT_PATTERN, .behavior = TOK_HF_ISOLATED});
        if (status == NGT_OK)
            status =
                tok_split_new_oniguruma(GPT2, strlen(GPT2), p->path,
                                        &list->steps[list->count - 1].pattern.regex, p->reterr);
    }
    if (status == NGT_OK)
        status = add_cut(p, list, (struct tok_hf_pretokenizer){.cut = TOK_HF_CUT_BYTE_CHARS});
    return status;
}

static enum ngt_status read_split(const struct part *p, struct tok_hf_pretokenizers *list)
{
    struct tok_hf_pretokenizer step = {.cut = TOK_HF_CUT_PATTERN};
    enum ngt_status status = ONLY(p, "pattern", "behavior", "invert");

    if (status == NGT_OK)
        status = get_behavior(p, &step.behavior);
    if (status == NGT_OK)
        status = get_bool(p, "invert", &step.invert);
    if (status == NGT_OK)
        status = add_cut(p, list, step);
    return status == NGT_OK ? get_pattern(p, &list->steps[list->count - 1].pattern) : status;
}

static enum ngt_status read_metaspace(const struct part *p, struct tok_hf_pretokenizers *list)
{
    static const char *const schemes[] = {"always", "first", "never"};
    struct tok_hf_pretokenizer step = {.cut = TOK_HF_CUT_METASPACE, .split = true};
    const struct ngt_json *scheme = ngt_json_get(p->object, "prepend_scheme");
    bool add = true;
    enum ngt_status status =
        ONLY(p, "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep");

    if (status == NGT_OK)
        status = get_character(p, "replacement", &step.character);
    if (status == NGT_OK)
        status = get_optional_bool(p, "split", &step.split);
    if (status == NGT_OK)
        status = get_optional_bool(p, "add_prefix_space", &add);
    if (status == NGT_OK && scheme) {
        unsigned i = 0;
        while (i < 3 &&
               (scheme->type != NGT_JSON_STRING || strcmp(scheme->string, schemes[i]) != 0))
            i++;
        if (i == 3)
            return refuse(p, "\"prepend_scheme\" is none of always, first, never");
        step.prepend = (enum tok_hf_prepend)i;
    }
    if (status == NGT_OK && !add) {
        if (step.prepend != TOK_HF_NEVER && scheme)
            return refuse(p, "\"add_prefix_space\" contradicts \"prepend_scheme\"");
        if (!scheme)
            return refuse(p, "\"add_prefix_space\" is false without \"prepend_scheme\": \"never\", "
                             "which tokenizers refuses; add that");
    }
    return status == NGT_OK ? add_cut(p, list, step) : status;
}

static enum ngt_status read_small(const struct part *p, struct tok_hf_pretokenizers *list,
                                  bool *ret_known)
{
    struct tok_hf_pretokenizer step = {.cut = TOK_HF_CUT_CLASS, .behavior = TOK_HF_REMOVED};
    bool individual = false;
    enum ngt_status status = NGT_OK;

    *ret_known = true;
    if (strcmp(p->type, "Digits") == 0) {
        status = ONLY(p, "individual_digits");
        if (status == NGT_OK)
            status = get_bool(p, "individual_digits", &individual);
        step.class = TOK_HF_NUMERIC;
        step.behavior = individual ? TOK_HF_ISOLATED : TOK_HF_CONTIGUOUS;
    } else if (strcmp(p->type, "Punctuation") == 0) {
        status = ONLY(p, "behavior");
        step.class = TOK_HF_PUNCTUATION;
        step.behavior = TOK_HF_ISOLATED;
        if (status == NGT_OK && ngt_json_get(p->object, "behavior"))
            status = get_behavior(p, &step.behavior);
    } else if (strcmp(p->type, "WhitespaceSplit") == 0) {
        status = ONLY(p, NULL);
        step.class = TOK_HF_RUST_SPACE;
    } else if (strcmp(p->type, "BertPreTokenizer") == 0) {
        status = ONLY(p, NULL);
        step.class = TOK_HF_RUST_SPACE;
        if (status == NGT_OK)
            status = add_cut(p, list, step);
        step.class = TOK_HF_PUNCTUATION;
        step.behavior = TOK_HF_ISOLATED;
    } else if (strcmp(p->type, "Whitespace") == 0) {
        status = ONLY(p, NULL);
        step.cut = TOK_HF_CUT_WORDS;
    } else if (strcmp(p->type, "CharDelimiterSplit") == 0) {
        status = ONLY(p, "delimiter");
        step.cut = TOK_HF_CUT_CHARACTER;
        if (status == NGT_OK)
            status = get_character(p, "delimiter", &step.character);
    } else if (strcmp(p->type, "FixedLength") == 0) {
        status = ONLY(p, "length");
        step.cut = TOK_HF_CUT_LENGTH;
        step.length = 5;
        if (status == NGT_OK && ngt_json_get(p->object, "length") &&
            (!ngt_json_get_u64(p->object, "length", &step.length) || step.length == 0))
            status = refuse(p, "\"length\" is not a whole number from 1 on");
    } else {
        *ret_known = false;
        return NGT_OK;
    }
    return status == NGT_OK ? add_cut(p, list, step) : status;
}

static enum ngt_status read_pretokenizer(const struct part *p, struct tok_hf_pretokenizers *list)
{
    bool known;
    enum ngt_status status;

    if (strcmp(p->type, "ByteLevel") == 0)
        return read_byte_level(p, list);
    if (strcmp(p->type, "Split") == 0)
        return read_split(p, list);
    if (strcmp(p->type, "Metaspace") == 0)
        return read_metaspace(p, list);
    status = read_small(p, list, &known);
    return known ? status : refuse(p, "a pre-tokenizer of this type is not understood");
}

enum ngt_status tok_hf_read_pretokenizers(const struct ngt_json *root, const char *path,
                                          bool may_drop, struct tok_hf_pretokenizers *ret,
                                          bool *ret_bytes, struct ngt_error *reterr)
{
    struct walk w = {.member = "pretokenizers",
                     .part = {.path = path, .root = "pre_tokenizer", .reterr = reterr}};
    struct tok_hf_pretokenizers list = {.steps = calloc(MAX_STEPS, sizeof *list.steps)};
    bool found = true;
    enum ngt_status status = list.steps ? NGT_OK : no_memory(&w.part);

    while (status == NGT_OK) {
        status = next_part(&w, root, &found);
        if (status != NGT_OK || !found)
            break;
        status = read_pretokenizer(&w.part, &list);
    }
    if (status != NGT_OK) {
        tok_hf_pretokenizers_done(&list);
        return status;
    }
    *ret_bytes = may_drop && list.count && list.steps[list.count - 1].cut == TOK_HF_CUT_BYTE_CHARS;
    list.count -= *ret_bytes;
    *ret = list;
    return NGT_OK;
}

/* ---- the others ---- */

enum ngt_status tok_hf_check_types(const struct ngt_json *root, const char *where,
                                   const char *const *known, const char *path,
                                   struct ngt_error *reterr)
{
    struct walk w = {.member = strcmp(where, "decoder") == 0 ? "decoders" : "processors",
                     .part = {.path = path, .root = where, .reterr = reterr}};
    bool found = true;
    enum ngt_status status = NGT_OK;

    while (status == NGT_OK) {
        status = next_part(&w, root, &found);
        if (status != NGT_OK || !found)
            return status;
        const char *const *k = known;
        while (*k && strcmp(*k, w.part.type) != 0)
            k++;
        if (!*k)
            status = refuse(&w.part, "a component of this type is not understood");
    }
    return status;
}

bool tok_hf_has_type(const struct ngt_json *root, const char *type)
{
    static const char *const members[] = {"decoders", "processors"};

    for (unsigned i = 0; i < 2; i++) {
        struct walk w = {.member = members[i], .part = {.root = ""}};
        bool found = true;
        while (next_part(&w, root, &found) == NGT_OK && found)
            if (strcmp(w.part.type, type) == 0)
                return true;
    }
    return false;
}
