#include "job/ledger.h"

#include <inttypes.h>
#include <stddef.h>

/* One table drives shard counters, JSON and its reader: a figure is added in one place. */
static const struct {
    const char *key;
    size_t at;
    bool optional; /* 0 is not written, and what is not there is 0 */
} figures[] = {
#define FIGURE(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct pretok_ledger, name), false                                         \
    }
    FIGURE(records),
    FIGURE(documents),
    {"empty_documents", offsetof(struct pretok_ledger, empty), false},
    FIGURE(filtered),
    FIGURE(text_bytes),
    FIGURE(tokens),
    {"replaced_characters", offsetof(struct pretok_ledger, replaced), false},
    {"special_strings", offsetof(struct pretok_ledger, special), false},
#define REASON(reason, name)                                                                       \
    {                                                                                              \
        "quarantined." name, offsetof(struct pretok_ledger, quarantined[reason]), false            \
    }
    REASON(PRETOK_NOT_JSON, "not_json"),
    REASON(PRETOK_NOT_OBJECT, "not_object"),
    REASON(PRETOK_NO_KEY, "no_key"),
    REASON(PRETOK_WRONG_TYPE, "wrong_type"),
    REASON(PRETOK_TOO_LONG, "too_long"),
    REASON(PRETOK_TOO_DEEP, "too_deep"),
    REASON(PRETOK_TOKENIZER, "tokenizer"),
#define LATER(name, at)                                                                            \
    {                                                                                              \
        name, offsetof(struct pretok_ledger, at), true                                             \
    }
    LATER("quarantined.fields_too_long", quarantined[PRETOK_FIELDS_TOO_LONG]),
    LATER("quarantined.no_set", quarantined[PRETOK_NO_SET]),
    LATER("quarantined.broken", quarantined[PRETOK_BROKEN]),
    LATER("quarantined.charset", quarantined[PRETOK_CHARSET]),
    LATER("quarantined.null", quarantined[PRETOK_NULL]),
    LATER("quarantined_in_lost_sources", excused),
    LATER("filtered.warc_response", filtered_by[PRETOK_WARC_RESPONSE]),
    LATER("filtered.warc_not_text", filtered_by[PRETOK_WARC_NOT_TEXT]),
    LATER("filtered.warc_other", filtered_by[PRETOK_WARC_OTHER]),
    LATER("filtered.min_chars", filtered_by[PRETOK_FEW_CHARS]),
    LATER("filtered.max_chars", filtered_by[PRETOK_MANY_CHARS]),
    LATER("filtered.min_tokens", filtered_by[PRETOK_FEW_TOKENS]),
    LATER("filtered.max_tokens", filtered_by[PRETOK_MANY_TOKENS]),
    LATER("duplicates", duplicates),
    LATER("duplicate_tokens", duplicate_tokens),
    LATER("no_id", no_id),
    LATER("no_metadata", no_metadata),
};
#define FIGURES (sizeof figures / sizeof *figures)
_Static_assert(FIGURES + 1 <= PRETOK_LEDGER_COUNTERS, "room for all and NOT_BACK");
_Static_assert(PRETOK_REASONS == 13, "a reason without a counter");
_Static_assert(PRETOK_FILTERS == 8, "a filter without a counter");

#define NOT_BACK "not_given_back" /* only where it was verified */

static uint64_t value(const struct pretok_ledger *l, uint64_t i)
{
    return *(const uint64_t *)((const char *)l + figures[i].at);
}

uint64_t pretok_ledger_bad(const struct pretok_ledger *l)
{
    uint64_t sum = 0;

    for (unsigned r = 0; r < PRETOK_REASONS; r++)
        sum += l->quarantined[r];
    return sum;
}

void pretok_ledger_add(struct pretok_ledger *sum, const struct pretok_ledger *l)
{
    for (uint64_t i = 0; i < FIGURES; i++)
        *(uint64_t *)((char *)sum + figures[i].at) += value(l, i);
    sum->verified |= l->verified;
    sum->not_back += l->not_back;
}

enum ngt_status pretok_ledger_check(const struct pretok_ledger *l, const char *path,
                                    struct ngt_error *reterr)
{
    uint64_t bad = pretok_ledger_bad(l), filtered = 0;

    for (unsigned f = 0; f < PRETOK_FILTERS; f++)
        filtered += l->filtered_by[f];
    if (l->records == l->documents + bad + l->filtered && l->empty <= l->documents &&
        filtered == l->filtered && l->excused <= bad)
        return NGT_OK;
    return ngt_fail(reterr, NGT_E_CORRUPT, path, NGT_NO_POS, NGT_NO_POS,
                    "the ledger does not balance: %" PRIu64 " records, %" PRIu64
                    " documents + %" PRIu64 " quarantined + %" PRIu64 " filtered",
                    l->records, l->documents, bad, l->filtered);
}

uint64_t pretok_ledger_counters(const struct pretok_ledger *l,
                                struct ngt_counter out[PRETOK_LEDGER_COUNTERS])
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < FIGURES; i++)
        if (value(l, i) || !figures[i].optional)
            out[n++] = (struct ngt_counter){figures[i].key, value(l, i)};
    if (l->verified)
        out[n++] = (struct ngt_counter){NOT_BACK, l->not_back};
    return n;
}

void pretok_ledger_write(const struct pretok_ledger *l, struct ngt_json_out *out)
{
    struct ngt_counter counters[PRETOK_LEDGER_COUNTERS];
    uint64_t n = pretok_ledger_counters(l, counters);

    for (uint64_t i = 0; i < n; i++)
        ngt_json_member_u64(out, counters[i].key, counters[i].value);
}

enum ngt_status pretok_ledger_read(const struct ngt_json *object, const char *path,
                                   struct pretok_ledger *ret_ledger, struct ngt_error *reterr)
{
    struct pretok_ledger l = {0};

    for (uint64_t i = 0; i < FIGURES; i++)
        if (!ngt_json_get_u64(object, figures[i].key, (uint64_t *)((char *)&l + figures[i].at)) &&
            !figures[i].optional)
            return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                            "the ledger lacks \"%s\"", figures[i].key);
    l.verified = ngt_json_get_u64(object, NOT_BACK, &l.not_back);
    *ret_ledger = l;
    return NGT_OK;
}

void pretok_ledger_reasons(const struct pretok_ledger *l, char *out, uint64_t room)
{
    uint64_t used = 0;

    out[0] = '\0';
    for (unsigned i = 1; i < PRETOK_REASONS + PRETOK_FILTERS && used < room; i++) {
        bool refused = i < PRETOK_REASONS;
        unsigned k = refused ? i : i - PRETOK_REASONS;
        uint64_t count = refused ? l->quarantined[k] : l->filtered_by[k];
        if (count)
            used += (uint64_t)snprintf(out + used, room - used, "%s%" PRIu64 " %s",
                                       used ? ", " : "", count,
                                       refused ? pretok_reason_name((enum pretok_reason)k)
                                               : pretok_filtered_name((enum pretok_filtered)k));
    }
}

void pretok_ledger_print(const struct pretok_ledger *l, FILE *to)
{
    uint64_t bad = pretok_ledger_bad(l);

    fprintf(to, "records      %15" PRIu64 "\n", l->records);
    fprintf(to, "documents    %15" PRIu64 "   of them empty: %" PRIu64 "\n", l->documents,
            l->empty);
    fprintf(to, "quarantined  %15" PRIu64 "\n", bad);
    for (unsigned r = 1; r < PRETOK_REASONS; r++)
        if (l->quarantined[r])
            fprintf(to, "             %15" PRIu64 "   %s\n", l->quarantined[r],
                    pretok_reason_text((enum pretok_reason)r));
    if (l->excused)
        fprintf(to,
                "             %15" PRIu64
                "   of them in sources that could not be read to their end\n",
                l->excused);
    if (l->filtered)
        fprintf(to, "filtered     %15" PRIu64 "\n", l->filtered);
    for (unsigned f = 1; f < PRETOK_FILTERS; f++)
        if (l->filtered_by[f])
            fprintf(to, "             %15" PRIu64 "   %s\n", l->filtered_by[f],
                    pretok_filtered_text((enum pretok_filtered)f));
    fprintf(to, "text bytes   %15" PRIu64 "\n", l->text_bytes);
    fprintf(to, "tokens       %15" PRIu64 "\n", l->tokens);
    fprintf(to, "replaced     %15" PRIu64 "   characters that became U+FFFD\n", l->replaced);
    fprintf(to, "special      %15" PRIu64 "   strings of control tokens left as text\n",
            l->special);
    if (l->duplicates)
        fprintf(to, "duplicates   %15" PRIu64 "   documents dropped, of %" PRIu64 " tokens\n",
                l->duplicates, l->duplicate_tokens);
    if (l->no_id)
        fprintf(to, "no id        %15" PRIu64 "   documents without --id-key\n", l->no_id);
    if (l->no_metadata)
        fprintf(to, "no metadata  %15" PRIu64 "   documents without any of --meta-keys\n",
                l->no_metadata);
    if (l->verified)
        fprintf(to, "not back     %15" PRIu64 "   documents that the vocabulary spells otherwise\n",
                l->not_back);
}
