/* --docs: one line a document with its origin; of packed shards, one a segment. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

static void write_json(FILE *out, struct ngt_json_out *j)
{
    ngt_json_object_end(j);
    fwrite(j->bytes, 1, j->size, out);
    ngt_json_out_done(j);
}

/* A value of the user's: in JSON as it stands; a shard may hold other text, then as a string. */
static void member_value(struct ngt_json_out *j, const char *key, const char *value)
{
    struct ngt_json *parsed = NULL;

    ngt_json_key(j, key);
    if (ngt_json_parse(value, strlen(value), "", &parsed, NULL) == NGT_OK)
        ngt_json_raw(j, value);
    else
        ngt_json_string(j, value);
    ngt_json_free(&parsed);
}

/* A name as one field of one line, whatever it holds: control characters as \xNN. */
static void put_name(FILE *out, const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c < ' ' || *c == 127)
            fprintf(out, "\\x%02x", *c);
        else
            fputc(*c, out);
}

static enum ngt_status show_doc(const struct dump_config *c, const struct ngt_dataset *set,
                                const struct dump_units *units, struct dump_place place,
                                uint64_t number, FILE *out, struct ngt_error *reterr)
{
    const bool dropped = ngt_dataset_dropped(set, place.shard, place.index);
    uint64_t first, count;
    struct dump_origin o;
    const char *id, *metadata;
    struct ngt_json_out j;
    enum ngt_status status;

    if ((status = ngt_reader_doc(place.r, place.index, &first, &count, reterr)) != NGT_OK ||
        (status = dump_origin(place.r, units, place.index, &o, reterr)) != NGT_OK ||
        (status = ngt_reader_doc_string(place.r, NGT_S_DOC_IDS, place.index, &id, reterr)) !=
            NGT_OK ||
        (status = ngt_reader_doc_string(place.r, NGT_S_METADATA, place.index, &metadata, reterr)) !=
            NGT_OK)
        return status;
    if (!c->json) {
        fprintf(out, "%" PRIu64 "\t%" PRIu64 "\t", number, count);
        put_name(out, o.source.name);
        if (o.source.member) {
            fputc('!', out);
            put_name(out, o.source.member);
        }
        fprintf(out, ":%s%" PRIu64 "\tbyte %" PRIu64, o.record_known ? "" : "unit+", o.record,
                o.offset);
        if (dropped)
            fputs("\tdropped", out);
        if (id[0])
            fprintf(out, "\t%s", id);
        if (metadata[0])
            fprintf(out, "\t%s", metadata);
        fputc('\n', out);
        return NGT_OK;
    }
    ngt_json_out_init(&j, true);
    ngt_json_object(&j);
    ngt_json_member_u64(&j, "document", number);
    ngt_json_member_u64(&j, "tokens", count);
    ngt_json_member_string(&j, "source", o.source.name);
    if (o.source.member)
        ngt_json_member_string(&j, "member", o.source.member);
    ngt_json_member_u64(&j, o.record_known ? "record" : "record_in_unit", o.record);
    ngt_json_member_u64(&j, "offset", o.offset);
    if (dropped)
        ngt_json_member_bool(&j, "dropped", true);
    if (id[0])
        member_value(&j, "id", id);
    if (metadata[0])
        member_value(&j, "metadata", metadata);
    write_json(out, &j);
    return NGT_OK;
}

static enum ngt_status show_sequence(const struct dump_config *c, struct dump_place place,
                                     uint64_t number, FILE *out, struct ngt_error *reterr)
{
    uint64_t first, count;
    enum ngt_status status = ngt_reader_sequence(place.r, place.index, &first, &count, reterr);

    for (uint64_t i = first; status == NGT_OK && i < first + count; i++) {
        struct ngt_segment s;
        struct ngt_json_out j;
        if ((status = ngt_reader_segment(place.r, i, &s, reterr)) != NGT_OK)
            return status;
        if (!c->json) {
            fprintf(out,
                    "%" PRIu64 "\tstart %" PRIu32 "\tlength %" PRIu32 "\tdocument %" PRIu64
                    " + %" PRIu64,
                    number, s.start, s.length, s.doc, s.doc_offset);
            if (s.successor != NGT_NO_ID)
                fprintf(out, "\tthen %" PRIu32, s.successor);
            fputc('\n', out);
            continue;
        }
        ngt_json_out_init(&j, true);
        ngt_json_object(&j);
        ngt_json_member_u64(&j, "sequence", number);
        ngt_json_member_u64(&j, "start", s.start);
        ngt_json_member_u64(&j, "length", s.length);
        ngt_json_member_u64(&j, "document", s.doc);
        ngt_json_member_u64(&j, "document_offset", s.doc_offset);
        if (s.successor != NGT_NO_ID)
            ngt_json_member_u64(&j, "successor", s.successor);
        write_json(out, &j);
    }
    return status;
}

enum ngt_status dump_docs(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                          struct ngt_error *reterr)
{
    const bool packed = ngt_reader_header(set->readers[0])->kind == NGT_PACKED;
    struct dump_units *units = NULL;
    struct dump_selection chosen;
    enum ngt_status status = dump_select(c, set, &chosen, reterr);

    if (status == NGT_OK)
        status = dump_units_load(set, &units, reterr);
    for (uint64_t i = chosen.first; status == NGT_OK && i < chosen.end; i++) {
        struct dump_place place = dump_place(set, i);
        status = packed ? show_sequence(c, place, i, out, reterr)
                        : show_doc(c, set, units, place, i, out, reterr);
    }
    dump_units_free(&units);
    return status;
}
