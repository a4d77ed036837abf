#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/file.h"
#include "ngt/pool.h"
#include "remote/url.h"

#define HERE NGT_NO_POS, NGT_NO_POS

unsigned pretok_options_threads(const struct pretok_options *o)
{
    return o->threads ? (unsigned)o->threads : ngt_pool_cores();
}

enum ngt_status pretok_options_sample(const struct pretok_options *o, double *ret_share,
                                      uint64_t *ret_records, struct ngt_error *reterr)
{
    char *end = NULL;
    double value = o->sample[0] >= '0' && o->sample[0] <= '9' ? strtod(o->sample, &end) : -1;
    const bool percent = end && *end == '%';

    ngt_error_clear(reterr);
    if (percent) {
        value /= 100;
        end++;
    }
    *ret_share = percent || value < 1 ? value : 0;
    *ret_records = percent || value < 1 || value > 9e18 ? 0 : (uint64_t)value;
    if (!end || *end || !(value > 0) || (percent && value > 1) || value > 9e18 ||
        (!percent && value >= 1 && value != (double)*ret_records))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--sample: \"%.40s\" is neither a share (1%% or 0.01) nor a number of "
                        "records",
                        o->sample);
    return NGT_OK;
}

enum ngt_status pretok_options_output(const struct pretok_options *o, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (!o->output)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE, "no folder for the data set; give -o DIR");
    if (pretok_url_is(o->output))
        return ngt_fail(
            reterr, NGT_E_RANGE, NULL, HERE,
            "a data set is written to a folder of this machine's file system, not to an "
            "address (-o)");
    return NGT_OK;
}

/* ---- remote inputs ---- */

static const char *first_set(const char *a, const char *b)
{
    const char *value = getenv(a);

    return value && value[0] ? value : getenv(b);
}

enum ngt_status pretok_options_remote(const struct pretok_options *o, bool (*stop)(void *arg),
                                      struct pretok_remote **ret_remote, struct ngt_error *reterr)
{
    const struct pretok_remote_config config = {
        .key_id = getenv("AWS_ACCESS_KEY_ID"),
        .secret = getenv("AWS_SECRET_ACCESS_KEY"),
        .session_token = getenv("AWS_SESSION_TOKEN"),
        .region = first_set("AWS_REGION", "AWS_DEFAULT_REGION"),
        .endpoint = first_set("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        .ca_file = first_set("AWS_CA_BUNDLE", "SSL_CERT_FILE"),
        .temporary = getenv("TMPDIR"),
        .patience = (double)o->remote_timeout,
        .stopped = stop,
    };

    return pretok_remote_new(&config, ret_remote, reterr);
}

/* ---- tokenizer ---- */

enum ngt_status pretok_options_tokenizer(const struct pretok_options *o,
                                         struct tok_tokenizer **ret_tokenizer,
                                         struct ngt_error *reterr)
{
    struct tok_config config = {.path = o->tokenizer,
                                .engine = (enum tok_engine)o->engine,
                                .pattern = o->pattern,
                                .file_limits = o->file_limits};
    char *list = NULL, *rest = NULL, *name;
    const char **names = NULL;
    uint64_t count = 0;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!o->tokenizer)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE, "no tokenizer; give -t FILE");
    if (strcmp(o->parse_special, "all") == 0) {
        config.parse_special = TOK_PARSE_ALL;
    } else if (strcmp(o->parse_special, "none") != 0) {
        rest = list = strdup(o->parse_special);
        names = calloc(strlen(o->parse_special) + 1, sizeof *names);
        if (!list || !names) {
            status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
            goto out;
        }
        while ((name = strsep(&rest, ",")) != NULL)
            if (*name)
                names[count++] = name;
        config.parse_special = TOK_PARSE_LIST;
        config.special_list = names;
        config.special_count = count;
    }
    status = tok_open(&config, ret_tokenizer, reterr);
out:
    free(names);
    free(list);
    return status;
}

/* Names of control tokens, separated by spaces, cut to fit. */
static const char *candidates(const struct tok_tokenizer *t, char *out, size_t room)
{
    const struct ngt_vocabulary *v = tok_vocabulary(t);
    size_t used = 0;

    out[0] = '\0';
    for (uint32_t id = 0; id < v->count; id++) {
        uint64_t n = v->starts[id + 1] - v->starts[id];
        if (v->kinds[id] != NGT_ID_CONTROL)
            continue;
        if (used + n + 6 > room) {
            strcpy(out + used, " ...");
            break;
        }
        used += (size_t)snprintf(out + used, room - used, " %.*s", (int)n,
                                 (const char *)v->bytes + v->starts[id]);
    }
    return out[0] ? out : " none";
}

static enum ngt_status resolve(const struct tok_tokenizer *t, const char *option, const char *text,
                               bool added, uint32_t *id, struct ngt_error *reterr)
{
    char names[140];

    if (text) {
        char *end = NULL;
        unsigned long long number = strtoull(text, &end, 10);
        *id = tok_find(t, text);
        if (*id == NGT_NO_ID && text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
            number < tok_vocabulary(t)->count)
            *id = (uint32_t)number;
        if (*id == NGT_NO_ID)
            return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                            "--%s-token: no token \"%.40s\"; control tokens:%s", option, text,
                            candidates(t, names, sizeof names));
    }
    if (added && *id == NGT_NO_ID)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "the tokenizer does not say which token is %s; give --%s-token or "
                        "--no-%s; control tokens:%s",
                        option[0] == 'b' ? "BOS" : "EOS", option, option,
                        candidates(t, names, sizeof names));
    return NGT_OK;
}

enum ngt_status pretok_options_special(const struct pretok_options *o,
                                       const struct tok_tokenizer *t,
                                       struct pretok_special *ret_special, struct ngt_error *reterr)
{
    struct tok_special known = tok_special_ids(t);
    struct pretok_special s = {.bos = known.bos, .eos = known.eos, .pad = known.pad};
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = resolve(t, "bos", o->bos_token, o->bos, &s.bos, reterr);
    if (status == NGT_OK)
        status = resolve(t, "eos", o->eos_token, o->eos, &s.eos, reterr);
    if (status == NGT_OK)
        *ret_special = s;
    return status;
}

/* ---- records ---- */

enum ngt_status pretok_options_keys(const struct pretok_options *o, struct pretok_keys *ret_keys,
                                    struct ngt_error *reterr)
{
    struct pretok_keys_config config = {.text_key = o->text_key,
                                        .text_template = o->text_template,
                                        .id_key = o->id_key,
                                        .meta_keys = o->meta_keys,
                                        .split_key = o->split_key};

    ngt_error_clear(reterr);
    if (o->filter.max_chars && o->filter.min_chars > o->filter.max_chars)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE, "--min-chars is above --max-chars");
    if (o->filter.max_tokens && o->filter.min_tokens > o->filter.max_tokens)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE, "--min-tokens is above --max-tokens");
    if (o->text_key_given && o->text_template)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--text-key and --text-template exclude each other");
    return pretok_keys_new(&config, ret_keys, reterr);
}

/* ---- plan ---- */

/* Of Parquet the column of the text alone is read. */
static enum ngt_status refuse_of_parquet(const struct pretok_options *o,
                                         const struct pretok_inputs *inputs,
                                         struct ngt_error *reterr)
{
    const char *option = o->text_template ? "text-template"
                         : o->id_key      ? "id-key"
                         : o->meta_keys   ? "meta-keys"
                         : o->split_key   ? "split-by-key"
                                          : NULL;

    for (uint64_t i = 0; option && i < inputs->count; i++)
        if (inputs->items[i].format == PRETOK_FORMAT_PARQUET)
            return ngt_fail(reterr, NGT_E_UNSUPPORTED, inputs->items[i].name, HERE,
                            "--%s does not work on parquet input, of which the text column alone "
                            "is read; leave the option out, or convert the file to JSON lines",
                            option);
    return NGT_OK;
}

/* An option that says which key holds the text, where no input has keys: it would do nothing. An archive
 * may hold what has. */
static enum ngt_status refuse_without_keys(const struct pretok_options *o,
                                           const struct pretok_inputs *inputs,
                                           struct ngt_error *reterr)
{
    const char *option = o->text_template ? "text-template" : o->text_key_given ? "text-key" : NULL;

    for (uint64_t i = 0; option && i < inputs->count; i++)
        if (inputs->items[i].format != PRETOK_FORMAT_TEXT &&
            inputs->items[i].format != PRETOK_FORMAT_WARC)
            return NGT_OK;
    if (!option || !inputs->count)
        return NGT_OK;
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, inputs->items[0].name, HERE,
                    "--%s does nothing here: the inputs are text files or WARC, whose text is the "
                    "whole file or payload; leave the option out, or give --input-format",
                    option);
}

static const char *decimal(uint64_t n, char *out)
{
    snprintf(out, 24, "%" PRIu64, n);
    return out;
}

static const char *id_text(uint32_t id, char *out)
{
    return id == NGT_NO_ID ? "none" : decimal(id, out);
}

/* The globs, separated by spaces; too many are told apart by their hash. */
static void join(const struct cli_list *globs, char *out, size_t room)
{
    struct ngt_digest_stream *d = ngt_digest_stream_new64();
    size_t used = 0;

    snprintf(out, room, "none");
    for (uint64_t i = 0; i < globs->count; i++) {
        if (d)
            ngt_digest_stream_add(d, globs->items[i], strlen(globs->items[i]) + 1);
        if (used < room)
            used +=
                (size_t)snprintf(out + used, room - used, "%s%s", i ? " " : "", globs->items[i]);
    }
    if (used >= room && d)
        snprintf(out, room, "globs with the hash %016" PRIx64, ngt_digest_stream_value64(d));
    for (char *c = out; *c; c++)
        if (*c == '\t' || *c == '\n')
            *c = '?';
    ngt_digest_stream_free(&d);
}

/* The options that affect bytes, as they stand in plans and shards. */
struct spelled {
    char numbers[10][24], exclude[512], *template;
    struct ngt_pair pairs[32];
    uint64_t count;
};

static void spell(const struct pretok_options *o, const struct pretok_special *special,
                  struct spelled *s)
{
    char(*numbers)[24] = s->numbers;

    s->template = o->text_template ? pretok_template_line(o->text_template) : NULL;
    join(&o->exclude, s->exclude, sizeof s->exclude);
    const struct ngt_pair all[] = {
        {o->text_template ? "text_template" : "text_key",
         o->text_template ? s->template : o->text_key},
        {"input_format", pretok_format_name((enum pretok_format)o->input_format)},
        {"bos", o->bos ? "yes" : "no"},
        {"bos_id", id_text(special->bos, numbers[0])},
        {"eos", o->eos ? "yes" : "no"},
        {"eos_id", id_text(special->eos, numbers[1])},
        {"parse_special", o->parse_special},
        {"max_doc_bytes", decimal(o->max_doc_bytes, numbers[2])},
        {"shard_tokens", decimal(o->shard_tokens, numbers[3])},
        {"unit_bytes", decimal(o->unit_bytes, numbers[4])},
        {"limit", o->limit_given ? decimal(o->limit, numbers[5]) : "none"},
        {"exclude", s->exclude}, /* also decides about members of archives */
        /* those that are absent where they are off */
        {"on_lost", o->on_lost ? "drop" : NULL},
        {"verify_roundtrip", o->verify_roundtrip ? "yes" : NULL},
        {"id_key", o->id_key},
        {"meta_keys", o->meta_keys},
        {"split_by_key", o->split_key},
        {"dedup", o->dedup ? "exact" : NULL},
        {"min_chars", o->filter.min_chars ? decimal(o->filter.min_chars, numbers[6]) : NULL},
        {"max_chars", o->filter.max_chars ? decimal(o->filter.max_chars, numbers[7]) : NULL},
        {"min_tokens", o->filter.min_tokens ? decimal(o->filter.min_tokens, numbers[8]) : NULL},
        {"max_tokens", o->filter.max_tokens ? decimal(o->filter.max_tokens, numbers[9]) : NULL},
    };
    _Static_assert(sizeof all / sizeof *all <= sizeof s->pairs / sizeof *s->pairs, "room");

    s->count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value)
            s->pairs[s->count++] = all[i];
}

/* Adds a path, from the root on where it can be; an address as it is. */
static void add_path(struct ngt_digest_stream *d, const char *path)
{
    char *real = pretok_url_is(path) ? NULL : realpath(path, NULL);
    const char *text = real ? real : path;

    ngt_digest_stream_add(d, text, strlen(text) + 1);
    free(real);
}

static void add_list(struct ngt_digest_stream *d, const struct cli_list *list)
{
    for (uint64_t i = 0; i < list->count; i++)
        ngt_digest_stream_add(d, list->items[i], strlen(list->items[i]) + 1);
    ngt_digest_stream_add(d, "", 1);
}

/* An address of which only a part may be stored: a plan does not say how to ask for it again. */
static bool is_secret(const char *operand)
{
    char *shown = pretok_url_is(operand) ? pretok_url_shown(operand) : NULL;
    bool secret = pretok_url_is(operand) && (!shown || pretok_url_is_cut(shown));

    free(shown);
    return secret;
}

static bool list_has_secret(const char *list)
{
    bool secret = false;

    for (const char *at = list; *at && !secret; at += *at == '\n') {
        size_t n = strcspn(at, "\n");
        char *line = strndup(at, n);
        secret = !line || is_secret(line);
        free(line);
        at += n;
    }
    return secret;
}

enum ngt_status pretok_options_query(const struct pretok_options *o,
                                     const struct cli_list *operands, char out[33],
                                     struct ngt_error *reterr)
{
    struct ngt_digest_stream *d = ngt_digest_stream_new();
    uint8_t *list = NULL;
    uint64_t size = 0;
    enum ngt_status status =
        d ? NGT_OK : ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the inputs");
    bool secret = false;

    out[0] = '\0';
    if (status == NGT_OK && o->files_from)
        status = ngt_file_read(o->files_from, UINT64_C(1) << 34, &list, &size, reterr);
    for (uint64_t i = 0; i < operands->count && !secret; i++)
        secret = is_secret(operands->items[i]);
    secret = secret || (list && list_has_secret((const char *)list));
    if (status == NGT_OK && !secret) {
        for (uint64_t i = 0; i < operands->count; i++)
            add_path(d, operands->items[i]);
        ngt_digest_stream_add(d, "", 1);
        add_list(d, &o->include);
        add_list(d, &o->exclude);
        if (list) {
            add_path(d, "."); /* what stands in the list may be relative */
            ngt_digest_stream_add(d, list, size);
        }
        ngt_digest128_hex(ngt_digest_stream_value128(d), out);
    }
    free(list);
    ngt_digest_stream_free(&d);
    return status;
}

enum ngt_status pretok_options_check(const struct pretok_options *o, const struct tok_tokenizer *t,
                                     const struct pretok_special *special,
                                     const struct pretok_plan *planned, const char *path,
                                     struct ngt_error *reterr)
{
    struct spelled spelled;
    uint64_t count;
    const struct ngt_pair *identity = tok_identity(t, &count);

    spell(o, special, &spelled);
    enum ngt_status status = pretok_plan_compare_options(planned, spelled.pairs, spelled.count,
                                                         identity, count, path, reterr);
    free(spelled.template);
    return status;
}

enum ngt_status pretok_options_plan(const struct pretok_options *o, const struct cli_list *operands,
                                    const struct tok_tokenizer *t,
                                    const struct pretok_special *special,
                                    const struct pretok_plan *known,
                                    const struct pretok_remote *remote,
                                    struct pretok_plan *ret_plan, struct ngt_error *reterr)
{
    struct pretok_inputs_config find = {
        .operands = operands->items,
        .operand_count = operands->count,
        .files_from = o->files_from,
        .include = o->include.items,
        .include_count = o->include.count,
        .exclude = o->exclude.items,
        .exclude_count = o->exclude.count,
        .format = (enum pretok_format)o->input_format,
        .output = o->output,
        .known = known ? &known->inputs : NULL,
        .remote = remote,
    };
    struct spelled spelled;
    char query[33];
    struct pretok_plan_config config = {
        .unit_bytes = o->unit_bytes,
        .known = known,
        .options = spelled.pairs,
        .remote = remote,
        .query = query,
        .keep_compressed = o->on_lost == 1}; /* of a source with damage nothing is taken */
    struct pretok_keys keys = {0};
    enum ngt_status status;

    spell(o, special, &spelled);
    config.option_count = spelled.count;
    status = pretok_options_keys(o, &keys, reterr); /* what is wrong with them is told first */
    if (status == NGT_OK)
        status = pretok_options_query(o, operands, query, reterr);
    if (status == NGT_OK && !query[0])
        config.query = NULL;
    pretok_keys_done(&keys);
    if (status != NGT_OK)
        goto out;
    config.identity = tok_identity(t, &config.identity_count);
    if (operands->count == 0 && !o->files_from)
        status = ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                          "no input; give files, folders, - or --files-from");
    if (status == NGT_OK)
        status = pretok_inputs_find(&find, &config.inputs, reterr);
    if (status == NGT_OK)
        status = refuse_of_parquet(o, &config.inputs, reterr);
    if (status == NGT_OK)
        status = refuse_without_keys(o, &config.inputs, reterr);
    if (status != NGT_OK)
        pretok_inputs_done(&config.inputs);
    else
        status = pretok_plan_build(&config, ret_plan, reterr);
out:
    free(spelled.template);
    return status;
}
