/* The steps one after the other, between two buffers. */
#include "text/normalize_hf.h"

#include "text/hf_map.h"
#include "text/utf8_inline.h"

void tok_hf_normalizers_done(struct tok_hf_normalizers *n)
{
    for (uint64_t i = 0; i < n->count; i++) {
        tok_hf_pattern_done(&n->steps[i].pattern);
        free(n->steps[i].content);
        tok_hf_charsmap_free(&n->steps[i].map);
    }
    free(n->steps);
    *n = (struct tok_hf_normalizers){0};
}

enum ngt_status tok_hf_normalize_scratch_init(struct tok_hf_normalize_scratch *s,
                                              const struct tok_hf_normalizers *n,
                                              struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    *s = (struct tok_hf_normalize_scratch){0};
    s->regexes = calloc(n->count + 1, sizeof(struct tok_split_scratch *));
    if (!s->regexes)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    s->count = n->count;
    for (uint64_t i = 0; i < n->count && status == NGT_OK; i++)
        if (n->steps[i].pattern.regex)
            status = tok_split_scratch_new(n->steps[i].pattern.regex, &s->regexes[i], reterr);
    if (status != NGT_OK)
        tok_hf_normalize_scratch_done(s);
    return status;
}

void tok_hf_normalize_scratch_done(struct tok_hf_normalize_scratch *s)
{
    for (uint64_t i = 0; i < s->count; i++)
        tok_split_scratch_free(&s->regexes[i]);
    free(s->regexes);
    tok_buffer_done(&s->buffers[0]);
    tok_buffer_done(&s->buffers[1]);
    tok_buffer_done(&s->lead);
    tok_hf_marks_done(&s->marks);
    *s = (struct tok_hf_normalize_scratch){0};
}

static void strip(const struct tok_hf_normalizer *step, struct tok_hf_text *t)
{
    const uint8_t *start = t->at, *end = t->at + t->n;
    unsigned size;

    while (step->left && start < end &&
           tok_hf_class(tok_utf8_get(start, &size)) & TOK_HF_RUST_SPACE)
        start += size;
    while (step->right && end > start) {
        const uint8_t *last = tok_utf8_back(start, end);
        if (!(tok_hf_class(tok_utf8_get(last, &size)) & TOK_HF_RUST_SPACE))
            break;
        end = last;
    }
    *t = tok_hf_part(*t, (uint64_t)(start - t->at), (uint64_t)(end - t->at));
}

static enum ngt_status replace(const struct tok_hf_normalizer *step,
                               struct tok_split_scratch *regex, struct tok_hf_text *t,
                               struct tok_buffer *out, bool *ret_changed, struct ngt_error *reterr)
{
    struct tok_hf_matches m = {
        .pattern = &step->pattern, .scratch = regex, .text = t->at, .n = t->n};
    uint64_t copied = 0, start = 0, end = 0, lead = 0;
    bool found;

    *ret_changed = false;
    for (;;) {
        enum ngt_status status = tok_hf_next_match(&m, &found, &start, &end, reterr);
        /* a byte for itself, as \s+ finds most spaces: nothing changes, nor whence it comes */
        if (status == NGT_OK && found && end - start == 1 && step->content_size == 1 &&
            t->at[start] == step->content[0])
            continue;
        if (status == NGT_OK)
            status = tok_buffer_reserve(out, (found ? start : t->n) - copied + step->content_size,
                                        reterr);
        if (status != NGT_OK)
            return status;
        if (!found)
            break;
        if (copied < t->lead)
            lead = out->size + (start < t->lead ? start : t->lead) - copied;
        tok_buffer_put(out, t->at + copied, start - copied);
        tok_buffer_put(out, step->content, step->content_size);
        /* what is put in stands where the last character that goes stood, or the one before */
        if (end ? end <= t->lead : t->origin)
            lead = out->size;
        copied = end;
        *ret_changed = true;
    }
    if (*ret_changed) {
        if (copied < t->lead)
            lead = out->size + t->lead - copied;
        tok_buffer_put(out, t->at + copied, t->n - copied);
        t->lead = lead;
    }
    return NGT_OK;
}

static enum ngt_status form_or_charsmap(const struct tok_hf_normalizer *step,
                                        struct tok_hf_normalize_scratch *s, const uint8_t *text,
                                        uint64_t n, struct tok_buffer *out, bool *ret_changed,
                                        struct ngt_error *reterr)
{
    if (step->step == TOK_HF_FORM)
        return tok_hf_normal_form(step->form, text, n, &s->marks, out, ret_changed, reterr);
    return tok_hf_charsmap_apply(step->map, text, n, out, ret_changed, reterr);
}

/*
 * The same, and what becomes of the lead: the text's first character alone is changed too, and where
 * the whole begins with the outcome, that is it; else its first character is (it has been joined to
 * what follows, or has gone).
 */
static enum ngt_status in_context(const struct tok_hf_normalizer *step,
                                  struct tok_hf_normalize_scratch *s, struct tok_hf_text *t,
                                  struct tok_buffer *out, bool *ret_changed,
                                  struct ngt_error *reterr)
{
    bool alone;
    enum ngt_status status = form_or_charsmap(step, s, t->at, t->n, out, ret_changed, reterr);

    if (status != NGT_OK || !*ret_changed || !t->lead)
        return status;
    s->lead.size = 0;
    status = form_or_charsmap(step, s, t->at, t->lead, &s->lead, &alone, reterr);
    const uint8_t *made = alone ? s->lead.at : t->at;
    uint64_t n = alone ? s->lead.size : t->lead;
    if (n == 0 || n > out->size || memcmp(made, out->at, n) != 0)
        n = out->size ? tok_utf8_lead_size(out->at[0]) : 0;
    t->lead = n;
    return status;
}

static enum ngt_status one_step(const struct tok_hf_normalizer *step,
                                struct tok_hf_normalize_scratch *s, struct tok_split_scratch *regex,
                                struct tok_hf_text *t, struct tok_buffer *out, bool *ret_changed,
                                struct ngt_error *reterr)
{
    enum ngt_status status;

    *ret_changed = false;
    switch (step->step) {
    case TOK_HF_STRIP:
        strip(step, t);
        return NGT_OK;
    case TOK_HF_FORM:
    case TOK_HF_PRECOMPILED:
        return in_context(step, s, t, out, ret_changed, reterr);
    case TOK_HF_REPLACE:
        return replace(step, regex, t, out, ret_changed, reterr);
    case TOK_HF_PREPEND:
        status = tok_buffer_reserve(out, step->content_size + t->n, reterr);
        if (status != NGT_OK)
            return status;
        tok_buffer_put(out, step->content, step->content_size);
        tok_buffer_put(out, t->at, t->n);
        t->lead += t->lead ? step->content_size : 0;
        *ret_changed = true;
        return NGT_OK;
    default:
        return tok_hf_map(step->step, t->at, t->n, out, ret_changed, &t->lead, reterr);
    }
}

enum ngt_status tok_hf_normalize(const struct tok_hf_normalizers *n,
                                 struct tok_hf_normalize_scratch *s, struct tok_hf_text *text,
                                 struct ngt_error *reterr)
{
    unsigned next = 0;
    bool changed;

    for (uint64_t i = 0; i < n->count && text->n; i++) {
        struct tok_buffer *out = &s->buffers[next];
        out->size = 0;
        enum ngt_status status =
            one_step(&n->steps[i], s, s->regexes[i], text, out, &changed, reterr);
        if (status != NGT_OK)
            return status;
        if (!changed)
            continue;
        text->at = out->at;
        text->n = out->size;
        next = !next;
    }
    return NGT_OK;
}
