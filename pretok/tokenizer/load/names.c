/* See names.h. */
#include "load/names.h"

#include "model/word_key.h"
#include "ngt/layout.h"
#include "text/load8.h"

enum ngt_status tok_names_init(struct tok_names *n, const uint8_t *bytes, const uint64_t *starts,
                               uint64_t count, const char *path, struct ngt_error *reterr)
{
    uint64_t room = 16;

    while (room < 2 * count)
        room *= 2;
    *n = (struct tok_names){.bytes = bytes,
                            .starts = starts,
                            .mask = room - 1,
                            .memory = tok_pages_new(room * sizeof *n->slots)};
    n->slots = n->memory.at;
    n->seed = (uintptr_t)n->slots; /* so that no file is made of names with one hash */
    if (n->slots)
        return NGT_OK;
    tok_names_done(n);
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

void tok_names_done(struct tok_names *n)
{
    tok_pages_done(&n->memory);
    *n = (struct tok_names){0};
}

/* Of a name whose first eight bytes are `head`. */
static inline uint64_t hash_of(uint64_t seed, const uint8_t *name, uint64_t size, uint64_t head)
{
    uint64_t h = tok_word_hash2(head ^ seed, size);

    for (uint64_t at = 8; at + 8 < size; at += 8)
        h = tok_word_hash2(h ^ seed, tok_load8(name + at));
    return size > 8 ? tok_word_hash2(h ^ seed, tok_load8(name + size - 8)) : h;
}

struct tok_name_key tok_names_key(const struct tok_names *n, const void *name, uint64_t size,
                                  uint64_t readable)
{
    struct tok_name_key key = {.name = name, .size = size};

    key.head = readable >= 8 ? tok_load_masked8(name, size) : tok_load_first8(name, size);
    key.hash = hash_of(n->seed, name, size, key.head);
    __builtin_prefetch(&n->slots[key.hash & n->mask]);
    return key;
}

/* The slot of a name, or the free one where it belongs; *ret_slot: what stands there, but for the id. */
static inline uint64_t slot_of(const struct tok_names *n, const struct tok_name_key *key,
                               struct tok_name_slot *ret_slot)
{
    uint64_t at = key->hash & n->mask, size = key->size;
    uint32_t tag = (uint32_t)(key->hash >> 32 & 0xFFFFFF00) | (uint32_t)(size < 255 ? size : 255);

    *ret_slot = (struct tok_name_slot){key->head, 0, tag};
    for (; n->slots[at].id; at = (at + 1) & n->mask) {
        const struct tok_name_slot *s = &n->slots[at];
        if (s->head != key->head || s->tag != tag)
            continue;
        if (size <= 8)
            break;
        uint64_t start = n->starts[s->id - 1];
        if (n->starts[s->id] - start == size && tok_same(n->bytes + start, key->name, size))
            break;
    }
    return at;
}

static struct tok_name_key key_of(const struct tok_names *n, uint32_t id)
{
    uint64_t size = n->starts[id + 1] - n->starts[id];
    return tok_names_key(n, n->bytes + n->starts[id], size, size);
}

void tok_names_expect(const struct tok_names *n, uint32_t id)
{
    (void)key_of(n, id);
}

uint32_t tok_names_put(struct tok_names *n, uint32_t id)
{
    struct tok_name_slot slot;
    struct tok_name_key key = key_of(n, id);
    uint64_t at = slot_of(n, &key, &slot);
    uint32_t before = n->slots[at].id ? n->slots[at].id - 1 : NGT_NO_ID;

    slot.id = id + 1;
    n->slots[at] = slot;
    return before;
}

uint32_t tok_names_find(const struct tok_names *n, const void *name, uint64_t size)
{
    struct tok_name_key key = tok_names_key(n, name, size, size);
    return tok_names_find_key(n, &key);
}

uint32_t tok_names_find_key(const struct tok_names *n, const struct tok_name_key *key)
{
    struct tok_name_slot slot;
    uint64_t at = slot_of(n, key, &slot);

    return n->slots[at].id ? n->slots[at].id - 1 : NGT_NO_ID;
}
