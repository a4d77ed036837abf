/* See hf_json.h: the members of the file, and the vocabulary that a shard stores. */
#include "load/hf_json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "load/hf_components.h"
#include "load/hf_merges.h"
#include "ngt/layout.h"
#include "text/utf8_inline.h"

enum member {
    VERSION,
    TRUNCATION,
    PADDING,
    ADDED_TOKENS,
    NORMALIZER,
    PRE_TOKENIZER,
    POST_PROCESSOR,
    DECODER,
    MODEL,
    MEMBERS
};
static const char *const member_names[MEMBERS] = {
    "version",       "truncation",     "padding", "added_tokens", "normalizer",
    "pre_tokenizer", "post_processor", "decoder", "model",
};

enum option {
    TYPE,
    DROPOUT,
    UNK_TOKEN,
    PREFIX,
    SUFFIX,
    FUSE_UNK,
    BYTE_FALLBACK,
    IGNORE_MERGES,
    VOCAB,
    MERGES,
    UNK_ID,
    MOST_CHARACTERS,
    OPTIONS
};
static const char *const option_names[OPTIONS] = {
    "type",
    "dropout",
    "unk_token",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "fuse_unk",
    "byte_fallback",
    "ignore_merges",
    "vocab",
    "merges",
    "unk_id",
    "max_input_chars_per_word",
};

static const char *const decoders[] = {"BPEDecoder", "ByteLevel", "WordPiece", "Metaspace",
                                       "CTC",        "Replace",   "Fuse",      "ByteFallback",
                                       "Strip",      NULL};
static const char *const processors[] = {"TemplateProcessing", "ByteLevel", "RobertaProcessing",
                                         "BertProcessing", NULL};

/* Everything while a file is read. */
struct reading {
    struct tok_json json;
    const char *path;
    struct ngt_error *reterr;
    struct tok_slice members[MEMBERS], options[OPTIONS]; /* at == NULL: absent */
    struct tok_json_members model;                       /* of the member of that name */
    struct ngt_json *trees[MEMBERS];
    bool limits;
    struct tok_hf_vocab vocab;
    struct tok_hf_file *file;
};

/* The members of one object, as spans. Unknown names and repeated ones are refused. The last one's
 * own members are noted. */
static bool spans(struct tok_json *j, const char *const *names, unsigned count,
                  struct tok_slice *ret, struct tok_json_members *ret_noted)
{
    struct tok_json_members noted;
    bool first = true, more;
    struct tok_slice key;

    if (!tok_json_enter(j, '{'))
        return false;
    for (;;) {
        unsigned i = 0;
        if (!tok_json_more(j, '}', &first, &more))
            return false;
        if (!more)
            return true;
        if (!tok_json_key(j, &key))
            return false;
        while (i < count && !tok_slice_is(key, names[i]))
            i++;
        if (i == count)
            return tok_json_refuse(j, "\"%.*s\" is not understood",
                                   key.size < 60 ? (int)key.size : 60, (const char *)key.at);
        if (ret[i].at)
            return tok_json_refuse(j, "\"%s\" occurs twice", names[i]);
        if (!tok_json_skip_noting(j, &ret[i], i + 1 == count ? ret_noted : &noted))
            return false;
    }
}

/* The same from what was noted; false: there is something that spans() refuses, or that it has to
 * look at. */
static bool noted_spans(const struct tok_json_members *noted, const char *const *names,
                        unsigned count, struct tok_slice *ret)
{
    bool ok = noted->count != UINT_MAX;

    for (unsigned k = 0; ok && k < noted->count; k++) {
        unsigned i = 0;
        while (i < count && !tok_slice_is(noted->keys[k], names[i]))
            i++;
        ok = i < count && !ret[i].at;
        if (ok)
            ret[i] = noted->values[k];
    }
    if (!ok)
        memset(ret, 0, count * sizeof *ret);
    return ok;
}

static bool is_null(struct tok_slice span)
{
    return !span.at || tok_slice_is(span, "null");
}

/* A reader that stands at a span. */
static struct tok_json *at_span(struct reading *r, struct tok_slice span, const char *what)
{
    r->json.at = span.at;
    r->json.what = what;
    return &r->json;
}

static enum ngt_status tree(struct reading *r, enum member m)
{
    struct tok_slice span = r->members[m];

    if (!span.at)
        return NGT_OK;
    enum ngt_status status =
        ngt_json_parse((const char *)span.at, span.size, r->path, &r->trees[m], r->reterr);
    if (status != NGT_OK && r->reterr && r->reterr->offset != NGT_NO_POS)
        r->reterr->offset += (uint64_t)(span.at - r->json.start);
    return status;
}

static enum ngt_status refuse(struct reading *r, struct tok_slice span, const char *what)
{
    return ngt_fail(r->reterr, NGT_E_DATA, r->path,
                    span.at ? (uint64_t)(span.at - r->json.start) : NGT_NO_POS, NGT_NO_POS, "%s",
                    what);
}

/* ---- the model ---- */

static bool get_flag(struct reading *r, enum option o, bool *ret)
{
    if (is_null(r->options[o]))
        return true;
    *ret = tok_slice_is(r->options[o], "true");
    return *ret || tok_slice_is(r->options[o], "false") ||
           tok_json_refuse(at_span(r, r->options[o], option_names[o]), "not true or false");
}

static bool get_text(struct reading *r, enum option o, struct tok_slice *ret)
{
    *ret = (struct tok_slice){0};
    return is_null(r->options[o]) ||
           tok_json_string(at_span(r, r->options[o], option_names[o]), ret);
}

/* In the order in which the library tries them on a file without a model type. */
static const struct {
    const char *type, *variant;
    enum option needs; /* what such a file must have beside a vocabulary */
    bool takes[OPTIONS];
} kinds[] = {
    [TOK_HF_BPE] = {"BPE",
                    "bpe",
                    MERGES,
                    {[DROPOUT] = true,
                     [UNK_TOKEN] = true,
                     [PREFIX] = true,
                     [SUFFIX] = true,
                     [FUSE_UNK] = true,
                     [BYTE_FALLBACK] = true,
                     [IGNORE_MERGES] = true,
                     [MERGES] = true}},
    [TOK_HF_UNIGRAM] = {"Unigram", "unigram", UNK_ID, {[UNK_ID] = true, [BYTE_FALLBACK] = true}},
    [TOK_HF_WORDPIECE] = {"WordPiece",
                          "wordpiece",
                          MOST_CHARACTERS,
                          {[UNK_TOKEN] = true, [PREFIX] = true, [MOST_CHARACTERS] = true}},
    [TOK_HF_WORDLEVEL] = {"WordLevel", "wordlevel", UNK_TOKEN, {[UNK_TOKEN] = true}},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static bool model_kind(struct reading *r)
{
    static const enum tok_hf_model order[KINDS] = {TOK_HF_BPE, TOK_HF_WORDPIECE, TOK_HF_WORDLEVEL,
                                                   TOK_HF_UNIGRAM};
    struct tok_slice type;

    for (size_t i = 0; i < KINDS && !r->options[TYPE].at; i++) {
        r->file->kind = order[i];
        if (r->options[kinds[order[i]].needs].at)
            return true;
    }
    if (!r->options[TYPE].at)
        return tok_json_refuse(at_span(r, r->members[MODEL], "model"),
                               "without a type, and none by its fields");
    if (!get_text(r, TYPE, &type))
        return false;
    for (size_t i = 0; i < KINDS; i++) {
        r->file->kind = (enum tok_hf_model)i;
        if (tok_slice_is(type, kinds[i].type))
            return true;
    }
    return tok_json_refuse(&r->json,
                           "models of type \"%.*s\" are not supported; BPE, Unigram, WordPiece and "
                           "WordLevel are",
                           type.size < 40 ? (int)type.size : 40, (const char *)type.at);
}

/* Options of other kinds of model are as unknown as any. */
static bool only_options(struct reading *r)
{
    for (unsigned o = 0; o < OPTIONS; o++)
        if (r->options[o].at && o != TYPE && o != VOCAB && !kinds[r->file->kind].takes[o])
            return tok_json_refuse(at_span(r, r->options[o], "model"),
                                   "\"%s\" is not understood in a model of this type",
                                   option_names[o]);
    return true;
}

static bool read_options(struct reading *r)
{
    struct tok_hf_file *f = r->file;
    double dropout = 0;

    if (!is_null(r->options[DROPOUT])) {
        if (!tok_json_double(at_span(r, r->options[DROPOUT], "dropout"), &dropout))
            return false;
        if (dropout != 0)
            return tok_json_refuse(&r->json, "with dropout, ids are a matter of chance; set it to "
                                             "null");
    }
    if (f->kind == TOK_HF_WORDPIECE &&
        !tok_json_u32(at_span(r, r->options[MOST_CHARACTERS], option_names[MOST_CHARACTERS]),
                      &f->most_characters))
        return false;
    return get_flag(r, FUSE_UNK, &f->fuse_unknown) &&
           get_flag(r, BYTE_FALLBACK, &f->byte_fallback) &&
           get_flag(r, IGNORE_MERGES, &f->ignore_merges) && get_text(r, PREFIX, &f->prefix) &&
           get_text(r, SUFFIX, &f->suffix);
}

static bool find_unknown(struct reading *r)
{
    struct tok_hf_file *f = r->file;
    struct tok_slice name;

    f->unknown = NGT_NO_ID;
    if (f->kind == TOK_HF_UNIGRAM) {
        if (is_null(r->options[UNK_ID]))
            return tok_json_refuse(at_span(r, r->members[MODEL], "model"),
                                   "\"unk_id\" is null, with which tokenizers fail at the first "
                                   "unknown character; name an id");
        if (!tok_json_u32(at_span(r, r->options[UNK_ID], "unk_id"), &f->unknown))
            return false;
        return f->unknown < r->vocab.ids || tok_json_refuse(&r->json, "no id of the vocabulary");
    }
    if (is_null(r->options[UNK_TOKEN]) && f->kind == TOK_HF_BPE)
        return true;
    if (is_null(r->options[UNK_TOKEN]))
        return tok_json_refuse(at_span(r, r->members[MODEL], "model"), "without \"unk_token\"");
    if (!get_text(r, UNK_TOKEN, &name))
        return false;
    f->unknown = tok_names_find(&r->vocab.names, name.at, name.size);
    return f->unknown != NGT_NO_ID ||
           tok_json_refuse(&r->json, "\"%.*s\" is no token of the vocabulary",
                           name.size < 60 ? (int)name.size : 60, (const char *)name.at);
}

static bool read_model(struct reading *r)
{
    struct tok_hf_file *f = r->file;

    if (!r->members[MODEL].at)
        return tok_json_refuse(&r->json, "without a \"model\"");
    struct tok_json *j = at_span(r, r->members[MODEL], "model");
    struct tok_json_members noted;
    if (!noted_spans(&r->model, option_names, OPTIONS, r->options) &&
        !spans(j, option_names, OPTIONS, r->options, &noted))
        return false;
    if (!model_kind(r) || !only_options(r))
        return false;
    bool unigram = f->kind == TOK_HF_UNIGRAM;
    enum option needs = kinds[f->kind].needs;
    if (!r->options[VOCAB].at || (!unigram && !r->options[needs].at))
        return tok_json_refuse(at_span(r, r->members[MODEL], "model"),
                               "without \"vocab\" or \"%s\"", option_names[needs]);
    if (!read_options(r))
        return false;
    if (!tok_hf_read_vocab(at_span(r, r->options[VOCAB], "vocab"), unigram, &r->vocab))
        return false;
    if (r->vocab.tokens == 0)
        return tok_json_refuse(at_span(r, r->options[VOCAB], "vocab"), "empty");
    for (unsigned b = 0; b < 256; b++) {
        static const char digits[] = "0123456789ABCDEF";
        const char name[] = {'<', '0', 'x', digits[b >> 4], digits[b & 15], '>'};
        f->byte_ids[b] = tok_names_find(&r->vocab.names, name, sizeof name);
    }
    return find_unknown(r) &&
           (f->kind != TOK_HF_BPE ||
            tok_hf_read_merges(at_span(r, r->options[MERGES], "merges"), &r->vocab, f));
}

/* ---- the vocabulary of the shard ---- */

/* How names become text. */
struct spelling {
    bool byte_level;
    uint32_t space; /* the character that stands for a space, or 0 */
    bool words;     /* a token without the prefix begins a word, and so with a space */
    struct tok_slice prefix, suffix;
};

static bool ends_with(const uint8_t *name, uint64_t n, struct tok_slice s)
{
    return s.size && n >= s.size && memcmp(name + n - s.size, s.at, s.size) == 0;
}

/* out has room for n + 1 bytes. */
static uint64_t spell(const struct spelling *s, const uint8_t *name, uint64_t n, uint8_t *out)
{
    uint64_t used = 0;
    unsigned size;
    bool space = ends_with(name, n, s->suffix);

    if (space)
        n -= s->suffix.size;
    if (s->prefix.size && n > s->prefix.size && memcmp(name, s->prefix.at, s->prefix.size) == 0) {
        name += s->prefix.size;
        n -= s->prefix.size;
    } else if (s->words) {
        out[used++] = ' ';
    }
    if (s->byte_level) {
        uint64_t bytes = tok_hf_chars_bytes(name, n, out + used);
        if (bytes == UINT64_MAX) {
            memcpy(out, name, n); /* the library's decoder takes such a token as it is */
            used = n;
        } else {
            used += bytes;
        }
    }
    for (uint64_t at = 0; at < n && !s->byte_level; at += size) {
        uint32_t c = tok_utf8_get(name + at, &size);
        if (c == s->space && c) {
            out[used++] = ' ';
        } else {
            memcpy(out + used, name + at, size);
            used += size;
        }
    }
    if (space)
        out[used++] = ' ';
    return used;
}

static struct spelling spelling_of(const struct reading *r)
{
    const struct tok_hf_file *f = r->file;
    struct spelling s = {.byte_level = f->bytes || tok_hf_has_type(r->trees[DECODER], "ByteLevel"),
                         .words = f->kind == TOK_HF_WORDPIECE && f->prefix.size,
                         .prefix = f->prefix,
                         .suffix = f->suffix};

    for (uint64_t i = 0; i < f->normalizers.count; i++) {
        const struct tok_hf_normalizer *step = &f->normalizers.steps[i];
        s.byte_level |= step->step == TOK_HF_BYTE_CHARS;
        if (step->step == TOK_HF_REPLACE && step->content_size == 3 &&
            memcmp(step->content, "\xE2\x96\x81", 3) == 0)
            s.space = 0x2581;
    }
    for (uint64_t i = 0; i < f->pretokenizers.count; i++) {
        const struct tok_hf_pretokenizer *step = &f->pretokenizers.steps[i];
        s.byte_level |= step->cut == TOK_HF_CUT_BYTE_CHARS;
        if (step->cut == TOK_HF_CUT_METASPACE)
            s.space = step->character;
    }
    if (tok_hf_has_type(r->trees[DECODER], "Metaspace"))
        s.space = s.space ? s.space : 0x2581;
    return s;
}

static uint32_t flags_of(const struct reading *r)
{
    const struct tok_hf_file *f = r->file;
    uint32_t flags = f->unknown != NGT_NO_ID && !f->byte_fallback ? NGT_VOCAB_LOSSY : 0;

    for (uint64_t i = 0; i < f->normalizers.count; i++) {
        const struct tok_hf_normalizer *step = &f->normalizers.steps[i];
        bool marker = step->content_size == 3 && memcmp(step->content, "\xE2\x96\x81", 3) == 0;
        if (step->step == TOK_HF_PREPEND && marker)
            flags |= NGT_VOCAB_STRIP_FIRST_SPACE;
        else if (!(step->step == TOK_HF_REPLACE && marker && step->pattern.size == 1) &&
                 step->step != TOK_HF_BYTE_CHARS)
            flags |= NGT_VOCAB_LOSSY;
    }
    for (uint64_t i = 0; i < f->pretokenizers.count; i++) {
        const struct tok_hf_pretokenizer *step = &f->pretokenizers.steps[i];
        if (step->cut == TOK_HF_CUT_PREFIX ||
            (step->cut == TOK_HF_CUT_METASPACE && step->prepend != TOK_HF_NEVER))
            flags |= NGT_VOCAB_STRIP_FIRST_SPACE;
        if (step->behavior == TOK_HF_REMOVED && !step->invert &&
            (step->cut == TOK_HF_CUT_CLASS || step->cut == TOK_HF_CUT_CHARACTER ||
             step->cut == TOK_HF_CUT_PATTERN))
            flags |= NGT_VOCAB_LOSSY;
        if (step->cut == TOK_HF_CUT_WORDS)
            flags |= NGT_VOCAB_LOSSY;
    }
    if (f->kind == TOK_HF_WORDPIECE && f->prefix.size)
        flags |= NGT_VOCAB_STRIP_FIRST_SPACE | NGT_VOCAB_LOSSY;
    if (f->suffix.size)
        flags |= NGT_VOCAB_STRIP_LAST_SPACE | NGT_VOCAB_LOSSY;
    return flags;
}

static bool is_byte_id(const struct tok_hf_file *f, const uint8_t *name, uint64_t n, uint32_t id,
                       uint8_t *ret)
{
    if (!f->byte_fallback || n != 6 || name[0] != '<')
        return false;
    for (unsigned b = 0; b < 256; b++)
        if (f->byte_ids[b] == id) {
            *ret = (uint8_t)b;
            return true;
        }
    return false;
}

static enum ngt_status build_vocabulary(struct reading *r)
{
    struct tok_hf_file *f = r->file;
    struct tok_model *m = &f->model;
    const struct tok_hf_vocab *v = &r->vocab;
    struct spelling spelling = spelling_of(r);
    const struct tok_hf_added **added;
    uint64_t count = v->ids, total = v->starts[v->ids], named = 0, used = 0;

    for (uint64_t i = 0; i < f->added_count; i++) {
        if (!f->added[i].replaced && f->added[i].id >= count)
            count = f->added[i].id + 1ull;
        total += f->added[i].content.size;
    }
    if (count >= NGT_NO_ID)
        return refuse(r, r->members[ADDED_TOKENS], "more ids than 32 bits can number");
    added = calloc(count, sizeof *added);
    m->kinds = calloc(count, 1);
    m->starts = malloc((count + 1) * sizeof *m->starts);
    m->name_starts = malloc((count + 1) * sizeof *m->name_starts);
    m->names = malloc(total + 1);
    m->bytes = malloc(total + count + 1); /* a suffix may be empty of bytes and become a space */
    f->in_model = calloc(count, 1);
    if (!added || !m->kinds || !m->starts || !m->name_starts || !m->names || !m->bytes ||
        !f->in_model) {
        free(added);
        return ngt_fail(r->reterr, NGT_E_NOMEM, r->path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the vocabulary");
    }
    for (uint64_t i = 0; i < f->added_count; i++)
        if (!f->added[i].replaced)
            added[f->added[i].id] = &f->added[i];
    for (uint32_t id = 0; id < count; id++) {
        const struct tok_hf_added *a = added[id];
        bool model = id < v->ids && v->starts[id + 1] > v->starts[id];
        const uint8_t *name = model ? v->bytes + v->starts[id] : a ? a->content.at : NULL;
        uint64_t n = model ? v->starts[id + 1] - v->starts[id] : a ? a->content.size : 0;
        m->starts[id] = used;
        m->name_starts[id] = named;
        f->in_model[id] = id < v->ids && v->used[id];
        if (n)
            memcpy(m->names + named, name, n);
        named += n;
        if (is_byte_id(f, name, n, id, &m->bytes[used])) {
            m->kinds[id] = NGT_ID_BYTE;
            used++;
        } else if (a) {
            m->kinds[id] = a->special ? NGT_ID_CONTROL : NGT_ID_USER_DEFINED;
            memcpy(m->bytes + used, name, n);
            used += n;
        } else if (n) {
            m->kinds[id] = NGT_ID_NORMAL;
            used += spell(&spelling, name, n, m->bytes + used);
        }
        if (id == f->unknown)
            m->kinds[id] = NGT_ID_UNKNOWN;
    }
    m->starts[count] = used;
    m->name_starts[count] = named;
    m->vocabulary = (struct ngt_vocabulary){.count = (uint32_t)count,
                                            .flags = flags_of(r),
                                            .kinds = m->kinds,
                                            .starts = m->starts,
                                            .bytes = m->bytes};
    m->family = "huggingface";
    m->variant = kinds[f->kind].variant;
    free(added);
    return NGT_OK;
}

/* ---- special ids ---- */

static uint32_t name_id(const struct reading *r, const struct ngt_json *name)
{
    const struct tok_model *m = &r->file->model;

    if (!name || name->type != NGT_JSON_STRING || name->length == 0)
        return NGT_NO_ID;
    for (uint32_t id = 0; id < m->vocabulary.count; id++)
        if (m->name_starts[id + 1] - m->name_starts[id] == name->length &&
            memcmp(m->names + m->name_starts[id], name->string, name->length) == 0)
            return id;
    return NGT_NO_ID;
}

/* "single" of TemplateProcessing: the special token before the text is BOS, the one after it EOS. */
static void from_template(const struct reading *r, const struct ngt_json *template)
{
    const struct ngt_json *single = ngt_json_get(template, "single");
    bool after = false;

    for (const struct ngt_json *m = single ? single->first : NULL; m; m = m->next) {
        const struct ngt_json *special = ngt_json_get(m, "SpecialToken");
        after |= ngt_json_get(m, "Sequence") != NULL;
        uint32_t id = name_id(r, ngt_json_get(special, "id"));
        uint32_t *to = after ? &r->file->model.special.eos : &r->file->model.special.bos;
        if (id != NGT_NO_ID && *to == NGT_NO_ID)
            *to = id;
    }
}

static void special_ids(const struct reading *r)
{
    struct tok_special *s = &r->file->model.special;
    const struct ngt_json *stack[16], *at = r->trees[POST_PROCESSOR];
    unsigned depth = 0;

    *s = (struct tok_special){NGT_NO_ID, NGT_NO_ID, NGT_NO_ID, r->file->unknown};
    while (at || depth) {
        if (!at) {
            at = stack[--depth];
            continue;
        }
        const struct ngt_json *next = at->next, *list = ngt_json_get(at, "processors");
        const char *type = "";
        (void)ngt_json_get_string(at, "type", &type);
        if (strcmp(type, "TemplateProcessing") == 0) {
            from_template(r, at);
        } else if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
            const struct ngt_json *cls = ngt_json_get(at, "cls"), *sep = ngt_json_get(at, "sep");
            s->bos = cls ? name_id(r, cls->first) : NGT_NO_ID;
            s->eos = sep ? name_id(r, sep->first) : NGT_NO_ID;
        }
        if (list && list->type == NGT_JSON_ARRAY && depth < 16) {
            stack[depth++] = next;
            at = list->first;
        } else {
            at = next;
        }
    }
}

/* ---- the file ---- */

static enum ngt_status read_all(struct reading *r, uint8_t *bytes, uint64_t n)
{
    struct tok_hf_file *f = r->file;
    enum ngt_status status;

    if (!tok_json_start(&r->json, bytes, n, r->path, r->reterr) ||
        !spans(&r->json, member_names, MEMBERS, r->members, &r->model) || !tok_json_end(&r->json))
        return NGT_E_DATA;
    if (r->members[VERSION].at && !tok_slice_is(r->members[VERSION], "\"1.0\""))
        return refuse(r, r->members[VERSION], "\"version\" is not \"1.0\"");
    for (enum member m = TRUNCATION; m <= PADDING && r->limits; m++) {
        status = tree(r, m);
        if (status != NGT_OK)
            return status;
    }
    status =
        tok_hf_read_limits(r->trees[TRUNCATION], r->trees[PADDING], r->path, &f->limits, r->reterr);
    if (status != NGT_OK)
        return status;
    for (enum member m = ADDED_TOKENS; m < MODEL; m++) {
        status = tree(r, m);
        if (status != NGT_OK)
            return status;
    }
    if (!read_model(r)) /* memory may have been what it lacked */
        return r->reterr->code == NGT_E_NOMEM ? NGT_E_NOMEM : NGT_E_DATA;
    status = tok_hf_read_normalizers(r->trees[NORMALIZER], r->path, &f->normalizers, r->reterr);
    if (status == NGT_OK)
        status = tok_hf_read_pretokenizers(r->trees[PRE_TOKENIZER], r->path, f->kind == TOK_HF_BPE,
                                           &f->pretokenizers, &f->bytes, r->reterr);
    if (status == NGT_OK)
        status = tok_hf_check_types(r->trees[DECODER], "decoder", decoders, r->path, r->reterr);
    if (status == NGT_OK)
        status = tok_hf_check_types(r->trees[POST_PROCESSOR], "post_processor", processors, r->path,
                                    r->reterr);
    if (status != NGT_OK)
        return status;
    if (r->trees[ADDED_TOKENS])
        status = tok_hf_read_added(r->trees[ADDED_TOKENS], &r->vocab, r->path, f, r->reterr);
    if (status == NGT_OK)
        status = build_vocabulary(r);
    if (status == NGT_OK)
        special_ids(r);
    f->scores = r->vocab.scores;
    f->min_score = r->vocab.min_score;
    r->vocab.scores = NULL;
    return status;
}

enum ngt_status tok_hf_file_read(uint8_t *bytes, uint64_t n, const char *path, bool limits,
                                 struct tok_hf_file *ret_file, struct ngt_error *reterr)
{
    struct ngt_error own; /* so that the cause is known even to a caller who does not ask for it */
    struct tok_hf_file f = {.unknown = NGT_NO_ID};
    struct reading r = {
        .path = path, .reterr = reterr ? reterr : &own, .file = &f, .limits = limits};
    enum ngt_status status;

    ngt_error_clear(r.reterr);
    status = read_all(&r, bytes, n);
    for (unsigned m = 0; m < MEMBERS; m++)
        ngt_json_free(&r.trees[m]);
    tok_hf_vocab_done(&r.vocab);
    if (status == NGT_OK)
        *ret_file = f;
    else
        tok_hf_file_done(&f);
    return status;
}

void tok_hf_file_done(struct tok_hf_file *f)
{
    tok_model_done(&f->model);
    tok_hf_normalizers_done(&f->normalizers);
    tok_hf_pretokenizers_done(&f->pretokenizers);
    free(f->added_bytes);
    free(f->added);
    free(f->in_model);
    free(f->merges);
    free(f->scores);
    *f = (struct tok_hf_file){0};
}

bool tok_hf_json_probe(const uint8_t *bytes, uint64_t n)
{
    uint64_t i = 0;

    if (!bytes)
        return false;
    while (i < n && (bytes[i] == ' ' || bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == '\t'))
        i++;
    if (i == n || bytes[i] != '{')
        return false;
    /* members that every version of the format writes; tekken.json has none of them */
    return memmem(bytes, n, "\"added_tokens\"", 14) || memmem(bytes, n, "\"pre_tokenizer\"", 15) ||
           memmem(bytes, n, "\"model\"", 7);
}
