/* The three methods. See packer/plan.h for what they mean. */
#include "packer/plan.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/permutation.h"
#include "refine.h"
#include "rooms.h"

#define HERE NGT_NO_POS, NGT_NO_POS

#define PART                                                                                       \
    (1ull << 63) /* a document number is never that large: each takes 8 bytes of memory            \
                  */

const char *const packer_method_names[] = {"best-fit", "concat", "first-fit", NULL};

/*
 * Sequences before the shuffle: first one for each whole piece (best-fit, first-fit), in document
 * order, then the bins in the order they were opened. concat has neither: sequence i is tokens [iT,
 * iT + T).
 */
struct packer_plan {
    const uint64_t *lengths;
    uint64_t docs, seq_len, seed;
    enum packer_method method;
    uint64_t sequences;
    struct ngt_permutation *order;

    /* documents of at least T tokens: number and first sequence; one more entry closes the list */
    struct long_doc {
        uint64_t doc, first;
    } * longs;
    uint64_t long_count, whole; /* whole: sequences that are one piece of T */
    uint64_t *bin_first;        /* [bins + 1] into bin_docs */
    uint64_t *bin_docs;         /* documents whose rest stands in the bin, in the order placed */
    uint64_t bins;
    struct packer_part *parts; /* of divided rests; bin_docs refers to them by PART | index */
    uint64_t part_count;

    uint64_t *starts; /* concat: [docs + 1] first token of each document */
};

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the packing plan");
}

/* ---- pieces ---- */

static enum ngt_status list_longs(struct packer_plan *p, struct ngt_error *reterr)
{
    uint64_t n = 0;

    for (uint64_t d = 0; d < p->docs; d++)
        n += p->lengths[d] >= p->seq_len;
    p->longs = calloc(n + 1, sizeof *p->longs);
    if (!p->longs)
        return no_memory(reterr);
    for (uint64_t d = 0; d < p->docs; d++)
        if (p->lengths[d] >= p->seq_len) {
            p->longs[p->long_count++] = (struct long_doc){d, p->whole};
            p->whole += p->lengths[d] / p->seq_len;
        }
    p->longs[p->long_count] = (struct long_doc){p->docs, p->whole};
    return NGT_OK;
}

/* Documents with a rest; longest rest first, equal ones in document order (a counting sort). */
static uint64_t *sorted_rests(const struct packer_plan *p, uint64_t *ret_count)
{
    uint64_t *at = calloc(p->seq_len + 1, sizeof *at), *order = NULL, n = 0;

    if (!at)
        return NULL;
    for (uint64_t d = 0; d < p->docs; d++)
        at[p->lengths[d] % p->seq_len]++;
    for (uint64_t l = p->seq_len - 1; l > 0; l--) {
        uint64_t count = at[l];
        at[l] = n;
        n += count;
    }
    order = malloc((n + 1) * sizeof *order);
    for (uint64_t d = 0; order && d < p->docs; d++) {
        uint64_t rest = p->lengths[d] % p->seq_len;
        if (rest)
            order[at[rest]++] = d;
    }
    free(at);
    *ret_count = n;
    return order;
}

/* Documents with a rest, in document order. */
static uint64_t *rests_in_order(const struct packer_plan *p, uint64_t *ret_count)
{
    uint64_t n = 0, *order;

    for (uint64_t d = 0; d < p->docs; d++)
        n += p->lengths[d] % p->seq_len != 0;
    order = malloc((n + 1) * sizeof *order);
    n = 0;
    for (uint64_t d = 0; order && d < p->docs; d++)
        if (p->lengths[d] % p->seq_len)
            order[n++] = d;
    *ret_count = n;
    return order;
}

/* ---- best fit ---- */

/* Bins by free room: a queue for each room, first in first out. */
struct queues {
    struct packer_rooms rooms;
    uint64_t *head, *tail; /* [T + 1] */
    uint64_t *next;        /* [bins] */
};

static void enqueue(struct queues *q, uint64_t room, uint64_t bin)
{
    q->next[bin] = UINT64_MAX;
    if (q->head[room] == UINT64_MAX) {
        q->head[room] = bin;
        packer_rooms_add(&q->rooms, room);
    } else {
        q->next[q->tail[room]] = bin;
    }
    q->tail[room] = bin;
}

static uint64_t dequeue(struct queues *q, uint64_t room)
{
    uint64_t bin = q->head[room];

    q->head[room] = q->next[bin];
    if (q->head[room] == UINT64_MAX)
        packer_rooms_remove(&q->rooms, room);
    return bin;
}

/* bin_of [n] for the pieces in order; *ret_bins bins. */
static bool best_fit(const struct packer_plan *p, const uint64_t *order, uint64_t n,
                     uint64_t *bin_of, uint64_t *ret_bins)
{
    struct queues q = {0};
    uint64_t bins = 0, t = p->seq_len;
    bool good = packer_rooms_init(&q.rooms, t + 1);

    q.head = malloc((t + 1) * sizeof *q.head);
    q.tail = malloc((t + 1) * sizeof *q.tail);
    q.next = malloc((n + 1) * sizeof *q.next);
    good = good && q.head && q.tail && q.next;
    if (good) {
        memset(q.head, 0xFF, (t + 1) * sizeof *q.head);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t length = p->lengths[order[i]] % t,
                     room = packer_rooms_at_least(&q.rooms, length);
            if (room == UINT64_MAX) {
                bin_of[i] = bins++;
                room = t;
            } else {
                bin_of[i] = dequeue(&q, room);
            }
            if (room > length)
                enqueue(&q, room - length, bin_of[i]);
        }
    }
    packer_rooms_done(&q.rooms);
    free(q.head);
    free(q.tail);
    free(q.next);
    *ret_bins = bins;
    return good;
}

/* ---- first fit: a tree of the largest room below each node; leaves are the bins in the order of
 * opening ---- */

static bool first_fit(const struct packer_plan *p, const uint64_t *order, uint64_t n,
                      uint64_t *bin_of, uint64_t *ret_bins)
{
    uint64_t leaves = 1, bins = 0;

    while (leaves < n)
        leaves *= 2;
    uint32_t *room = malloc(2 * leaves * sizeof *room);
    if (!room)
        return false;
    /* an unopened bin has all its room: the first that fits is then also the next to open */
    for (uint64_t i = 0; i < 2 * leaves; i++)
        room[i] = (uint32_t)p->seq_len;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t length = (uint32_t)(p->lengths[order[i]] % p->seq_len);
        uint64_t node = 1;
        while (node < leaves)
            node = room[2 * node] >= length ? 2 * node : 2 * node + 1;
        bin_of[i] = node - leaves;
        if (bin_of[i] >= bins)
            bins = bin_of[i] + 1;
        room[node] -= length;
        while (node /= 2)
            room[node] = room[2 * node] > room[2 * node + 1] ? room[2 * node] : room[2 * node + 1];
    }
    free(room);
    *ret_bins = bins;
    return true;
}

/* Best-fit decreasing that ended above the bound: bins are dissolved (refine.h). */
static bool refine(struct packer_plan *p, const uint64_t *order, uint64_t n, uint64_t *bin_of)
{
    uint64_t tokens = 0, most;

    for (uint64_t d = 0; d < p->docs; d++)
        tokens += p->lengths[d];
    most = packer_bound(tokens, p->seq_len);
    if (p->whole + p->bins <= most)
        return true;
    struct packer_refinement r = {p->lengths, order, p->seq_len, n, bin_of, p->bins, NULL, 0};
    bool good = packer_refine(&r, most - p->whole);
    p->bins = r.bins;
    p->parts = r.parts;
    p->part_count = r.part_count;
    return good;
}

static enum ngt_status fill_bins(struct packer_plan *p, struct ngt_error *reterr)
{
    uint64_t n = 0;
    enum ngt_status status = NGT_OK;
    uint64_t *order = p->method == PACKER_BEST_FIT ? sorted_rests(p, &n) : rests_in_order(p, &n);
    uint64_t *bin_of = malloc((n + 1) * sizeof *bin_of);
    bool good = order && bin_of;

    if (good)
        good = p->method == PACKER_BEST_FIT ? best_fit(p, order, n, bin_of, &p->bins)
                                            : first_fit(p, order, n, bin_of, &p->bins);
    if (good && p->method == PACKER_BEST_FIT)
        good = refine(p, order, n, bin_of);
    if (good) {
        p->bin_first = calloc(p->bins + 2, sizeof *p->bin_first);
        p->bin_docs = malloc((n + p->part_count + 1) * sizeof *p->bin_docs);
        good = p->bin_first && p->bin_docs;
    }
    if (good) {
        /* counted two further on: bin b then begins at bin_first[b + 1], and filling moves that to
         * its end, which is where b + 1 begins */
        for (uint64_t i = 0; i < n; i++)
            if (bin_of[i] != UINT64_MAX)
                p->bin_first[bin_of[i] + 2]++;
        for (uint64_t k = 0; k < p->part_count; k++)
            p->bin_first[p->parts[k].bin + 2]++;
        for (uint64_t b = 2; b <= p->bins + 1; b++)
            p->bin_first[b] += p->bin_first[b - 1];
        for (uint64_t i = 0; i < n; i++)
            if (bin_of[i] != UINT64_MAX)
                p->bin_docs[p->bin_first[bin_of[i] + 1]++] = order[i];
        for (uint64_t k = 0; k < p->part_count; k++)
            p->bin_docs[p->bin_first[p->parts[k].bin + 1]++] = PART | k;
    } else {
        status = no_memory(reterr);
    }
    free(order);
    free(bin_of);
    return status;
}

static enum ngt_status add_starts(struct packer_plan *p, struct ngt_error *reterr)
{
    p->starts = malloc((p->docs + 1) * sizeof *p->starts);
    if (!p->starts)
        return no_memory(reterr);
    p->starts[0] = 0;
    for (uint64_t d = 0; d < p->docs; d++)
        p->starts[d + 1] = p->starts[d] + p->lengths[d];
    return NGT_OK;
}

enum ngt_status packer_plan_new(const uint64_t *lengths, uint64_t docs, uint64_t seq_len,
                                enum packer_method method, uint64_t seed,
                                struct packer_plan **ret_plan, struct ngt_error *reterr)
{
    struct packer_plan *p;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (seq_len == 0 || seq_len > PACKER_MAX_LEN)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE, "sequence length %llu is not in 1 .. %u",
                        (unsigned long long)seq_len, PACKER_MAX_LEN);
    p = calloc(1, sizeof *p);
    if (!p)
        return no_memory(reterr);
    *p = (struct packer_plan){
        .lengths = lengths, .docs = docs, .seq_len = seq_len, .seed = seed, .method = method};
    if (method == PACKER_CONCAT) {
        status = add_starts(p, reterr);
        if (status == NGT_OK)
            p->sequences = p->starts[docs] / seq_len + (p->starts[docs] % seq_len != 0);
    } else {
        status = list_longs(p, reterr);
        if (status == NGT_OK)
            status = fill_bins(p, reterr);
        p->sequences = p->whole + p->bins;
    }
    if (status == NGT_OK)
        status = ngt_permutation_new(p->sequences, ngt_permutation_key(seed, 0, NGT_PURPOSE_PACK),
                                     &p->order, reterr);
    if (status == NGT_OK)
        *ret_plan = p;
    else
        packer_plan_free(&p);
    return status;
}

void packer_plan_free(struct packer_plan **plan)
{
    struct packer_plan *p = *plan;

    if (!p)
        return;
    ngt_permutation_free(&p->order);
    free(p->longs);
    free(p->bin_first);
    free(p->bin_docs);
    free(p->parts);
    free(p->starts);
    free(p);
    *plan = NULL;
}

uint64_t packer_plan_sequences(const struct packer_plan *plan)
{
    return plan->sequences;
}

/* ---- one sequence ---- */

static void put(struct packer_piece *pieces, uint64_t room, uint64_t at, struct packer_piece piece)
{
    if (at < room)
        pieces[at] = piece;
}

static void whole_piece(const struct packer_plan *p, uint64_t sequence, uint64_t room,
                        struct packer_piece *ret)
{
    uint64_t low = 0, high = p->long_count;

    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (p->longs[middle].first <= sequence)
            low = middle;
        else
            high = middle;
    }
    put(ret, room, 0,
        (struct packer_piece){p->longs[low].doc, (sequence - p->longs[low].first) * p->seq_len,
                              (uint32_t)p->seq_len});
}

static enum ngt_status bin_pieces(const struct packer_plan *p, uint64_t sequence, uint64_t room,
                                  struct packer_piece *ret, uint64_t *ret_count,
                                  struct ngt_error *reterr)
{
    uint64_t bin = sequence - p->whole, first = p->bin_first[bin],
             n = p->bin_first[bin + 1] - first;
    struct ngt_permutation *order = NULL;
    enum ngt_status status = ngt_permutation_new(
        n, ngt_permutation_key(p->seed, sequence, NGT_PURPOSE_SEGMENTS), &order, reterr);

    if (status != NGT_OK)
        return status;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t doc = p->bin_docs[first + ngt_permutation_at(order, i)];
        if (doc & PART) {
            put(ret, room, i, p->parts[doc & ~PART].piece);
        } else {
            uint64_t rest = p->lengths[doc] % p->seq_len;
            put(ret, room, i, (struct packer_piece){doc, p->lengths[doc] - rest, (uint32_t)rest});
        }
    }
    ngt_permutation_free(&order);
    *ret_count = n;
    return NGT_OK;
}

static uint64_t concat_pieces(const struct packer_plan *p, uint64_t sequence, uint64_t room,
                              struct packer_piece *ret)
{
    uint64_t at = sequence * p->seq_len, end = at + p->seq_len, low = 0, high = p->docs, n = 0;

    if (end > p->starts[p->docs])
        end = p->starts[p->docs];
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (p->starts[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    for (uint64_t d = low; at < end; d++) {
        uint64_t stop = p->starts[d + 1] < end ? p->starts[d + 1] : end;
        if (stop <= at)
            continue;
        put(ret, room, n++, (struct packer_piece){d, at - p->starts[d], (uint32_t)(stop - at)});
        at = stop;
    }
    return n;
}

enum ngt_status packer_plan_sequence(const struct packer_plan *plan, uint64_t at, uint64_t room,
                                     struct packer_piece *ret_pieces, uint64_t *ret_count,
                                     struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (at >= plan->sequences)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, NGT_NO_POS, at,
                        "the plan has only %llu sequences", (unsigned long long)plan->sequences);
    uint64_t sequence = ngt_permutation_at(plan->order, at);
    if (plan->method == PACKER_CONCAT) {
        *ret_count = concat_pieces(plan, sequence, room, ret_pieces);
    } else if (sequence < plan->whole) {
        whole_piece(plan, sequence, room, ret_pieces);
        *ret_count = 1;
    } else {
        return bin_pieces(plan, sequence, room, ret_pieces, ret_count, reterr);
    }
    return NGT_OK;
}

/* ---- reports ---- */

/* Pieces of one document of n tokens that begins at token `start` of the whole (concat), or by
 * itself. */
static uint64_t pieces_of(uint64_t n, uint64_t start, uint64_t t, enum packer_method method)
{
    if (n == 0)
        return 0;
    if (method == PACKER_CONCAT)
        return (start + n - 1) / t - start / t + 1;
    return n / t + (n % t != 0);
}

static struct packer_report count(const uint64_t *lengths, uint64_t docs, uint64_t t,
                                  enum packer_method method)
{
    struct packer_report r = {.seq_len = t, .documents = docs};

    for (uint64_t d = 0; d < docs; d++) {
        uint64_t pieces = pieces_of(lengths[d], r.tokens, t, method);
        r.filled += lengths[d] != 0;
        r.tokens += lengths[d];
        r.segments += pieces;
        r.cut += pieces > 1;
    }
    r.targets = r.tokens - r.filled;
    return r;
}

struct packer_report packer_plan_report(const struct packer_plan *p)
{
    struct packer_report r = count(p->lengths, p->docs, p->seq_len, p->method);

    r.sequences = p->sequences;
    r.padding = r.sequences * p->seq_len - r.tokens;
    if (p->method != PACKER_CONCAT)
        r.segments = p->whole + p->bin_first[p->bins];
    return r;
}

/*
 * Best-fit decreasing on counts: n pieces of one length fill a bin of room c (the smallest that
 * suffices) one after the other, because after each its room is still the smallest that suffices,
 * until it holds c / length of them. Hence all bins of one room are served in one step.
 */
static enum ngt_status estimate_bins(const uint64_t *lengths, uint64_t docs, uint64_t t,
                                     uint64_t *ret_bins, struct ngt_error *reterr)
{
    struct packer_rooms rooms;
    uint64_t *pieces = calloc(t + 1, sizeof *pieces), *bins = calloc(t + 1, sizeof *bins),
             opened = 0;
    bool good = packer_rooms_init(&rooms, t + 1) && pieces && bins;

    for (uint64_t d = 0; good && d < docs; d++)
        pieces[lengths[d] % t]++;
    for (uint64_t l = t - 1; good && l > 0; l--) {
        uint64_t n = pieces[l];
        while (n) {
            uint64_t room = packer_rooms_at_least(&rooms, l), each, used, last = 0;
            if (room == UINT64_MAX) {
                room = t;
                each = t / l;
                used = n / each + (n % each != 0);
                opened += used;
            } else {
                each = room / l;
                used = n / each + (n % each != 0);
                used = used < bins[room] ? used : bins[room];
                bins[room] -= used;
                if (bins[room] == 0)
                    packer_rooms_remove(&rooms, room);
            }
            /* all but perhaps the last of these bins take `each` pieces */
            uint64_t full = n / each < used ? n / each : used;
            last = full < used ? n % each : 0;
            n -= full * each + last;
            uint64_t left[2] = {room - each * l, room - last * l},
                     how_many[2] = {full, last ? 1 : 0};
            for (unsigned k = 0; k < 2; k++)
                if (left[k] && how_many[k]) {
                    bins[left[k]] += how_many[k];
                    packer_rooms_add(&rooms, left[k]);
                }
        }
    }
    packer_rooms_done(&rooms);
    free(pieces);
    free(bins);
    *ret_bins = opened;
    return good ? NGT_OK : no_memory(reterr);
}

enum ngt_status packer_estimate(const uint64_t *lengths, uint64_t docs, uint64_t seq_len,
                                enum packer_method method, struct packer_report *ret_report,
                                struct ngt_error *reterr)
{
    uint64_t bins = 0, whole = 0;

    ngt_error_clear(reterr);
    if (seq_len == 0 || seq_len > PACKER_MAX_LEN || method == PACKER_FIRST_FIT)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE, "no estimate for this length or method");
    struct packer_report r = count(lengths, docs, seq_len, method);
    if (method == PACKER_CONCAT) {
        r.sequences = r.tokens / seq_len + (r.tokens % seq_len != 0);
    } else {
        enum ngt_status status = estimate_bins(lengths, docs, seq_len, &bins, reterr);
        if (status != NGT_OK)
            return status;
        for (uint64_t d = 0; d < docs; d++)
            whole += lengths[d] / seq_len;
        r.sequences = whole + bins;
        /* what the plan would refine cannot be told from counts */
        if (r.sequences > packer_bound(r.tokens, seq_len)) {
            struct packer_plan *plan = NULL;
            status = packer_plan_new(lengths, docs, seq_len, method, 0, &plan, reterr);
            if (status != NGT_OK)
                return status;
            r = packer_plan_report(plan);
            packer_plan_free(&plan);
        }
    }
    r.padding = r.sequences * seq_len - r.tokens;
    *ret_report = r;
    return NGT_OK;
}
