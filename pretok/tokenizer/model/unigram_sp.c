/*
 * Two passes over text. tok_unigram_encode is the library's: float, exact for any sum in front.
 * tok_unigram_learn proves a word's path for a range of sums, so that it can be kept.
 *
 * The proof. Let u be at least half an ulp of every sum that occurs in the word, F(Q) the float sum
 * along a path Q of m(Q) pieces from sum S on, and t(Q) the true sum of its scores. Then |F(Q) - S -
 * t(Q)| <= u m(Q). Rounding is monotonic, so the best sum at each place is at least that of any path
 * to it, and the path P that is found has F(P) >= F(Q) for all Q. Hence, if
 *
 *     t(P) - u m(P) > t(Q) + u m(Q)   for all Q other than P,
 *
 * P is found for every S with that u. The two best paths by t(Q) + u m(Q), the sum with u added to
 * every score, decide it. In double the sums of 128 floats have errors below 1e-9, which the slack
 * covers many times over.
 */
#include "model/unigram_sp.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

#define RESET 100000.0f
#define UNREACHED UINT32_MAX
#define UNKNOWN (UINT32_MAX - 1)
#define SLACK 1e-6
#define SPACE_PLACES 512 /* passed at a time */

/* The bonus of sentencepiece 0.2.3: computed in double, rounded once. n counts bytes of the piece
 * with U+2581 at its full length. */
static float user_defined_score(uint64_t n)
{
    return (float)(0.1 * (double)((int)n - 1));
}

static uint64_t full_size(const uint8_t *text, uint64_t n, bool marker)
{
    uint64_t size = n;

    for (uint64_t i = 0; i < n && marker; i++)
        size += text[i] == ' ' ? 2 : 0;
    return size;
}

/* With a handful of pieces the ordinary way is as good. */
#define FEW_SPACES 8

#define LARGEST 1e30

/* finite: all scores are. */
static void find_spaces(struct tok_unigram *m, bool finite)
{
    struct tok_unigram_spaces *s = &m->spaces;
    uint32_t branch = m->trie.root, depth = 0;
    tok_trie_unit unit;

    s->ids[0] = UNREACHED; /* no piece */
    for (; depth < TOK_UNIGRAM_SPACES && tok_trie_step(&m->trie, branch, ' ', &unit); depth++) {
        uint32_t id = tok_trie_value(unit);
        branch = tok_trie_base(unit);
        s->ids[depth + 1] = id == TOK_TRIE_NONE ? UNREACHED : id;
        s->scores[depth + 1] = id == TOK_TRIE_NONE ? -INFINITY : m->scores[id];
    }
    if (depth && s->ids[1] == UNREACHED) {
        s->ids[1] = UNKNOWN;
        s->scores[1] = m->unknown_score;
    }
    s->depth = depth < FEW_SPACES || depth == TOK_UNIGRAM_SPACES || !finite ? 0 : depth;
}

enum ngt_status tok_unigram_init(struct tok_unigram *model, const struct tok_sp_vocab *vocab,
                                 struct ngt_error *reterr)
{
    struct tok_unigram m = {.unknown_id = vocab->unknown_id,
                            .byte_fallback = vocab->byte_fallback,
                            .marker = vocab->marker};
    struct tok_trie_key *keys = malloc(vocab->count * sizeof *keys);
    float least = FLT_MAX;
    uint64_t n = 0;
    bool finite = true;
    enum ngt_status status = NGT_OK;

    memcpy(m.byte_ids, vocab->byte_ids, sizeof m.byte_ids);
    m.scores = malloc(vocab->count * sizeof *m.scores);
    m.sizes = malloc(vocab->count * sizeof *m.sizes);
    if (!keys || !m.scores || !m.sizes) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    for (uint32_t id = 0; id < vocab->count; id++) {
        const uint8_t *bytes = vocab->bytes + vocab->starts[id];
        uint64_t size = tok_sp_vocab_size(vocab, id);
        /* of all normal pieces, those that never match too */
        if (vocab->types[id] == TOK_SP_NORMAL && vocab->scores[id] < least)
            least = vocab->scores[id];
        m.sizes[id] = (uint16_t)size;
        m.scores[id] = vocab->types[id] == TOK_SP_USER_DEFINED
                           ? user_defined_score(full_size(bytes, size, vocab->marker))
                           : vocab->scores[id];
        if (size == 0 || vocab->types[id] == TOK_SP_UNUSED)
            continue;
        keys[n++] = (struct tok_trie_key){bytes, size, id};
        m.largest = fmax(m.largest, fabs((double)m.scores[id]));
        finite = finite && isfinite(m.scores[id]);
    }
    m.unknown_score = least - 10.0f;
    /* what unknown characters become; these pieces themselves never match */
    m.scores[m.unknown_id] = m.unknown_score;
    for (unsigned b = 0; b < 256 && m.byte_fallback; b++)
        m.scores[m.byte_ids[b]] = m.unknown_score;
    m.largest = fmax(m.largest, fabs((double)m.unknown_score));
    if (n == 0) {
        status = ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                          "no piece that text could become");
        goto out;
    }
    status = tok_trie_init(&m.trie, keys, n, reterr);
    if (status != NGT_OK)
        goto out;
    find_spaces(&m, finite && m.largest < LARGEST);
    *model = m;
    m = (struct tok_unigram){0};
out:
    free(keys);
    tok_unigram_done(&m);
    return status;
}

void tok_unigram_done(struct tok_unigram *model)
{
    tok_trie_done(&model->trie);
    free(model->sizes);
    free(model->scores);
    *model = (struct tok_unigram){0};
}

void tok_unigram_scratch_done(struct tok_unigram_scratch *scratch)
{
    free(scratch->cells);
    free(scratch->path);
    *scratch = (struct tok_unigram_scratch){0};
}

static enum ngt_status grow(struct tok_unigram_scratch *s, uint64_t need, struct ngt_error *reterr)
{
    uint64_t room = s->room ? s->room : 4096;

    if (need <= s->room)
        return NGT_OK;
    while (room < need)
        room += room / 2;
    struct tok_unigram_cell *cells = realloc(s->cells, room * sizeof *cells);
    if (cells)
        s->cells = cells;
    uint32_t *path = realloc(s->path, room * sizeof *path);
    if (path)
        s->path = path;
    if (!cells || !path)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a text without a cut in %llu bytes",
                        (unsigned long long)need);
    s->room = room;
    return NGT_OK;
}

/* The ids of an unknown character of `size` bytes; at most 4. */
static uint32_t unknown_ids(const struct tok_unigram *m, const uint8_t *text, uint64_t size,
                            uint32_t *out)
{
    if (!m->byte_fallback) {
        *out = m->unknown_id;
        return 1;
    }
    if (m->marker && text[0] == ' ') {
        out[0] = m->byte_ids[0xE2];
        out[1] = m->byte_ids[0x96];
        out[2] = m->byte_ids[0x81];
        return 3;
    }
    for (uint64_t i = 0; i < size; i++)
        out[i] = m->byte_ids[text[i]];
    return (uint32_t)size;
}

/* Bytes of the last piece on the path to text + end. */
static uint64_t last_size(const struct tok_unigram *m, const uint8_t *text, uint64_t end,
                          uint32_t id)
{
    uint64_t size = 1;

    if (id != UNKNOWN)
        return m->sizes[id];
    while ((text[end - size] & 0xC0) == 0x80)
        size++;
    return size;
}

/* The path from text to text + n, which is certain, is written out. */
static enum ngt_status flush(const struct tok_unigram *m, struct tok_unigram_scratch *s,
                             const uint8_t *text, uint64_t n, struct tok_ids *ids,
                             struct ngt_error *reterr)
{
    uint64_t count = 0, at = 0;
    enum ngt_status status;

    for (uint64_t end = n; end > 0; end -= last_size(m, text, end, s->cells[end].id))
        s->path[count++] = s->cells[end].id;
    status = tok_ids_reserve(ids, count * 4, reterr);
    while (status == NGT_OK && count > 0) {
        uint32_t id = s->path[--count];
        uint64_t size = id == UNKNOWN ? tok_utf8_lead_size(text[at]) : m->sizes[id];
        if (id == UNKNOWN)
            ids->count += unknown_ids(m, text + at, size, ids->ids + ids->count);
        else
            ids->ids[ids->count++] = id;
        at += size;
    }
    return status;
}

/* Four places side by side. What is compared is one rounded addition each, as one by one. */
typedef float sums __attribute__((vector_size(16)));
typedef int32_t numbers __attribute__((vector_size(16)));
#define LANES 4

/* The best sums at four places so far. */
struct front {
    sums sum;
    numbers length; /* of the last piece; 0: none has been better than what was there */
};

static inline void take(struct front *f, sums candidate, numbers length)
{
    numbers better = candidate > f->sum;

    f->sum = (sums)((better & (numbers)candidate) | (~better & (numbers)f->sum));
    f->length = (better & length) | (~better & f->length);
}

/*
 * A stretch of spaces from each of which the longest piece of spaces still fits, and one more: only
 * those pieces begin there. A place takes its sum from all places before it, four places at a time,
 * so that what is loaded was mostly stored long ago. cells [at ...] are those from the first place
 * on, of which `reached` behind it are initialised, at most as many as `depth`; *ret_reached: of those
 * behind the last one. False: a sum would be taken off, and nothing is done.
 */
static bool pass_spaces(const struct tok_unigram_spaces *s, struct tok_unigram_cell *cells,
                        uint64_t places, uint64_t reached, uint64_t *ret_reached)
{
    const uint32_t depth = s->depth;
    const numbers one = (numbers){0} + 1;
    const sums none = (sums){0} - INFINITY;
    /* of places where pieces begin, the first of which is starts[depth] */
    float starts[2 * TOK_UNIGRAM_SPACES + SPACE_PLACES + 2 * LANES];
    struct tok_unigram_cell found[SPACE_PLACES + TOK_UNIGRAM_SPACES + LANES];
    sums scores[TOK_UNIGRAM_SPACES + 1], scores_within[LANES];
    numbers lengths_within[LANES], taken_off = {0};
    /* the starts just in front, not from memory, where they would have to arrive first */
    sums last = none, last_but_one = none;

    for (uint64_t i = 0; i < 2 * depth + places + 2 * LANES; i++)
        starts[i] = -INFINITY;
    for (uint32_t i = 0; i <= depth; i++)
        scores[i] = (sums){0} + s->scores[i];
    for (int k = 0; k < LANES; k++)
        for (int i = 0; i < LANES; i++) {
            scores_within[k][i] = i > k ? s->scores[i - k] : -INFINITY;
            lengths_within[k][i] = i - k;
        }
    for (uint64_t at = 0; at < places + depth; at += LANES) {
        float *first = starts + depth + at;
        struct front f = {none, {0}};
        for (uint64_t i = 0; i < LANES && at + i <= reached; i++)
            if (at + i == 0 || cells[at + i].id != UNREACHED)
                f.sum[i] = cells[at + i].best;
        /* of what begins before these four, the longest, which begins first, comes first */
        numbers length = one * (int32_t)depth;
        for (uint32_t i = depth; i >= 2 * LANES; i--) {
            sums from;
            memcpy(&from, first - i, sizeof from);
            take(&f, scores[i] + from, length);
            length -= one;
        }
        take(&f, scores[7] + __builtin_shufflevector(last_but_one, last, 1, 2, 3, 4), one * 7);
        take(&f, scores[6] + __builtin_shufflevector(last_but_one, last, 2, 3, 4, 5), one * 6);
        take(&f, scores[5] + __builtin_shufflevector(last_but_one, last, 3, 4, 5, 6), one * 5);
        take(&f, scores[4] + last, one * 4);
        take(&f, scores[3] + __builtin_shufflevector(last, none, 1, 2, 3, 4), one * 3);
        take(&f, scores[2] + __builtin_shufflevector(last, none, 2, 3, 4, 4), one * 2);
        take(&f, scores[1] + __builtin_shufflevector(last, none, 3, 4, 4, 4), one);
        uint64_t begin = at + LANES <= places ? LANES : at < places ? places - at : 0;
        for (uint64_t k = 0; k < begin; k++)
            take(&f, scores_within[k] + f.sum[k], lengths_within[k]);
        last_but_one = last;
        last = f.sum;
        for (uint64_t k = begin; k < LANES; k++)
            last[k] = -INFINITY;
        memcpy(first, &last, sizeof last);
        taken_off |= (last > none) & ((last < -RESET) | (last > RESET));
        for (uint64_t i = 0; i < LANES; i++)
            found[at + i] = (struct tok_unigram_cell){f.sum[i], s->ids[f.length[i]]};
        for (uint64_t i = 0; i < LANES && at + i <= reached; i++)
            if (f.length[i] == 0)
                found[at + i].id = cells[at + i].id;
    }
    if (taken_off[0] | taken_off[1] | taken_off[2] | taken_off[3])
        return false;
    memcpy(cells, found, (places + depth) * sizeof *cells);
    for (*ret_reached = depth; cells[places - 1 + *ret_reached].id == UNREACHED;)
        --*ret_reached;
    return true;
}

enum ngt_status tok_unigram_encode(const struct tok_unigram *m, struct tok_unigram_scratch *s,
                                   const uint8_t *text, uint64_t n, float *sum, struct tok_ids *ids,
                                   struct ngt_error *reterr)
{
    const uint32_t root = m->trie.root;
    /* cells[i] belongs to text + base + i; those up to the frontier are initialised */
    uint64_t base = 0, frontier = 0, at = 0, spaces_end = 0;
    uint64_t singly = 0; /* up to there spaces are passed one by one */
    const uint64_t depth = m->spaces.depth;
    enum ngt_status status = grow(s, 4096, reterr);

    if (status != NGT_OK)
        return status;
    s->cells[0] = (struct tok_unigram_cell){*sum, UNREACHED};
    while (at < n) {
        if (frontier == at && at > base) {
            status = flush(m, s, text + base, at - base, ids, reterr);
            if (status != NGT_OK)
                return status;
            s->cells[0].best = s->cells[at - base].best;
            base = at;
        }
        status = grow(s, at - base + m->trie.max_bytes + SPACE_PLACES + 8, reterr);
        if (status != NGT_OK)
            return status;
        struct tok_unigram_cell *here = s->cells + (at - base);
        if (depth && text[at] == ' ' && n - at > depth && text[at + depth] == ' ') {
            for (spaces_end = spaces_end > at ? spaces_end : at;
                 spaces_end < n && text[spaces_end] == ' ';)
                spaces_end++;
            uint64_t run = spaces_end - at, reached = frontier - at;
            if (run > depth && reached <= depth && at >= singly) {
                uint64_t places = run - depth < SPACE_PLACES ? run - depth : SPACE_PLACES;
                singly = at + places;
                if (pass_spaces(&m->spaces, here, places, reached, &reached)) {
                    at += places;
                    frontier = at - 1 + reached;
                    continue;
                }
            }
        }
        float best = here->best;
        if (best < -RESET || best > RESET) {
            for (uint64_t i = 0; i <= frontier - at; i++)
                if (i == 0 || here[i].id != UNREACHED)
                    here[i].best -= best;
            best = 0.0f;
        }
        uint64_t size = tok_utf8_lead_size(text[at]), most = n - at;
        uint64_t reached = frontier - at;
        bool single = false;
        uint32_t branch = root;
        tok_trie_unit unit;
        for (uint64_t i = 0; i < most && tok_trie_step(&m->trie, branch, text[at + i], &unit);) {
            uint32_t id = tok_trie_value(unit);
            branch = tok_trie_base(unit);
            i++;
            if (id == TOK_TRIE_NONE)
                continue;
            float candidate = m->scores[id] + best;
            while (reached < i)
                here[++reached].id = UNREACHED;
            if (here[i].id == UNREACHED || candidate > here[i].best)
                here[i] = (struct tok_unigram_cell){candidate, id};
            single = single || i == size;
        }
        if (!single) {
            float candidate = m->unknown_score + best;
            while (reached < size)
                here[++reached].id = UNREACHED;
            if (here[size].id == UNREACHED || candidate > here[size].best)
                here[size] = (struct tok_unigram_cell){candidate, UNKNOWN};
        }
        frontier = at + reached;
        at += size;
    }
    if (n > base) {
        *sum = s->cells[n - base].best;
        status = flush(m, s, text + base, n - base, ids, reterr);
    }
    return status;
}

/* Sums of the two best of different paths to each place. */
struct two_paths {
    double first[TOK_UNIGRAM_WORD + 4], second[TOK_UNIGRAM_WORD + 4];
    uint32_t ids[TOK_UNIGRAM_WORD + 4]; /* the last of the first path */
};

/* A piece of this score ends at `to`: both paths to where it starts (a >= b with it) go on. Without a
 * branch, which the text would decide. */
static inline void relax(struct two_paths *p, uint64_t to, double a, double b, uint32_t id)
{
    double first = p->first[to], second = p->second[to], less = a > first ? first : a;

    p->ids[to] = a > first ? id : p->ids[to];
    p->first[to] = a > first ? a : first;
    second = second > b ? second : b;
    p->second[to] = second > less ? second : less;
}

/* The best path by scores + u; false if it is not certain with that u. */
static bool prove(const struct tok_unigram *m, const uint8_t *text, uint64_t n, double u,
                  struct tok_unigram_word *word)
{
    struct two_paths p;
    uint32_t path[TOK_UNIGRAM_WORD], count = 0;

    for (uint64_t i = 0; i <= n; i++) {
        p.first[i] = p.second[i] = -INFINITY;
        p.ids[i] = UNREACHED;
    }
    p.first[0] = 0;
    for (uint64_t at = 0; at < n;) {
        uint64_t size = tok_utf8_lead_size(text[at]);
        double first = p.first[at], second = p.second[at];
        bool single = false;
        uint32_t branch = m->trie.root;
        tok_trie_unit unit;
        for (uint64_t i = at; i < n && tok_trie_step(&m->trie, branch, text[i], &unit);) {
            uint32_t id = tok_trie_value(unit);
            branch = tok_trie_base(unit);
            i++;
            if (id != TOK_TRIE_NONE) {
                double score = (double)m->scores[id] + u;
                relax(&p, i, first + score, second + score, id);
                single = single || i == at + size;
            }
        }
        if (!single) {
            double score = (double)m->unknown_score + u;
            relax(&p, at + size, first + score, second + score, UNKNOWN);
        }
        at += size;
    }
    for (uint64_t end = n; end > 0; end -= last_size(m, text, end, p.ids[end]))
        path[count++] = p.ids[end];
    word->id_count = 0;
    word->score_count = count;
    for (uint64_t i = 0, at = 0; i < count; i++) {
        uint32_t id = path[count - 1 - i];
        uint64_t size = id == UNKNOWN ? tok_utf8_lead_size(text[at]) : m->sizes[id];
        if (id == UNKNOWN)
            word->id_count += unknown_ids(m, text + at, size, word->ids + word->id_count);
        else
            word->ids[word->id_count++] = id;
        word->scores[i] = id == UNKNOWN ? m->unknown_score : m->scores[id];
        at += size;
    }
    return p.first[n] - 2 * u * (double)count - SLACK > p.second[n];
}

void tok_unigram_learn(const struct tok_unigram *m, const uint8_t *text, uint64_t n,
                       struct tok_unigram_word *ret_word)
{
    /* no sum in the word is further than this from the one in front of it */
    double reach = (double)n * m->largest * 1.001 + 1;

    /* sums below 2^17 have half an ulp of 2^-8; those below 2^13, 2^-12 */
    if (prove(m, text, n, 0x1p-8, ret_word))
        ret_word->limit = (float)((double)RESET - reach - 1);
    else if (prove(m, text, n, 0x1p-12, ret_word))
        ret_word->limit = (float)(0x1p13 - reach - 1);
    else
        ret_word->limit = -1;
}
