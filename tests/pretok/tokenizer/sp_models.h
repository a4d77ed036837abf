/*
 * Small models for tests. The expected ids and texts in the tests were written down from
 * sentencepiece 0.2.3 reading these very bytes.
 */
#ifndef SP_MODELS_H
#define SP_MODELS_H

#include "sp_file.h"

#define M "\xE2\x96\x81" /* U+2581 */

static const struct sp_rule sp_rules[] = {
    {"A", "a"},
    {"\t", " "},
    {"\n", " "},
    {"\xC2\xA0", " "},
    {"\xE3\x80\x80", " "},
    {"\xE2\x80\x8B", ""},
    {"\xEF\xAC\x81", "fi"},
    {"\xC2\xBD", " 1/2"},
    {"X", "  x "},
    {"e\xCC\x81", "\xC3\xA9"},
    {"e\xCC\x81\xCC\x81", "E"},
    {"ZZ", "z"},
    {"Q", "q" M},
};

struct sp_flags {
    bool charsmap, dummy, squeeze, escape, suffix;
};

/* What the flags and rules do to text; all pieces but symbols are single characters. */
static inline void sp_model_text(struct sp_file *f, struct sp_flags flags)
{
    static struct sp_charsmap map;

    f->size = 0;
    sp_reserved(f, false);
    sp_piece(f, "<u>", 0, USER);
    sp_piece(f, "<u>A", 0, USER);
    sp_piece(f, "  ", 0, USER);
    sp_piece(f, "b A", 0, USER);
    sp_piece(f, " c", 0, USER);
    sp_piece(f, M "d", 0, USER);
    sp_piece(f, "a", -1, NORMAL);
    sp_piece(f, M, -2, NORMAL);
    sp_trainer(f, 2, false, flags.suffix);
    sp_charsmap(&map, sp_rules, sizeof sp_rules / sizeof *sp_rules);
    sp_normalizer(f, map.bytes, flags.charsmap ? map.size : 0, flags.dummy, flags.squeeze,
                  flags.escape);
}

/* BPE with equal scores, symbols, characters that are no pieces, and maybe UNUSED pieces. */
static inline void sp_model_bpe(struct sp_file *f, bool bytes, bool unused)
{
    f->size = 0;
    sp_reserved(f, bytes);
    sp_piece(f, "a", -10, NORMAL);
    sp_piece(f, "b", -11, NORMAL);
    sp_piece(f, M, -12, NORMAL);
    sp_piece(f, "ab", -1, NORMAL);
    sp_piece(f, "ba", -1, NORMAL);
    sp_piece(f, "aba", -2, unused ? UNUSED : NORMAL);
    sp_piece(f, "abab", -1.5F, unused ? UNUSED : NORMAL);
    sp_piece(f, M "a", -3, NORMAL);
    sp_piece(f, M M, -0.5F, NORMAL);
    sp_piece(f, M M M M, 0.5F, NORMAL);
    sp_piece(f, "cd", 2, NORMAL); /* c and d are no pieces */
    sp_piece(f, "bcd", 0.0F, NORMAL);
    sp_piece(f, "cda", -0.0F, NORMAL);
    sp_piece(f, "<u>", 0, USER);
    sp_piece(f, "aa", 0, USER);
    sp_piece(f, M "b", 0, USER);
    sp_piece(f, "\xC3\xA9", -4, UNUSED);
    sp_piece(f, "b\xC3\xA9", -4, NORMAL);
    sp_trainer(f, 2, bytes, false);
    sp_normalizer(f, NULL, 0, true, false, true);
}

/* Unigram with ties, a symbol, an UNUSED piece. scale 3000 makes sums leave +-100000 soon. */
static inline void sp_model_unigram(struct sp_file *f, bool bytes, float scale)
{
    static const struct {
        const char *name;
        float score;
        unsigned type;
    } pieces[] = {
        {"a", -2.5F, NORMAL},     {"b", -2.25F, NORMAL},  {"ab", -4.75F, NORMAL},
        {"ba", -4.7501F, NORMAL}, {"aab", -7.1F, NORMAL}, {"bab", -6.9F, NORMAL},
        {M, -2, NORMAL},          {M "a", -4.5F, NORMAL}, {M "ab", -6.6F, NORMAL},
        {"c", -9, UNUSED},        {"cc", -3, NORMAL},     {"abc", -1, UNUSED},
        {"<u>", 0, USER},         {M M, -1.5F, NORMAL},   {"\xC3\xA9", -3.3F, NORMAL},
        {"a,", -5, NORMAL},       {",", -3.125F, NORMAL}, {"abababab", -18, NORMAL},
    };

    f->size = 0;
    sp_reserved(f, bytes);
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; i++)
        sp_piece(f, pieces[i].name, pieces[i].score * scale, pieces[i].type);
    sp_trainer(f, 1, bytes, false);
    sp_normalizer(f, NULL, 0, true, false, true);
}
#endif
