/* SentencePiece files written field by field, for tests. */
#ifndef SP_FILE_H
#define SP_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

struct sp_file {
    uint8_t bytes[1 << 18];
    uint64_t size;
};

static inline void sp_put_varint(struct sp_file *f, uint64_t v)
{
    do {
        f->bytes[f->size++] = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        v >>= 7;
    } while (v);
}

static inline void sp_put_bytes(struct sp_file *f, unsigned field, const void *bytes, uint64_t n)
{
    sp_put_varint(f, field << 3 | 2);
    sp_put_varint(f, n);
    memcpy(f->bytes + f->size, bytes, n);
    f->size += n;
}

static inline void sp_put_number(struct sp_file *f, unsigned field, uint64_t v)
{
    sp_put_varint(f, field << 3);
    sp_put_varint(f, v);
}

static inline void sp_piece_n(struct sp_file *f, const void *name, uint64_t n, float score,
                              unsigned type)
{
    uint32_t bits;

    memcpy(&bits, &score, sizeof bits);
    sp_put_varint(f, 1 << 3 | 2);
    sp_put_varint(f, 1 + (n > 127 ? 2 : 1) + n + 5 + 2);
    sp_put_bytes(f, 1, name, n);
    sp_put_varint(f, 2 << 3 | 5);
    for (unsigned i = 0; i < 4; i++)
        f->bytes[f->size++] = (uint8_t)(bits >> 8 * i);
    sp_put_number(f, 3, type);
}

static inline void sp_piece(struct sp_file *f, const char *name, float score, unsigned type)
{
    sp_piece_n(f, name, strlen(name), score, type);
}

/* <unk>, <s> and, with bytes, <0x00> to <0xFF>: ids 0, 1, 2 ... 257. */
static inline void sp_reserved(struct sp_file *f, bool bytes)
{
    static const char digits[] = "0123456789ABCDEF";

    sp_piece(f, "<unk>", 0, UNKNOWN);
    sp_piece(f, "<s>", 0, CONTROL);
    for (unsigned b = 0; b < 256 && bytes; b++) {
        char name[] = "<0x00>";
        name[3] = digits[b >> 4];
        name[4] = digits[b & 15];
        sp_piece(f, name, 0, BYTE);
    }
}

static inline void sp_trainer(struct sp_file *f, unsigned model_type, bool byte_fallback,
                              bool suffix)
{
    sp_put_varint(f, 2 << 3 | 2);
    sp_put_varint(f, 8);
    sp_put_number(f, 3, model_type);
    sp_put_number(f, 24, suffix);
    sp_put_number(f, 35, byte_fallback);
}

/* charsmap [n]; flags: dummy prefix, remove extra white space, escape */
static inline void sp_normalizer(struct sp_file *f, const void *charsmap, uint64_t n, bool dummy,
                                 bool squeeze, bool escape)
{
    uint64_t size = 6;

    for (uint64_t v = n; n && v; v >>= 7)
        size++;
    sp_put_varint(f, 3 << 3 | 2);
    sp_put_varint(f, n ? size + 1 + n : size);
    if (n)
        sp_put_bytes(f, 2, charsmap, n);
    sp_put_number(f, 3, dummy);
    sp_put_number(f, 4, squeeze);
    sp_put_number(f, 5, escape);
}

struct sp_rule {
    const char *from, *to;
};

struct sp_charsmap {
    uint8_t bytes[1 << 17];
    uint64_t size;
};

/* A block of 256 units a node, the bytes of a unit in file order. */
static inline void sp_charsmap(struct sp_charsmap *map, const struct sp_rule *rules, uint64_t count)
{
    static uint32_t units[24 << 10];
    char text[1024];
    uint32_t blocks = 2, used = 0;

    for (uint32_t i = 0; i < 24 << 10; i++)
        units[i] = (i & 0xFF) ^ 0xFF; /* a label that nobody asks for */
    units[0] = 256u << 10;
    for (uint64_t r = 0; r < count; r++) {
        uint32_t at = 0, base = 256;
        for (const char *c = rules[r].from; *c; c++) {
            uint32_t child = base ^ (uint8_t)*c;
            if ((units[child] & 0xFF) != (uint8_t)*c) {
                units[child] = (child ^ blocks * 256) << 10 | (uint8_t)*c;
                blocks++;
            }
            base = child ^ units[child] >> 10;
            at = child;
        }
        units[at] |= 1u << 8;
        units[base] = 1u << 31 | used;
        strcpy(text + used, rules[r].to);
        used += (uint32_t)strlen(rules[r].to) + 1;
    }
    map->size = 0;
    for (unsigned i = 0; i < 4; i++)
        map->bytes[map->size++] = (uint8_t)(blocks * 1024 >> 8 * i);
    for (uint32_t u = 0; u < blocks * 256; u++)
        for (unsigned i = 0; i < 4; i++)
            map->bytes[map->size++] = (uint8_t)(units[u] >> 8 * i);
    memcpy(map->bytes + map->size, text, used);
    map->size += used;
}
#endif
