/*
 * tokenizer.json files: the project's own engine. A document is cut at added tokens that are matched
 * in raw text; each section is normalized by itself and cut at added tokens that are matched in
 * normalized text; what is left is pre-tokenized, and the model sees the pieces through the word
 * cache.
 *
 * Most byte-level files come down to one split that covers the text: byte_level.h runs those. In
 * families that write a space as U+2581, text keeps its ' ' and U+2581 in the input becomes ' ':
 * both are the same there. What has no pre-tokenizer but a Metaspace is cut into words where no
 * merge reaches across (hf_cuts.h).
 */
#include <stdlib.h>
#include <string.h>

#include "byte_level.h"
#include "engine.h"
#include "hf_model.h"
#include "load/hf_json.h"
#include "ngt/layout.h"
#include "text/added_tokens.h"
#include "text/hf_digits.h"
#include "text/scan_sp.h"
#include "text/spaces_hf.h"

#define BATCH_WORDS 1024
#define BATCH_BYTES (1u << 16)

struct hf_engine {
    struct tok_hf_normalizers normalizers;
    struct tok_hf_pretokenizers pretokenizers;
    struct tok_added *raw, *normalized; /* NULL where the group is empty */
    struct tok_hf_encoder *encoder;
    const struct tok_split *split; /* all that the pre-tokenizers are, but for a prefix space */
    struct tok_split *joined;      /* where it does the work of several steps */
    bool prefix;
    bool digits;   /* and digits one by one before both */
    bool marker;   /* words have ' ' for U+2581 */
    bool replaces; /* it is the normalizer that makes it so: the step of it was taken out */
    bool prepends; /* and another one that puts a marker in front */
    const struct tok_hf_cuts *cuts; /* NULL: words are what the pre-tokenizers leave */
    struct tok_sp_scan scan;
    uint64_t ids_per_byte;
    bool plain;
    struct tok_hf_limits limits;
};

struct hf_scratch {
    struct tok_hf_normalize_scratch normalize;
    struct tok_hf_pretokenize_scratch pretokenize;
    struct tok_split_scratch *split;
    struct tok_hf_words words;
    struct tok_buffer section; /* of spaces_hf.h, or with prefix spaces */
    struct tok_buffer batch;   /* words that wait, and where each ends */
    uint32_t ends[BATCH_WORDS];
    uint64_t count;
};

/* One document on its way. */
struct run {
    const struct hf_engine *e;
    struct hf_scratch *s;
    struct tok_ids *ids;
    enum tok_stage until; /* 0: to the end */
};

static enum ngt_status put_words(const struct run *r, const uint8_t *text, uint64_t n,
                                 uint64_t from, const uint32_t *ends, uint64_t count,
                                 struct ngt_error *reterr)
{
    uint64_t more = 0;
    if (r->until)
        return NGT_OK;
    enum ngt_status status =
        tok_ids_reserve(r->ids, (ends[count - 1] - from) * r->e->ids_per_byte + 8, reterr);

    if (status == NGT_OK)
        status = tok_words_encode(r->s->words.words, text, n, from, ends, count,
                                  r->ids->ids + r->ids->count, &more, reterr);
    if (status == NGT_OK)
        r->ids->count += more;
    return status;
}

static enum ngt_status flush(const struct run *r, struct ngt_error *reterr)
{
    struct hf_scratch *s = r->s;
    enum ngt_status status = NGT_OK;

    if (s->count)
        status = put_words(r, s->batch.at, s->batch.size, 0, s->ends, s->count, reterr);
    s->count = 0;
    s->batch.size = 0;
    return status;
}

static enum ngt_status too_long(uint64_t n, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                    "%llu bytes of text without an added token; less than 4 GiB are supported",
                    (unsigned long long)n);
}

/* A piece of the pre-tokenizers. Pieces may have gaps between them and live in passing buffers, so
 * they are copied together. */
static enum ngt_status add_piece(void *context, const uint8_t *piece, uint64_t n,
                                 struct ngt_error *reterr)
{
    const struct run *r = context;
    struct hf_scratch *s = r->s;
    enum ngt_status status = NGT_OK;

    if (n >= UINT32_MAX) /* steps may make text longer */
        return too_long(n, reterr);
    if (s->count == BATCH_WORDS || s->batch.size + n > BATCH_BYTES)
        status = flush(r, reterr);
    if (status == NGT_OK && n > BATCH_BYTES) {
        uint32_t end = (uint32_t)n;
        return put_words(r, piece, n, 0, &end, 1, reterr);
    }
    if (status == NGT_OK)
        status = tok_buffer_reserve(&s->batch, n, reterr);
    if (status != NGT_OK)
        return status;
    tok_buffer_put(&s->batch, piece, n);
    s->ends[s->count++] = (uint32_t)s->batch.size;
    return NGT_OK;
}

/* Does Metaspace put a marker in front? */
static bool has_prefix(const struct tok_hf_pretokenizer *metaspace, struct tok_hf_text t)
{
    bool begins = t.at[0] == ' ' || (t.n >= 3 && memcmp(t.at, "\xE2\x96\x81", 3) == 0);

    return !begins && (metaspace->prepend == TOK_HF_ALWAYS ||
                       (metaspace->prepend == TOK_HF_FIRST && t.lead != 0));
}

/* Text without a pre-tokenizer, or with Metaspace alone. */
static enum ngt_status by_cuts(const struct run *r, struct tok_hf_text t, struct ngt_error *reterr)
{
    const struct hf_engine *e = r->e;
    const uint64_t first = r->ids ? r->ids->count : 0;
    uint32_t *ends = r->s->ends;
    uint64_t count = 0;
    enum ngt_status status = NGT_OK;

    if (!e->replaces) {
        bool prefix = e->pretokenizers.count && has_prefix(&e->pretokenizers.steps[0], t);
        status = tok_hf_spaces(t.at, t.n, e->marker, prefix, &r->s->section, reterr);
        t.at = r->s->section.at;
        t.n = r->s->section.size;
    }
    for (uint64_t from = 0; from < t.n && status == NGT_OK; from = ends[count - 1]) {
        count = e->scan.cut(&e->cuts->cuts, t.at, t.n, from, ends, BATCH_WORDS);
        status = put_words(r, t.at, t.n, from, ends, count, reterr);
    }
    if (status == NGT_OK && e->cuts->fuse != NGT_NO_ID && r->ids)
        tok_ids_fuse(r->ids, first, e->cuts->fuse);
    return status;
}

static enum ngt_status one_split(const struct run *r, struct tok_hf_text t,
                                 struct ngt_error *reterr)
{
    struct tok_buffer *with_prefix = &r->s->section;

    with_prefix->size = 0;
    if (r->e->digits) {
        enum ngt_status status = tok_hf_space_digits(t.at, t.n, with_prefix, reterr);
        if (status != NGT_OK)
            return status;
        t.at = with_prefix->at;
        t.n = with_prefix->size;
    } else if (r->e->prefix && t.at[0] != ' ') {
        enum ngt_status status = tok_buffer_reserve(with_prefix, t.n + 1, reterr);
        if (status != NGT_OK)
            return status;
        tok_buffer_put(with_prefix, " ", 1);
        tok_buffer_put(with_prefix, t.at, t.n);
        t.at = with_prefix->at;
        t.n++;
    }
    if (r->until)
        return tok_byte_level_split(r->e->split, r->s->split, t.at, t.n, reterr);
    return tok_byte_level_encode(r->e->split, r->s->split, r->s->words.words, t.at, t.n, r->ids,
                                 reterr);
}

/* Text between added tokens. */
static enum ngt_status section(struct run *r, struct tok_hf_text t, struct ngt_error *reterr)
{
    if (t.n == 0 || r->until == TOK_STAGE_NORMALIZE)
        return NGT_OK;
    if (t.n >= UINT32_MAX)
        return too_long(t.n, reterr);
    if (r->e->split && !(r->e->digits && t.n >= UINT32_MAX / 2))
        return one_split(r, t, reterr);
    if (r->e->cuts)
        return by_cuts(r, t, reterr);
    enum ngt_status status =
        tok_hf_pretokenize(&r->e->pretokenizers, &r->s->pretokenize, t, add_piece, r, reterr);
    return status == NGT_OK ? flush(r, reterr) : status;
}

static enum ngt_status normalize(const struct hf_engine *e, struct hf_scratch *s,
                                 struct tok_hf_text *t, struct ngt_error *reterr)
{
    enum ngt_status status = tok_hf_normalize(&e->normalizers, &s->normalize, t, reterr);

    if (status != NGT_OK || !e->replaces || t->n == 0)
        return status;
    status = tok_hf_spaces(t->at, t->n, true, e->prepends, &s->section, reterr);
    t->at = s->section.at;
    t->n = s->section.size;
    return status;
}

static enum ngt_status put_id(const struct run *r, uint32_t id, struct ngt_error *reterr)
{
    if (r->until)
        return NGT_OK;
    enum ngt_status status = tok_ids_reserve(r->ids, 1, reterr);

    if (status == NGT_OK)
        r->ids->ids[r->ids->count++] = id;
    return status;
}

typedef enum ngt_status (*section_fn)(struct run *r, struct tok_hf_text t,
                                      struct ngt_error *reterr);

/* Cuts text at one group of added tokens. */
static enum ngt_status cut_at(struct run *r, const struct tok_added *added, struct tok_hf_text t,
                              section_fn each, struct ngt_error *reterr)
{
    struct tok_added_walk walk = {0};
    struct tok_added_match m;
    enum ngt_status status = NGT_OK;

    while (added && status == NGT_OK && tok_added_next(added, t.at, t.n, &walk, &m)) {
        if (m.section < m.start)
            status = each(r, tok_hf_part(t, m.section, m.start), reterr);
        if (status == NGT_OK)
            status = put_id(r, m.id, reterr);
    }
    if (status == NGT_OK && walk.done < t.n)
        status = each(r, tok_hf_part(t, walk.done, t.n), reterr);
    return status;
}

static enum ngt_status raw_section(struct run *r, struct tok_hf_text t, struct ngt_error *reterr)
{
    enum ngt_status status = normalize(r->e, r->s, &t, reterr);

    return status == NGT_OK ? cut_at(r, r->e->normalized, t, section, reterr) : status;
}

static enum ngt_status hf_encode(const void *engine, void *scratch, const char *text, uint64_t n,
                                 struct tok_ids *ids, struct ngt_error *reterr)
{
    struct run r = {engine, scratch, ids, 0};
    struct tok_hf_text t = tok_hf_document((const uint8_t *)text, n);
    uint64_t first = ids->count;

    r.s->count = 0; /* a document that failed may have left some */
    r.s->batch.size = 0;
    enum ngt_status status = cut_at(&r, r.e->raw, t, raw_section, reterr);
    return status == NGT_OK ? tok_hf_limit(&r.e->limits, first, ids, reterr) : status;
}

static struct tok_stats hf_stats(const void *scratch)
{
    const struct hf_scratch *s = scratch;
    return tok_words_stats(s->words.words);
}

static enum ngt_status hf_stage(const void *engine, void *scratch, enum tok_stage stage,
                                const char *text, uint64_t n, struct ngt_error *reterr)
{
    struct run r = {engine, scratch, NULL, stage};
    struct tok_hf_text t = tok_hf_document((const uint8_t *)text, n);

    return cut_at(&r, r.e->raw, t, raw_section, reterr);
}

static void hf_scratch_free(void *scratch)
{
    struct hf_scratch *s = scratch;

    tok_hf_words_done(&s->words);
    tok_split_scratch_free(&s->split);
    tok_hf_normalize_scratch_done(&s->normalize);
    tok_hf_pretokenize_scratch_done(&s->pretokenize);
    tok_buffer_done(&s->section);
    tok_buffer_done(&s->batch);
    free(s);
}

static enum ngt_status hf_scratch_new(const void *engine, void **ret_scratch,
                                      struct ngt_error *reterr)
{
    const struct hf_engine *e = engine;
    struct hf_scratch *s = calloc(1, sizeof *s);
    enum ngt_status status;

    if (!s)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    status = tok_hf_normalize_scratch_init(&s->normalize, &e->normalizers, reterr);
    if (status == NGT_OK)
        status = tok_hf_pretokenize_scratch_init(&s->pretokenize, &e->pretokenizers, reterr);
    if (status == NGT_OK)
        s->pretokenize.plain = e->plain;
    if (status == NGT_OK && e->split)
        status = tok_split_scratch_new(e->split, &s->split, reterr);
    if (status == NGT_OK && e->encoder)
        status = tok_hf_words_init(&s->words, e->encoder, e->plain, reterr);
    if (status == NGT_OK)
        *ret_scratch = s;
    else
        hf_scratch_free(s);
    return status;
}

static void hf_free(void *engine)
{
    struct hf_engine *e = engine;

    tok_hf_encoder_free(&e->encoder);
    tok_added_free(&e->raw);
    tok_added_free(&e->normalized);
    tok_hf_normalizers_done(&e->normalizers);
    tok_hf_pretokenizers_done(&e->pretokenizers);
    tok_split_free(&e->joined);
    free(e);
}

static const struct tok_vtable hf_vtables[2] = {
    {"fast", NULL, hf_scratch_new, hf_scratch_free, hf_encode, hf_free, hf_stats, hf_stage},
    {"plain", NULL, hf_scratch_new, hf_scratch_free, hf_encode, hf_free, NULL, NULL},
};

/* ---- making one ---- */

static bool isolates(const struct tok_hf_pretokenizer *p)
{
    return p->cut == TOK_HF_CUT_PATTERN && p->pattern.regex && p->behavior == TOK_HF_ISOLATED &&
           !p->invert;
}

static bool isolates_digits(const struct tok_hf_pretokenizer *p)
{
    return p->cut == TOK_HF_CUT_CLASS && p->class == TOK_HF_NUMERIC &&
           p->behavior == TOK_HF_ISOLATED && !p->invert;
}

/* Several splits that one program does. */
static enum ngt_status join_splits(struct hf_engine *e, const char *path, struct ngt_error *reterr)
{
    const struct tok_hf_pretokenizers *p = &e->pretokenizers;
    const char **patterns = malloc((p->count + 1) * sizeof *patterns);
    uint64_t count = 0;
    enum ngt_status status = NGT_OK;

    if (!patterns)
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    for (; count < p->count && isolates(&p->steps[count]); count++) {
        patterns[count] = (const char *)p->steps[count].pattern.literal;
        if (!patterns[count] || strlen(patterns[count]) != p->steps[count].pattern.size)
            break;
    }
    if (count + 1 == p->count && isolates_digits(&p->steps[count]))
        patterns[count++] = TOK_SPLIT_DIGITS;
    if (count == p->count && count > 1)
        status = tok_split_new_sequence(patterns, count, path, &e->joined, reterr);
    free(patterns);
    e->split = e->joined;
    return status;
}

/* Byte-level, and nothing but one split without gaps, maybe behind a prefix space? */
static enum ngt_status find_split(struct hf_engine *e, bool bytes, const char *path,
                                  struct ngt_error *reterr)
{
    const struct tok_hf_pretokenizers *p = &e->pretokenizers;
    bool digits = p->count == 3 && isolates_digits(&p->steps[0]);
    uint64_t at = digits;

    at += p->count > at && p->steps[at].cut == TOK_HF_CUT_PREFIX;
    if (!bytes || e->ids_per_byte != 1)
        return NGT_OK;
    if (p->count != at + 1)
        return join_splits(e, path, reterr);
    const struct tok_hf_pretokenizer *step = &p->steps[at];
    if (step->cut != TOK_HF_CUT_PATTERN || !step->pattern.regex ||
        !tok_split_covers(step->pattern.regex))
        return NGT_OK;
    if (digits && strcmp(tok_split_program(step->pattern.regex), "gpt2") != 0)
        return NGT_OK;
    /* without gaps, to remove what is none of it is to isolate */
    if (isolates(step) || (step->behavior == TOK_HF_REMOVED && step->invert)) {
        e->split = step->pattern.regex;
        e->prefix = at > digits;
        e->digits = digits;
    }
    return NGT_OK;
}

static void use_scalar(struct hf_engine *e)
{
    for (uint64_t i = 0; i < e->pretokenizers.count; i++)
        if (e->pretokenizers.steps[i].pattern.regex)
            tok_split_use_scalar(e->pretokenizers.steps[i].pattern.regex);
}

static bool is_marker(const uint8_t *text, uint64_t n)
{
    return n == 3 && memcmp(text, "\xE2\x96\x81", 3) == 0;
}

static void drop_normalizer(struct tok_hf_normalizers *n)
{
    n->count--;
    tok_hf_pattern_done(&n->steps[n->count].pattern);
    free(n->steps[n->count].content);
    n->steps[n->count] = (struct tok_hf_normalizer){0};
}

/* A step that looks for text with a space in it, and leaves text as it is where it finds none. */
static bool needs_space(const struct tok_hf_pretokenizer *p)
{
    return p->cut == TOK_HF_CUT_PATTERN && !p->pattern.regex && p->pattern.size &&
           memchr(p->pattern.literal, ' ', p->pattern.size) &&
           !(p->behavior == TOK_HF_REMOVED && p->invert);
}

/* Do all spaces become U+2581 in the last step, so that ' ' can stand for it? */
static void find_marker(struct hf_engine *e, const struct tok_hf_file *f)
{
    struct tok_hf_normalizers *n = &e->normalizers;
    struct tok_hf_pretokenizers *p = &e->pretokenizers;
    const struct tok_hf_normalizer *last = n->count ? &n->steps[n->count - 1] : NULL;
    uint64_t idle = 0;

    if (f->kind != TOK_HF_BPE || f->bytes)
        return;
    bool replaces = last && last->step == TOK_HF_REPLACE && !last->pattern.regex &&
                    last->pattern.size == 1 && last->pattern.literal[0] == ' ' &&
                    is_marker(last->content, last->content_size);
    /* Gemma's file cuts behind spaces when there are none any more */
    while (replaces && idle < p->count && needs_space(&p->steps[idle]))
        idle++;
    if (idle < p->count) {
        struct tok_hf_pretokenizer *meta = &p->steps[p->count - 1];
        e->marker = meta->cut == TOK_HF_CUT_METASPACE && meta->character == 0x2581;
        meta->marker = e->marker;
        return;
    }
    /* U+2581 is no white space; stripping would tell it from ' ' */
    for (uint64_t i = 0; i < f->added_count; i++)
        if (f->added[i].normalized && (f->added[i].lstrip || f->added[i].rstrip))
            return;
    if (!replaces)
        return;
    e->marker = e->replaces = true;
    while (p->count)
        tok_hf_pattern_done(&p->steps[--p->count].pattern);
    drop_normalizer(n);
    last = n->count ? &n->steps[n->count - 1] : NULL;
    e->prepends = last && last->step == TOK_HF_PREPEND &&
                  (is_marker(last->content, last->content_size) ||
                   (last->content_size == 1 && last->content[0] == ' '));
    if (e->prepends)
        drop_normalizer(n);
}

/* Are words what lies between certain cuts? */
static void find_cuts(struct hf_engine *e)
{
    const struct tok_hf_pretokenizers *p = &e->pretokenizers;

    tok_sp_scan_init(&e->scan, tok_isa_chosen());
    if (p->count == 0 || (p->count == 1 && e->marker))
        e->cuts = tok_hf_encoder_cuts(e->encoder);
}

static enum tok_hf_markers markers_of(const struct hf_engine *e)
{
    const struct tok_hf_pretokenizers *p = &e->pretokenizers;

    if (!e->marker)
        return TOK_HF_AS_SPELT;
    return p->count && p->steps[p->count - 1].split ? TOK_HF_SPACES_FIRST : TOK_HF_SPACES;
}

static bool is_listed(const struct tok_config *config, struct tok_slice content)
{
    for (uint64_t i = 0; i < config->special_count; i++)
        if (tok_slice_is(content, config->special_list[i]))
            return true;
    return false;
}

static enum ngt_status check_list(const struct tok_config *config, const struct tok_hf_file *f,
                                  struct ngt_error *reterr)
{
    for (uint64_t i = 0; config->parse_special == TOK_PARSE_LIST && i < config->special_count;
         i++) {
        bool found = false;
        for (uint64_t k = 0; k < f->added_count && !found; k++)
            found = f->added[k].special && !f->added[k].replaced &&
                    tok_slice_is(f->added[k].content, config->special_list[i]);
        if (!found)
            return ngt_fail(reterr, NGT_E_DATA, config->path, NGT_NO_POS, NGT_NO_POS,
                            "--parse-special: \"%s\" is not a special token of this tokenizer",
                            config->special_list[i]);
    }
    return NGT_OK;
}

/* The two groups; contents of the normalized one are normalized as text is. */
static enum ngt_status add_tokens(struct hf_engine *e, const struct tok_config *config,
                                  const struct tok_hf_file *f, struct ngt_error *reterr)
{
    struct tok_added_token *tokens = malloc((f->added_count + 1) * sizeof *tokens);
    struct tok_buffer contents = {0};
    void *memory = NULL;
    struct hf_scratch *s = NULL;
    enum ngt_status status;

    if (!tokens)
        return ngt_fail(reterr, NGT_E_NOMEM, config->path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for added tokens");
    status = hf_scratch_new(e, &memory, reterr);
    s = memory;
    for (unsigned normalized = 0; normalized < 2 && status == NGT_OK; normalized++) {
        uint64_t count = 0;
        contents.size = 0;
        for (uint64_t i = 0; i < f->added_count && status == NGT_OK; i++) {
            const struct tok_hf_added *a = &f->added[i];
            struct tok_hf_text t = tok_hf_document(a->content.at, a->content.size);
            if (a->replaced || a->normalized != normalized)
                continue;
            if (normalized)
                status = normalize(e, s, &t, reterr);
            /* the library would find it between any two bytes, and fail within characters */
            if (status == NGT_OK && t.n == 0)
                status = ngt_fail(
                    reterr, NGT_E_DATA, config->path, NGT_NO_POS, i,
                    "added_tokens: \"%.*s\" is nothing once it is normalized; set its "
                    "\"normalized\" to false",
                    a->content.size < 40 ? (int)a->content.size : 40, (const char *)a->content.at);
            if (status == NGT_OK)
                status = tok_buffer_reserve(&contents, t.n, reterr);
            if (status != NGT_OK)
                continue;
            bool parsed =
                config->parse_special == TOK_PARSE_ALL ||
                (config->parse_special == TOK_PARSE_LIST && is_listed(config, a->content));
            /* its place is known once the buffer has stopped moving */
            tokens[count++] = (struct tok_added_token){
                NULL, t.n, a->id, a->single_word, a->lstrip, a->rstrip, a->special && !parsed};
            tok_buffer_put(&contents, t.at, t.n);
        }
        const uint8_t *at = contents.at;
        for (uint64_t i = 0; i < count; at += tokens[i++].size)
            tokens[i].content = at;
        if (status == NGT_OK && count)
            status = tok_added_new(tokens, count, config->path,
                                   normalized ? &e->normalized : &e->raw, reterr);
    }
    if (s)
        hf_scratch_free(s);
    tok_buffer_done(&contents);
    free(tokens);
    return status;
}

static enum ngt_status hf_load(const struct tok_config *config, uint8_t *bytes, uint64_t n,
                               struct tok_model *ret_model, struct tok_engine_instance *ret_engine,
                               struct ngt_error *reterr)
{
    struct tok_hf_file f = {0};
    struct hf_engine *e = NULL;
    enum ngt_status status;

    status = tok_hf_file_read(bytes, n, config->path, config->file_limits, &f, reterr);
    if (status == NGT_OK)
        status = check_list(config, &f, reterr);
    if (status == NGT_OK) {
        e = calloc(1, sizeof *e);
        if (!e)
            status = ngt_fail(reterr, NGT_E_NOMEM, config->path, NGT_NO_POS, NGT_NO_POS,
                              "out of memory for the tokenizer");
    }
    if (status == NGT_OK) {
        e->normalizers = f.normalizers;
        e->pretokenizers = f.pretokenizers;
        f.normalizers = (struct tok_hf_normalizers){0};
        f.pretokenizers = (struct tok_hf_pretokenizers){0};
        find_marker(e, &f);
        status = add_tokens(e, config, &f, reterr);
    }
    if (status == NGT_OK)
        status = tok_hf_encoder_new(&f, markers_of(e), config->engine == TOK_PLAIN, config->path,
                                    &e->encoder, reterr);
    if (status == NGT_OK) {
        e->ids_per_byte = tok_hf_encoder_ids_per_byte(e->encoder);
        e->plain = config->engine == TOK_PLAIN;
        e->limits = f.limits;
        if (e->plain) {
            use_scalar(e);
        } else {
            find_cuts(e);
            status = find_split(e, f.bytes, config->path, reterr);
        }
    }
    if (status == NGT_OK) {
        *ret_model = f.model;
        f.model = (struct tok_model){0};
        *ret_engine = (struct tok_engine_instance){&hf_vtables[e->plain], e};
        e = NULL;
    }
    if (e)
        hf_free(e);
    tok_hf_file_done(&f);
    return status;
}

const struct tok_family tok_family_huggingface = {
    .name = "Hugging Face tokenizers (tokenizer.json)",
    .takes_pattern = false,
    .probe = tok_hf_json_probe,
    .load = hf_load,
};
