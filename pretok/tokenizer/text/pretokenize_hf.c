/* See pretokenize_hf.h. The steps call each other, one level a step; loaders bound their number. */
#include "text/pretokenize_hf.h"

#include "text/hf_map.h"
#include "text/utf8_inline.h"

struct run {
    const struct tok_hf_pretokenizers *steps;
    struct tok_hf_pretokenize_scratch *scratch;
    tok_hf_piece_fn piece;
    void *context;
    struct ngt_error *reterr;
};

/*
 * The fold of a behaviour over matches and what lies between them, with one piece held back. Empty
 * matches are folded like others; empty pieces are dropped at the end.
 */
struct fold {
    const struct run *run;
    uint64_t level; /* of the step that gets the pieces */
    enum tok_hf_behavior behavior;
    struct tok_hf_text text;
    bool held, was_match;
    uint64_t start, end;
};

static enum ngt_status one_level(const struct run *r, uint64_t level, struct tok_hf_text t);

/* The next step that may do something to a piece: words, say, are nothing to a step that looks for
 * digits. */
static uint64_t next_level(const struct run *r, uint64_t level, const uint8_t *piece, uint64_t n)
{
    unsigned steps = r->steps->count < 8 ? (unsigned)r->steps->count : 8;
    unsigned may = 0, all = level < steps && !r->scratch->plain ? ((1u << steps) - 1) >> level : 0;

    for (uint64_t i = 0; i < n && may != all; i++)
        may |= piece[i] < 0x80 ? (unsigned)r->scratch->may[piece[i]] >> level : all;
    return may == 0 && all ? steps : level + (may ? (unsigned)__builtin_ctz(may) : 0);
}

static enum ngt_status give(const struct fold *f, uint64_t start, uint64_t end)
{
    if (start == end)
        return NGT_OK;
    uint64_t level = next_level(f->run, f->level, f->text.at + start, end - start);
    return one_level(f->run, level, tok_hf_part(f->text, start, end));
}

static enum ngt_status fold_end(struct fold *f)
{
    if (!f->held)
        return NGT_OK;
    f->held = false;
    return give(f, f->start, f->end);
}

static enum ngt_status fold(struct fold *f, uint64_t start, uint64_t end, bool match)
{
    bool join = false;

    switch (f->behavior) {
    case TOK_HF_REMOVED:
        return match ? NGT_OK : give(f, start, end);
    case TOK_HF_ISOLATED:
        return give(f, start, end);
    case TOK_HF_CONTIGUOUS:
        join = match == f->was_match;
        break;
    case TOK_HF_WITH_PREVIOUS:
        join = match && !f->was_match;
        break;
    case TOK_HF_WITH_NEXT:
        join = !match && f->was_match;
        break;
    }
    f->was_match = match;
    if (f->held && join) {
        f->end = end;
        return NGT_OK;
    }
    enum ngt_status status = fold_end(f);
    f->held = true;
    f->start = start;
    f->end = end;
    return status;
}

/* Do matches lie side by side, and does each become a piece? (Short text is faster one by one: 2.9
 * against 2.1 s for 20 million digits, each with a space before it.) */
static bool only_matches(const struct run *r, const struct tok_hf_pretokenizer *p, uint64_t n)
{
    return !r->scratch->plain && p->pattern.regex && n >= 64 && n < UINT32_MAX &&
           (p->behavior == TOK_HF_ISOLATED || (p->behavior == TOK_HF_REMOVED && p->invert)) &&
           tok_split_covers(p->pattern.regex);
}

static enum ngt_status by_pattern(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    const struct tok_hf_pretokenizer *p = &r->steps->steps[level];
    struct fold f = {.run = r, .level = level + 1, .behavior = p->behavior, .text = t};
    struct tok_hf_matches m = {
        .pattern = &p->pattern, .scratch = r->scratch->regexes[level], .text = t.at, .n = t.n};
    uint64_t done = 0, start = 0, end = 0;
    bool found = true;
    enum ngt_status status = NGT_OK;

    while (status == NGT_OK) {
        status = tok_hf_next_match(&m, &found, &start, &end, r->reterr);
        if (status != NGT_OK || !found)
            break;
        if (done != start)
            status = fold(&f, done, start, p->invert);
        if (status == NGT_OK)
            status = fold(&f, start, end, !p->invert);
        done = end;
    }
    if (status == NGT_OK && done != t.n)
        status = fold(&f, done, t.n, p->invert);
    return status == NGT_OK ? fold_end(&f) : status;
}

/* Takes the pieces of a lone character; context is where to. */
static enum ngt_status keep_lone(void *context, const uint8_t *piece, uint64_t n,
                                 struct ngt_error *reterr)
{
    struct tok_hf_lone *lone = context;

    (void)reterr;
    if (lone->state == TOK_HF_LONE_NEW && n <= sizeof lone->bytes) {
        memcpy(lone->bytes, piece, n);
        lone->size = (uint8_t)n;
        lone->state = TOK_HF_LONE_KEPT;
    } else {
        lone->state = TOK_HF_LONE_OTHER;
    }
    return NGT_OK;
}

/* A piece of one ASCII character becomes the same each time, unless a step asks where the text
 * begins; a file that isolates digits has one for each digit. */
static enum ngt_status give_lone(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    struct tok_hf_lone *lone = &r->scratch->lone[level][t.at[0]];

    if (lone->state == TOK_HF_LONE_NEW) {
        const struct run alone = {r->steps, r->scratch, keep_lone, lone, r->reterr};
        bool first = false;
        for (uint64_t i = level; i < r->steps->count; i++)
            first = first || r->steps->steps[i].cut == TOK_HF_CUT_METASPACE;
        enum ngt_status status = first ? NGT_OK : one_level(&alone, level, t);
        if (status != NGT_OK) {
            lone->state = TOK_HF_LONE_NEW;
            return status;
        }
        if (lone->state == TOK_HF_LONE_NEW)
            lone->state = TOK_HF_LONE_OTHER; /* or it is removed */
    }
    return lone->state == TOK_HF_LONE_KEPT
               ? r->piece(r->context, lone->bytes, lone->size, r->reterr)
               : one_level(r, level, t);
}

static inline enum ngt_status give_on(const struct run *r, uint64_t level, struct tok_hf_text t,
                                      uint64_t start, uint64_t end)
{
    if (level == r->steps->count)
        return r->piece(r->context, t.at + start, end - start, r->reterr);
    if (end - start == 1 && t.at[start] < 0x80 && !r->scratch->plain)
        return give_lone(r, level, tok_hf_part(t, start, end));
    return one_level(r, level, tok_hf_part(t, start, end));
}

/* What most files do with a class: its characters go, or are pieces. No piece is held back. */
static enum ngt_status by_class(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    const struct tok_hf_pretokenizer *p = &r->steps->steps[level];
    const uint8_t *ascii = &tok_hf_class_blocks[tok_hf_class_index[0] * 128u];
    bool isolated = p->behavior == TOK_HF_ISOLATED;
    uint8_t class = p->class;
    uint64_t done = 0, at = 0;
    unsigned size = 1;
    enum ngt_status status = NGT_OK;

    for (; at < t.n && status == NGT_OK; at += size) {
        if (t.at[at] < 0x80) {
            size = 1;
            if (!(ascii[t.at[at]] & class))
                continue;
        } else if (!(tok_hf_class(tok_utf8_get(t.at + at, &size)) & class)) {
            continue;
        }
        if (done != at)
            status = give_on(r, level + 1, t, done, at);
        if (isolated && status == NGT_OK)
            status = give_on(r, level + 1, t, at, at + size);
        done = at + size;
    }
    return status == NGT_OK && done != t.n ? give_on(r, level + 1, t, done, t.n) : status;
}

/* The same as by_pattern, for those: many ends at a time. */
static enum ngt_status by_ends(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    const struct tok_hf_pretokenizer *p = &r->steps->steps[level];
    uint32_t ends[64];
    uint64_t count = 0;
    enum ngt_status status = NGT_OK;

    for (uint64_t at = 0; at < t.n && status == NGT_OK;) {
        status = tok_split_ends(p->pattern.regex, r->scratch->regexes[level], t.at, t.n, at, ends,
                                64, &count, r->reterr);
        for (uint64_t i = 0; i < count && status == NGT_OK; at = ends[i++])
            status = give_on(r, level + 1, t, at, ends[i]);
    }
    return status;
}

/* Every character of a class, or one character, is a match. */
static enum ngt_status by_character(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    const struct tok_hf_pretokenizer *p = &r->steps->steps[level];
    struct fold f = {.run = r, .level = level + 1, .behavior = p->behavior, .text = t};
    bool by_class = p->cut == TOK_HF_CUT_CLASS;
    const uint8_t *ascii = &tok_hf_class_blocks[tok_hf_class_index[0] * 128u];
    uint64_t done = 0;
    unsigned size;
    enum ngt_status status = NGT_OK;

    for (uint64_t at = 0; at < t.n && status == NGT_OK; at += size) {
        if (by_class)
            while (at < t.n && t.at[at] < 0x80 && !(ascii[t.at[at]] & p->class))
                at++;
        if (at == t.n)
            break;
        uint32_t c = tok_utf8_get(t.at + at, &size);
        if (by_class ? !(tok_hf_class(c) & p->class) : c != p->character)
            continue;
        if (done != at)
            status = fold(&f, done, at, false);
        if (status == NGT_OK)
            status = fold(&f, at, at + size, true);
        done = at + size;
    }
    if (status == NGT_OK && done != t.n)
        status = fold(&f, done, t.n, false);
    return status == NGT_OK ? fold_end(&f) : status;
}

/* Runs of word characters, and runs of what is neither word character nor space. */
static enum ngt_status by_words(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    enum ngt_status status = NGT_OK;
    uint64_t start = 0;
    unsigned size, was = 0;

    for (uint64_t at = 0; at <= t.n && status == NGT_OK; at += size) {
        unsigned is = 0;
        size = 1;
        if (at < t.n)
            is = 1 + (tok_hf_class(tok_utf8_get(t.at + at, &size)) & (TOK_HF_WORD | TOK_HF_SPACE));
        if (is == was)
            continue;
        if (at != start && was != 1 + TOK_HF_SPACE)
            status = one_level(r, level + 1, tok_hf_part(t, start, at));
        start = at;
        was = is;
    }
    return status;
}

static enum ngt_status by_length(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    enum ngt_status status = NGT_OK;

    for (uint64_t start = 0, at = 0; start < t.n && status == NGT_OK; start = at) {
        for (uint64_t i = 0; i < r->steps->steps[level].length && at < t.n; i++)
            at += tok_utf8_lead_size(t.at[at]);
        status = one_level(r, level + 1, tok_hf_part(t, start, at));
    }
    return status;
}

/* What a step has written. */
static struct tok_hf_text written(const struct tok_buffer *out, struct tok_hf_text from,
                                  uint64_t lead)
{
    return (struct tok_hf_text){out->at, out->size, from.origin, lead};
}

static enum ngt_status metaspace(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    const struct tok_hf_pretokenizer *p = &r->steps->steps[level];
    struct tok_buffer *out = &r->scratch->buffers[level];
    uint8_t mark[4] = " ";
    unsigned size = p->marker ? 1 : tok_utf8_put(p->character, mark), own = 1;
    uint64_t lead = 0;
    enum ngt_status status = tok_buffer_reserve(out, t.n * size + size, r->reterr);

    if (status != NGT_OK)
        return status;
    out->size = 0;
    bool begins = t.at[0] == ' ' || tok_utf8_get(t.at, &own) == p->character;
    if (!begins && (p->prepend == TOK_HF_ALWAYS || (p->prepend == TOK_HF_FIRST && t.lead)))
        tok_buffer_put(out, mark, size);
    for (uint64_t at = 0, end; at < t.n; at = end) {
        const uint64_t before = out->size;
        for (end = at; end < t.n && t.at[end] != ' ' && !(p->marker && t.at[end] == 0xE2);)
            end++;
        if (end > at) {
            tok_buffer_put(out, t.at + at, end - at);
        } else if (t.at[at] == ' ' || tok_utf8_get(t.at + at, &own) == p->character) {
            tok_buffer_put(out, mark, size);
            end = at + (t.at[at] == ' ' ? 1 : own);
        } else {
            tok_buffer_put(out, t.at + at, own);
            end = at + own;
        }
        if (at < t.lead)
            lead = end <= t.lead ? out->size : before + t.lead - at;
    }
    struct tok_hf_text made = written(out, t, lead);
    if (!p->split)
        return one_level(r, level + 1, made);
    uint64_t start = 0;
    for (uint64_t at = 1; at <= made.n && status == NGT_OK; at++) {
        if (at < made.n &&
            (made.at[at] != mark[0] || made.n - at < size || memcmp(made.at + at, mark, size) != 0))
            continue;
        status = one_level(r, level + 1, tok_hf_part(made, start, at));
        start = at;
    }
    return status;
}

/*
 * WhitespaceSplit and then Metaspace in front of each word, as T5, ALBERT and XLNet have them, in one
 * pass: words between white space, each behind a marker; a marker of the text's own begins one too.
 */
static bool is_spaced(const struct tok_hf_pretokenizers *p, uint64_t level)
{
    const struct tok_hf_pretokenizer *space = &p->steps[level], *meta = space + 1;

    return level + 2 == p->count && space->cut == TOK_HF_CUT_CLASS &&
           space->class == TOK_HF_RUST_SPACE && space->behavior == TOK_HF_REMOVED &&
           !space->invert && meta->cut == TOK_HF_CUT_METASPACE && meta->character == 0x2581 &&
           !meta->marker && meta->prepend == TOK_HF_ALWAYS && meta->split;
}

static enum ngt_status spaced(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    static const uint8_t mark[3] = {0xE2, 0x96, 0x81};
    const uint8_t *ascii = &tok_hf_class_blocks[tok_hf_class_index[0] * 128u];
    struct tok_buffer *out = &r->scratch->buffers[level];
    uint64_t at = 0, end, start;
    unsigned size;
    enum ngt_status status = NGT_OK;

    while (at < t.n && status == NGT_OK) {
        for (end = at; end < t.n; end += size) {
            uint8_t byte = t.at[end];
            size = 1;
            if (byte < 0x80) {
                if (ascii[byte] & TOK_HF_RUST_SPACE)
                    break;
                continue;
            }
            size = tok_utf8_lead_size(byte);
            /* white space is U+0085, U+00A0 and some behind E1, E2 and E3 */
            if (byte != 0xC2 && (byte < 0xE1 || byte > 0xE3))
                continue;
            uint32_t c = tok_utf8_get(t.at + end, &size);
            if (tok_hf_class(c) & TOK_HF_RUST_SPACE || (c == 0x2581 && end > at))
                break;
        }
        if (end > at) {
            bool own = t.at[at] == mark[0] && end - at >= 3 && memcmp(t.at + at, mark, 3) == 0;
            out->size = 0;
            status = tok_buffer_reserve(out, end - at + 3, r->reterr);
            if (status != NGT_OK)
                return status;
            start = 0;
            if (!own)
                memcpy(out->at, mark, start = 3);
            memcpy(out->at + start, t.at + at, end - at);
            status = r->piece(r->context, out->at, start + end - at, r->reterr);
        }
        at = end;
        if (at < t.n && (t.at[at] != mark[0] || tok_utf8_get(t.at + at, &size) != 0x2581))
            at += tok_utf8_lead_size(t.at[at]);
    }
    return status;
}

static enum ngt_status prefix(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    struct tok_buffer *out = &r->scratch->buffers[level];

    if (t.at[0] == ' ')
        return one_level(r, level + 1, t);
    enum ngt_status status = tok_buffer_reserve(out, t.n + 1, r->reterr);
    if (status != NGT_OK)
        return status;
    out->size = 0;
    tok_buffer_put(out, " ", 1);
    tok_buffer_put(out, t.at, t.n);
    return one_level(r, level + 1, written(out, t, t.lead ? t.lead + 1 : 0));
}

static enum ngt_status byte_chars(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    struct tok_buffer *out = &r->scratch->buffers[level];
    bool changed;

    out->size = 0;
    enum ngt_status status =
        tok_hf_map(TOK_HF_BYTE_CHARS, t.at, t.n, out, &changed, &t.lead, r->reterr);
    return status == NGT_OK ? one_level(r, level + 1, written(out, t, t.lead)) : status;
}

static enum ngt_status one_level(const struct run *r, uint64_t level, struct tok_hf_text t)
{
    if (level == r->steps->count)
        return r->piece(r->context, t.at, t.n, r->reterr);
    switch (r->steps->steps[level].cut) {
    case TOK_HF_CUT_PATTERN:
        return only_matches(r, &r->steps->steps[level], t.n) ? by_ends(r, level, t)
                                                             : by_pattern(r, level, t);
    case TOK_HF_CUT_CLASS:
        if (r->steps->steps[level].behavior <= TOK_HF_ISOLATED)
            return by_class(r, level, t);
        return by_character(r, level, t);
    case TOK_HF_CUT_CHARACTER:
        return by_character(r, level, t);
    case TOK_HF_CUT_WORDS:
        return by_words(r, level, t);
    case TOK_HF_CUT_LENGTH:
        return by_length(r, level, t);
    case TOK_HF_CUT_METASPACE:
        return metaspace(r, level, t);
    case TOK_HF_CUT_PREFIX:
        return prefix(r, level, t);
    case TOK_HF_CUT_BYTE_CHARS:
        return byte_chars(r, level, t);
    }
    return NGT_OK;
}

enum ngt_status tok_hf_pretokenize(const struct tok_hf_pretokenizers *p,
                                   struct tok_hf_pretokenize_scratch *s, struct tok_hf_text text,
                                   tok_hf_piece_fn piece, void *context, struct ngt_error *reterr)
{
    const struct run r = {p, s, piece, context, reterr};

    if (text.n && p->count == 2 && is_spaced(p, 0))
        return spaced(&r, 0, text);
    return text.n ? one_level(&r, 0, text) : NGT_OK;
}

void tok_hf_pretokenizers_done(struct tok_hf_pretokenizers *p)
{
    for (uint64_t i = 0; i < p->count; i++)
        tok_hf_pattern_done(&p->steps[i].pattern);
    free(p->steps);
    *p = (struct tok_hf_pretokenizers){0};
}

/* Can step p do nothing to text of this character, below 128? */
static bool passes(const struct tok_hf_pretokenizer *p, uint8_t c)
{
    if (p->behavior == TOK_HF_REMOVED && p->invert) /* what is no match goes */
        return false;
    switch (p->cut) {
    case TOK_HF_CUT_PATTERN:
        return p->pattern.regex ? tok_split_needs_other(p->pattern.regex, c)
                                : p->pattern.size && c != p->pattern.literal[0];
    case TOK_HF_CUT_CLASS:
        return !(tok_hf_class(c) & p->class);
    case TOK_HF_CUT_CHARACTER:
        return c != p->character;
    default:
        return false;
    }
}

enum ngt_status tok_hf_pretokenize_scratch_init(struct tok_hf_pretokenize_scratch *s,
                                                const struct tok_hf_pretokenizers *p,
                                                struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    *s = (struct tok_hf_pretokenize_scratch){0};
    s->regexes = calloc(p->count + 1, sizeof(struct tok_split_scratch *));
    s->buffers = calloc(p->count + 1, sizeof *s->buffers);
    s->lone = calloc(p->count + 1, sizeof *s->lone);
    if (!s->regexes || !s->buffers || !s->lone) {
        free(s->regexes);
        free(s->buffers);
        free(s->lone);
        *s = (struct tok_hf_pretokenize_scratch){0};
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    }
    s->count = p->count;
    for (uint8_t c = 0; c < 128; c++)
        for (uint64_t i = 0; i < p->count && i < 8; i++)
            s->may[c] |= (uint8_t)(!passes(&p->steps[i], c) << i);
    for (uint64_t i = 0; i < p->count && status == NGT_OK; i++)
        if (p->steps[i].pattern.regex)
            status = tok_split_scratch_new(p->steps[i].pattern.regex, &s->regexes[i], reterr);
    if (status != NGT_OK)
        tok_hf_pretokenize_scratch_done(s);
    return status;
}

void tok_hf_pretokenize_scratch_done(struct tok_hf_pretokenize_scratch *s)
{
    for (uint64_t i = 0; i < s->count; i++) {
        tok_split_scratch_free(&s->regexes[i]);
        tok_buffer_done(&s->buffers[i]);
    }
    free(s->regexes);
    free(s->buffers);
    free(s->lone);
    *s = (struct tok_hf_pretokenize_scratch){0};
}
