/* See hf_pattern.h. */
#include "text/hf_pattern.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"
#include "text/utf8_inline.h"

void tok_hf_pattern_done(struct tok_hf_pattern *p)
{
    free(p->literal);
    tok_split_free(&p->regex);
    *p = (struct tok_hf_pattern){0};
}

/* Two spaces or more. */
static bool find_spaces(const uint8_t *text, uint64_t n, uint64_t from, uint64_t *ret_start,
                        uint64_t *ret_end)
{
    while (n - from >= 2) {
        const uint8_t *space = memchr(text + from, ' ', n - from - 1);
        if (!space)
            return false;
        from = (uint64_t)(space - text) + 1;
        if (text[from] != ' ')
            continue;
        *ret_start = from - 1;
        while (from < n && text[from] == ' ')
            from++;
        *ret_end = from;
        return true;
    }
    return false;
}

static bool is_white_space(const uint8_t *text, uint64_t n, uint64_t at, unsigned *size)
{
    *size = 1;
    if (text[at] < 0x80)
        return text[at] == ' ' || (text[at] >= 9 && text[at] <= 13);
    return (tok_unicode_class(tok_unicode_decode(text, n, at, size)) & TOK_SPACE) != 0;
}

static bool find_white_space(const uint8_t *text, uint64_t n, uint64_t from, uint64_t *ret_start,
                             uint64_t *ret_end)
{
    unsigned size;

    while (from < n && !is_white_space(text, n, from, &size))
        from += size;
    *ret_start = from;
    while (from < n && is_white_space(text, n, from, &size))
        from += size;
    *ret_end = from;
    return *ret_start < n;
}

static const uint8_t *find_literal(const struct tok_hf_pattern *p, const uint8_t *at, uint64_t n)
{
    const uint8_t *end = at + n;

    if (p->size == 0)
        return at;
    while ((uint64_t)(end - at) >= p->size) {
        at = memchr(at, p->literal[0], (uint64_t)(end - at) - p->size + 1);
        if (!at || memcmp(at, p->literal, p->size) == 0)
            return at;
        at++;
    }
    return NULL;
}

enum ngt_status tok_hf_next_match(struct tok_hf_matches *m, bool *ret_found, uint64_t *ret_start,
                                  uint64_t *ret_end, struct ngt_error *reterr)
{
    while (m->from <= m->n) {
        if (m->pattern->spaces) {
            *ret_found = find_spaces(m->text, m->n, m->from, ret_start, ret_end);
        } else if (m->pattern->white_space) {
            *ret_found = find_white_space(m->text, m->n, m->from, ret_start, ret_end);
        } else if (m->pattern->regex) {
            enum ngt_status status = tok_split_find(m->pattern->regex, m->scratch, m->text, m->n,
                                                    m->from, ret_found, ret_start, ret_end, reterr);
            if (status != NGT_OK)
                return status;
        } else {
            const uint8_t *at = find_literal(m->pattern, m->text + m->from, m->n - m->from);
            *ret_found = at != NULL;
            if (at) {
                *ret_start = (uint64_t)(at - m->text);
                *ret_end = *ret_start + m->pattern->size;
            }
        }
        if (!*ret_found)
            return NGT_OK;
        /* an empty match right behind a match is none; the search goes on a character later */
        if (*ret_start == *ret_end && m->matched && m->last == *ret_end) {
            m->from += m->from < m->n ? tok_utf8_lead_size(m->text[m->from]) : 1;
            continue;
        }
        m->from = m->last = *ret_end;
        m->matched = true;
        return NGT_OK;
    }
    *ret_found = false;
    return NGT_OK;
}
