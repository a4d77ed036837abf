/* See hf_charsmap.h. The blob: u32 size of a double array, its u32 units, then strings that end in
 * NUL; the values of the array are offsets of strings. All little-endian. */
#include "text/hf_charsmap.h"

#include "text/hf_graphemes.h"
#include "text/hf_tables.h"
#include "text/utf8_inline.h"

struct tok_hf_charsmap {
    uint32_t *units;
    uint64_t unit_count;
    uint8_t *strings;
    uint64_t string_bytes;
    bool ascii_stays[128]; /* this character alone maps to nothing else */
    /* A bit for each two bytes that a key begins with, or the first of which is one. Most characters
     * need no more than this. */
    uint64_t begins[1024];
};

static int base64_value(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* In whole groups of four with padding, as the library's decoder wants it. */
static bool decode(const char *in, uint64_t n, uint8_t *out, uint64_t *ret_size)
{
    uint64_t size = 0;
    unsigned padding = 0;

    if (n % 4)
        return false;
    for (uint64_t i = 0; i < n; i += 4) {
        uint32_t bits = 0;
        for (unsigned k = 0; k < 4; k++) {
            int v = base64_value(in[i + k]);
            if (in[i + k] == '=' && i + 4 == n && k >= 2) {
                padding++;
                v = 0;
            } else if (v < 0 || padding) {
                return false;
            }
            bits = bits << 6 | (uint32_t)v;
        }
        out[size++] = (uint8_t)(bits >> 16);
        out[size++] = (uint8_t)(bits >> 8);
        out[size++] = (uint8_t)bits;
    }
    *ret_size = size - padding;
    return true;
}

static uint64_t offset_of(uint32_t unit)
{
    return (uint64_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* The string of the shortest key that key [n] begins with; NULL where there is none. */
static const uint8_t *find(const struct tok_hf_charsmap *m, const uint8_t *key, uint64_t n,
                           uint64_t *ret_size)
{
    uint64_t node = offset_of(m->units[0]);

    for (uint64_t i = 0; i < n && key[i]; i++) {
        node ^= key[i];
        if (node >= m->unit_count)
            return NULL;
        uint32_t unit = m->units[node];
        if ((unit & (1u << 31 | 0xFF)) != key[i])
            return NULL;
        node ^= offset_of(unit);
        if (!(unit >> 8 & 1))
            continue;
        if (node >= m->unit_count)
            return NULL;
        uint64_t at = m->units[node] & 0x7FFFFFFF;
        /* a value that points into a character would make text ill-formed */
        if (at >= m->string_bytes || (m->strings[at] & 0xC0) == 0x80)
            return NULL;
        const uint8_t *end = memchr(m->strings + at, 0, m->string_bytes - at);
        *ret_size = end ? (uint64_t)(end - m->strings) - at : m->string_bytes - at;
        return m->strings + at;
    }
    return NULL;
}

static inline bool may_begin(const struct tok_hf_charsmap *m, const uint8_t *two)
{
    unsigned pair = (unsigned)two[0] << 8 | two[1];

    return m->begins[pair >> 6] >> (pair & 63) & 1;
}

/* Does a key go on behind these bytes, or end in them? */
static bool leads_on(const struct tok_hf_charsmap *m, const uint8_t *bytes, unsigned n)
{
    uint64_t node = offset_of(m->units[0]);

    for (unsigned i = 0; i < n; i++) {
        node ^= bytes[i];
        if (!bytes[i] || node >= m->unit_count || (m->units[node] & (1u << 31 | 0xFF)) != bytes[i])
            return false;
        if (m->units[node] >> 8 & 1)
            return true;
        node ^= offset_of(m->units[node]);
    }
    return true;
}

static enum ngt_status refuse(const char *path, const char *what, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                    "normalizer Precompiled: precompiled_charsmap %s", what);
}

enum ngt_status tok_hf_charsmap_new(const char *base64, uint64_t n, const char *path,
                                    struct tok_hf_charsmap **ret_map, struct ngt_error *reterr)
{
    struct tok_hf_charsmap *m = calloc(1, sizeof *m);
    uint8_t *blob = malloc(n + 4);
    uint64_t size = 0, array;
    enum ngt_status status = NGT_OK;

    if (!m || !blob) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    if (!decode(base64, n, blob, &size)) {
        status = refuse(path, "is not base64", reterr);
        goto out;
    }
    array = size < 4 ? 0 : blob[0] | blob[1] << 8 | blob[2] << 16 | (uint64_t)blob[3] << 24;
    if (array < 4 || array % 4 || array > size - 4) {
        status = refuse(path, "is damaged: its trie does not fit", reterr);
        goto out;
    }
    m->unit_count = array / 4;
    m->string_bytes = size - 4 - array;
    m->units = malloc(array);
    m->strings = malloc(m->string_bytes + 1);
    if (!m->units || !m->strings) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    for (uint64_t i = 0; i < m->unit_count; i++) {
        const uint8_t *u = blob + 4 + 4 * i;
        m->units[i] =
            (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    }
    memcpy(m->strings, blob + 4 + array, m->string_bytes);
    if (tok_utf8_valid_prefix(m->strings, m->string_bytes) != m->string_bytes) {
        status = refuse(path, "is damaged: its replacements are not UTF-8", reterr);
        goto out;
    }
    for (unsigned c = 0; c < 128; c++) {
        uint8_t key = (uint8_t)c;
        uint64_t got;
        m->ascii_stays[c] = !find(m, &key, 1, &got);
    }
    for (unsigned pair = 0; pair < 1u << 16; pair++) {
        const uint8_t two[] = {(uint8_t)(pair >> 8), (uint8_t)pair};
        m->begins[pair >> 6] |= (uint64_t)leads_on(m, two, 2) << (pair & 63);
    }
    *ret_map = m;
    m = NULL;
out:
    free(blob);
    tok_hf_charsmap_free(&m);
    return status;
}

void tok_hf_charsmap_free(struct tok_hf_charsmap **map)
{
    if (!*map)
        return;
    free((*map)->units);
    free((*map)->strings);
    free(*map);
    *map = NULL;
}

/* Looks up text[from, end); a hit is written in place of it. */
static enum ngt_status replace(const struct tok_hf_charsmap *m, const uint8_t *text, uint64_t from,
                               uint64_t end, struct tok_buffer *out, uint64_t *copied,
                               bool *ret_hit, struct ngt_error *reterr)
{
    uint64_t size = 0;
    const uint8_t *with = NULL;
    enum ngt_status status;

    if (end - from == 1 || may_begin(m, text + from))
        with = find(m, text + from, end - from, &size);
    *ret_hit = with != NULL;
    if (!with)
        return NGT_OK;
    status = tok_buffer_reserve(out, from - *copied + size, reterr);
    if (status != NGT_OK)
        return status;
    tok_buffer_put(out, text + *copied, from - *copied);
    tok_buffer_put(out, with, size);
    *copied = end;
    return NGT_OK;
}

/* Is the character at text[at] surely a cluster of its own? Most are: plain ones before plain ones. */
static inline bool stands_alone(const uint8_t *text, uint64_t n, uint64_t at)
{
    unsigned size;
    uint32_t c = tok_utf8_get(text + at, &size), next;

    if (tok_hf_grapheme(c) != TOK_HF_G_OTHER)
        return false;
    at += size;
    if (at == n || text[at] < 0x80)
        return true;
    next = tok_utf8_get(text + at, &size);
    /* Hangul has rules of its own */
    return tok_hf_grapheme(next) == TOK_HF_G_OTHER &&
           (next < 0x1100 || (next > 0x11FF && next < 0xA960) || next > 0xD7FB);
}

enum ngt_status tok_hf_charsmap_apply(const struct tok_hf_charsmap *m, const uint8_t *text,
                                      uint64_t n, struct tok_buffer *out, bool *ret_changed,
                                      struct ngt_error *reterr)
{
    uint64_t copied = 0, at = 0;
    enum ngt_status status = NGT_OK;
    bool hit;

    *ret_changed = false;
    while (at < n && status == NGT_OK) {
        /* an ASCII character before another one is a cluster of its own, CR LF apart */
        if (text[at] < 0x80 && m->ascii_stays[text[at]] && text[at] != '\r' &&
            (at + 1 == n || text[at + 1] < 0x80)) {
            at++;
            continue;
        }
        uint64_t one_end = at + tok_utf8_lead_size(text[at]);
        bool alone = stands_alone(text, n, at);
        if (alone && (text[at] < 0x80 ? m->ascii_stays[text[at]] : !may_begin(m, text + at))) {
            at = one_end;
            continue;
        }
        uint64_t end = alone ? one_end : tok_hf_cluster_end(text, n, at);
        hit = false;
        if (end - at < 6) {
            status = replace(m, text, at, end, out, &copied, &hit, reterr);
            *ret_changed |= hit;
        }
        /* a cluster of one character has been looked up */
        for (uint64_t c = at; !hit && end > one_end && c < end && status == NGT_OK;) {
            uint64_t next = c + tok_utf8_lead_size(text[c]);
            bool one;
            status = replace(m, text, c, next, out, &copied, &one, reterr);
            *ret_changed |= one;
            c = next;
        }
        at = end;
    }
    if (status == NGT_OK && *ret_changed) {
        status = tok_buffer_reserve(out, n - copied, reterr);
        if (status == NGT_OK)
            tok_buffer_put(out, text + copied, n - copied);
    }
    return status;
}
