/* See hf_cuts.h. */
#include "hf_cuts.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/layout.h"

/* Can text start out as the marker? */
static bool marker_is_known(const struct tok_bpe_config *c)
{
    bool known = false;

    for (uint32_t s = 0; s < c->ids && c->marker; s++)
        known |= c->initial[s] && c->bytes[c->starts[s]] == ' ';
    return known;
}

/* Does text become this id, otherwise than by being unknown? */
static bool text_makes(const struct tok_bpe_config *c, uint32_t id)
{
    bool makes = c->initial[id];

    for (uint64_t i = 0; i < c->rule_count && !makes; i++)
        makes = c->rules[i].result == id;
    return makes;
}

/* No rule makes a symbol with a marker behind another character. */
static bool markers_begin(const struct tok_bpe_config *c)
{
    bool begin = true;

    for (uint64_t i = 0; i < c->rule_count && begin; i++) {
        uint32_t s = c->rules[i].result;
        for (uint64_t at = c->starts[s] + 1; at < c->starts[s + 1] && begin; at++)
            begin = c->bytes[at] != ' ' || c->bytes[at - 1] == ' ';
    }
    return begin;
}

/* Cuts by what rules make. Where markers begin pieces, nothing with one inside is made. */
static enum ngt_status by_rules(struct tok_sp_cuts *cuts, const struct tok_bpe_config *c,
                                bool words, struct ngt_error *reterr)
{
    bool *made = calloc(c->ids + 1ull, sizeof *made);
    uint64_t *starts = malloc((c->ids + 1ull) * sizeof *starts), used = 0, count = 0;
    uint8_t *bytes = malloc(c->starts[c->ids] + 1);
    enum ngt_status status;

    if (!made || !starts || !bytes) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    for (uint64_t i = 0; i < c->rule_count; i++)
        made[c->rules[i].result] = true;
    for (uint32_t s = 0; s < c->ids; s++) {
        uint64_t n = c->starts[s + 1] - c->starts[s];
        const uint8_t *spelling = c->bytes + c->starts[s];
        if (!made[s] || !n || (words && memchr(spelling + 1, ' ', n - 1)))
            continue;
        starts[count++] = used;
        memcpy(bytes + used, spelling, n);
        used += n;
    }
    starts[count] = used;
    status = tok_sp_cuts_init(cuts, bytes, starts, count, reterr);
out:
    free(made);
    free(starts);
    free(bytes);
    return status;
}

enum ngt_status tok_hf_cuts_init(struct tok_hf_cuts *cuts, const struct tok_bpe_config *c,
                                 bool whole, bool words, struct ngt_error *reterr)
{
    bool marker = marker_is_known(c), anywhere = !whole;
    enum ngt_status status = NGT_OK;

    *cuts = (struct tok_hf_cuts){.fuse = NGT_NO_ID};
    if (!c->characters || c->ends)
        return NGT_OK;
    if (c->unknown == TOK_UNKNOWN_DROP) {
        anywhere = false;
    } else if (c->unknown == TOK_UNKNOWN_FUSED) {
        /* Runs are made one afterwards, in all of the text. So the id must be of such runs alone, and
         * no run may go on from piece to piece: a known marker lies between them. */
        anywhere &= !text_makes(c, c->unknown_id) && (marker || !words);
        cuts->fuse = c->unknown_id;
    }
    if (anywhere) {
        status = by_rules(&cuts->cuts, c, words, reterr);
        cuts->known = status == NGT_OK;
        return status;
    }
    /* A known marker ends what is unknown before it, and keeps what stands on its sides apart. */
    cuts->fuse = NGT_NO_ID;
    cuts->known = words || (marker && !whole && markers_begin(c));
    if (cuts->known)
        tok_sp_cuts_init_spaces(&cuts->cuts, !words);
    return NGT_OK;
}

void tok_hf_cuts_done(struct tok_hf_cuts *cuts)
{
    tok_sp_cuts_done(&cuts->cuts);
    cuts->known = false;
}
