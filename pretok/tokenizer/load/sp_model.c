/*
 * SentencePiece's ModelProto, read field by field. Only the fields that decide about ids and text
 * are looked at; others are stepped over by their wire type. Field numbers are those of
 * sentencepiece_model.proto.
 *
 * Two passes over the pieces: one counts and checks, one fills arrays of exactly that size, so that
 * what is allocated is bounded by the file.
 */
#include "load/sp_model.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/checked.h"

enum {
    MODEL_PIECES = 1,
    MODEL_TRAINER = 2,
    MODEL_NORMALIZER = 3,
};
enum {
    PIECE_PIECE = 1,
    PIECE_SCORE = 2,
    PIECE_TYPE = 3,
};
enum {
    TRAINER_MODEL_TYPE = 3,
    TRAINER_SUFFIX = 24, /* treat_whitespace_as_suffix */
    TRAINER_BYTE_FALLBACK = 35,
    TRAINER_UNK_SURFACE = 44,
    TRAINER_UNK_PIECE = 45,
    TRAINER_BOS_PIECE = 46,
    TRAINER_EOS_PIECE = 47,
    TRAINER_PAD_PIECE = 48,
};
enum {
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_DUMMY_PREFIX = 3,
    NORMALIZER_EXTRA_SPACES = 4,
    NORMALIZER_ESCAPE = 5,
};
struct slice {
    const uint8_t *at, *end;
};

struct field {
    uint32_t number, wire;
    uint64_t value;      /* wire 0 */
    struct slice bytes;  /* wire 2 */
    const uint8_t *last; /* last byte of a varint value */
};

struct piece {
    struct slice name;
    float score;
    enum tok_sp_type type;
    const uint8_t *type_at; /* where the type stands in the file, NULL when it is the default */
};

struct spec {
    struct slice unk_surface, unk_piece, bos_piece, eos_piece, pad_piece;
    struct slice charsmap;
    uint64_t model_type;
    bool suffix, byte_fallback, dummy_prefix, extra_spaces, escape;
};

/* the piece character for a space, U+2581 */
static const uint8_t meta_space[3] = {0xE2, 0x96, 0x81};

static struct slice slice_of(const char *s)
{
    const uint8_t *at = (const uint8_t *)s;
    return (struct slice){at, at + strlen(s)};
}

static uint64_t slice_size(struct slice s)
{
    return (uint64_t)(s.end - s.at);
}

static bool slice_equal(struct slice a, struct slice b)
{
    return slice_size(a) == slice_size(b) && memcmp(a.at, b.at, slice_size(a)) == 0;
}

static bool varint(struct slice *s, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (s->at == s->end)
            return false;
        uint8_t b = *s->at++;
        if (shift < 64)
            value |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* The next field of a message; false at its end (*ret_broken false) or where it makes no sense. */
static bool next_field(struct slice *s, struct field *ret, bool *ret_broken)
{
    uint64_t tag, size = 0;

    *ret_broken = false;
    if (s->at == s->end)
        return false;
    *ret_broken = true;
    if (!varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
        return false;
    *ret = (struct field){.number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7)};
    switch (ret->wire) {
    case 0:
        if (!varint(s, &ret->value))
            return false;
        ret->last = s->at - 1;
        break;
    case 1:
        size = 8;
        break;
    case 2:
        if (!varint(s, &size))
            return false;
        break;
    case 5:
        size = 4;
        break;
    default: /* groups ended with proto1 */
        return false;
    }
    if (size > slice_size(*s))
        return false;
    ret->bytes = (struct slice){s->at, s->at + size};
    s->at += size;
    *ret_broken = false;
    return true;
}

static bool read_piece(struct slice message, struct piece *ret)
{
    struct field f;
    bool broken;

    *ret = (struct piece){.type = TOK_SP_NORMAL};
    while (next_field(&message, &f, &broken)) {
        if (f.number == PIECE_PIECE && f.wire == 2) {
            ret->name = f.bytes;
        } else if (f.number == PIECE_SCORE && f.wire == 5) {
            const uint8_t *b = f.bytes.at;
            uint32_t bits =
                b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
            memcpy(&ret->score, &bits, sizeof bits);
        } else if (f.number == PIECE_TYPE && f.wire == 0) {
            if (f.value < TOK_SP_NORMAL || f.value > TOK_SP_BYTE)
                return false;
            ret->type = (enum tok_sp_type)f.value;
            ret->type_at = f.last;
        }
    }
    return !broken && ret->name.at != NULL;
}

static bool read_trainer(struct slice message, struct spec *spec)
{
    struct field f;
    bool broken;

    while (next_field(&message, &f, &broken)) {
        if (f.wire == 0) {
            if (f.number == TRAINER_MODEL_TYPE)
                spec->model_type = f.value;
            else if (f.number == TRAINER_SUFFIX)
                spec->suffix = f.value != 0;
            else if (f.number == TRAINER_BYTE_FALLBACK)
                spec->byte_fallback = f.value != 0;
        } else if (f.wire == 2) {
            if (f.number == TRAINER_UNK_SURFACE)
                spec->unk_surface = f.bytes;
            else if (f.number == TRAINER_UNK_PIECE)
                spec->unk_piece = f.bytes;
            else if (f.number == TRAINER_BOS_PIECE)
                spec->bos_piece = f.bytes;
            else if (f.number == TRAINER_EOS_PIECE)
                spec->eos_piece = f.bytes;
            else if (f.number == TRAINER_PAD_PIECE)
                spec->pad_piece = f.bytes;
        }
    }
    return !broken;
}

static bool read_normalizer(struct slice message, struct spec *spec)
{
    struct field f;
    bool broken;

    while (next_field(&message, &f, &broken)) {
        if (f.wire == 2 && f.number == NORMALIZER_CHARSMAP)
            spec->charsmap = f.bytes;
        else if (f.wire == 0 && f.number == NORMALIZER_DUMMY_PREFIX)
            spec->dummy_prefix = f.value != 0;
        else if (f.wire == 0 && f.number == NORMALIZER_EXTRA_SPACES)
            spec->extra_spaces = f.value != 0;
        else if (f.wire == 0 && f.number == NORMALIZER_ESCAPE)
            spec->escape = f.value != 0;
    }
    return !broken;
}

static enum ngt_status damaged(const char *path, const uint8_t *bytes, const uint8_t *at,
                               const char *what, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, (uint64_t)(at - bytes), NGT_NO_POS,
                    "%s; the SentencePiece model is damaged", what);
}

/* "<0x0A>" to 10 */
static bool byte_piece(struct slice name, uint8_t *ret)
{
    unsigned value = 0;

    if (slice_size(name) != 6 || memcmp(name.at, "<0x", 3) != 0 || name.at[5] != '>')
        return false;
    for (int i = 3; i < 5; i++) {
        uint8_t c = name.at[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10u;
        else
            return false;
        value = value * 16 + digit;
    }
    *ret = (uint8_t)value;
    return true;
}

/* Piece to text: U+2581 is a space. Never longer than the piece. Returns the bytes written. */
static uint64_t spell(struct slice name, uint8_t *out)
{
    uint8_t *start = out;

    while (name.at < name.end) {
        if (slice_size(name) >= 3 && memcmp(name.at, meta_space, 3) == 0) {
            *out++ = ' ';
            name.at += 3;
        } else {
            *out++ = *name.at++;
        }
    }
    return (uint64_t)(out - start);
}

static bool wanted(struct slice name, bool all, const char *const *list, uint64_t count)
{
    for (uint64_t i = 0; i < count && !all; i++)
        all = slice_equal(name, slice_of(list[i]));
    return all;
}

static const char *variant_name(uint64_t model_type)
{
    static const char *const names[] = {"unigram", "bpe", "word", "char"};
    return model_type >= 1 && model_type <= 4 ? names[model_type - 1] : NULL;
}

/* First pass: everything is well-formed, how many pieces and bytes there are. */
static enum ngt_status survey(const uint8_t *bytes, uint64_t n, const char *path, struct spec *spec,
                              uint64_t *ret_count, uint64_t *ret_bytes, struct ngt_error *reterr)
{
    struct slice file = {bytes, bytes + n};
    struct field f;
    struct piece piece;
    bool broken;
    uint64_t count = 0, total = 0, unknown = 0;

    *spec = (struct spec){
        .unk_surface = slice_of(" \xE2\x81\x87 "),
        .unk_piece = slice_of("<unk>"),
        .bos_piece = slice_of("<s>"),
        .eos_piece = slice_of("</s>"),
        .pad_piece = slice_of("<pad>"),
        .model_type = 1,
        .dummy_prefix = true,
        .extra_spaces = true,
        .escape = true,
    };
    while (next_field(&file, &f, &broken)) {
        if (f.wire != 2)
            continue;
        if (f.number == MODEL_PIECES) {
            if (!read_piece(f.bytes, &piece))
                return damaged(path, bytes, f.bytes.at, "a piece makes no sense", reterr);
            if (slice_size(piece.name) == 0)
                return damaged(path, bytes, f.bytes.at, "a piece without a name", reterr);
            unknown += piece.type == TOK_SP_UNKNOWN;
            count++;
            total += slice_size(piece.name);
        } else if (f.number == MODEL_TRAINER) {
            if (!read_trainer(f.bytes, spec))
                return damaged(path, bytes, f.bytes.at, "trainer_spec makes no sense", reterr);
        } else if (f.number == MODEL_NORMALIZER) {
            if (!read_normalizer(f.bytes, spec))
                return damaged(path, bytes, f.bytes.at, "normalizer_spec makes no sense", reterr);
        }
    }
    if (broken)
        return damaged(path, bytes, file.at, "a field makes no sense or is cut off", reterr);
    if (count == 0)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "no pieces: not a SentencePiece model");
    if (count >= UINT32_MAX)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS, "too many pieces");
    if (unknown != 1)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "%llu unknown pieces where a SentencePiece model has one",
                        (unsigned long long)unknown);
    if (!variant_name(spec->model_type))
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "model type %llu; understood are unigram, bpe, word and char",
                        (unsigned long long)spec->model_type);
    *ret_count = count;
    *ret_bytes = total;
    return NGT_OK;
}

/* Second pass: the arrays. Survey has shown that every field is well-formed. */
static enum ngt_status fill(uint8_t *bytes, uint64_t n, const char *path, const struct spec *spec,
                            bool promote_all, const char *const *promote, uint64_t promote_count,
                            struct tok_model *m, struct ngt_error *reterr)
{
    struct slice file = {bytes, bytes + n};
    struct field f;
    struct piece piece;
    bool broken;
    uint32_t id = 0;
    uint64_t used = 0, named = 0;

    while (next_field(&file, &f, &broken)) {
        if (f.wire != 2 || f.number != MODEL_PIECES || !read_piece(f.bytes, &piece))
            continue;
        m->starts[id] = used;
        m->name_starts[id] = named;
        memcpy(m->names + named, piece.name.at, slice_size(piece.name));
        named += slice_size(piece.name);
        uint8_t *out = m->bytes + used;
        switch (piece.type) {
        case TOK_SP_NORMAL:
        case TOK_SP_UNUSED:
        case TOK_SP_USER_DEFINED:
            m->kinds[id] = piece.type == TOK_SP_NORMAL         ? NGT_ID_NORMAL
                           : piece.type == TOK_SP_USER_DEFINED ? NGT_ID_USER_DEFINED
                                                               : NGT_ID_UNUSED;
            used += spell(piece.name, out);
            break;
        case TOK_SP_BYTE:
            m->kinds[id] = NGT_ID_BYTE;
            if (!byte_piece(piece.name, out))
                return damaged(path, bytes, f.bytes.at, "a byte piece is not named <0xNN>", reterr);
            used++;
            break;
        case TOK_SP_UNKNOWN:
            m->kinds[id] = NGT_ID_UNKNOWN;
            memcpy(out, spec->unk_surface.at, slice_size(spec->unk_surface));
            used += slice_size(spec->unk_surface);
            m->special.unk = id;
            break;
        case TOK_SP_CONTROL:
            m->kinds[id] = NGT_ID_CONTROL;
            memcpy(out, piece.name.at, slice_size(piece.name));
            used += slice_size(piece.name);
            if (slice_equal(piece.name, spec->bos_piece))
                m->special.bos = id;
            if (slice_equal(piece.name, spec->eos_piece))
                m->special.eos = id;
            if (slice_equal(piece.name, spec->pad_piece))
                m->special.pad = id;
            /* its kind stays control for readers of the shard: what it means has not changed, only
             * how it gets into the ids */
            if (wanted(piece.name, promote_all, promote, promote_count))
                bytes[piece.type_at - bytes] = TOK_SP_USER_DEFINED;
            break;
        }
        id++;
    }
    m->starts[id] = used;
    m->name_starts[id] = named;
    return NGT_OK;
}

static enum ngt_status check_promoted(const struct tok_model *m, const char *path,
                                      const char *const *promote, uint64_t count,
                                      struct ngt_error *reterr)
{
    for (uint64_t i = 0; i < count; i++) {
        bool found = false;
        for (uint32_t id = 0; id < m->vocabulary.count && !found; id++) {
            struct slice name = {(const uint8_t *)m->names + m->name_starts[id],
                                 (const uint8_t *)m->names + m->name_starts[id + 1]};
            found = m->kinds[id] == NGT_ID_CONTROL && slice_equal(name, slice_of(promote[i]));
        }
        if (!found)
            return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                            "--parse-special: \"%s\" is not a control token of this tokenizer",
                            promote[i]);
    }
    return NGT_OK;
}

enum ngt_status tok_sp_model_read(uint8_t *bytes, uint64_t n, const char *path, bool promote_all,
                                  const char *const *promote, uint64_t promote_count,
                                  struct tok_model *ret_model, struct ngt_error *reterr)
{
    struct tok_model m = {.special = {NGT_NO_ID, NGT_NO_ID, NGT_NO_ID, NGT_NO_ID}};
    struct spec spec;
    uint64_t count = 0, total = 0;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = survey(bytes, n, path, &spec, &count, &total, reterr);
    if (status != NGT_OK)
        goto out;
    m.kinds = calloc(count, 1);
    m.starts = calloc(count + 1, sizeof *m.starts);
    m.name_starts = calloc(count + 1, sizeof *m.name_starts);
    m.names = malloc(total);
    /* the unknown piece may be spelt longer than it is named */
    m.bytes = malloc(total + slice_size(spec.unk_surface));
    if (!m.kinds || !m.starts || !m.name_starts || !m.names || !m.bytes) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the vocabulary");
        goto out;
    }
    status = fill(bytes, n, path, &spec, promote_all, promote, promote_count, &m, reterr);
    if (status != NGT_OK)
        goto out;
    m.vocabulary = (struct ngt_vocabulary){
        .count = (uint32_t)count, .kinds = m.kinds, .starts = m.starts, .bytes = m.bytes};
    if (spec.dummy_prefix)
        m.vocabulary.flags |=
            spec.suffix ? NGT_VOCAB_STRIP_LAST_SPACE : NGT_VOCAB_STRIP_FIRST_SPACE;
    if (slice_size(spec.charsmap) || spec.extra_spaces || !spec.escape || !spec.byte_fallback)
        m.vocabulary.flags |= NGT_VOCAB_LOSSY;
    m.family = "sentencepiece";
    m.variant = variant_name(spec.model_type);
    status = check_promoted(&m, path, promote, promote_count, reterr);
    if (status != NGT_OK)
        goto out;
    *ret_model = m;
    m = (struct tok_model){0};
out:
    tok_model_done(&m);
    return status;
}

/* Null bytes as a piece come from conversion scripts; with byte fallback the library makes them
 * unused, and it steps over unused ones. */
static bool is_null(struct slice name)
{
    return slice_size(name) == 1 && name.at[0] == 0;
}

enum ngt_status tok_sp_parts_read(const uint8_t *bytes, uint64_t n, const char *path,
                                  struct tok_sp_parts *ret_parts, struct ngt_error *reterr)
{
    struct slice file = {bytes, bytes + n};
    struct spec spec;
    struct tok_sp_parts p = {0};
    struct field f;
    struct piece piece;
    bool broken;
    uint64_t count, total;
    enum ngt_status status = survey(bytes, n, path, &spec, &count, &total, reterr);

    if (status != NGT_OK)
        return status;
    p.pieces = calloc(count, sizeof *p.pieces);
    if (!p.pieces)
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    while (next_field(&file, &f, &broken)) {
        if (f.wire != 2 || f.number != MODEL_PIECES || !read_piece(f.bytes, &piece))
            continue;
        if (is_null(piece.name) && spec.byte_fallback)
            piece.type = TOK_SP_UNUSED;
        p.pieces[p.count++] = (struct tok_sp_piece){
            .name = piece.name.at,
            .size = slice_size(piece.name),
            .type = piece.type,
            .score = piece.score,
            .skip = is_null(piece.name) && piece.type == TOK_SP_UNUSED,
        };
    }
    p.charsmap = spec.charsmap.at;
    p.charsmap_bytes = slice_size(spec.charsmap);
    p.model_type = (enum tok_sp_model_type)spec.model_type;
    p.byte_fallback = spec.byte_fallback;
    p.dummy_prefix = spec.dummy_prefix;
    p.remove_extra_whitespaces = spec.extra_spaces;
    p.escape_whitespaces = spec.escape;
    p.whitespace_as_suffix = spec.suffix;
    *ret_parts = p;
    return NGT_OK;
}

void tok_sp_parts_done(struct tok_sp_parts *parts)
{
    free(parts->pieces);
    *parts = (struct tok_sp_parts){0};
}

void tok_model_done(struct tok_model *model)
{
    free(model->kinds);
    free(model->starts);
    free(model->bytes);
    free(model->name_starts);
    free(model->names);
    *model = (struct tok_model){0};
}

bool tok_sp_model_probe(const uint8_t *bytes, uint64_t n)
{
    struct slice file = {bytes, bytes + n};
    struct field f;
    struct piece piece;
    bool broken;

    return next_field(&file, &f, &broken) && f.number == MODEL_PIECES && f.wire == 2 &&
           read_piece(f.bytes, &piece);
}
