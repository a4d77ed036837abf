/* --ids and --text. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

#define PIECE 65536u /* ids looked at together */

/* Decimal digits of v, with the separator before; returns the new end. printf would cost ten times
 * as much. */
static char *put_id(char *at, uint32_t v, bool space)
{
    char digits[10];
    unsigned n = 0;

    if (space)
        *at++ = ' ';
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        *at++ = digits[--n];
    return at;
}

/* First id and number of ids of an item. */
static enum ngt_status item_ids(struct dump_place place, uint64_t *ret_first, uint64_t *ret_count,
                                struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(place.r);

    if (h->kind == NGT_DOCUMENTS)
        return ngt_reader_doc(place.r, place.index, ret_first, ret_count, reterr);
    *ret_first = place.index * h->seq_len;
    *ret_count = h->seq_len;
    return NGT_OK;
}

static enum ngt_status line_of_ids(const struct dump_config *c, struct dump_place place,
                                   uint64_t number, uint32_t *ids, char *text, FILE *out,
                                   struct ngt_error *reterr)
{
    uint64_t first, count, done = 0;
    enum ngt_status status = item_ids(place, &first, &count, reterr);

    if (status != NGT_OK)
        return status;
    if (c->json)
        fprintf(out, "{\"item\": %" PRIu64 ", \"ids\": [", number);
    while (done < count) {
        uint64_t n = count - done < PIECE ? count - done : PIECE;
        char *at = text;
        if ((status = ngt_reader_ids(place.r, first + done, n, ids, reterr)) != NGT_OK)
            return status;
        for (uint64_t i = 0; i < n; i++) {
            if (c->json && done + i)
                *at++ = ',';
            at = put_id(at, ids[i], done + i != 0);
        }
        fwrite(text, 1, (size_t)(at - text), out);
        done += n;
    }
    fputs(c->json ? "]}\n" : "\n", out);
    return NGT_OK;
}

enum ngt_status dump_ids(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                         struct ngt_error *reterr)
{
    struct dump_selection chosen;
    uint32_t *ids = malloc(PIECE * sizeof *ids);
    char *text = malloc(PIECE * 12);
    enum ngt_status status = NGT_OK;

    if (!ids || !text)
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    if (status == NGT_OK)
        status = dump_select(c, set, &chosen, reterr);
    for (uint64_t i = status == NGT_OK ? chosen.first : 0; status == NGT_OK && i < chosen.end; i++)
        status = line_of_ids(c, dump_place(set, i), i, ids, text, out, reterr);
    free(ids);
    free(text);
    return status;
}

static enum ngt_status one_text(const struct dump_config *c, struct dump_place place,
                                uint64_t number, bool alone, FILE *out, struct ngt_error *reterr)
{
    struct ngt_vocabulary v;
    uint64_t first, count, length;
    uint32_t *ids = NULL;
    char *text = NULL;
    struct ngt_json_out j;
    enum ngt_status status;

    if ((status = ngt_reader_vocabulary(place.r, &v, reterr)) != NGT_OK ||
        (status = item_ids(place, &first, &count, reterr)) != NGT_OK)
        return status;
    ids = malloc((count + 1) * sizeof *ids);
    if (!ids)
        goto no_memory;
    if ((status = ngt_reader_ids(place.r, first, count, ids, reterr)) != NGT_OK)
        goto out;
    length = ngt_vocabulary_text(&v, ids, count, c->special, NULL, 0);
    text = malloc(length + 1);
    if (!text)
        goto no_memory;
    ngt_vocabulary_text(&v, ids, count, c->special, text, length);
    if (c->json) {
        ngt_json_out_init(&j, true);
        ngt_json_object(&j);
        ngt_json_member_u64(&j, "item", number);
        ngt_json_key(&j, "text");
        ngt_json_string_n(&j, text, length);
        ngt_json_object_end(&j);
        fwrite(j.bytes, 1, j.size, out);
        ngt_json_out_done(&j);
    } else {
        fwrite(text, 1, length, out);
        if (!alone)
            fputc('\n', out);
    }
    goto out;
no_memory:
    status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, number, "out of memory for a text");
out:
    free(ids);
    free(text);
    return status;
}

enum ngt_status dump_text(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                          struct ngt_error *reterr)
{
    struct dump_selection chosen;
    enum ngt_status status = dump_select(c, set, &chosen, reterr);

    /* one document alone comes back byte for byte; several are told apart by a newline */
    for (uint64_t i = status == NGT_OK ? chosen.first : 0; status == NGT_OK && i < chosen.end; i++)
        status = one_text(c, dump_place(set, i), i, chosen.end - chosen.first == 1 && !c->range,
                          out, reterr);
    return status;
}
