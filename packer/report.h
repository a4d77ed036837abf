/* Internal: what ngt-pack tells about a packing. */
#ifndef PACKER_REPORT_H
#define PACKER_REPORT_H

#include <stdio.h>

#include "packer/pack.h"

void packer_report_print(FILE *out, const char *title, enum packer_method method,
                         const struct packer_report *r);

/* Both sides as one JSON object. */
void packer_result_json(FILE *out, const struct packer_result *result);

/* The table of --what-if: best-fit beside concat at each length of a comma-separated list. */
enum ngt_status packer_what_if(FILE *out, const char *list, bool json, const uint64_t *lengths,
                               uint64_t docs, struct ngt_error *reterr);
#endif
