/*
 * Which symbols are valid and by which rule, as the engine finds it from the list of rules, against
 * merging each spelling as the definition says. Random lists over three letters: in the order in
 * which symbols are made, in part of that order, and in none, with further rules for the same symbol.
 */
#include "model/bpe_form.h"
#include "t.h"

#define LETTERS 3
#define MAX_SYMBOLS 60
#define MAX_RULES 240
#define MAX_SPELLING 20

struct list {
    uint32_t count;
    char names[MAX_SYMBOLS][MAX_SPELLING + 1];
    struct tok_bpe_rule rules[MAX_RULES];
    uint64_t rule_count;
};

static uint32_t next(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

static bool has_rule(const struct list *l, uint32_t left, uint32_t right)
{
    for (uint64_t i = 0; i < l->rule_count; i++)
        if (l->rules[i].left == left && l->rules[i].right == right)
            return true;
    return false;
}

static void add_rule(struct list *l, uint64_t *state)
{
    uint32_t left = next(state, l->count), right = next(state, l->count), s = 0;
    char name[2 * MAX_SPELLING + 1];

    snprintf(name, sizeof name, "%s%s", l->names[left], l->names[right]);
    if (strlen(name) > MAX_SPELLING || has_rule(l, left, right))
        return;
    while (s < l->count && strcmp(l->names[s], name) != 0)
        s++;
    if (s == MAX_SYMBOLS)
        return;
    if (s == l->count)
        strcpy(l->names[l->count++], name);
    l->rules[l->rule_count++] = (struct tok_bpe_rule){left, right, s, 0};
}

/* Exchanges `swaps` pairs of rules, then ranks are places. */
static void make(struct list *l, uint64_t swaps, uint64_t *state)
{
    uint64_t goal = 1 + next(state, MAX_RULES);

    *l = (struct list){.count = LETTERS, .names = {"a", "b", "c"}};
    for (unsigned tries = 0; tries < 1000 && l->rule_count < goal; tries++)
        add_rule(l, state);
    for (uint64_t i = 0; i < swaps && l->rule_count; i++) {
        struct tok_bpe_rule *a = &l->rules[next(state, l->rule_count)];
        struct tok_bpe_rule *b = &l->rules[next(state, l->rule_count)], c = *a;
        *a = *b;
        *b = c;
    }
    for (uint64_t i = 0; i < l->rule_count; i++)
        l->rules[i].rank = (uint32_t)i;
}

/* Merges a name: the first rule of the list that applies, leftmost, each time. The last rule used, or
 * NULL where the name is a letter; false: it does not come to one symbol. */
static bool merge(const struct list *l, const char *name, const struct tok_bpe_rule **ret_last)
{
    uint32_t parts[MAX_SPELLING];
    uint64_t n = strlen(name);

    for (uint64_t i = 0; i < n; i++)
        parts[i] = (uint32_t)(name[i] - 'a');
    *ret_last = NULL;
    for (uint64_t r = 0; r < l->rule_count;) {
        const struct tok_bpe_rule *rule = &l->rules[r];
        uint64_t at = 0;
        while (at + 1 < n && (parts[at] != rule->left || parts[at + 1] != rule->right))
            at++;
        if (at + 1 >= n) {
            r++;
            continue;
        }
        parts[at] = rule->result;
        memmove(parts + at + 1, parts + at + 2, (n - at - 2) * sizeof *parts);
        n--;
        *ret_last = rule;
        r = 0;
    }
    return n == 1;
}

static void check(const struct list *l, uint64_t seed, bool no_plain, unsigned *valid)
{
    static const uint32_t no_bytes[256];
    uint64_t starts[MAX_SYMBOLS + 1] = {0};
    uint8_t bytes[MAX_SYMBOLS * MAX_SPELLING];
    bool initial[MAX_SYMBOLS] = {true, true, true};
    struct tok_bpe *b = NULL;
    struct ngt_error error;

    for (uint32_t s = 0; s < l->count; s++) {
        uint64_t n = strlen(l->names[s]);
        memcpy(bytes + starts[s], l->names[s], n);
        starts[s + 1] = starts[s] + n;
    }
    struct tok_bpe_config config = {
        .ids = l->count,
        .symbols = l->count,
        .starts = starts,
        .bytes = bytes,
        .initial = initial,
        .rules = l->rules,
        .rule_count = l->rule_count,
        .no_plain = no_plain,
        .unknown = TOK_UNKNOWN_ID,
        .byte_ids = no_bytes,
    };
    T_REQUIRE(tok_bpe_new(&config, "test", &b, &error) == NGT_OK);
    for (uint32_t s = 0; s < l->count; s++) {
        const struct tok_bpe_rule *last;
        const struct tok_bpe_symbol *item = &b->items[s];
        bool is = merge(l, l->names[s], &last);
        *valid += is;
        if (is != !!(b->flags[s] & TOK_SYMBOL_VALID))
            T_FAIL("seed %" PRIu64 ": %s is %svalid", seed, l->names[s], is ? "" : "not ");
        else if (is && last &&
                 (item->left != last->left || item->right != last->right ||
                  item->born != last->rank + 1))
            T_FAIL("seed %" PRIu64 ": the last rule of %s", seed, l->names[s]);
    }
    tok_bpe_free(&b);
}

static void lists(uint64_t swaps)
{
    struct list l;
    unsigned valid = 0;

    for (uint64_t seed = 1; seed <= 1500 && !t_failures; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        make(&l, swaps, &state);
        check(&l, seed, seed % 2, &valid);
    }
    T_TRUE(valid > 1500 * LETTERS);
}

T_CASE(in_the_order_they_are_made)
{
    lists(0);
}

T_CASE(nearly_in_that_order)
{
    lists(3);
}

T_CASE(in_any_order)
{
    lists(MAX_RULES);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
