/*
 * Internal: what a packed folder is made of - options and input shards - written to DIR/pack.json
 * before the first shard and kept in dataset.json, so that a rerun goes on with its own work only.
 */
#ifndef PACKER_RECORD_H
#define PACKER_RECORD_H

#include "packer/pack.h"

struct packer_record {
    struct ngt_pair *options; /* also the shard's options section; values owned */
    uint64_t option_count;
    struct packer_input {
        char *name; /* file name, without folder */
        char root[17];
    } * inputs;
    uint64_t input_count;
};

enum ngt_status packer_record_new(const struct ngt_dataset *set, const struct packer_config *config,
                                  const char *side, struct packer_record *ret_record,
                                  struct ngt_error *reterr);
void packer_record_done(struct packer_record *r);

/* Members "options" and "inputs" of an open object. */
void packer_record_json(struct ngt_json_out *j, const struct packer_record *r);
/* Members of a report. */
void packer_report_json(struct ngt_json_out *j, const struct packer_report *r);

/*
 * Takes the folder for this job. *ret_complete: dataset.json is there and of this job. NGT_E_EXISTS
 * names what differs when the folder holds another one.
 */
enum ngt_status packer_record_claim(const struct packer_record *r, const char *folder,
                                    bool *ret_complete, struct ngt_error *reterr);

#endif
