#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "record.h"

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

void packer_report_print(FILE *out, const char *title, enum packer_method method,
                         const struct packer_report *r)
{
    uint64_t total = r->sequences * r->seq_len;

    fprintf(out, "%s: %s, %" PRIu64 " sequences of %" PRIu64 " tokens\n", title,
            packer_method_names[method], r->sequences, r->seq_len);
    fprintf(out, "  %-22s %" PRIu64 " of the input's %" PRIu64 ", %" PRIu64 " cut (%.2f%%)\n",
            "documents", r->filled, r->documents, r->cut, share(r->cut, r->filled));
    fprintf(out, "  %-22s %" PRIu64 " in = %" PRIu64 " out\n", "tokens", r->tokens,
            total - r->padding);
    fprintf(out, "  %-22s %" PRIu64 " (%.4f%%)\n", "padding", r->padding, share(r->padding, total));
    fprintf(out, "  %-22s %" PRIu64 ", %.2f a sequence\n", "segments", r->segments,
            r->sequences ? (double)r->segments / (double)r->sequences : 0);
    fprintf(out, "  %-22s %" PRIu64 " = tokens - documents\n", "targets", r->targets);
}

void packer_result_json(FILE *out, const struct packer_result *result)
{
    struct ngt_json_out j;

    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_key(&j, "train");
    ngt_json_object(&j);
    packer_report_json(&j, &result->train);
    ngt_json_object_end(&j);
    if (result->val.sequences) {
        ngt_json_key(&j, "val");
        ngt_json_object(&j);
        packer_report_json(&j, &result->val);
        ngt_json_object_end(&j);
    }
    if (result->dropped)
        ngt_json_member_u64(&j, "dropped", result->dropped);
    ngt_json_member_bool(&j, "was_complete", result->was_complete);
    ngt_json_object_end(&j);
    fwrite(j.bytes, 1, j.size, out);
    ngt_json_out_done(&j);
}

static enum ngt_status what_if_line(FILE *out, uint64_t t, bool json, const uint64_t *lengths,
                                    uint64_t docs, struct ngt_error *reterr)
{
    static const enum packer_method methods[2] = {PACKER_BEST_FIT, PACKER_CONCAT};
    struct packer_report r[2];
    enum ngt_status status = NGT_OK;

    for (unsigned k = 0; k < 2 && status == NGT_OK; k++)
        status = packer_estimate(lengths, docs, t, methods[k], &r[k], reterr);
    if (status != NGT_OK)
        return status;
    if (json) {
        struct ngt_json_out j;
        ngt_json_out_init(&j, true);
        ngt_json_object(&j);
        for (unsigned k = 0; k < 2; k++) {
            ngt_json_key(&j, packer_method_names[methods[k]]);
            ngt_json_object(&j);
            packer_report_json(&j, &r[k]);
            ngt_json_object_end(&j);
        }
        ngt_json_object_end(&j);
        fwrite(j.bytes, 1, j.size, out);
        ngt_json_out_done(&j);
        return NGT_OK;
    }
    fprintf(out, "%10" PRIu64, t);
    for (unsigned k = 0; k < 2; k++)
        fprintf(out, "  %12" PRIu64 " %9.4f%% %8.2f%% %8.2f", r[k].sequences,
                share(r[k].padding, r[k].sequences * t), share(r[k].cut, r[k].filled),
                r[k].sequences ? (double)r[k].segments / (double)r[k].sequences : 0);
    fputc('\n', out);
    return NGT_OK;
}

enum ngt_status packer_what_if(FILE *out, const char *list, bool json, const uint64_t *lengths,
                               uint64_t docs, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    if (!json) {
        fprintf(out, "%10s  %-43s  %s\n", "", "best-fit", "concat");
        fprintf(out, "%10s  %12s %10s %9s %8s  %12s %10s %9s %8s\n", "T", "sequences", "padding",
                "cut", "segments", "sequences", "padding", "cut", "segments");
    }
    for (const char *at = list; status == NGT_OK; at++) {
        const char *comma = strchrnul(at, ',');
        char *text = strndup(at, (size_t)(comma - at));
        uint64_t t;
        if (!text || !cli_parse_size(text, &t) || t == 0 || t > PACKER_MAX_LEN)
            status = ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                              "--what-if: \"%s\" is no length in 1 .. %u", text ? text : "",
                              PACKER_MAX_LEN);
        else
            status = what_if_line(out, t, json, lengths, docs, reterr);
        free(text);
        at = comma;
        if (!*comma)
            break;
    }
    return status;
}
