#include "estimate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/digest.h"
#include "ngt/file.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define ESTIMATE_VERSION 1
#define ESTIMATE_LIMIT (UINT64_C(1) << 20)
#define QUANTILE 2.5758 /* of the normal distribution: PRETOK_CONFIDENCE, on both sides */

static const char *const names[PRETOK_FIGURES] = {"records",     "documents",   "tokens",
                                                  "text_bytes",  "quarantined", "filtered",
                                                  "shard_bytes", "disk_bytes",  "cpu_seconds"};

const char *pretok_figure_name(enum pretok_figure f)
{
    return names[f];
}

/* ---- statistics ---- */

/* Student's t with so many degrees of freedom, from the normal quantile: Fisher's expansion
 * (Abramowitz and Stegun 26.7.5); within 2% from 4 degrees on. */
static double student(double degrees)
{
    const double z = QUANTILE, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    double t = z + (z3 + z) / (4 * degrees);

    t += (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees);
    t += (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * degrees * degrees * degrees);
    return t;
}

/* Bounds of a Poisson count's mean, when n were seen (Wilson and Hilferty; exact for none). */
static double count_low(double n)
{
    double root = n > 0 ? 1 - 1 / (9 * n) - QUANTILE / (3 * sqrt(n)) : 0;

    return root > 0 ? n * root * root * root : 0;
}

static double count_high(double n)
{
    double m = n + 1, root = 1 - 1 / (9 * m) + QUANTILE / (3 * sqrt(m));

    return n > 0 ? m * root * root * root : -log((1 - PRETOK_CONFIDENCE) / 2);
}

static bool is_rare(enum pretok_figure f)
{
    return f == PRETOK_F_QUARANTINED || f == PRETOK_F_FILTERED;
}

void pretok_estimate_compute(const struct pretok_observation *observations, uint64_t count,
                             double size, double read, const double *base,
                             struct pretok_estimate *ret)
{
    double weights = 0, drift = 0;

    for (uint64_t i = 0; i < count; i++) {
        const struct pretok_observation *o = &observations[i];
        weights += o->weight * o->size;
        drift += o->weight * o->size * o->drift;
    }
    drift = weights > 0 ? fabs(drift / weights) : 0;
    for (int f = 0; f < PRETOK_FIGURES; f++) {
        struct pretok_estimated *e = &ret->figures[f];
        double sum = 0, square = 0, seen = 0;
        for (uint64_t i = 0; i < count; i++)
            sum += observations[i].weight * observations[i].figures[f];
        double ratio = weights > 0 ? sum / weights : 0, left = read < 1 ? 1 - read : 0;
        for (uint64_t i = 0; i < count; i++) {
            const struct pretok_observation *o = &observations[i];
            double off = o->weight * (o->figures[f] - ratio * o->size);
            square += off * off;
            seen += o->figures[f];
        }
        double error = count > 1 && weights > 0
                           ? sqrt(square * (double)count / ((double)count - 1)) / weights
                           : ratio;
        double half = size * error * sqrt(left) * student(count > 1 ? (double)count - 1 : 1);
        /* a stream that is unpacked from its beginning on may not have found its pace */
        half += size * ratio * drift * left / 4;
        e->value = size * ratio;
        e->low = e->value - half;
        /* few pieces of a skewed kind mostly miss the large ones: upwards the same distance in
         * logarithms, which for a narrow interval is the same */
        e->high = e->value > 0 ? e->value * exp(fmin(half / e->value, 700)) : half;
        if (is_rare((enum pretok_figure)f) && left > 0 && weights > 0) {
            double each = seen > 0 ? e->value / seen : read > 0 ? 1 / read : 0;
            double low = count_low(seen) * each, high = count_high(seen) * each;
            e->low = low < e->low ? low : e->low;
            e->high = high > e->high ? high : e->high;
        }
        e->low = e->low < 0 ? 0 : e->low;
        e->value += base[f];
        e->low += base[f];
        e->high += base[f];
    }
}

/* ---- on disk ---- */

static void write_figure(struct ngt_json_out *out, double v, enum pretok_figure f)
{
    if (f == PRETOK_F_CPU_SECONDS)
        ngt_json_double(out, v);
    else
        ngt_json_u64(out, v > 0 ? (uint64_t)(v + .5) : 0);
}

void pretok_estimate_write(const struct pretok_estimate *e, const struct pretok_facts *facts,
                           struct ngt_json_out *out)
{
    ngt_json_member_u64(out, "seed", e->seed);
    ngt_json_member_double(out, "confidence", PRETOK_CONFIDENCE);
    ngt_json_member_u64(out, "input_bytes", e->input_bytes);
    ngt_json_member_u64(out, "sample_bytes", e->sample_bytes);
    ngt_json_member_u64(out, "tokenized_bytes", e->tokenized_bytes);
    ngt_json_member_u64(out, "pieces", e->pieces);
    ngt_json_member_u64(out, "files", e->files);
    ngt_json_member_u64(out, "sample_records", e->records);
    ngt_json_member_u64(out, "lost_sources", e->lost);
    ngt_json_key(out, "figures");
    ngt_json_object(out);
    for (int f = 0; f < PRETOK_FIGURES; f++) {
        const struct pretok_estimated *v = &e->figures[f];
        const double all[3] = {v->value, v->low, v->high};
        static const char *const keys[3] = {"estimate", "low", "high"};
        ngt_json_key(out, names[f]);
        ngt_json_object(out);
        for (int k = 0; k < 3; k++) {
            ngt_json_key(out, keys[k]);
            write_figure(out, all[k], (enum pretok_figure)f);
        }
        if (facts && facts->figures[f] >= 0) {
            ngt_json_key(out, "fact");
            write_figure(out, facts->figures[f], (enum pretok_figure)f);
        }
        ngt_json_object_end(out);
    }
    ngt_json_object_end(out);
}

enum ngt_status pretok_estimate_save(const struct pretok_estimate *e, const char *folder,
                                     struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, PRETOK_ESTIMATE_FILE), hex[17];
    struct ngt_json_out out;
    enum ngt_status status;

    ngt_error_clear(reterr);
    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "estimate_version", ESTIMATE_VERSION);
    ngt_digest64_hex(e->fingerprint, hex);
    ngt_json_member_string(&out, "plan", hex);
    pretok_estimate_write(e, NULL, &out);
    ngt_json_object_end(&out);
    status = out.failed || !path
                 ? ngt_fail(reterr, NGT_E_NOMEM, folder, HERE, "out of memory for the estimate")
                 : ngt_file_write(path, out.bytes, out.size, reterr);
    ngt_json_out_done(&out);
    free(path);
    return status;
}

static bool read_number(const struct ngt_json *object, const char *key, double *ret)
{
    const struct ngt_json *m = ngt_json_get(object, key);

    if (!m || (m->type != NGT_JSON_U64 && m->type != NGT_JSON_NUMBER))
        return false;
    *ret = m->number;
    return true;
}

static bool read_estimate(const struct ngt_json *root, struct pretok_estimate *e)
{
    const struct ngt_json *figures = ngt_json_get(root, "figures");

    if (!ngt_json_get_u64(root, "seed", &e->seed) ||
        !ngt_json_get_u64(root, "input_bytes", &e->input_bytes) ||
        !ngt_json_get_u64(root, "sample_bytes", &e->sample_bytes) ||
        !ngt_json_get_u64(root, "tokenized_bytes", &e->tokenized_bytes) ||
        !ngt_json_get_u64(root, "pieces", &e->pieces) ||
        !ngt_json_get_u64(root, "files", &e->files) ||
        !ngt_json_get_u64(root, "sample_records", &e->records) ||
        !ngt_json_get_u64(root, "lost_sources", &e->lost))
        return false;
    for (int f = 0; f < PRETOK_FIGURES; f++) {
        const struct ngt_json *one = ngt_json_get(figures, names[f]);
        struct pretok_estimated *v = &e->figures[f];
        if (!read_number(one, "estimate", &v->value) || !read_number(one, "low", &v->low) ||
            !read_number(one, "high", &v->high))
            return false;
    }
    return true;
}

enum ngt_status pretok_estimate_load(const char *folder, uint64_t fingerprint, bool *ret_there,
                                     struct pretok_estimate *ret, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, PRETOK_ESTIMATE_FILE), hex[17];
    struct pretok_estimate e = {.fingerprint = fingerprint};
    struct ngt_json *root = NULL;
    uint8_t *bytes = NULL;
    const char *plan;
    bool there;
    uint64_t size, version;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    *ret_there = false;
    if (!path)
        return ngt_fail(reterr, NGT_E_NOMEM, folder, HERE, "out of memory for the estimate");
    status = ngt_file_find(path, &there, NULL, reterr);
    if (status != NGT_OK || !there)
        goto out;
    status = ngt_file_read(path, ESTIMATE_LIMIT, &bytes, &size, reterr);
    if (status == NGT_OK)
        status = ngt_json_parse((const char *)bytes, size, path, &root, reterr);
    if (status != NGT_OK)
        goto out;
    if (ngt_json_get_u64(root, "estimate_version", &version) && version != ESTIMATE_VERSION)
        goto out; /* of another version: nothing to compare with */
    ngt_digest64_hex(fingerprint, hex);
    if (!ngt_json_get_string(root, "plan", &plan) || !read_estimate(root, &e)) {
        status = ngt_fail(reterr, NGT_E_DATA, path, HERE, "the estimate is damaged; remove it");
        goto out;
    }
    if (strcmp(plan, hex) == 0) {
        *ret = e;
        *ret_there = true;
    }
out:
    ngt_json_free(&root);
    free(bytes);
    free(path);
    return status;
}

/* ---- beside what came ---- */

void pretok_facts_of(const struct pretok_ledger *l, double shard_bytes, struct pretok_facts *ret)
{
    for (int f = 0; f < PRETOK_FIGURES; f++)
        ret->figures[f] = -1;
    ret->figures[PRETOK_F_RECORDS] = (double)l->records;
    ret->figures[PRETOK_F_DOCUMENTS] = (double)l->documents;
    ret->figures[PRETOK_F_TOKENS] = (double)l->tokens;
    ret->figures[PRETOK_F_TEXT_BYTES] = (double)l->text_bytes;
    ret->figures[PRETOK_F_QUARANTINED] = (double)pretok_ledger_bad(l);
    ret->figures[PRETOK_F_FILTERED] = (double)l->filtered;
    ret->figures[PRETOK_F_SHARD_BYTES] = shard_bytes;
}

static const char *figure_text(double v, enum pretok_figure f, char *out, size_t room)
{
    if (f == PRETOK_F_CPU_SECONDS)
        snprintf(out, room, "%.3f", v / 3600);
    else
        snprintf(out, room, "%.0f", v);
    return out;
}

void pretok_estimate_print(const struct pretok_estimate *e, const struct pretok_facts *facts,
                           FILE *to)
{
    static const char *const labels[PRETOK_FIGURES] = {"records",     "documents",   "tokens",
                                                       "text bytes",  "quarantined", "filtered",
                                                       "shard bytes", "disk bytes",  "core-hours"};
    char value[32], low[32], high[32], fact[32];

    fprintf(to,
            "estimate     from %" PRIu64 " records in %" PRIu64 " pieces of %" PRIu64
            " files, %.3g%% of the input, %.3g%% tokenized; %.0f%% intervals\n",
            e->records, e->pieces, e->files,
            e->input_bytes ? 100.0 * (double)e->sample_bytes / (double)e->input_bytes : 0.0,
            e->input_bytes ? 100.0 * (double)e->tokenized_bytes / (double)e->input_bytes : 0.0,
            100 * PRETOK_CONFIDENCE);
    for (int f = 0; f < PRETOK_FIGURES; f++) {
        const struct pretok_estimated *v = &e->figures[f];
        enum pretok_figure g = (enum pretok_figure)f;
        if (f == PRETOK_F_FILTERED && v->high <= 0)
            continue;
        fprintf(to, "%-12s %15s   %s to %s", labels[f], figure_text(v->value, g, value, 32),
                figure_text(v->low, g, low, 32), figure_text(v->high, g, high, 32));
        if (facts && facts->figures[f] >= 0) {
            fprintf(to, "; came to %s", figure_text(facts->figures[f], g, fact, 32));
            if (facts->figures[f] > 0)
                fprintf(to, " (%+.1f%%)", 100 * (v->value / facts->figures[f] - 1));
            if (facts->figures[f] < floor(v->low) || facts->figures[f] > ceil(v->high))
                fputs(", outside", to);
        }
        fputc('\n', to);
    }
    if (e->lost)
        fprintf(to, "lost sources %15" PRIu64 "   in the sample\n", e->lost);
}
