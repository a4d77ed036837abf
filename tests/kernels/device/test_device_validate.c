/*
 * The validator lets every table of the builder pass, and no mutation of one: what it does let
 * through must give the same step, shown by the executor and the gradients.
 */
#include "t.h"

#include "device_lab.h"
#include "kern/device/executor.h"
#include "kern/device/validate.h"

#include <stddef.h>
#include <time.h>

static struct kern_device_table *table_of(const struct kern_config *config)
{
    struct kern_device_table *t = NULL;
    struct kern_error error = {0};

    if (kern_device_table_new(config, &t, &error) != KERN_OK)
        T_FAIL("table: %s", error.message);
    T_REQUIRE(t);
    return t;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void accept(const char *name, struct kern_config config)
{
    for (int kind = 0; kind < 3; kind++) { /* training, forward only, training with recompute */
        bool forward_only = kind == 1;
        config.forward_only = forward_only;
        config.recompute = kind == 2;
        struct kern_device_table *t = table_of(&config);
        struct kern_error error = {0};
        double start = seconds();

        if (kern_device_validate(t, &error) != KERN_OK)
            T_FAIL("%s: %s", name, error.message);
        if (!forward_only)
            printf("%s%s: %u phases, %.2f GB, %.2f ms\n", name, t->recompute ? ", recompute" : "",
                   t->phase_count, (double)t->arena / 1e9, 1e3 * (seconds() - start));
        kern_device_table_free(&t);
    }
}

T_CASE(small_tables)
{
    accept("head 64", lab_config(2, 64, 1, 1, 64, 72, 77, false, 2, 264));
    accept("grouped 64", lab_config(3, 136, 4, 2, 64, 120, 1001, true, 2, 264));
    accept("grouped 128", lab_config(1, 72, 3, 1, 128, 200, 77, false, 1, 520));
    accept("tiny", lab_config(1, 8, 1, 1, 64, 8, 2, false, 1, 1));
    accept("large tiles", lab_config(1, 64, 1, 1, 64, 64, 1001, false, 13, 128));
    accept("head chunks", lab_config(1, 8, 1, 1, 64, 8, 1100, true, 68, 128));
    accept("three chunks", lab_config(2, 8, 1, 1, 64, 8, 1100, false, 131, 128));
    accept("scanned head", lab_config(2, 128, 1, 1, 64, 72, 4100, true, 3, 130));
}

T_CASE(presets)
{
    static const char *const names[] = {"1m", "10m", "42m", "124m", "350m", "1.3b"};
    static const uint32_t shapes[][2] = {{1, 1}, {4, 1024}, {64, 1024}, {3, 1000}};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        for (unsigned j = 0; j < sizeof shapes / sizeof shapes[0]; j++) {
            struct kern_config config =
                lab_config(1, 8, 1, 1, 64, 8, 2, false, shapes[j][0], shapes[j][1]);
            char name[64];

            T_TRUE(kern_model_preset(names[i], &config.model));
            config.model.vocab = j == 2 ? 50257 : 32000;
            config.model.untied = i % 2;
            snprintf(name, sizeof name, "%s %ux%u", names[i], shapes[j][0], shapes[j][1]);
            accept(name, config);
        }
}

/* To the last number for which it is said to be exact, and at every multiple's edges. */
T_CASE(divisors)
{
    for (uint32_t d = 1; d < 5000; d++) {
        uint64_t by = kern_device_divisor(d), most = ((UINT64_C(1) << KERN_DEVICE_DIVISOR_BITS) - 1) / d;
        uint32_t last = most < UINT32_MAX >> 8 ? (uint32_t)most : UINT32_MAX >> 8;

        for (uint32_t k = 0; k < 40; k++) {
            uint32_t n = k < 20 ? k * d : (last / d - (k - 20)) * d;
            T_EQ_INT(kern_device_divide(n, by), n / d);
            T_EQ_INT(kern_device_divide(n + d - 1, by), n / d);
        }
        T_EQ_INT(kern_device_divide(last, by), last / d);
    }
}

/* A tile has its own place in the grid, and each place a tile. */
T_CASE(tile_numbers)
{
    for (uint32_t m = 1; m < 30; m++)
        for (uint32_t n = 1; n < 12; n++) {
            struct kern_device_product p = {.tiles_m = m, .tiles_n = n, .splits = 3,
                                            .by_plane = kern_device_divisor(m * n),
                                            .by_wide = kern_device_divisor(8 * n)};
            unsigned char seen[3 * 30 * 12] = {0};

            for (uint32_t tile = 0; tile < 3 * m * n; tile++) {
                struct kern_device_coordinates c = kern_device_tile(&p, tile);
                T_TRUE(c.m < m && c.n < n && c.split == tile / (m * n));
                unsigned char *at = &seen[(c.split * m + c.m) * n + c.n];
                T_EQ_INT(*at, 0);
                *at = 1;
            }
        }
}

/* ---- mutations ---- */

struct field {
    const char *name;
    size_t offset, size;
};

#define FIELD(type, member)                                                                        \
    {                                                                                              \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member)                 \
    }
#define PRODUCT(member)                                                                            \
    FIELD(kern_device_phase, product.member), FIELD(kern_device_phase, weight.member)

static const struct field phase_fields[] = {
    FIELD(kern_device_phase, op),
    FIELD(kern_device_phase, when),
    FIELD(kern_device_phase, layer),
    FIELD(kern_device_phase, part),
    FIELD(kern_device_phase, row0),
    FIELD(kern_device_phase, rows),
    FIELD(kern_device_phase, tiles),
    FIELD(kern_device_phase, weight_out),
    FIELD(kern_device_phase, weight_adds),
    FIELD(kern_device_phase, reserved),
    PRODUCT(a),
    PRODUCT(b),
    PRODUCT(lda),
    PRODUCT(ldb),
    PRODUCT(m),
    PRODUCT(n),
    PRODUCT(k),
    PRODUCT(shape),
    PRODUCT(tiles_m),
    PRODUCT(tiles_n),
    PRODUCT(splits),
    PRODUCT(k_split),
    PRODUCT(tiles),
};

static const struct field piece_fields[] = {
    FIELD(kern_device_piece, begin),  FIELD(kern_device_piece, length),
    FIELD(kern_device_piece, source), FIELD(kern_device_piece, decay),
    FIELD(kern_device_piece, from),   FIELD(kern_device_piece, stride),
    FIELD(kern_device_piece, count),  FIELD(kern_device_piece, reserved),
};

static const struct field place_fields[] = {
    FIELD(kern_device_place, offset),
    FIELD(kern_device_place, size),
    FIELD(kern_device_place, stride),
};

static const struct field table_fields[] = {
    FIELD(kern_device_table, tokens),       FIELD(kern_device_table, q_width),
    FIELD(kern_device_table, kv_width),     FIELD(kern_device_table, qkv_width),
    FIELD(kern_device_table, vocab_padded), FIELD(kern_device_table, norm_slots),
    FIELD(kern_device_table, mlp_slots),    FIELD(kern_device_table, gain_slots),
    FIELD(kern_device_table, head_rows),    FIELD(kern_device_table, head_parts),
    FIELD(kern_device_table, vocab_tiles),  FIELD(kern_device_table, head_splits),
    FIELD(kern_device_table, head_span),    FIELD(kern_device_table, final_rows),
    FIELD(kern_device_table, first_blocks), FIELD(kern_device_table, arena),
    FIELD(kern_device_table, attention_rows), FIELD(kern_device_table, attention_back_rows),
    FIELD(kern_device_table, layout.embed), FIELD(kern_device_table, layout.layer),
    FIELD(kern_device_table, layout.qkv),   FIELD(kern_device_table, layout.stride),
    FIELD(kern_device_table, layout.norm),  FIELD(kern_device_table, layout.head),
    FIELD(kern_device_table, layout.size),
};

/* The same step but for the order of sums in double: gradients of a plain walk to f32's rounding. */
static void check_harmless(const char *what, const struct kern_config *config,
                           const struct kern_device_table *table)
{
    struct kern_device_table *own = table_of(config);
    struct device_lab *expected = device_lab_new(config, true, 3), *lab = NULL;
    uint64_t n = expected->table->layout.size;
    struct kern_error error = {0};
    double sum = 0, size = 0;

    memcpy(own->phases, table->phases, table->phase_count * sizeof *table->phases);
    memcpy(own->pieces, table->pieces, table->piece_count * sizeof *table->pieces);
    own->arena = table->arena;
    memcpy(own->at, table->at, sizeof own->at);
    lab = device_lab_for(config, own, true, 3);
    device_lab_walk(expected);
    if (kern_device_execute(&lab->twin, false, 1, &error) != KERN_OK)
        T_FAIL("%s passed and is refused by the executor: %s", what, error.message);
    const float *a = device_lab_at(lab, KERN_DEV_MASTER, 0);
    const float *b = device_lab_at(expected, KERN_DEV_MASTER, 0);
    for (uint64_t i = 0; i < n; i++) {
        if (isnan(a[i]) && isnan(b[i]))
            continue; /* padding between tensors */
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    if (!(sum <= 1e-12 * size) || lab->twin.nll != expected->twin.nll)
        T_FAIL("%s passed and gives other weights: off by %g", what, sqrt(sum / size));
    device_lab_free(expected);
    device_lab_free(lab);
}

struct mutator {
    const struct kern_config *config;
    struct kern_device_table *table;
    uint64_t seed;
    unsigned refused, passed;
};

/* Values near and far, and those that neighbours have. */
static uint64_t another(struct mutator *m, uint64_t value)
{
    static const uint64_t steps[] = {1, 2, 8, 64, 128, 256, 4096};
    uint64_t step = steps[lab_next(&m->seed) % (sizeof steps / sizeof steps[0])];

    switch (lab_next(&m->seed) % 5) {
    case 0:
        return value + step;
    case 1:
        return value - step;
    case 2:
        return value ^ UINT64_C(1) << lab_next(&m->seed) % 40;
    case 3:
        return value * 2;
    default:
        return lab_next(&m->seed) % 4;
    }
}

static void mutate(struct mutator *m, const char *what, void *record, const struct field *f,
                   unsigned rounds)
{
    unsigned char *at = (unsigned char *)record + f->offset;
    uint64_t old = 0;

    memcpy(&old, at, f->size); /* little-endian hosts only, as everything that runs CUDA is */
    for (unsigned round = 0; round < rounds; round++) {
        struct kern_error error = {0};
        uint64_t value = another(m, old);

        if (f->size < 8)
            value &= (UINT64_C(1) << 8 * f->size) - 1;
        if (value == old)
            continue;
        memcpy(at, &value, f->size);
        if (kern_device_validate(m->table, &error) == KERN_OK) {
            char name[128];
            snprintf(name, sizeof name, "%s.%s = %" PRIu64 " instead of %" PRIu64, what, f->name,
                     value, old);
            m->passed++;
            printf("harmless: %s\n", name);
            check_harmless(name, m->config, m->table);
        } else {
            m->refused++;
            T_TRUE(error.code == KERN_E_DEVICE && strstr(error.message, "device table: "));
        }
        memcpy(at, &old, f->size);
    }
}

#define EACH(fields, k) for (unsigned k = 0; k < sizeof fields / sizeof fields[0]; k++)

static void check_mutations(const char *name, struct kern_config config, unsigned rounds)
{
    struct mutator m = {&config, table_of(&config), 5, 0, 0};
    struct kern_device_table *t = m.table;
    char what[64];

    for (uint32_t i = 0; i < t->phase_count; i++)
        EACH(phase_fields, k)
        {
            snprintf(what, sizeof what, "%s: phase %u (%s)", name, i,
                     kern_device_op_name((enum kern_device_op)t->phases[i].op));
            mutate(&m, what, &t->phases[i], &phase_fields[k], rounds);
        }
    for (uint32_t i = 0; i < t->piece_count; i++)
        EACH(piece_fields, k)
        {
            snprintf(what, sizeof what, "%s: piece %u", name, i);
            mutate(&m, what, &t->pieces[i], &piece_fields[k], rounds);
        }
    for (int i = 0; i < KERN_DEVICE_BUFFERS; i++)
        EACH(place_fields, k)
        {
            snprintf(what, sizeof what, "%s: %s", name,
                     kern_device_buffer_name((enum kern_device_buffer)i));
            mutate(&m, what, &t->at[i], &place_fields[k], rounds);
        }
    EACH(table_fields, k)
    mutate(&m, name, t, &table_fields[k], rounds);
    printf("%s: %u mutations refused, %u harmless\n", name, m.refused, m.passed);
    kern_device_table_free(&m.table);
}

T_CASE(mutations)
{
    check_mutations("tied", lab_config(2, 8, 1, 1, 64, 8, 5, false, 2, 264), 6);
    check_mutations("untied", lab_config(1, 72, 2, 1, 64, 16, 1001, true, 2, 264), 6);
}

static struct kern_config with_recompute(struct kern_config config)
{
    config.recompute = true;
    return config;
}

T_CASE(mutations_recompute)
{
    check_mutations("recompute", with_recompute(lab_config(3, 8, 1, 1, 64, 8, 5, false, 2, 264)), 6);
}

T_CASE(mutations_scanned)
{
    check_mutations("scanned", lab_config(2, 8, 1, 1, 64, 8, 4100, false, 2, 264), 6);
    check_mutations("scanned, untied, recompute",
                    with_recompute(lab_config(2, 72, 2, 1, 64, 16, 4100, true, 1, 264)), 6);
}

/* What says which kind of table it is; each way both. */
T_CASE(kinds)
{
    const struct kern_config plain = lab_config(2, 8, 1, 1, 64, 8, 5, false, 2, 264);
    const struct kern_config scanned = lab_config(2, 8, 1, 1, 64, 8, 4100, false, 2, 264);
    const struct kern_config one_layer = lab_config(1, 8, 1, 1, 64, 8, 5, false, 2, 264);
    const struct kern_config configs[] = {plain, scanned, with_recompute(plain), with_recompute(scanned), one_layer};

    for (unsigned i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        struct kern_device_table *t = table_of(&configs[i]);
        bool *flags[] = {&t->recompute, &t->head_scanned, &t->forward_only};

        for (unsigned k = 0; k < sizeof flags / sizeof flags[0]; k++) {
            struct kern_error error = {0};
            *flags[k] = !*flags[k];
            if (kern_device_validate(t, &error) == KERN_OK)
                T_FAIL("table %u passes with flag %u reversed", i, k);
            *flags[k] = !*flags[k];
        }
        t->vocab_tiles ^= 1;
        T_TRUE(kern_device_validate(t, NULL) != KERN_OK);
        kern_device_table_free(&t);
    }
}

/* ---- phases left out, doubled, out of place ---- */

static bool passes(struct kern_device_table *t)
{
    struct kern_error error = {0};
    return kern_device_validate(t, &error) == KERN_OK;
}

/* Neighbours that may change places: the result and the update; the next chunk's logits and the gradient that has
 * left LOGITS_OUT behind; and the scanned head's gradient, which waits for HEAD_LOSS alone, and the layer
 * below. */
static bool independent(const struct kern_device_phase *a, const struct kern_device_phase *b)
{
    return b->op == KERN_DEV_RESULT ||
           (a->op == KERN_DEV_FINAL_BACKWARD && b->op == KERN_DEV_LOGITS) ||
           (a->op == KERN_DEV_HEAD_WEIGHT && b->op == KERN_DEV_DOWN_BACKWARD);
}

static void check_order(struct kern_config config, uint32_t head_parts)
{
    struct kern_device_table *t = table_of(&config);
    struct kern_device_phase *all = t->phases, *some = calloc(t->phase_count + 1, sizeof *some);
    uint32_t count = t->phase_count;

    T_REQUIRE(some);
    T_EQ_INT(t->head_parts, head_parts);
    t->phases = some;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = kern_device_op_name((enum kern_device_op)all[i].op);

        t->phase_count = count - 1; /* left out */
        memcpy(some, all, i * sizeof *some);
        memcpy(some + i, all + i + 1, (count - 1 - i) * sizeof *some);
        if (passes(t))
            T_FAIL("passes without phase %u (%s)", i, name);

        t->phase_count = count + 1; /* doubled */
        memcpy(some, all, (i + 1) * sizeof *some);
        memcpy(some + i + 1, all + i, (count - i) * sizeof *some);
        if (passes(t))
            T_FAIL("passes with phase %u (%s) twice", i, name);

        t->phase_count = count; /* changed places with the next */
        memcpy(some, all, count * sizeof *some);
        if (i + 1 == count)
            continue;
        some[i] = all[i + 1];
        some[i + 1] = all[i];
        if (passes(t) != independent(&all[i], &all[i + 1]))
            T_FAIL("phases %u (%s) and %u swapped: passes, or does not", i, name, i + 1);
    }
    memcpy(some, all, count * sizeof *some);
    T_TRUE(passes(t));
    t->phases = all;
    free(some);
    kern_device_table_free(&t);
}

T_CASE(order)
{
    check_order(lab_config(2, 8, 1, 1, 64, 8, 1100, true, 131, 128), 3);
}

T_CASE(order_scanned)
{
    check_order(lab_config(2, 8, 1, 1, 64, 8, 4100, false, 2, 70), 1);
}

T_CASE(order_recompute)
{
    check_order(with_recompute(lab_config(3, 8, 1, 1, 64, 8, 1100, true, 131, 128)), 3);
    check_order(with_recompute(lab_config(3, 8, 1, 1, 64, 8, 4100, false, 2, 70)), 1);
}

/* ---- phases made again ---- */

static bool is_again(const struct kern_device_phase *p)
{
    return p->when == KERN_DEV_TRAINING && p->op >= KERN_DEV_QKV && p->op <= KERN_DEV_GATE_UP;
}

/* The table's phases but `length` from `from` on, these before what is number `to` of the rest. */
static void move(struct kern_device_phase *some, const struct kern_device_phase *all, uint32_t count,
                 uint32_t from, uint32_t length, uint32_t to)
{
    uint32_t out = 0, rest = 0;

    for (uint32_t i = 0; i <= count; i++) {
        if (i >= from && i < from + length)
            continue;
        if (rest++ == to)
            for (uint32_t k = 0; k < length; k++)
                some[out++] = all[from + k];
        if (i < count)
            some[out++] = all[i];
    }
}

/* One of them, or a layer's four, stands in its own place and nowhere else; nor does another beside it. */
static void check_places(const struct kern_config *config, uint32_t length)
{
    struct kern_device_table *t = table_of(config);
    struct kern_device_phase *all = t->phases, *some = calloc(t->phase_count + length, sizeof *some);
    uint32_t count = t->phase_count, met = 0;

    T_REQUIRE(some);
    t->phases = some;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_again(&all[i]) || (length > 1 && all[i].op != KERN_DEV_QKV))
            continue;
        met++;
        for (uint32_t to = 0; to <= count - length; to++) {
            move(some, all, count, i, length, to);
            t->phase_count = count;
            if (passes(t) != (to == i))
                T_FAIL("%u phases from %u on before %u: pass, or do not", length, i, to);
        }
        for (uint32_t to = 0; to <= count; to++) {
            memcpy(some, all, to * sizeof *some);
            memcpy(some + to, all + i, length * sizeof *some);
            memcpy(some + to + length, all + to, (count - to) * sizeof *some);
            t->phase_count = count + length;
            if (passes(t))
                T_FAIL("%u phases from %u on once more before %u pass", length, i, to);
        }
        memcpy(some, all, i * sizeof *some);
        memcpy(some + i, all + i + length, (count - i - length) * sizeof *some);
        t->phase_count = count - length;
        if (passes(t))
            T_FAIL("passes without %u phases from %u on", length, i);
        for (uint32_t when = KERN_DEV_ALWAYS; when <= KERN_DEV_LAST; when++) {
            memcpy(some, all, count * sizeof *some);
            for (uint32_t k = 0; k < length; k++)
                some[i + k].when = when;
            t->phase_count = count;
            if (passes(t) != (when == KERN_DEV_TRAINING))
                T_FAIL("%u phases from %u on, when %u: pass, or do not", length, i, when);
        }
    }
    T_EQ_INT(met, (config->model.layers - 1) * (length > 1 ? 1 : 4));
    t->phases = all;
    free(some);
    kern_device_table_free(&t);
}

T_CASE(places_of_recompute)
{
    const struct kern_config configs[] = {
        with_recompute(lab_config(4, 8, 1, 1, 64, 8, 1100, true, 131, 128)),
        with_recompute(lab_config(2, 8, 1, 1, 64, 8, 5, false, 2, 70)),
        with_recompute(lab_config(3, 8, 1, 1, 64, 8, 4100, false, 2, 70)),
    };

    for (unsigned i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        check_places(&configs[i], 1);
        check_places(&configs[i], 4);
    }
}

/* A table that keeps everything has no phase twice; nor may the last layer's be made again. */
T_CASE(nothing_made_in_vain)
{
    struct kern_config config = lab_config(3, 8, 1, 1, 64, 8, 5, false, 2, 70);

    for (unsigned recompute = 0; recompute < 2; recompute++) {
        config.recompute = recompute;
        struct kern_device_table *t = table_of(&config);
        struct kern_device_phase *all = t->phases, *some = calloc(t->phase_count + 4, sizeof *some);
        uint32_t count = t->phase_count, layer = recompute ? 2 : 1, at = 0, out = 0;

        T_REQUIRE(some);
        while (all[at].op != KERN_DEV_DOWN_BACKWARD || all[at].layer != layer)
            at++;
        for (uint32_t i = 0; i < count; i++) {
            if (i == at)
                for (uint32_t op = KERN_DEV_QKV; op <= KERN_DEV_GATE_UP; op++)
                    for (uint32_t k = 0; k < at; k++)
                        if (all[k].op == op && all[k].layer == layer) {
                            some[out] = all[k];
                            some[out++].when = KERN_DEV_TRAINING;
                            break;
                        }
            some[out++] = all[i];
        }
        T_EQ_INT(out, count + 4);
        t->phases = some, t->phase_count = out;
        T_TRUE(!passes(t));
        t->phases = all;
        free(some);
        kern_device_table_free(&t);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
