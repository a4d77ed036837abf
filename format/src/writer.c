/*
 * One shard, written front to back: header (blank at first), tokens as they come, the other
 * sections at commit, the section table last; then the header is patched in and the file published.
 *
 * Memory: about 7 bytes a document (its length and provenance), and what the optional sections
 * hold, ids and metadata compressed. Token data is put where it is written from, hashed there, and never read
 * back.
 */
#include "ngt/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "frames.h"
#include "layout.h"
#include "ngt/checked.h"
#include "ngt/file.h"
#include "vocabulary.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define DIGEST_BYTES (32u << 10) /* fit into a first-level cache beside what the hash needs */

struct ngt_writer {
    struct ngt_output *out;
    char *path;
    struct ngt_writer_config config;
    struct ngt_header header;

    const uint8_t *fresh; /* token bytes in the output's room that are not hashed yet */
    uint64_t fresh_bytes;
    uint64_t block_bytes; /* of the block that has begun, hashed; < NGT_BLOCK_BYTES */
    struct ngt_bytes block_hashes;
    struct ngt_digest_stream *block_digest, *token_digest;

    uint64_t items;           /* documents or sequences */
    struct ngt_bytes lengths; /* varint an item: ids of a document, segments of a sequence */
    struct ngt_bytes segments;
    struct ngt_bytes sources, provenance, loss_starts, loss_spans, text_hashes;
    struct ngt_frames doc_ids, metadata;
    uint64_t source_count, loss_count;
    bool have_loss, have_ids, have_metadata, have_hashes;
    uint32_t last_source;
    uint64_t last_record, last_offset;

    struct ngt_section sections[NGT_MAX_SECTIONS];
    uint64_t section_count;
};

static enum ngt_status no_memory(struct ngt_writer *w, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, w->path, HERE, "out of memory while writing the shard");
}

static enum ngt_status config_check(const char *path, const struct ngt_writer_config *c,
                                    struct ngt_error *reterr)
{
    if (c->vocab_size == 0 || c->vocab_size > UINT32_MAX)
        return ngt_fail(reterr, NGT_E_RANGE, path, HERE, "vocabulary size %llu out of range",
                        (unsigned long long)c->vocab_size);
    if (!c->vocabulary || c->vocabulary->count != c->vocab_size)
        return ngt_fail(reterr, NGT_E_RANGE, path, HERE,
                        "the vocabulary's count is not the vocabulary size");
    if (c->kind == NGT_PACKED && (c->seq_len == 0 || c->seq_len > UINT32_MAX))
        return ngt_fail(reterr, NGT_E_RANGE, path, HERE, "sequence length %llu out of range",
                        (unsigned long long)c->seq_len);
    const uint32_t ids[3] = {c->bos_id, c->eos_id, c->pad_id};
    for (unsigned i = 0; i < 3; i++)
        if (ids[i] != NGT_NO_ID && ids[i] >= c->vocab_size)
            return ngt_fail(reterr, NGT_E_RANGE, path, HERE,
                            "special id %u is outside the vocabulary", ids[i]);
    return NGT_OK;
}

enum ngt_status ngt_writer_open(const char *path, const struct ngt_writer_config *config,
                                struct ngt_writer **ret_writer, struct ngt_error *reterr)
{
    struct ngt_writer *w = NULL;
    enum ngt_status status;
    static const uint8_t blank[NGT_HEADER_BYTES];

    ngt_error_clear(reterr);
    if ((status = config_check(path, config, reterr)) != NGT_OK)
        return status;
    w = calloc(1, sizeof *w);
    if (!w)
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for a shard writer");
    w->config = *config;
    w->path = strdup(path);
    w->block_digest = ngt_digest_stream_new64();
    w->token_digest = ngt_digest_stream_new64();
    if (!w->path || !w->block_digest || !w->token_digest) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for a shard writer");
        goto out;
    }
    w->header = (struct ngt_header){
        .major = NGT_VERSION_MAJOR,
        .kind = config->kind,
        .id_bytes = config->vocab_size <= 65536 ? 2 : 4,
        .vocab_size = config->vocab_size,
        .bos_id = config->bos_id,
        .eos_id = config->eos_id,
        .pad_id = config->pad_id,
        .flags = config->flags,
        .seq_len = config->kind == NGT_PACKED ? config->seq_len : 0,
        .tokenizer = config->tokenizer,
    };
    if ((status = ngt_output_open(path, &w->out, reterr)) != NGT_OK ||
        (status = ngt_output_write(w->out, blank, sizeof blank, reterr)) != NGT_OK)
        goto out;
    ngt_output_large(w->out);
    *ret_writer = w;
    w = NULL;
out:
    ngt_writer_abort(&w);
    return status;
}

void ngt_writer_abort(struct ngt_writer **wp)
{
    struct ngt_writer *w = *wp;

    if (!w)
        return;
    ngt_output_abort(&w->out);
    ngt_digest_stream_free(&w->block_digest);
    ngt_digest_stream_free(&w->token_digest);
    ngt_bytes_done(&w->block_hashes);
    ngt_bytes_done(&w->lengths);
    ngt_bytes_done(&w->segments);
    ngt_bytes_done(&w->sources);
    ngt_bytes_done(&w->provenance);
    ngt_bytes_done(&w->loss_starts);
    ngt_bytes_done(&w->loss_spans);
    ngt_frames_done(&w->doc_ids);
    ngt_frames_done(&w->metadata);
    ngt_bytes_done(&w->text_hashes);
    free(w->path);
    free(w);
    *wp = NULL;
}

uint64_t ngt_writer_tokens(const struct ngt_writer *w)
{
    return w->header.tokens;
}

uint64_t ngt_writer_docs(const struct ngt_writer *w)
{
    return w->items;
}

uint64_t ngt_writer_strings(const struct ngt_writer *w)
{
    return w->doc_ids.logical + w->doc_ids.open.size + w->metadata.logical + w->metadata.open.size;
}

void ngt_writer_set_docs(struct ngt_writer *w, uint64_t docs, uint64_t filled_docs)
{
    w->header.docs = docs;
    w->header.filled_docs = filled_docs;
}

static void add_string(struct ngt_bytes *b, const char *s)
{
    ngt_bytes_add_varint(b, strlen(s));
    ngt_bytes_add(b, s, strlen(s));
}

enum ngt_status ngt_writer_source(struct ngt_writer *w, const struct ngt_source *source,
                                  uint32_t *ret_index, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (w->source_count == UINT32_MAX)
        return ngt_fail(reterr, NGT_E_RANGE, w->path, HERE,
                        "more than 2^32 - 1 sources in one shard");
    ngt_bytes_add_varint(&w->sources, source->start);
    add_string(&w->sources, source->name);
    add_string(&w->sources, source->member ? source->member : "");
    if (w->sources.failed)
        return no_memory(w, reterr);
    *ret_index = (uint32_t)w->source_count++;
    return NGT_OK;
}

/* ---- tokens ---- */

/* Hashes what was put since the last time, while it is still in the processor's caches. */
static void digest_fresh(struct ngt_writer *w)
{
    ngt_digest_stream_add(w->block_digest, w->fresh, w->fresh_bytes);
    ngt_digest_stream_add(w->token_digest, w->fresh, w->fresh_bytes);
    w->block_bytes += w->fresh_bytes;
    w->fresh_bytes = 0;
}

static void end_block(struct ngt_writer *w)
{
    ngt_bytes_add64(&w->block_hashes, ngt_digest_stream_value64(w->block_digest));
    ngt_digest_stream_reset64(w->block_digest);
    w->block_bytes = 0;
}

/* Where the first id is that the vocabulary does not have, or n. */
static uint64_t first_unknown(const uint32_t *ids, uint64_t n, uint64_t vocab_size)
{
    const uint32_t last = (uint32_t)(vocab_size - 1);
    uint32_t unknown = 0;
    uint64_t i = 0;

    for (uint64_t k = 0; k < n; k++) /* without a branch: several at a time */
        unknown |= ids[k] > last;
    if (!unknown)
        return n;
    while (ids[i] <= last)
        i++;
    return i;
}

static enum ngt_status add_ids(struct ngt_writer *w, const uint32_t *ids, uint64_t n,
                               struct ngt_error *reterr)
{
    const unsigned width = w->header.id_bytes;
    uint64_t at = first_unknown(ids, n, w->header.vocab_size);

    if (at < n)
        return ngt_fail(reterr, NGT_E_RANGE, w->path, NGT_NO_POS, at,
                        "id %u is outside the vocabulary of %llu", ids[at],
                        (unsigned long long)w->header.vocab_size);
    at = 0;
    while (at < n) {
        uint8_t *to;
        uint64_t bytes, left = NGT_BLOCK_BYTES - w->block_bytes - w->fresh_bytes;
        enum ngt_status status = ngt_output_room(w->out, &to, &bytes, reterr);
        if (status != NGT_OK)
            return status;
        uint64_t room = (bytes < left ? bytes : left) / width, take = n - at < room ? n - at : room;
        ngt_ids_encode(ids + at, take, width, to);
        ngt_output_put(w->out, take * width);
        at += take;
        if (!w->fresh_bytes)
            w->fresh = to;
        w->fresh_bytes += take * width;
        /* the room ends, the block ends, or there is enough to be worth a call */
        if (take == room || w->fresh_bytes >= DIGEST_BYTES)
            digest_fresh(w);
        if (w->block_bytes == NGT_BLOCK_BYTES)
            end_block(w);
    }
    return w->block_hashes.failed ? no_memory(w, reterr) : NGT_OK;
}

/* Loss spans of one item; the sections begins to exist with the first item that has some. */
static enum ngt_status add_loss(struct ngt_writer *w, const uint64_t *spans, uint64_t count,
                                uint64_t length, struct ngt_error *reterr)
{
    uint64_t end = 0, at = 0;

    if (!spans && !w->have_loss)
        return NGT_OK;
    if (!w->have_loss) {
        /* all items so far carry loss everywhere: one span each, of their length */
        w->have_loss = true;
        ngt_bytes_add64(&w->loss_starts, 0);
        for (uint64_t i = 0; i < w->items; i++) {
            uint64_t whole = w->config.seq_len;
            if (w->config.kind == NGT_DOCUMENTS)
                (void)ngt_varint_read(w->lengths.bytes, w->lengths.size, &at, &whole);
            if (whole) {
                ngt_bytes_add64(&w->loss_spans, 0);
                ngt_bytes_add64(&w->loss_spans, whole);
                w->loss_count++;
            }
            ngt_bytes_add64(&w->loss_starts, w->loss_count);
        }
    }
    uint64_t all[2] = {0, length};
    if (!spans) {
        spans = all;
        count = length ? 1 : 0;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t first = spans[2 * i], n = spans[2 * i + 1];
        if (n == 0 || first < end || !ngt_in_range(first, n, length))
            return ngt_fail(reterr, NGT_E_RANGE, w->path, NGT_NO_POS, w->items,
                            "loss span %llu is empty, out of order or leaves its document",
                            (unsigned long long)i);
        end = first + n;
        ngt_bytes_add64(&w->loss_spans, first);
        ngt_bytes_add64(&w->loss_spans, n);
    }
    w->loss_count += count;
    ngt_bytes_add64(&w->loss_starts, w->loss_count);
    return w->loss_starts.failed || w->loss_spans.failed ? no_memory(w, reterr) : NGT_OK;
}

/* A string a document; documents before the first that has one get "". */
static enum ngt_status add_doc_string(struct ngt_writer *w, struct ngt_frames *f, bool *have,
                                      const char *s, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    if (!s && !*have)
        return NGT_OK;
    for (uint64_t i = 0; i < w->items && !*have && status == NGT_OK; i++)
        status = ngt_frames_add(f, "", reterr);
    *have = true;
    return status == NGT_OK ? ngt_frames_add(f, s ? s : "", reterr) : status;
}

enum ngt_status ngt_writer_doc(struct ngt_writer *w, const struct ngt_doc *doc,
                               struct ngt_error *reterr)
{
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (w->config.kind != NGT_DOCUMENTS)
        return ngt_fail(reterr, NGT_E_RANGE, w->path, HERE,
                        "a packed shard takes sequences, not documents");
    if (doc->source >= w->source_count)
        return ngt_fail(reterr, NGT_E_RANGE, w->path, NGT_NO_POS, w->items,
                        "document of an unknown source");
    bool fresh = w->items == 0 || doc->source != w->last_source;
    if (w->items && (doc->source < w->last_source ||
                     (!fresh && (doc->record < w->last_record || doc->offset < w->last_offset))))
        return ngt_fail(reterr, NGT_E_RANGE, w->path, NGT_NO_POS, w->items,
                        "documents must follow their sources' order");
    if (w->items && (doc->text_hash != NULL) != w->have_hashes)
        return ngt_fail(reterr, NGT_E_RANGE, w->path, NGT_NO_POS, w->items,
                        "a text hash for some documents only");
    if ((status = add_ids(w, doc->ids, doc->count, reterr)) != NGT_OK ||
        (status = add_loss(w, doc->loss_spans, doc->loss_span_count, doc->count, reterr)) != NGT_OK)
        return status;
    ngt_bytes_add_varint(&w->provenance, doc->source - w->last_source);
    ngt_bytes_add_varint(&w->provenance, fresh ? doc->record : doc->record - w->last_record);
    ngt_bytes_add_varint(&w->provenance, fresh ? doc->offset : doc->offset - w->last_offset);
    if ((status = add_doc_string(w, &w->doc_ids, &w->have_ids, doc->id, reterr)) != NGT_OK ||
        (status = add_doc_string(w, &w->metadata, &w->have_metadata, doc->metadata, reterr)) !=
            NGT_OK)
        return status;
    if (doc->text_hash) {
        w->have_hashes = true;
        ngt_bytes_add64(&w->text_hashes, doc->text_hash->low);
        ngt_bytes_add64(&w->text_hashes, doc->text_hash->high);
    }
    w->last_source = doc->source;
    w->last_record = doc->record;
    w->last_offset = doc->offset;
    w->items++;
    w->header.docs++;
    w->header.tokens += doc->count;
    if (doc->count) {
        w->header.filled_docs++;
        w->header.targets += doc->count - 1;
    }
    ngt_bytes_add_varint(&w->lengths, doc->count);
    return w->lengths.failed || w->provenance.failed || w->text_hashes.failed ? no_memory(w, reterr)
                                                                              : NGT_OK;
}

enum ngt_status ngt_writer_sequence(struct ngt_writer *w, const uint32_t *ids,
                                    const struct ngt_segment *segments, uint64_t segment_count,
                                    const uint64_t *loss_spans, uint64_t loss_span_count,
                                    struct ngt_error *reterr)
{
    enum ngt_status status;
    uint64_t end = 0;

    ngt_error_clear(reterr);
    if (w->config.kind != NGT_PACKED)
        return ngt_fail(reterr, NGT_E_RANGE, w->path, HERE,
                        "a document shard takes documents, not sequences");
    for (uint64_t i = 0; i < segment_count; i++) {
        const struct ngt_segment *s = &segments[i];
        if (s->length == 0 || s->start < end ||
            !ngt_in_range(s->start, s->length, w->config.seq_len) ||
            (s->successor != NGT_NO_ID && s->successor >= w->header.vocab_size))
            return ngt_fail(
                reterr, NGT_E_RANGE, w->path, NGT_NO_POS, w->items,
                "segment %llu is empty, out of order, leaves its sequence or has a bad successor",
                (unsigned long long)i);
        end = (uint64_t)s->start + s->length;
    }
    if ((status = add_ids(w, ids, w->config.seq_len, reterr)) != NGT_OK ||
        (status = add_loss(w, loss_spans, loss_span_count, w->config.seq_len, reterr)) != NGT_OK)
        return status;
    for (uint64_t i = 0; i < segment_count; i++) {
        uint8_t bytes[NGT_SEGMENT_BYTES];
        ngt_segment_encode(&segments[i], bytes);
        ngt_bytes_add(&w->segments, bytes, sizeof bytes);
        w->header.tokens += segments[i].length;
        w->header.targets += segments[i].length - (segments[i].successor == NGT_NO_ID);
    }
    w->header.segments += segment_count;
    w->header.sequences++;
    w->items++;
    ngt_bytes_add_varint(&w->lengths, segment_count);
    return w->lengths.failed || w->segments.failed ? no_memory(w, reterr) : NGT_OK;
}

/* ---- the other sections ---- */

static enum ngt_status pad(struct ngt_writer *w, struct ngt_error *reterr)
{
    static const uint8_t zeros[NGT_ALIGN];
    uint64_t over = ngt_output_size(w->out) % NGT_ALIGN;

    return over ? ngt_output_write(w->out, zeros, NGT_ALIGN - over, reterr) : NGT_OK;
}

static enum ngt_status put_section(struct ngt_writer *w, enum ngt_section_kind kind, bool required,
                                   enum ngt_encoding encoding, const struct ngt_bytes *stored,
                                   uint64_t logical_bytes, struct ngt_error *reterr)
{
    enum ngt_status status = stored->failed ? no_memory(w, reterr) : pad(w, reterr);

    if (status != NGT_OK)
        return status;
    w->sections[w->section_count++] = (struct ngt_section){
        .kind = kind,
        .required = required,
        .encoding = encoding,
        .offset = ngt_output_size(w->out),
        .stored_bytes = stored->size,
        .logical_bytes = logical_bytes,
        .hash = ngt_digest64(stored->bytes, stored->size),
    };
    return ngt_output_write(w->out, stored->bytes, stored->size, reterr);
}

static enum ngt_status add_section(struct ngt_writer *w, enum ngt_section_kind kind, bool required,
                                   bool compressed, const struct ngt_bytes *content,
                                   struct ngt_error *reterr)
{
    struct ngt_bytes frame = {0};
    enum ngt_status status;

    if (!compressed)
        return put_section(w, kind, required, NGT_RAW, content, content->size, reterr);
    status = content->failed ? no_memory(w, reterr) : ngt_compress(content, &frame, reterr);
    if (status == NGT_OK)
        status = put_section(w, kind, required, NGT_ZSTD, &frame, content->size, reterr);
    ngt_bytes_done(&frame);
    return status;
}

static enum ngt_status add_frames(struct ngt_writer *w, enum ngt_section_kind kind,
                                  struct ngt_frames *frames, struct ngt_error *reterr)
{
    struct ngt_bytes section = {0};
    enum ngt_status status = ngt_frames_end(frames, &section, reterr);

    w->header.minor = 1;
    if (status == NGT_OK)
        status = put_section(w, kind, false, NGT_FRAMED, &section, frames->logical, reterr);
    ngt_bytes_done(&section);
    return status;
}

static enum ngt_status add_pairs(struct ngt_writer *w, enum ngt_section_kind kind,
                                 const struct ngt_pair *pairs, uint64_t count,
                                 struct ngt_error *reterr)
{
    struct ngt_bytes text = {0};
    enum ngt_status status = NGT_OK;

    for (uint64_t i = 0; i < count && status == NGT_OK; i++) {
        if (!pairs[i].key[0] || strpbrk(pairs[i].key, "\t\n") || strpbrk(pairs[i].value, "\t\n"))
            status = ngt_fail(reterr, NGT_E_RANGE, w->path, NGT_NO_POS, i,
                              "%s: \"%s\" or its value is empty or holds a tab or newline",
                              ngt_section_name(kind), pairs[i].key);
        ngt_bytes_add(&text, pairs[i].key, strlen(pairs[i].key));
        ngt_bytes_add(&text, "\t", 1);
        ngt_bytes_add(&text, pairs[i].value, strlen(pairs[i].value));
        ngt_bytes_add(&text, "\n", 1);
    }
    if (status == NGT_OK)
        status = add_section(w, kind, false, true, &text, reterr);
    ngt_bytes_done(&text);
    return status;
}

static enum ngt_status add_ledger(struct ngt_writer *w, const struct ngt_counter *counters,
                                  uint64_t count, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_E_NOMEM;
    struct ngt_pair *pairs = calloc(count + 1, sizeof *pairs);
    char(*values)[24] = calloc(count + 1, sizeof *values);

    if (!pairs || !values) {
        status = no_memory(w, reterr);
        goto out;
    }
    for (uint64_t i = 0; i < count; i++) {
        snprintf(values[i], sizeof values[i], "%llu", (unsigned long long)counters[i].value);
        pairs[i] = (struct ngt_pair){counters[i].key, values[i]};
    }
    status = add_pairs(w, NGT_S_LEDGER, pairs, count, reterr);
out:
    free(pairs);
    free(values);
    return status;
}

static enum ngt_status add_vocabulary(struct ngt_writer *w, struct ngt_error *reterr)
{
    const struct ngt_vocabulary_frame *frame = w->config.vocabulary_frame;
    struct ngt_vocabulary_frame *own = NULL;
    enum ngt_status status = NGT_OK;

    if (!frame)
        status = ngt_vocabulary_frame_new(w->config.vocabulary, &own, reterr);
    frame = frame ? frame : own;
    if (status == NGT_OK)
        status = put_section(w, NGT_S_VOCABULARY, false, NGT_ZSTD, &frame->stored,
                             frame->logical_bytes, reterr);
    ngt_vocabulary_frame_free(&own);
    return status;
}

static enum ngt_status add_token_sections(struct ngt_writer *w, struct ngt_error *reterr)
{
    const uint64_t end = ngt_output_size(w->out);

    digest_fresh(w);
    if (w->block_bytes)
        end_block(w);
    w->sections[w->section_count++] = (struct ngt_section){
        .kind = NGT_S_TOKENS,
        .required = true,
        .encoding = NGT_RAW,
        .offset = NGT_HEADER_BYTES,
        .stored_bytes = end - NGT_HEADER_BYTES,
        .logical_bytes = end - NGT_HEADER_BYTES,
        .hash = ngt_digest_stream_value64(w->token_digest),
    };
    w->header.block_root = ngt_digest64(w->block_hashes.bytes, w->block_hashes.size);
    return add_section(w, NGT_S_BLOCK_HASHES, true, false, &w->block_hashes, reterr);
}

/* The starts, summed up from the lengths and written piece by piece: they never stand in memory. */
static enum ngt_status add_starts(struct ngt_writer *w, enum ngt_section_kind kind,
                                  struct ngt_error *reterr)
{
    uint8_t piece[8192];
    uint64_t used = 8, at = 0, sum = 0, length;
    struct ngt_digest_stream *digest = ngt_digest_stream_new64();
    enum ngt_status status = digest ? pad(w, reterr) : no_memory(w, reterr);
    struct ngt_section s = {.kind = kind,
                            .required = true,
                            .encoding = NGT_RAW,
                            .offset = ngt_output_size(w->out),
                            .stored_bytes = 8 * (w->items + 1),
                            .logical_bytes = 8 * (w->items + 1)};

    ngt_put64(piece, 0);
    for (uint64_t i = 0; i <= w->items && status == NGT_OK; i++) {
        if (used == sizeof piece || i == w->items) {
            ngt_digest_stream_add(digest, piece, used);
            status = ngt_output_write(w->out, piece, used, reterr);
            used = 0;
        }
        if (i < w->items && status == NGT_OK) {
            (void)ngt_varint_read(w->lengths.bytes, w->lengths.size, &at, &length);
            sum += length;
            ngt_put64(piece + used, sum);
            used += 8;
        }
    }
    if (status == NGT_OK) {
        s.hash = ngt_digest_stream_value64(digest);
        w->sections[w->section_count++] = s;
    }
    ngt_digest_stream_free(&digest);
    return status;
}

static enum ngt_status add_all(struct ngt_writer *w, const struct ngt_counter *counters,
                               uint64_t counter_count, struct ngt_error *reterr)
{
    const bool packed = w->config.kind == NGT_PACKED;
    enum ngt_status status;

    if ((status = add_token_sections(w, reterr)) != NGT_OK ||
        (status = add_starts(w, packed ? NGT_S_SEQ_STARTS : NGT_S_DOC_STARTS, reterr)) != NGT_OK)
        return status;
    if (packed &&
        (status = add_section(w, NGT_S_SEGMENTS, true, false, &w->segments, reterr)) != NGT_OK)
        return status;
    if (w->have_loss) {
        ngt_bytes_add(&w->loss_starts, w->loss_spans.bytes, w->loss_spans.size);
        if ((status = add_section(w, NGT_S_LOSS_SPANS, true, false, &w->loss_starts, reterr)) !=
            NGT_OK)
            return status;
    }
    if (w->have_hashes && (status = add_section(w, NGT_S_TEXT_HASHES, false, false, &w->text_hashes,
                                                reterr)) != NGT_OK)
        return status;
    struct ngt_bytes counted = {0};
    ngt_bytes_add_varint(&counted, w->source_count);
    ngt_bytes_add(&counted, w->sources.bytes, w->sources.size);
    status = add_section(w, NGT_S_SOURCES, false, true, &counted, reterr);
    ngt_bytes_done(&counted);
    if (status != NGT_OK)
        return status;
    if (!packed &&
        (status = add_section(w, NGT_S_PROVENANCE, false, true, &w->provenance, reterr)) != NGT_OK)
        return status;
    if ((status = add_ledger(w, counters, counter_count, reterr)) != NGT_OK ||
        (status = add_pairs(w, NGT_S_OPTIONS, w->config.options, w->config.option_count, reterr)) !=
            NGT_OK ||
        (status = add_pairs(w, NGT_S_TOKENIZER, w->config.identity, w->config.identity_count,
                            reterr)) != NGT_OK ||
        (status = add_vocabulary(w, reterr)) != NGT_OK)
        return status;
    if (w->have_ids && (status = add_frames(w, NGT_S_DOC_IDS, &w->doc_ids, reterr)) != NGT_OK)
        return status;
    if (w->have_metadata &&
        (status = add_frames(w, NGT_S_METADATA, &w->metadata, reterr)) != NGT_OK)
        return status;
    return NGT_OK;
}

enum ngt_status ngt_writer_commit(struct ngt_writer **wp, const struct ngt_counter *counters,
                                  uint64_t counter_count, struct ngt_shard_summary *ret_summary,
                                  struct ngt_error *reterr)
{
    struct ngt_writer *w = *wp;
    struct ngt_header *h = &w->header;
    uint8_t header[NGT_HEADER_BYTES], table[NGT_MAX_SECTIONS * NGT_SECTION_ENTRY_BYTES];
    enum ngt_status status;

    ngt_error_clear(reterr);
    if ((status = add_all(w, counters, counter_count, reterr)) != NGT_OK ||
        (status = pad(w, reterr)) != NGT_OK)
        goto out;
    for (uint64_t i = 0; i < w->section_count; i++)
        ngt_section_encode(&w->sections[i], table + i * NGT_SECTION_ENTRY_BYTES);
    h->section_count = w->section_count;
    h->section_table_offset = ngt_output_size(w->out);
    h->section_table_hash = ngt_digest64(table, w->section_count * NGT_SECTION_ENTRY_BYTES);
    h->file_bytes = h->section_table_offset + w->section_count * NGT_SECTION_ENTRY_BYTES;
    ngt_header_encode(h, header);
    if ((status = ngt_output_write(w->out, table, w->section_count * NGT_SECTION_ENTRY_BYTES,
                                   reterr)) != NGT_OK ||
        (status = ngt_output_patch(w->out, 0, header, sizeof header, reterr)) != NGT_OK ||
        (status = ngt_output_commit(&w->out, reterr)) != NGT_OK)
        goto out;
    if (ret_summary)
        *ret_summary = (struct ngt_shard_summary){
            .file_bytes = h->file_bytes,
            .docs = h->docs,
            .filled_docs = h->filled_docs,
            .tokens = h->tokens,
            .targets = h->targets,
            .sequences = h->sequences,
            .segments = h->segments,
            .header_hash = ngt_header_digest(header),
        };
out:
    ngt_writer_abort(wp);
    return status;
}
