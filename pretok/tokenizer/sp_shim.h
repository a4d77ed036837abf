/* libsentencepiece in C. No exception leaves; every failure is a code and a message. */
#ifndef TOK_SP_SHIM_H
#define TOK_SP_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sp_shim_status {
    SP_SHIM_OK = 0,
    SP_SHIM_REFUSED = 1, /* the library said no; message tells why */
    SP_SHIM_NOMEM = 2,
};

struct sp_shim;         /* a loaded model; read-only, shared by threads */
struct sp_shim_scratch; /* one thread's result vector, kept so that its memory is */

#define SP_SHIM_MESSAGE 160

/* bytes [n]: the serialized model; copied. message [SP_SHIM_MESSAGE] is filled unless OK. */
enum sp_shim_status sp_shim_load(const void *bytes, uint64_t n, struct sp_shim **ret_model,
                                 char *message);
void sp_shim_free(struct sp_shim *model);
/* Number of ids; what the library made of the file. */
uint64_t sp_shim_count(const struct sp_shim *model);

struct sp_shim_scratch *sp_shim_scratch_new(void); /* NULL: out of memory */
void sp_shim_scratch_free(struct sp_shim_scratch *scratch);

/* *ret_ids [*ret_count] belong to the scratch until its next call. Ids are not negative. */
enum sp_shim_status sp_shim_encode(const struct sp_shim *model, struct sp_shim_scratch *scratch,
                                   const char *text, uint64_t n, const int **ret_ids,
                                   uint64_t *ret_count, char *message);

#ifdef __cplusplus
}
#endif
#endif
