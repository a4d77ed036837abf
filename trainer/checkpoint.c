#include "trainer/checkpoint.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt/checked.h"
#include "ngt/digest.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "state vectors are mapped as they are");

static const char magic[8] = "NGTCKPT";

enum {
    VERSION = 1,
    HEADER = 4096,
    ALIGN = 4096,
    ENTRIES = 104, /* offset of the section table in the header */
    ENTRY = 32,
    HASH_AT = HEADER - 8,
};

static const char prefix[] = "checkpoint-", suffix[] = ".ngc";
#define DIGITS 10

/* ---- bytes ---- */

static void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

static void put64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
    return v;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    return v;
}

static void put_float(uint8_t *at, float v)
{
    memcpy(at, &v, sizeof v);
}

static float get_float(const uint8_t *at)
{
    float v;

    memcpy(&v, at, sizeof v);
    return v;
}

/* ---- writing ---- */

struct section {
    uint32_t kind;
    uint64_t offset, bytes, hash;
};

struct writing {
    struct ngt_output *out;
    struct section sections[TRAINER_SECTION_COUNT];
    uint32_t count;
};

static enum ngt_status pad(struct writing *w, struct ngt_error *reterr)
{
    static const uint8_t zeros[ALIGN];
    uint64_t over = ngt_output_size(w->out) % ALIGN;

    return over ? ngt_output_write(w->out, zeros, ALIGN - over, reterr) : NGT_OK;
}

static enum ngt_status add_section(struct writing *w, enum trainer_section kind, const void *bytes,
                                   uint64_t size, struct ngt_error *reterr)
{
    enum ngt_status status = pad(w, reterr);

    if (status != NGT_OK)
        return status;
    w->sections[w->count++] =
        (struct section){kind, ngt_output_size(w->out), size, ngt_digest64(bytes, size)};
    return size ? ngt_output_write(w->out, bytes, size, reterr) : NGT_OK;
}

static enum ngt_status add_vocabulary(struct writing *w, const struct ngt_vocabulary *v,
                                      struct ngt_error *reterr)
{
    uint64_t text = v->starts[v->count], size = 8 + 8 * ((uint64_t)v->count + 1) + v->count + text;
    uint8_t *bytes = malloc(size), *at = bytes;

    if (!bytes)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the vocabulary");
    put32(at, v->flags);
    put32(at + 4, v->count);
    at += 8;
    memcpy(at, v->starts, 8 * ((size_t)v->count + 1));
    at += 8 * ((size_t)v->count + 1);
    memcpy(at, v->kinds, v->count);
    at += v->count;
    if (text)
        memcpy(at, v->bytes, text);
    enum ngt_status status = add_section(w, TRAINER_S_VOCABULARY, bytes, size, reterr);
    free(bytes);
    return status;
}

static void make_header(const struct trainer_about *a, uint64_t floats, const struct writing *w,
                        uint8_t header[HEADER])
{
    const struct kern_model *m = &a->model;
    const uint32_t shape[8] = {m->layers,   m->width, m->heads, m->kv_heads,
                               m->head_dim, m->ffn,   m->vocab, m->untied};

    memset(header, 0, HEADER);
    memcpy(header, magic, sizeof magic);
    put32(header + 8, VERSION);
    put32(header + 12, w->count);
    put64(header + 16, a->step);
    put64(header + 24, floats);
    for (int i = 0; i < 8; i++)
        put32(header + 32 + 4 * i, shape[i]);
    put_float(header + 64, m->rms_eps);
    put_float(header + 68, m->rope_theta);
    put32(header + 72, a->bos_id);
    put32(header + 76, a->eos_id);
    put64(header + 80, a->tokenizer.low);
    put64(header + 88, a->tokenizer.high);
    put32(header + 96, a->flags);
    for (uint32_t i = 0; i < w->count; i++) {
        uint8_t *entry = header + ENTRIES + (size_t)ENTRY * i;
        put32(entry, w->sections[i].kind);
        put64(entry + 8, w->sections[i].offset);
        put64(entry + 16, w->sections[i].bytes);
        put64(entry + 24, w->sections[i].hash);
    }
    put64(header + HASH_AT, ngt_digest64(header, HASH_AT));
}

enum ngt_status trainer_checkpoint_write(const char *path, const struct trainer_about *about,
                                         trainer_state_fn state, void *context,
                                         struct ngt_error *reterr)
{
    static const enum kern_state which[3] = {KERN_WEIGHTS, KERN_MOMENT1, KERN_MOMENT2};
    uint64_t floats = kern_parameter_count(&about->model);
    struct writing w = {0};
    uint8_t header[HEADER] = {0};
    float *values = NULL;

    ngt_error_clear(reterr);
    enum ngt_status status = ngt_output_open(path, &w.out, reterr);
    if (status != NGT_OK)
        goto out;
    values = malloc(floats * sizeof *values);
    if (!values) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for a copy of the weights (%" PRIu64 " bytes)",
                          floats * sizeof *values);
        goto out;
    }
    /* the table needs the hashes: the header's place is kept, and filled at the end */
    status = ngt_output_write(w.out, header, HEADER, reterr);
    for (int i = 0; i < 3 && status == NGT_OK; i++) {
        bool have = false;
        status = state(context, which[i], floats, values, &have, reterr);
        if (status == NGT_OK && have)
            status = add_section(&w, TRAINER_S_WEIGHTS + (uint32_t)i, values,
                                 floats * sizeof *values, reterr);
    }
    if (status == NGT_OK)
        status = add_section(&w, TRAINER_S_CONFIG, about->config, strlen(about->config), reterr);
    if (status == NGT_OK)
        status =
            add_section(&w, TRAINER_S_IDENTITY, about->identity, strlen(about->identity), reterr);
    if (status == NGT_OK && about->vocabulary.count)
        status = add_vocabulary(&w, &about->vocabulary, reterr);
    if (status == NGT_OK) {
        make_header(about, floats, &w, header);
        status = ngt_output_patch(w.out, 0, header, HEADER, reterr);
    }
    if (status == NGT_OK)
        status = ngt_output_commit(&w.out, reterr);
out:
    ngt_output_abort(&w.out);
    free(values);
    return status;
}

/* ---- reading ---- */

struct trainer_checkpoint {
    struct ngt_map map;
    struct trainer_about about;
    struct section sections[TRAINER_SECTION_COUNT + 1]; /* by kind; bytes 0 and offset 0: absent */
    char *config, *identity;
    uint64_t *starts; /* the mapping gives no promise of alignment inside a section */
};

static enum ngt_status corrupt(const struct trainer_checkpoint *c, uint64_t offset,
                               const char *what, struct ngt_error *reterr)
{
    if (ngt_map_lost(&c->map)) /* zeros were read in place of the file */
        return ngt_map_check(&c->map, reterr);
    return ngt_fail(reterr, NGT_E_CORRUPT, c->map.path, offset, NGT_NO_POS,
                    "%s; remove this checkpoint to go on from an older one", what);
}

/* The numbers that kern_* functions multiply. With these bounds a flat vector stays below 2^63
 * floats. */
static bool model_plausible(const struct kern_model *m)
{
    return m->layers >= 1 && m->layers <= 1024 && m->width >= 1 && m->width <= 65536 &&
           m->heads >= 1 && m->heads <= 1024 && m->kv_heads >= 1 && m->kv_heads <= m->heads &&
           m->heads % m->kv_heads == 0 && m->head_dim >= 2 && m->head_dim <= 1024 &&
           m->head_dim % 2 == 0 && m->ffn >= 1 && m->ffn <= 1u << 20 && m->vocab >= 2 &&
           m->rms_eps >= 0 && m->rms_eps < 1 && m->rope_theta > 0 && m->rope_theta < 1e30f;
}

static enum ngt_status read_header(struct trainer_checkpoint *c, uint32_t *ret_count,
                                   struct ngt_error *reterr)
{
    const uint8_t *h = c->map.bytes;
    struct trainer_about *a = &c->about;
    struct kern_model *m = &a->model;

    if (c->map.size < HEADER || memcmp(h, magic, sizeof magic) != 0)
        return corrupt(c, 0, "not a checkpoint of ngtrain", reterr);
    if (get64(h + HASH_AT) != ngt_digest64(h, HASH_AT))
        return corrupt(c, HASH_AT, "the header contradicts its hash", reterr);
    if (get32(h + 8) != VERSION)
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, c->map.path, 8, NGT_NO_POS,
                        "version %u of checkpoints; this program reads version %d", get32(h + 8),
                        VERSION);
    a->step = get64(h + 16);
    *m = (struct kern_model){.layers = get32(h + 32),
                             .width = get32(h + 36),
                             .heads = get32(h + 40),
                             .kv_heads = get32(h + 44),
                             .head_dim = get32(h + 48),
                             .ffn = get32(h + 52),
                             .vocab = get32(h + 56),
                             .untied = get32(h + 60) == 1,
                             .rms_eps = get_float(h + 64),
                             .rope_theta = get_float(h + 68)};
    if (get32(h + 60) > 1 || !model_plausible(m))
        return corrupt(c, 32, "no model has this shape", reterr);
    if (get64(h + 24) != kern_parameter_count(m))
        return corrupt(c, 24, "the number of weights is not that of the model", reterr);
    a->bos_id = get32(h + 72);
    a->eos_id = get32(h + 76);
    if ((a->bos_id != NGT_NO_ID && a->bos_id >= m->vocab) ||
        (a->eos_id != NGT_NO_ID && a->eos_id >= m->vocab))
        return corrupt(c, 72, "BOS or EOS is not in the vocabulary", reterr);
    a->tokenizer = (struct ngt_digest128){get64(h + 80), get64(h + 88)};
    a->flags = get32(h + 96);
    *ret_count = get32(h + 12);
    if (*ret_count > TRAINER_SECTION_COUNT)
        return corrupt(c, 12, "more sections than there are kinds", reterr);
    for (uint64_t at = 100; at < HASH_AT; at++)
        if ((at < ENTRIES || at >= ENTRIES + (uint64_t)ENTRY * *ret_count) && h[at])
            return corrupt(c, at, "reserved bytes of the header are not zero", reterr);
    return NGT_OK;
}

static enum ngt_status read_sections(struct trainer_checkpoint *c, uint32_t count,
                                     struct ngt_error *reterr)
{
    const uint8_t *bytes = c->map.bytes;
    uint64_t end = HEADER;
    uint32_t previous = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = ENTRIES + (uint64_t)ENTRY * i, begin = 0;
        struct section s = {get32(bytes + at), get64(bytes + at + 8), get64(bytes + at + 16),
                            get64(bytes + at + 24)};
        if (s.kind <= previous || s.kind > TRAINER_SECTION_COUNT || get32(bytes + at + 4))
            return corrupt(c, at, "a kind of section that cannot stand here", reterr);
        if (ngt_align_u64(&begin, end, ALIGN) || s.offset != begin ||
            !ngt_in_range(s.offset, s.bytes, c->map.size))
            return corrupt(c, at + 8, "a section leaves the file or its place", reterr);
        for (uint64_t zero = end; zero < begin; zero++)
            if (bytes[zero])
                return corrupt(c, zero, "bytes between sections are not zero", reterr);
        if (ngt_digest64(bytes + s.offset, s.bytes) != s.hash)
            return corrupt(c, s.offset, "a section contradicts its hash", reterr);
        if (s.kind <= TRAINER_S_MOMENT2 &&
            s.bytes != kern_parameter_count(&c->about.model) * sizeof(float))
            return corrupt(c, at + 16, "a state vector has not the model's size", reterr);
        previous = s.kind;
        end = s.offset + s.bytes;
        c->sections[s.kind] = s;
    }
    if (end != c->map.size)
        return corrupt(c, end, "the file does not end with its last section", reterr);
    if (!c->sections[TRAINER_S_WEIGHTS].offset || !c->sections[TRAINER_S_CONFIG].offset ||
        !c->sections[TRAINER_S_IDENTITY].offset)
        return corrupt(c, 12, "a section that must be there is missing", reterr);
    return NGT_OK;
}

static enum ngt_status read_vocabulary(struct trainer_checkpoint *c, struct ngt_error *reterr)
{
    const struct section *s = &c->sections[TRAINER_S_VOCABULARY];
    const uint8_t *bytes = c->map.bytes + s->offset;
    struct ngt_vocabulary *v = &c->about.vocabulary;

    if (!s->offset)
        return NGT_OK;
    if (s->bytes < 8)
        return corrupt(c, s->offset, "the vocabulary is cut off", reterr);
    uint64_t count = get32(bytes + 4), fixed = 8 + 8 * (count + 1) + count;
    if (count != c->about.model.vocab || s->bytes < fixed)
        return corrupt(c, s->offset + 4, "the vocabulary has not the model's size", reterr);
    c->starts = malloc(8 * (count + 1)); /* bounded by the file's size, checked above */
    if (!c->starts)
        return ngt_fail(reterr, NGT_E_NOMEM, c->map.path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the vocabulary");
    memcpy(c->starts, bytes + 8, 8 * (count + 1));
    for (uint64_t i = 0; i < count; i++)
        if (c->starts[i] > c->starts[i + 1])
            return corrupt(c, s->offset + 8 + 8 * i, "the vocabulary's bounds do not rise", reterr);
    if (c->starts[0] || c->starts[count] != s->bytes - fixed)
        return corrupt(c, s->offset + 8, "the vocabulary's bounds leave its text", reterr);
    *v = (struct ngt_vocabulary){.flags = get32(bytes),
                                 .count = (uint32_t)count,
                                 .kinds = bytes + 8 + 8 * (count + 1),
                                 .starts = c->starts,
                                 .bytes = bytes + fixed};
    return NGT_OK;
}

/* A text section as a string; no NUL may hide what follows it. */
static enum ngt_status read_text(const struct trainer_checkpoint *c, enum trainer_section kind,
                                 char **ret_text, struct ngt_error *reterr)
{
    const struct section *s = &c->sections[kind];
    const char *bytes = (const char *)c->map.bytes + s->offset;

    if (s->bytes && memchr(bytes, '\0', s->bytes))
        return corrupt(c, s->offset, "a text holds a NUL", reterr);
    *ret_text = strndup(s->bytes ? bytes : "", s->bytes);
    if (!*ret_text)
        return ngt_fail(reterr, NGT_E_NOMEM, c->map.path, NGT_NO_POS, NGT_NO_POS, "out of memory");
    return NGT_OK;
}

enum ngt_status trainer_checkpoint_open(const char *path,
                                        struct trainer_checkpoint **ret_checkpoint,
                                        struct ngt_error *reterr)
{
    struct trainer_checkpoint *c = NULL;
    uint32_t count = 0;

    ngt_error_clear(reterr);
    c = calloc(1, sizeof *c);
    if (!c)
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
    c->map.fd = -1;
    enum ngt_status status = ngt_map_open(path, &c->map, reterr);
    if (status == NGT_OK)
        status = read_header(c, &count, reterr);
    if (status == NGT_OK)
        status = read_sections(c, count, reterr);
    if (status == NGT_OK)
        status = read_text(c, TRAINER_S_CONFIG, &c->config, reterr);
    if (status == NGT_OK)
        status = read_text(c, TRAINER_S_IDENTITY, &c->identity, reterr);
    if (status == NGT_OK)
        status = read_vocabulary(c, reterr);
    /* what was mapped must still be there when the caller copies from it */
    if (status == NGT_OK)
        status = ngt_map_check(&c->map, reterr);
    if (status == NGT_OK) {
        c->about.config = c->config;
        c->about.identity = c->identity;
        *ret_checkpoint = c;
        c = NULL;
    }
    trainer_checkpoint_close(&c);
    return status;
}

void trainer_checkpoint_close(struct trainer_checkpoint **checkpoint)
{
    struct trainer_checkpoint *c = *checkpoint;

    if (!c)
        return;
    if (c->map.path)
        ngt_map_close(&c->map);
    free(c->config);
    free(c->identity);
    free(c->starts);
    free(c);
    *checkpoint = NULL;
}

const struct trainer_about *trainer_checkpoint_about(const struct trainer_checkpoint *c)
{
    return &c->about;
}

const float *trainer_checkpoint_state(const struct trainer_checkpoint *c, enum kern_state which)
{
    assert(which == KERN_WEIGHTS || which == KERN_MOMENT1 || which == KERN_MOMENT2);
    const struct section *s = &c->sections[TRAINER_S_WEIGHTS + (uint32_t)which];

    /* the mapping begins at a page and the section at a multiple of 4096: aligned */
    return s->offset ? (const float *)(const void *)(c->map.bytes + s->offset) : NULL;
}

enum ngt_status trainer_checkpoint_check(const struct trainer_checkpoint *c,
                                         struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    return ngt_map_check(&c->map, reterr);
}

/* ---- the folder ---- */

char *trainer_checkpoint_path(const char *folder, uint64_t step)
{
    char name[64];

    snprintf(name, sizeof name, "%s%0*" PRIu64 "%s", prefix, DIGITS, step, suffix);
    return ngt_path_join(folder, name);
}

/* "checkpoint-0000001000.ngc" -> 1000 */
static bool step_of_name(const char *name, uint64_t *ret_step)
{
    uint64_t step = 0;
    unsigned digits = 0;

    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    for (name += sizeof prefix - 1; *name >= '0' && *name <= '9'; name++, digits++)
        if (ngt_mul_u64(&step, step, 10) || ngt_add_u64(&step, step, (uint64_t)(*name - '0')))
            return false;
    *ret_step = step;
    return digits >= DIGITS && strcmp(name, suffix) == 0;
}

static int compare_steps(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The steps of all checkpoints, rising. stale: removes what killed processes left behind. */
static enum ngt_status list(const char *folder, bool stale, uint64_t **ret_steps,
                            uint64_t *ret_count, struct ngt_error *reterr)
{
    DIR *dir = opendir(folder);
    uint64_t *steps = NULL, count = 0, room = 0;
    enum ngt_status status = NGT_OK;

    if (!dir)
        return ngt_fail(reterr, NGT_E_IO, folder, NGT_NO_POS, NGT_NO_POS,
                        "cannot read the run folder");
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint64_t step = 0;
        if (stale && ngt_output_is_stale(entry->d_name)) {
            char *path = ngt_path_join(folder, entry->d_name);
            if (path)
                (void)unlink(path);
            free(path);
        }
        if (!step_of_name(entry->d_name, &step))
            continue;
        if (count == room) {
            room = room ? 2 * room : 16;
            uint64_t *more = realloc(steps, room * sizeof *steps);
            if (!more) {
                status =
                    ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
                break;
            }
            steps = more;
        }
        steps[count++] = step;
    }
    closedir(dir);
    if (status != NGT_OK) {
        free(steps);
        return status;
    }
    if (count)
        qsort(steps, count, sizeof *steps, compare_steps);
    *ret_steps = steps;
    *ret_count = count;
    return NGT_OK;
}

enum ngt_status trainer_checkpoint_latest(const char *folder, char **ret_path, uint64_t *ret_step,
                                          struct ngt_error *reterr)
{
    uint64_t *steps = NULL, count = 0;

    ngt_error_clear(reterr);
    enum ngt_status status = list(folder, false, &steps, &count, reterr);
    if (status != NGT_OK)
        return status;
    *ret_path = NULL;
    if (count) {
        *ret_step = steps[count - 1];
        *ret_path = trainer_checkpoint_path(folder, *ret_step);
        if (!*ret_path)
            status = ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    }
    free(steps);
    return status;
}

enum ngt_status trainer_checkpoint_prune(const char *folder, unsigned keep,
                                         struct ngt_error *reterr)
{
    uint64_t *steps = NULL, count = 0;

    ngt_error_clear(reterr);
    enum ngt_status status = list(folder, true, &steps, &count, reterr);
    for (uint64_t i = 0; status == NGT_OK && i + keep < count; i++) {
        char *path = trainer_checkpoint_path(folder, steps[i]);
        if (!path || unlink(path) != 0)
            status = ngt_fail(reterr, path ? NGT_E_IO : NGT_E_NOMEM, path ? path : folder,
                              NGT_NO_POS, NGT_NO_POS, "cannot remove an old checkpoint");
        free(path);
    }
    free(steps);
    return status;
}
