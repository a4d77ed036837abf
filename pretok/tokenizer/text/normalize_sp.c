/*
 * One loop from left to right; at each place a user-defined symbol, else the longest rule, else one
 * character, else one malformed byte. Around it two short cuts: models without rules copy whole
 * stretches, models with rules copy ASCII by class. Both stop in front of what they do not know.
 */
#include "text/normalize_sp.h"

#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

/* SentencePiece looks at no more symbols than that at one place. */
#define SYMBOL_LIMIT 64
/* Nor can it have more text than an int counts. */
#define TEXT_LIMIT (UINT64_C(1) << 31)

static const uint8_t marker[3] = {0xE2, 0x96, 0x81}, replacement[3] = {0xEF, 0xBF, 0xBD};

void tok_sp_normalizer_init(struct tok_sp_normalizer *nz, const struct tok_sp_scan *scan)
{
    tok_trie_unit unit;

    nz->scan = scan;
    nz->classes = (struct tok_sp_classes){.squeeze = nz->squeeze};
    /* symbols are copied as they are, so without rules and without squeezing they change nothing */
    nz->as_is = !nz->charsmap && !nz->squeeze;
    for (unsigned b = 0; b < 256; b++) {
        nz->starts_symbol[b] = !nz->as_is && nz->symbols &&
                               tok_trie_step(nz->symbols, nz->symbols->root, (uint8_t)b, &unit);
        if (b >= 128 || nz->starts_symbol[b])
            continue;
        nz->classes.of[b] = b == ' ' ? TOK_SP_SPACE : TOK_SP_SAME;
        if (nz->charsmap)
            nz->classes.of[b] = nz->charsmap->ascii[b] == TOK_ASCII_SAME    ? TOK_SP_SAME
                                : nz->charsmap->ascii[b] == TOK_ASCII_SPACE ? TOK_SP_SPACE
                                                                            : TOK_SP_LOOK;
    }
    tok_sp_classes_finish(&nz->classes);
}

uint64_t tok_sp_symbol_at(const struct tok_trie *symbols, const uint8_t *text, uint64_t n,
                          uint32_t *ret_value)
{
    uint32_t base = symbols->root;
    uint64_t longest = 0;
    unsigned found = 0;
    tok_trie_unit unit;

    for (uint64_t i = 0; i < n && tok_trie_step(symbols, base, text[i], &unit); i++) {
        if (tok_trie_value(unit) != TOK_TRIE_NONE) {
            longest = i + 1;
            *ret_value = tok_trie_value(unit);
            if (++found == SYMBOL_LIMIT)
                break;
        }
        base = tok_trie_base(unit);
    }
    return longest;
}

void tok_sp_text_done(struct tok_sp_text *text)
{
    free(text->bytes);
    *text = (struct tok_sp_text){0};
}

/* Makes room for `more` bytes and the padding behind text->n. */
static bool reserve(struct tok_sp_text *text, uint64_t more)
{
    uint64_t need = text->n + more + TOK_SP_PADDING;

    /* rules may be of any length: a small document must not take all memory */
    if (need > TEXT_LIMIT) {
        text->n = TEXT_LIMIT;
        return false;
    }
    if (need <= text->room)
        return true;
    uint64_t room = text->room + text->room / 2 + 4096;
    if (room < need)
        room = need;
    uint8_t *grown = realloc(text->bytes, room);
    if (!grown)
        return false;
    text->bytes = grown;
    text->room = room;
    return true;
}

/* What the text at one place becomes. */
struct item {
    const uint8_t *to;
    uint64_t size, taken;
};

static inline struct item next_item(const struct tok_sp_normalizer *nz, const uint8_t *text,
                                    uint64_t n)
{
    const char *rule = NULL;
    uint64_t taken;
    uint32_t value;

    if (nz->starts_symbol[text[0]] && (taken = tok_sp_symbol_at(nz->symbols, text, n, &value)) != 0)
        return (struct item){text, taken, taken};
    if (nz->charsmap && tok_charsmap_may_start(nz->charsmap, text[0], n > 1 ? text[1] : 0) &&
        (taken = tok_charsmap_longest(nz->charsmap, text, n, &rule)) != 0)
        return (struct item){(const uint8_t *)rule, strlen(rule), taken};
    unsigned size = tok_utf8_size(text, n);
    if (size == 0)
        return (struct item){replacement, sizeof replacement, 1};
    return (struct item){text, size, size};
}

/* Appends bytes [n], escaping U+2581. The room is there. */
static inline void append(const struct tok_sp_normalizer *nz, struct tok_sp_text *text,
                          const uint8_t *from, uint64_t n)
{
    uint8_t *out = text->bytes + text->n;

    for (uint64_t i = 0; i < n; i++) {
        if (from[i] == marker[0] && nz->escape && n - i >= 3 && from[i + 1] == marker[1] &&
            from[i + 2] == marker[2]) {
            *out++ = ' ';
            i += 2;
        } else {
            *out++ = from[i];
        }
    }
    text->n = (uint64_t)(out - text->bytes);
}

/* Models without rules that keep all spaces. */
static bool copy_as_is(const struct tok_sp_normalizer *nz, const uint8_t *document, uint64_t n,
                       struct tok_sp_text *text)
{
    uint64_t at = 0;

    while (at < n) {
        uint64_t clean = nz->scan->clean(document + at, n - at);
        /* a malformed byte becomes three */
        if (!reserve(text, n - at + 3))
            return false;
        memcpy(text->bytes + text->n, document + at, clean);
        text->n += clean;
        at += clean;
        if (at == n)
            break;
        struct item item = next_item(nz, document + at, n - at);
        append(nz, text, item.to, item.size);
        at += item.taken;
    }
    return true;
}

/* Does a rule apply to text [n], n >= 3? Nineteen in twenty characters that some rule begins with stand
 * without the mark that the rule is about. */
static inline bool has_rule(const struct tok_charsmap *map, const uint8_t *text, uint64_t n)
{
    const char *rule;
    return tok_charsmap_may_start3(map, text) && tok_charsmap_longest(map, text, n, &rule) != 0;
}

/*
 * Copies what needs no rule from document [at, end), which is clean: characters above ASCII, and
 * ASCII ones in front of them, which the classes alone do not decide. Returns where it stopped. The
 * room is there.
 */
static uint64_t copy_known(const struct tok_sp_normalizer *nz, const uint8_t *document, uint64_t n,
                           uint64_t at, uint64_t end, struct tok_sp_text *text, bool *space)
{
    uint8_t *out = text->bytes + text->n;

    for (; at + 4 <= end; at++) {
        uint8_t b = document[at], next = document[at + 1];
        if (nz->starts_symbol[b] || (nz->charsmap && has_rule(nz->charsmap, document + at, n - at)))
            break;
        if (b >= 0x80) {
            unsigned size = 2u + (b >= 0xE0) + (b >= 0xF0);
            memcpy(out, document + at, 4);
            out += size;
            at += size - 1;
            *space = false;
            continue;
        }
        if (next < 0x80 || nz->classes.of[b] == TOK_SP_LOOK)
            break;
        if (nz->classes.of[b] == TOK_SP_SAME) {
            *out++ = b;
            *space = false;
        } else {
            *out = ' ';
            out += !*space;
            *space = nz->squeeze;
        }
    }
    text->n = (uint64_t)(out - text->bytes);
    return at;
}

static bool copy_by_rule(const struct tok_sp_normalizer *nz, const uint8_t *document, uint64_t n,
                         struct tok_sp_text *text)
{
    bool space = nz->squeeze;
    uint64_t at = 0, clean = 0; /* document [at, clean) is clean, if that is anything */

    if (!reserve(text, n))
        return false;
    while (at < n) {
        /* invariant: room for n - at bytes and the padding */
        if (document[at] < 0x80 && (n - at == 1 || document[at + 1] < 0x80)) {
            uint8_t *end;
            at += nz->scan->copy(&nz->classes, document + at, n - at, text->bytes + text->n, &space,
                                 &end);
            text->n = (uint64_t)(end - text->bytes);
            space = space && nz->squeeze;
            if (at == n)
                break;
        }
        if (at >= clean)
            clean = at + nz->scan->clean(document + at, n - at);
        at = copy_known(nz, document, n, at, clean, text, &space);
        if (at == n)
            break;
        struct item item = next_item(nz, document + at, n - at);
        at += item.taken;
        while (space && item.size && item.to[0] == ' ') {
            item.to++;
            item.size--;
        }
        if (item.size == 0)
            continue;
        if (!reserve(text, item.size + n - at))
            return false;
        append(nz, text, item.to, item.size);
        space = nz->squeeze && item.to[item.size - 1] == ' ';
    }
    return true;
}

enum ngt_status tok_sp_normalize(const struct tok_sp_normalizer *nz, const uint8_t *document,
                                 uint64_t n, struct tok_sp_text *text, struct ngt_error *reterr)
{
    bool good;

    text->n = 0;
    while (nz->squeeze && n) {
        struct item item = next_item(nz, document, n);
        if (item.size != 1 || item.to[0] != ' ')
            break;
        document += item.taken;
        n -= item.taken;
    }
    if (n == 0)
        return NGT_OK;
    good = reserve(text, n + 1);
    if (good && nz->dummy_prefix && !nz->suffix)
        text->bytes[text->n++] = ' ';
    good = good &&
           (nz->as_is ? copy_as_is(nz, document, n, text) : copy_by_rule(nz, document, n, text));
    while (good && nz->squeeze && text->n && text->bytes[text->n - 1] == ' ')
        text->n--;
    good = good && reserve(text, 1);
    if (!good && text->n == TEXT_LIMIT)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "text of %llu bytes grows beyond 2 GiB when it is normalized",
                        (unsigned long long)n);
    if (!good)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a text of %llu bytes", (unsigned long long)n);
    if (nz->dummy_prefix && nz->suffix)
        text->bytes[text->n++] = ' ';
    memset(text->bytes + text->n, 0, TOK_SP_PADDING);
    return NGT_OK;
}
