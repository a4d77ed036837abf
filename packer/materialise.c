#include "materialise.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 256u /* segments a work item */

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(
        reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
        "out of memory for a window of sequences; make it smaller with --window-tokens");
}

enum ngt_status packer_window_init(struct packer_window *w, uint64_t seq_len, uint64_t rows,
                                   struct ngt_error *reterr)
{
    *w = (struct packer_window){.seq_len = seq_len, .room = rows};
    w->ids = malloc(rows * seq_len * sizeof *w->ids);
    w->segment_first = calloc(rows + 1, sizeof *w->segment_first);
    w->loss_first = calloc(rows + 1, sizeof *w->loss_first);
    if (w->ids && w->segment_first && w->loss_first)
        return NGT_OK;
    packer_window_done(w);
    return no_memory(reterr);
}

void packer_window_done(struct packer_window *w)
{
    free(w->ids);
    free(w->segments);
    free(w->segment_first);
    free(w->loss);
    free(w->loss_first);
    free(w->by_place);
    *w = (struct packer_window){0};
}

/* ---- the segments of the window, from the plan ---- */

static bool grow_segments(struct packer_window *w, uint64_t n)
{
    if (w->segment_count + n <= w->segment_room)
        return true;
    uint64_t room = (w->segment_count + n) * 2;
    struct ngt_segment *larger = realloc(w->segments, room * sizeof *larger);
    if (!larger)
        return false;
    w->segments = larger;
    w->segment_room = room;
    return true;
}

static enum ngt_status list_row(struct packer_window *w, const struct packer_plan *plan,
                                uint64_t row, uint64_t at, struct packer_piece **pieces,
                                uint64_t *piece_room, struct ngt_error *reterr)
{
    uint64_t n, start = 0;
    enum ngt_status status = packer_plan_sequence(plan, at, *piece_room, *pieces, &n, reterr);

    if (status == NGT_OK && n > *piece_room) {
        free(*pieces);
        *piece_room = n * 2;
        *pieces = malloc(*piece_room * sizeof **pieces);
        if (!*pieces)
            return no_memory(reterr);
        status = packer_plan_sequence(plan, at, *piece_room, *pieces, &n, reterr);
    }
    if (status != NGT_OK)
        return status;
    if (!grow_segments(w, n))
        return no_memory(reterr);
    for (uint64_t i = 0; i < n; i++) {
        const struct packer_piece *p = &(*pieces)[i];
        w->segments[w->segment_count++] = (struct ngt_segment){.start = (uint32_t)start,
                                                               .length = p->length,
                                                               .doc = p->doc,
                                                               .doc_offset = p->offset,
                                                               .successor = NGT_NO_ID};
        start += p->length;
    }
    w->segment_first[row + 1] = w->segment_count;
    return NGT_OK;
}

/* ---- ids, in the order of the input ---- */

struct fill {
    struct packer_window *w;
    const struct ngt_dataset *set;
    const struct packer_shuffle *shuffle;
    const uint32_t *row_of; /* [segments] */
};

/* Ids [first, first + n) of a shard, or those that took their places. */
static enum ngt_status read_ids(const struct fill *f, uint64_t shard, uint64_t first, uint64_t n,
                                uint32_t *ret_ids, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    if (!f->shuffle)
        return ngt_reader_ids(f->set->readers[shard], first, n, ret_ids, reterr);
    for (uint64_t i = 0; i < n && status == NGT_OK; i++) {
        uint64_t g = ngt_permutation_at(f->shuffle->order, f->shuffle->first[shard] + first + i),
                 from = 0;
        while (g >= f->shuffle->first[from + 1])
            from++;
        status = ngt_reader_ids(f->set->readers[from], g - f->shuffle->first[from], 1, &ret_ids[i],
                                reterr);
    }
    return status;
}

static enum ngt_status fill_chunk(void *arg, uint64_t item, unsigned worker,
                                  struct ngt_error *reterr)
{
    struct fill *f = arg;
    struct packer_window *w = f->w;
    uint64_t at = item * CHUNK, end = at + CHUNK < w->segment_count ? at + CHUNK : w->segment_count;
    enum ngt_status status = NGT_OK;

    (void)worker;
    for (; at < end && status == NGT_OK; at++) {
        uint64_t i = w->by_place[at], shard, doc, first, n;
        struct ngt_segment *s = &w->segments[i];
        if ((status = ngt_dataset_doc(f->set, s->doc, &shard, &doc, reterr)) != NGT_OK)
            return status;
        const struct ngt_reader *r = f->set->readers[shard];
        if ((status = ngt_reader_doc(r, doc, &first, &n, reterr)) != NGT_OK)
            return status;
        if (s->doc_offset > n || s->length > n - s->doc_offset)
            return ngt_fail(reterr, NGT_E_IO, ngt_reader_path(r), NGT_NO_POS, doc,
                            "a document changed its length while it was packed");
        uint32_t *to = w->ids + f->row_of[i] * w->seq_len + s->start;
        status = read_ids(f, shard, first + s->doc_offset, s->length, to, reterr);
        if (status == NGT_OK && s->doc_offset + s->length < n)
            status =
                read_ids(f, shard, first + s->doc_offset + s->length, 1, &s->successor, reterr);
    }
    return status;
}

static void pad_rows(struct packer_window *w, uint32_t pad)
{
    for (uint64_t row = 0; row < w->count; row++) {
        uint64_t last = w->segment_first[row + 1], used = 0;
        if (last > w->segment_first[row])
            used = (uint64_t)w->segments[last - 1].start + w->segments[last - 1].length;
        for (uint64_t i = used; i < w->seq_len; i++)
            w->ids[row * w->seq_len + i] = pad;
    }
}

/* ---- loss spans: from tokens of documents to positions of rows ---- */

static bool add_span(struct packer_window *w, uint64_t row, uint64_t first, uint64_t n)
{
    bool joins = w->loss_count > w->loss_first[row];

    /* spans that touch become one, so that the bytes do not depend on where documents were cut */
    if (joins && w->loss[2 * w->loss_count - 2] + w->loss[2 * w->loss_count - 1] == first) {
        w->loss[2 * w->loss_count - 1] += n;
        return true;
    }
    if (w->loss_count == w->loss_room) {
        uint64_t room = w->loss_room ? w->loss_room * 2 : 256;
        uint64_t *larger = realloc(w->loss, 2 * room * sizeof *larger);
        if (!larger)
            return false;
        w->loss = larger;
        w->loss_room = room;
    }
    w->loss[2 * w->loss_count] = first;
    w->loss[2 * w->loss_count + 1] = n;
    w->loss_count++;
    return true;
}

/* Position p of a segment predicts token doc_offset + (p - start) + 1 of its document. */
static enum ngt_status add_segment_loss(struct packer_window *w, const struct ngt_dataset *set,
                                        uint64_t row, const struct ngt_segment *s,
                                        struct ngt_error *reterr)
{
    uint64_t shard, doc, span, spans;
    bool all;
    enum ngt_status status = ngt_dataset_doc(set, s->doc, &shard, &doc, reterr);

    if (status == NGT_OK)
        status = ngt_reader_loss(set->readers[shard], doc, &all, &span, &spans, reterr);
    if (status != NGT_OK)
        return status;
    if (all)
        return add_span(w, row, s->start, s->length) ? NGT_OK : no_memory(reterr);
    uint64_t low = s->doc_offset + 1,
             high = s->doc_offset + s->length + 1; /* tokens predicted here */
    for (uint64_t i = span; i < span + spans; i++) {
        uint64_t from, n;
        if ((status = ngt_reader_loss_span(set->readers[shard], i, &from, &n, reterr)) != NGT_OK)
            return status;
        uint64_t to = from + n;
        from = from > low ? from : low;
        to = to < high ? to : high;
        if (from < to && !add_span(w, row, s->start + from - low, to - from))
            return no_memory(reterr);
    }
    return NGT_OK;
}

static bool has_loss(const struct ngt_dataset *set)
{
    for (uint64_t i = 0; i < set->count; i++)
        if (ngt_reader_section(set->readers[i], NGT_S_LOSS_SPANS))
            return true;
    return false;
}

static enum ngt_status add_loss(struct packer_window *w, const struct ngt_dataset *set,
                                struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    w->loss_count = 0;
    for (uint64_t row = 0; row < w->count; row++) {
        w->loss_first[row] = w->loss_count;
        for (uint64_t i = w->segment_first[row]; i < w->segment_first[row + 1] && status == NGT_OK;
             i++)
            status = add_segment_loss(w, set, row, &w->segments[i], reterr);
    }
    w->loss_first[w->count] = w->loss_count;
    if (status == NGT_OK && !w->loss && !(w->loss = calloc(2, sizeof *w->loss)))
        status = no_memory(reterr);
    return status;
}

/* ---- ---- */

struct placed {
    uint64_t doc, offset, index;
};

static int by_input(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->doc != y->doc)
        return x->doc < y->doc ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum ngt_status order_by_place(struct packer_window *w, struct ngt_error *reterr)
{
    struct placed *all = malloc((w->segment_count + 1) * sizeof *all);

    if (w->place_room < w->segment_count || !w->by_place) {
        free(w->by_place);
        w->place_room = w->segment_room + 1;
        w->by_place = malloc(w->place_room * sizeof *w->by_place);
    }
    if (!all || !w->by_place) {
        free(all);
        return no_memory(reterr);
    }
    for (uint64_t i = 0; i < w->segment_count; i++)
        all[i] = (struct placed){w->segments[i].doc, w->segments[i].doc_offset, i};
    qsort(all, w->segment_count, sizeof *all, by_input);
    for (uint64_t i = 0; i < w->segment_count; i++)
        w->by_place[i] = all[i].index;
    free(all);
    return NGT_OK;
}

enum ngt_status packer_window_fill(struct packer_window *w, const struct packer_plan *plan,
                                   const struct ngt_dataset *set,
                                   const struct packer_shuffle *shuffle, uint64_t first,
                                   uint64_t count, uint32_t pad, struct ngt_pool *pool,
                                   struct ngt_error *reterr)
{
    struct packer_piece *pieces = NULL;
    uint64_t piece_room = 0;
    uint32_t *row_of = NULL;
    enum ngt_status status = NGT_OK;

    w->count = count;
    w->segment_count = 0;
    for (uint64_t row = 0; row < count && status == NGT_OK; row++)
        status = list_row(w, plan, row, first + row, &pieces, &piece_room, reterr);
    free(pieces);
    if (status == NGT_OK)
        status = order_by_place(w, reterr);
    if (status != NGT_OK)
        return status;
    row_of = malloc((w->segment_count + 1) * sizeof *row_of);
    if (!row_of)
        return no_memory(reterr);
    for (uint64_t row = 0; row < count; row++)
        for (uint64_t i = w->segment_first[row]; i < w->segment_first[row + 1]; i++)
            row_of[i] = (uint32_t)row;
    struct fill f = {w, set, shuffle, row_of};
    status = ngt_pool_each(pool, w->segment_count / CHUNK + 1, fill_chunk, &f, reterr);
    free(row_of);
    pad_rows(w, pad);
    if (status == NGT_OK && has_loss(set))
        status = add_loss(w, set, reterr);
    return status;
}
