/* --header and --list. */
#include <inttypes.h>
#include <string.h>

#include "cli/progress.h"
#include "dump.h"

static const char *kind_name(const struct ngt_header *h)
{
    return h->kind == NGT_PACKED ? "packed" : "documents";
}

static void id_line(FILE *out, const char *name, uint32_t id)
{
    if (id == NGT_NO_ID)
        fprintf(out, "  %-18s none\n", name);
    else
        fprintf(out, "  %-18s %" PRIu32 "\n", name, id);
}

static enum ngt_status text_header(struct ngt_reader *r, FILE *out, struct ngt_error *reterr)
{
    static const uint32_t kinds[] = {NGT_S_OPTIONS, NGT_S_TOKENIZER, NGT_S_LEDGER};
    const struct ngt_header *h = ngt_reader_header(r);
    char root[17], tokenizer[33];
    enum ngt_status status;

    ngt_digest64_hex(ngt_reader_header_hash(r), root);
    ngt_digest128_hex(h->tokenizer, tokenizer);
    fprintf(out, "%s\n", ngt_reader_path(r));
    fprintf(out, "  %-18s %s, version %u.%u, root %s\n", "shard", kind_name(h), h->major, h->minor,
            root);
    fprintf(out, "  %-18s %" PRIu64 "\n", "file bytes", h->file_bytes);
    fprintf(out, "  %-18s %" PRIu64 " (%" PRIu64 " not empty)\n", "documents", h->docs,
            h->filled_docs);
    fprintf(out, "  %-18s %" PRIu64 "\n", "tokens", h->tokens);
    fprintf(out, "  %-18s %" PRIu64 "\n", "targets", h->targets);
    if (h->kind == NGT_PACKED) {
        fprintf(out, "  %-18s %" PRIu64 " of %" PRIu64 " tokens\n", "sequences", h->sequences,
                h->seq_len);
        fprintf(out, "  %-18s %" PRIu64 "\n", "segments", h->segments);
    }
    fprintf(out, "  %-18s %" PRIu64 " ids, %" PRIu32 " bytes each\n", "vocabulary", h->vocab_size,
            h->id_bytes);
    id_line(out, "bos", h->bos_id);
    id_line(out, "eos", h->eos_id);
    id_line(out, "pad", h->pad_id);
    fprintf(out, "  %-18s bos %s, eos %s\n", "added", h->flags & NGT_FLAG_BOS_ADDED ? "yes" : "no",
            h->flags & NGT_FLAG_EOS_ADDED ? "yes" : "no");
    fprintf(out, "  %-18s %s\n", "tokenizer", tokenizer);
    fprintf(out, "  %-18s %14s %14s %14s  %s\n", "section", "offset", "stored", "logical", "hash");
    for (uint64_t i = 0; i < h->section_count; i++) {
        const struct ngt_section *s = ngt_reader_section_at(r, i);
        char hash[17];
        ngt_digest64_hex(s->hash, hash);
        fprintf(out, "    %-16s %14" PRIu64 " %14" PRIu64 " %14" PRIu64 "  %s\n",
                ngt_section_name(s->kind), s->offset, s->stored_bytes, s->logical_bytes, hash);
    }
    for (unsigned k = 0; k < 3; k++) {
        const struct ngt_pair *pairs;
        uint64_t count;
        if ((status = ngt_reader_pairs(r, kinds[k], &pairs, &count, reterr)) != NGT_OK)
            return status;
        fprintf(out, "  %s\n", ngt_section_name(kinds[k]));
        for (uint64_t i = 0; i < count; i++)
            fprintf(out, "    %-24s %s\n", pairs[i].key, pairs[i].value);
    }
    return NGT_OK;
}

static void json_id(struct ngt_json_out *j, const char *key, uint32_t id)
{
    ngt_json_key(j, key);
    if (id == NGT_NO_ID)
        ngt_json_null(j);
    else
        ngt_json_u64(j, id);
}

static void json_counts(struct ngt_json_out *j, const struct ngt_reader *r)
{
    const struct ngt_header *h = ngt_reader_header(r);
    char hex[33];

    ngt_json_member_string(j, "path", ngt_reader_path(r));
    ngt_json_member_string(j, "kind", kind_name(h));
    ngt_digest64_hex(ngt_reader_header_hash(r), hex);
    ngt_json_member_string(j, "root", hex);
    ngt_json_member_u64(j, "bytes", h->file_bytes);
    ngt_json_member_u64(j, "documents", h->docs);
    ngt_json_member_u64(j, "filled_documents", h->filled_docs);
    ngt_json_member_u64(j, "tokens", h->tokens);
    ngt_json_member_u64(j, "targets", h->targets);
    if (h->kind == NGT_PACKED) {
        ngt_json_member_u64(j, "sequences", h->sequences);
        ngt_json_member_u64(j, "segments", h->segments);
        ngt_json_member_u64(j, "seq_len", h->seq_len);
    }
}

static enum ngt_status json_header(struct ngt_reader *r, struct ngt_json_out *j,
                                   struct ngt_error *reterr)
{
    static const uint32_t kinds[] = {NGT_S_OPTIONS, NGT_S_TOKENIZER, NGT_S_LEDGER};
    static const char *const names[] = {"options", "tokenizer", "ledger"};
    const struct ngt_header *h = ngt_reader_header(r);
    char hex[33];
    enum ngt_status status;

    ngt_json_object(j);
    json_counts(j, r);
    ngt_json_member_u64(j, "version_major", h->major);
    ngt_json_member_u64(j, "version_minor", h->minor);
    ngt_json_member_u64(j, "vocabulary_size", h->vocab_size);
    ngt_json_member_u64(j, "id_bytes", h->id_bytes);
    json_id(j, "bos_id", h->bos_id);
    json_id(j, "eos_id", h->eos_id);
    json_id(j, "pad_id", h->pad_id);
    ngt_json_member_bool(j, "bos_added", h->flags & NGT_FLAG_BOS_ADDED);
    ngt_json_member_bool(j, "eos_added", h->flags & NGT_FLAG_EOS_ADDED);
    ngt_digest128_hex(h->tokenizer, hex);
    ngt_json_member_string(j, "tokenizer_digest", hex);
    ngt_json_key(j, "sections");
    ngt_json_array(j);
    for (uint64_t i = 0; i < h->section_count; i++) {
        const struct ngt_section *s = ngt_reader_section_at(r, i);
        ngt_json_object(j);
        ngt_json_member_string(j, "name", ngt_section_name(s->kind));
        ngt_json_member_u64(j, "kind", s->kind);
        ngt_json_member_u64(j, "offset", s->offset);
        ngt_json_member_u64(j, "stored_bytes", s->stored_bytes);
        ngt_json_member_u64(j, "logical_bytes", s->logical_bytes);
        ngt_digest64_hex(s->hash, hex);
        ngt_json_member_string(j, "hash", hex);
        ngt_json_object_end(j);
    }
    ngt_json_array_end(j);
    for (unsigned k = 0; k < 3; k++) {
        const struct ngt_pair *pairs;
        uint64_t count;
        if ((status = ngt_reader_pairs(r, kinds[k], &pairs, &count, reterr)) != NGT_OK)
            return status;
        ngt_json_key(j, names[k]);
        ngt_json_object(j);
        for (uint64_t i = 0; i < count; i++)
            ngt_json_member_string(j, pairs[i].key, pairs[i].value);
        ngt_json_object_end(j);
    }
    ngt_json_object_end(j);
    return NGT_OK;
}

enum ngt_status dump_header(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                            struct ngt_error *reterr)
{
    struct ngt_json_out j;
    enum ngt_status status = NGT_OK;

    ngt_json_out_init(&j, false);
    if (c->json)
        ngt_json_array(&j);
    for (uint64_t i = 0; i < set->count && status == NGT_OK; i++)
        status = c->json ? json_header(set->readers[i], &j, reterr)
                         : text_header(set->readers[i], out, reterr);
    if (c->json && status == NGT_OK) {
        ngt_json_array_end(&j);
        fwrite(j.bytes, 1, j.size, out);
    }
    ngt_json_out_done(&j);
    return status;
}

enum ngt_status dump_list(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                          struct ngt_error *reterr)
{
    (void)reterr;
    for (uint64_t i = 0; i < set->count; i++) {
        const struct ngt_header *h = ngt_reader_header(set->readers[i]);
        struct ngt_json_out j;
        char bytes[24], tokens[24];
        if (c->json) {
            ngt_json_out_init(&j, true);
            ngt_json_object(&j);
            json_counts(&j, set->readers[i]);
            ngt_json_object_end(&j);
            fwrite(j.bytes, 1, j.size, out);
            ngt_json_out_done(&j);
        } else {
            fprintf(out, "%s  %s  %" PRIu64 " %s  %s tokens  %s\n", set->paths[i], kind_name(h),
                    h->kind == NGT_PACKED ? h->sequences : h->docs,
                    h->kind == NGT_PACKED ? "sequences" : "documents",
                    cli_format_count(h->tokens, tokens), cli_format_bytes(h->file_bytes, bytes));
        }
    }
    return NGT_OK;
}
