/*
 * --stats: how long documents are, which tokens there are, and what a model must beat.
 *
 * Entropies are those of the targets: each id that follows another in the same document, as the
 * trainer predicts it. Unigram: of the targets' frequencies. Bigram: of a target given the id
 * before it. Both are taken from this very data, so no model of that kind can do better on it. The
 * pairs are sorted in memory; beyond PAIR_LIMIT the bigram entropy is left out.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "dump.h"

#define PIECE 65536u
#define PAIR_LIMIT (256ull << 20) /* 2 GiB of pairs */
#define BUCKETS 33                /* lengths 0, 1, 2-3, 4-7, ... 2^31 and more */

struct stats {
    uint64_t vocab, docs, tokens, targets;
    uint64_t *count;        /* [vocab] of ids, padding not counted */
    uint64_t *target_count; /* [vocab] */
    uint64_t *pairs, pair_count, pair_room;
    bool pairs_dropped;
    uint64_t dropped; /* documents, by drop lists; they are counted all the same */
    uint64_t histogram[BUCKETS], shortest, longest, empty;
    uint64_t begins_bos, ends_eos;
    uint32_t bos, eos;
    double unigram, bigram; /* nats */
};

static unsigned bucket(uint64_t n)
{
    unsigned b = n ? 64 - (unsigned)__builtin_clzll(n) : 0;
    return b < BUCKETS ? b : BUCKETS - 1;
}

static void add_pair(struct stats *s, uint32_t before, uint32_t id)
{
    s->target_count[id]++;
    s->targets++;
    if (s->pairs_dropped)
        return;
    if (s->pair_count == s->pair_room) {
        uint64_t room = s->pair_room ? s->pair_room * 2 : 1 << 16;
        uint64_t *larger = room > PAIR_LIMIT ? NULL : realloc(s->pairs, room * sizeof *larger);
        if (!larger) {
            free(s->pairs);
            s->pairs = NULL;
            s->pairs_dropped = true;
            return;
        }
        s->pairs = larger;
        s->pair_room = room;
    }
    s->pairs[s->pair_count++] = (uint64_t)before << 32 | id;
}

/* One run of ids of one document: [first, first + n) of the shard, then the successor if there is
 * one. */
static enum ngt_status add_run(struct stats *s, const struct ngt_reader *r, uint64_t first,
                               uint64_t n, uint32_t successor, uint32_t *ids,
                               struct ngt_error *reterr)
{
    uint32_t before = NGT_NO_ID;

    for (uint64_t done = 0; done < n;) {
        uint64_t take = n - done < PIECE ? n - done : PIECE;
        enum ngt_status status = ngt_reader_ids(r, first + done, take, ids, reterr);
        if (status != NGT_OK)
            return status;
        for (uint64_t i = 0; i < take; i++) {
            s->count[ids[i]]++;
            if (before != NGT_NO_ID)
                add_pair(s, before, ids[i]);
            before = ids[i];
        }
        done += take;
    }
    if (successor != NGT_NO_ID && before != NGT_NO_ID)
        add_pair(s, before, successor);
    s->tokens += n;
    return NGT_OK;
}

static void add_length(struct stats *s, uint64_t n)
{
    s->histogram[bucket(n)]++;
    s->shortest = s->docs == 0 || n < s->shortest ? n : s->shortest;
    s->longest = n > s->longest ? n : s->longest;
    s->empty += n == 0;
    s->docs++;
}

static enum ngt_status add_documents(struct stats *s, const struct ngt_reader *r, uint32_t *ids,
                                     struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(r);
    enum ngt_status status = NGT_OK;

    for (uint64_t d = 0; d < h->docs && status == NGT_OK; d++) {
        uint64_t first, n;
        uint32_t id;
        if ((status = ngt_reader_doc(r, d, &first, &n, reterr)) != NGT_OK)
            return status;
        add_length(s, n);
        status = add_run(s, r, first, n, NGT_NO_ID, ids, reterr);
        if (status == NGT_OK && n && (status = ngt_reader_ids(r, first, 1, &id, reterr)) == NGT_OK)
            s->begins_bos += id == s->bos;
        if (status == NGT_OK && n &&
            (status = ngt_reader_ids(r, first + n - 1, 1, &id, reterr)) == NGT_OK)
            s->ends_eos += id == s->eos;
    }
    return status;
}

/* Packed: the lengths are those of segments; BOS and EOS are looked for where a document begins and
 * ends. */
static enum ngt_status add_sequences(struct stats *s, const struct ngt_reader *r, uint32_t *ids,
                                     struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(r);
    enum ngt_status status = NGT_OK;

    for (uint64_t q = 0; q < h->sequences; q++) {
        uint64_t first, count;
        if ((status = ngt_reader_sequence(r, q, &first, &count, reterr)) != NGT_OK)
            return status;
        for (uint64_t i = first; i < first + count; i++) {
            struct ngt_segment g;
            uint32_t id;
            if ((status = ngt_reader_segment(r, i, &g, reterr)) != NGT_OK)
                return status;
            add_length(s, g.length);
            uint64_t at = q * h->seq_len + g.start;
            if ((status = add_run(s, r, at, g.length, g.successor, ids, reterr)) != NGT_OK ||
                (status = ngt_reader_ids(r, at, 1, &id, reterr)) != NGT_OK)
                return status;
            s->begins_bos += g.doc_offset == 0 && id == s->bos;
            if ((status = ngt_reader_ids(r, at + g.length - 1, 1, &id, reterr)) != NGT_OK)
                return status;
            s->ends_eos += g.successor == NGT_NO_ID && id == s->eos;
        }
    }
    return status;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void entropies(struct stats *s)
{
    double n = (double)s->targets, unigram = 0, bigram = 0;

    if (!s->targets)
        return;
    for (uint64_t i = 0; i < s->vocab; i++)
        if (s->target_count[i])
            unigram -= (double)s->target_count[i] * log((double)s->target_count[i] / n);
    s->unigram = unigram / n;
    if (s->pairs_dropped)
        return;
    qsort(s->pairs, s->pair_count, sizeof *s->pairs, by_value);
    /* H(next | before) = -sum over pairs of n(before, next) ln(n(before, next) / n(before)) */
    for (uint64_t i = 0; i < s->pair_count;) {
        uint64_t group = i, total, k;
        while (group < s->pair_count && s->pairs[group] >> 32 == s->pairs[i] >> 32)
            group++;
        total = group - i;
        for (; i < group; i = k) {
            for (k = i; k < group && s->pairs[k] == s->pairs[i]; k++)
                ;
            bigram -= (double)(k - i) * log((double)(k - i) / (double)total);
        }
    }
    s->bigram = bigram / n;
}

/* ---- output ---- */

struct ranked {
    uint64_t count;
    uint32_t id;
};

static int by_count(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* All ids that occur, most frequent first; malloced. */
static struct ranked *rank(const struct stats *s, uint64_t *ret_used)
{
    struct ranked *all = malloc((s->vocab + 1) * sizeof *all);
    uint64_t n = 0;

    for (uint64_t i = 0; all && i < s->vocab; i++)
        if (s->count[i])
            all[n++] = (struct ranked){s->count[i], (uint32_t)i};
    if (all)
        qsort(all, n, sizeof *all, by_count);
    *ret_used = n;
    return all;
}

static void bar(FILE *out, uint64_t value, uint64_t largest)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    uint64_t units = largest ? (uint64_t)((double)value / (double)largest * 40 * 8 + 0.5) : 0;

    for (uint64_t i = 0; i < units / 8; i++)
        fputs("█", out);
    fputs(eighths[units % 8], out);
}

static void show_bytes(FILE *out, const struct ngt_vocabulary *v, uint32_t id)
{
    fputc('"', out);
    for (uint64_t i = v->starts[id]; i < v->starts[id + 1]; i++) {
        uint8_t c = v->bytes[i];
        if (c == '\n')
            fputs("\\n", out);
        else if (c < 0x20 || c == 0x7F || (v->kinds[id] == NGT_ID_BYTE && c >= 0x80))
            fprintf(out, "\\x%02X", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void text_stats(const struct stats *s, const struct ngt_vocabulary *v, bool packed,
                       const struct ranked *ranked, uint64_t used, uint64_t top, FILE *out)
{
    const char *things = packed ? "segments" : "documents";
    uint64_t largest = 0, filled = s->docs - s->empty;
    unsigned low = BUCKETS, high = 0;

    fprintf(out, "%-22s %" PRIu64 " (%" PRIu64 " empty)\n", things, s->docs, s->empty);
    if (s->dropped)
        fprintf(out, "%-22s %" PRIu64 " of these, by the drop list\n", "dropped", s->dropped);
    fprintf(out, "%-22s %" PRIu64 ", targets %" PRIu64 "\n", "tokens", s->tokens, s->targets);
    if (s->docs)
        fprintf(out, "%-22s shortest %" PRIu64 ", mean %.1f, longest %" PRIu64 "\n",
                "length in tokens", s->shortest, (double)s->tokens / (double)s->docs, s->longest);
    if (filled && !packed)
        fprintf(out, "%-22s %.2f%% begin with BOS, %.2f%% end with EOS\n", "of filled documents",
                100 * (double)s->begins_bos / (double)filled,
                100 * (double)s->ends_eos / (double)filled);
    fprintf(out, "%-22s %" PRIu64 " of %" PRIu64 " used, %" PRIu64 " unused\n", "ids", used,
            s->vocab, s->vocab - used);
    if (s->targets) {
        fprintf(out, "%-22s unigram %.4f nats", "entropy of targets", s->unigram);
        if (s->pairs_dropped)
            fprintf(out, ", bigram left out (more than %llu targets)\n", PAIR_LIMIT);
        else
            fprintf(out, ", bigram %.4f nats\n", s->bigram);
    }
    for (unsigned b = 0; b < BUCKETS; b++)
        if (s->histogram[b]) {
            low = b < low ? b : low;
            high = b;
            largest = s->histogram[b] > largest ? s->histogram[b] : largest;
        }
    fprintf(out, "\n%s by length\n", things);
    for (unsigned b = low; b <= high && b < BUCKETS; b++) {
        uint64_t from = b ? 1ull << (b - 1) : 0, to = b ? (1ull << b) - 1 : 0;
        fprintf(out, "%11" PRIu64 " - %-11" PRIu64 " %10" PRIu64 " ", from, to, s->histogram[b]);
        bar(out, s->histogram[b], largest);
        fputc('\n', out);
    }
    fprintf(out, "\nmost frequent tokens\n");
    for (uint64_t i = 0; i < used && i < top; i++) {
        fprintf(out, "%8" PRIu32 "  %12" PRIu64 "  %6.3f%%  ", ranked[i].id, ranked[i].count,
                100 * (double)ranked[i].count / (double)s->tokens);
        show_bytes(out, v, ranked[i].id);
        fputc('\n', out);
    }
}

static void json_stats(const struct stats *s, const struct ngt_vocabulary *v, bool packed,
                       const struct ranked *ranked, uint64_t used, uint64_t top, FILE *out)
{
    struct ngt_json_out j;

    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_member_u64(&j, packed ? "segments" : "documents", s->docs);
    ngt_json_member_u64(&j, "empty", s->empty);
    if (s->dropped)
        ngt_json_member_u64(&j, "dropped", s->dropped);
    ngt_json_member_u64(&j, "tokens", s->tokens);
    ngt_json_member_u64(&j, "targets", s->targets);
    ngt_json_member_u64(&j, "shortest", s->shortest);
    ngt_json_member_u64(&j, "longest", s->longest);
    ngt_json_member_u64(&j, "begin_with_bos", s->begins_bos);
    ngt_json_member_u64(&j, "end_with_eos", s->ends_eos);
    ngt_json_member_u64(&j, "vocabulary_size", s->vocab);
    ngt_json_member_u64(&j, "unused_ids", s->vocab - used);
    if (s->targets) {
        ngt_json_member_double(&j, "unigram_entropy", s->unigram);
        if (!s->pairs_dropped)
            ngt_json_member_double(&j, "bigram_entropy", s->bigram);
    }
    ngt_json_key(&j, "lengths");
    ngt_json_array(&j);
    for (unsigned b = 0; b < BUCKETS; b++)
        if (s->histogram[b]) {
            ngt_json_object(&j);
            ngt_json_member_u64(&j, "from", b ? 1ull << (b - 1) : 0);
            ngt_json_member_u64(&j, "to", b ? (1ull << b) - 1 : 0);
            ngt_json_member_u64(&j, "count", s->histogram[b]);
            ngt_json_object_end(&j);
        }
    ngt_json_array_end(&j);
    ngt_json_key(&j, "frequent");
    ngt_json_array(&j);
    for (uint64_t i = 0; i < used && i < top; i++) {
        uint64_t at = v->starts[ranked[i].id];
        ngt_json_object(&j);
        ngt_json_member_u64(&j, "id", ranked[i].id);
        ngt_json_member_u64(&j, "count", ranked[i].count);
        ngt_json_key(&j, "text");
        ngt_json_string_n(&j, (const char *)v->bytes + at, v->starts[ranked[i].id + 1] - at);
        ngt_json_object_end(&j);
    }
    ngt_json_array_end(&j);
    ngt_json_object_end(&j);
    fwrite(j.bytes, 1, j.size, out);
    ngt_json_out_done(&j);
}

enum ngt_status dump_stats(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                           struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(set->readers[0]);
    struct stats s = {
        .vocab = h->vocab_size, .bos = h->bos_id, .eos = h->eos_id, .dropped = set->dropped};
    uint32_t *ids = malloc(PIECE * sizeof *ids);
    struct ranked *ranked = NULL;
    struct ngt_vocabulary v;
    uint64_t used;
    enum ngt_status status = NGT_OK;

    if (c->range || c->doc_given || c->at) {
        status = ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                          "--stats looks at whole shards; leave --range, --doc and --at away");
        goto out;
    }
    s.count = calloc(s.vocab, sizeof *s.count);
    s.target_count = calloc(s.vocab, sizeof *s.target_count);
    if (!ids || !s.count || !s.target_count)
        goto no_memory;
    for (uint64_t i = 0; i < set->count && status == NGT_OK; i++)
        status = h->kind == NGT_PACKED ? add_sequences(&s, set->readers[i], ids, reterr)
                                       : add_documents(&s, set->readers[i], ids, reterr);
    if (status != NGT_OK || (status = ngt_reader_vocabulary(set->readers[0], &v, reterr)) != NGT_OK)
        goto out;
    entropies(&s);
    ranked = rank(&s, &used);
    if (!ranked)
        goto no_memory;
    (c->json ? json_stats : text_stats)(&s, &v, h->kind == NGT_PACKED, ranked, used, c->top, out);
    goto out;
no_memory:
    status =
        ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory for statistics");
out:
    free(ids);
    free(s.count);
    free(s.target_count);
    free(s.pairs);
    free(ranked);
    return status;
}
