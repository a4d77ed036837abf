/* The double array against the list of its keys: every prefix of every key, and every byte after it. */
#include <stdbool.h>

#include "model/trie.h"
#include "t.h"

enum { KEYS = 400, LONGEST = 9 };

struct keys {
    uint8_t bytes[KEYS][LONGEST];
    struct tok_trie_key list[KEYS];
    uint64_t count;
};

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* What the list says of a prefix: the least value of a key that is it, and whether one goes on with
 * each byte. */
static uint32_t look_up(const struct keys *k, const uint8_t *prefix, uint64_t n, bool *ret_goes_on)
{
    uint32_t value = TOK_TRIE_NONE;

    memset(ret_goes_on, 0, 256 * sizeof *ret_goes_on);
    for (uint64_t i = 0; i < k->count; i++) {
        const struct tok_trie_key *key = &k->list[i];
        if (key->size < n || memcmp(key->bytes, prefix, n) != 0)
            continue;
        if (key->size > n)
            ret_goes_on[key->bytes[n]] = true;
        else if (key->value < value)
            value = key->value;
    }
    return value;
}

static void against_list(unsigned letters, uint64_t count, uint32_t seed)
{
    static struct keys k;
    struct tok_trie_key sorted[KEYS];
    struct tok_trie t;
    uint32_t state = seed;

    k.count = count;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size = 1 + next(&state) % LONGEST;
        for (uint64_t at = 0; at < size; at++)
            k.bytes[i][at] = (uint8_t)(next(&state) % letters * 37);
        k.list[i] = sorted[i] = (struct tok_trie_key){k.bytes[i], size, (uint32_t)i * 3};
    }
    T_REQUIRE(tok_trie_init(&t, sorted, count, NULL) == NGT_OK);
    for (uint64_t i = 0; i < count; i++) {
        tok_trie_unit u = 0, other;
        uint32_t base = t.root;
        for (uint64_t at = 0; at <= k.list[i].size; at++) {
            bool goes_on[256];
            uint32_t value = look_up(&k, k.list[i].bytes, at, goes_on);
            if (at)
                T_EQ_U64(tok_trie_value(u), value);
            for (unsigned byte = 0; byte < 256; byte++) {
                T_TRUE(tok_trie_step(&t, base, (uint8_t)byte, &other) == goes_on[byte]);
                if (at && goes_on[byte])
                    T_TRUE(tok_trie_may_step(u, (uint8_t)byte));
            }
            if (at < k.list[i].size)
                T_REQUIRE(tok_trie_step(&t, base, k.list[i].bytes[at], &u));
            base = tok_trie_base(u);
        }
    }
    tok_trie_done(&t);
}

T_CASE(keys_of_few_letters)
{
    against_list(2, 60, 1);
    against_list(3, KEYS, 2);
}

T_CASE(keys_of_all_bytes)
{
    against_list(256, KEYS, 3);
}

/* Only children lie beside their parents until a line is full. */
T_CASE(long_tails)
{
    against_list(200, 40, 4);
    against_list(20, 1, 5);
}

/*
 * Children of which any two places of the node share a unit, so that each node has a block of 256 units
 * for itself: more units than bytes of keys, which the builder does not expect.
 */
T_CASE(nodes_that_fit_nowhere)
{
    enum { NODES = 250, CHILDREN = 31 };
    static uint8_t bytes[NODES][CHILDREN][2];
    static struct tok_trie_key keys[NODES * CHILDREN];
    struct tok_trie t;
    uint32_t count = 0;

    for (unsigned node = 0; node < NODES; node++) {
        for (unsigned child = 0; child < CHILDREN; child++) {
            uint8_t *key = bytes[node][child];
            key[0] = (uint8_t)node;
            key[1] = (uint8_t)(child < 16 ? child : (child - 15) * 16);
            keys[count] = (struct tok_trie_key){key, 2, count};
            count++;
        }
    }
    T_REQUIRE(tok_trie_init(&t, keys, count, NULL) == NGT_OK);
    T_TRUE(t.count > 256 * NODES);
    T_EQ_U64(t.keys, count);
    for (uint32_t i = 0; i < count; i++)
        T_EQ_U64(tok_trie_find(&t, bytes[i / CHILDREN][i % CHILDREN], 2), i);
    tok_trie_done(&t);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
