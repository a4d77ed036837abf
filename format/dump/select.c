/* Which items are meant, and where they stand. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

uint64_t dump_items(const struct ngt_dataset *set)
{
    return ngt_reader_header(set->readers[0])->kind == NGT_PACKED ? set->sequences : set->docs;
}

struct dump_place dump_place(const struct ngt_dataset *set, uint64_t item)
{
    for (uint64_t i = 0; i < set->count; i++) {
        const struct ngt_header *h = ngt_reader_header(set->readers[i]);
        uint64_t items = h->kind == NGT_PACKED ? h->sequences : h->docs;
        if (item < items)
            return (struct dump_place){set->readers[i], i, item};
        item -= items;
    }
    return (struct dump_place){0};
}

static enum ngt_status bad_range(const char *text, const char *why, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS, "range \"%s\": %s", text,
                    why);
}

static bool number(const char *text, const char *end, uint64_t *ret)
{
    uint64_t v = 0;

    if (text == end)
        return false;
    for (; text < end; text++)
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
            return false;
    *ret = v;
    return true;
}

static enum ngt_status select_range(const char *text, uint64_t items, struct dump_selection *ret,
                                    struct ngt_error *reterr)
{
    const char *colon = strchr(text, ':');

    *ret = (struct dump_selection){0, items};
    if (!colon)
        return bad_range(text, "write A:B", reterr);
    if ((colon != text && !number(text, colon, &ret->first)) ||
        (colon[1] && !number(colon + 1, colon + strlen(colon), &ret->end)))
        return bad_range(text, "A and B are numbers from 0", reterr);
    if (ret->first > ret->end)
        return bad_range(text, "A is above B", reterr);
    if (ret->end > items)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, NGT_NO_POS, NGT_NO_POS,
                        "range \"%s\": there are only %" PRIu64 " items, numbered from 0", text,
                        items);
    return NGT_OK;
}

/* SOURCE may be "file" or "file!member"; the name alone or its end after a slash. */
static bool names(const struct ngt_source *s, const char *text, size_t length)
{
    char *whole = NULL;
    bool same;

    if (asprintf(&whole, "%s%s%s", s->name, s->member ? "!" : "", s->member ? s->member : "") < 0)
        return false;
    size_t n = strlen(whole);
    same = n >= length && memcmp(whole + n - length, text, length) == 0 &&
           (n == length || whole[n - length - 1] == '/');
    free(whole);
    return same;
}

static enum ngt_status select_at(const char *text, const struct ngt_dataset *set,
                                 struct dump_selection *ret, struct ngt_error *reterr)
{
    const char *colon = strrchr(text, ':');
    struct dump_units *units = NULL;
    uint64_t record, base = 0;
    enum ngt_status status;

    if (!colon || !number(colon + 1, colon + strlen(colon), &record))
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "\"%s\": write SOURCE:RECORD, as in part-0.jsonl:17", text);
    if (ngt_reader_header(set->readers[0])->kind == NGT_PACKED)
        return ngt_fail(reterr, NGT_E_DATA, set->paths[0], NGT_NO_POS, NGT_NO_POS,
                        "--at looks into document shards; this one is packed");
    if ((status = dump_units_load(set, &units, reterr)) != NGT_OK)
        return status;
    for (uint64_t i = 0; i < set->count && status == NGT_OK; i++) {
        uint64_t docs = ngt_reader_header(set->readers[i])->docs;
        for (uint64_t d = 0; d < docs; d++) {
            struct dump_origin o;
            if ((status = dump_origin(set->readers[i], units, d, &o, reterr)) != NGT_OK)
                break;
            if (o.record_known && o.record == record &&
                names(&o.source, text, (size_t)(colon - text))) {
                *ret = (struct dump_selection){base + d, base + d + 1};
                goto out;
            }
        }
        base += docs;
    }
    if (status == NGT_OK)
        status = ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                          "no document came from \"%s\"; --docs lists where they came from", text);
out:
    dump_units_free(&units);
    return status;
}

enum ngt_status dump_select(const struct dump_config *c, const struct ngt_dataset *set,
                            struct dump_selection *ret_selection, struct ngt_error *reterr)
{
    uint64_t items = dump_items(set);

    if (c->range)
        return select_range(c->range, items, ret_selection, reterr);
    if (c->at)
        return select_at(c->at, set, ret_selection, reterr);
    *ret_selection = (struct dump_selection){0, items};
    if (c->doc_given) {
        if (c->doc >= items)
            return ngt_fail(reterr, NGT_E_RANGE, NULL, NGT_NO_POS, NGT_NO_POS,
                            "--doc %" PRIu64 ": there are only %" PRIu64 " items, numbered from 0",
                            c->doc, items);
        *ret_selection = (struct dump_selection){c->doc, c->doc + 1};
    }
    return NGT_OK;
}
