/*
 * A remote object's bytes, in order and each exactly once, whatever breaks between: what was cut off
 * goes on at the byte after, what answers "not now" is asked again, later and later. That the object
 * is the same all the time is proven with every answer, by its ETag (also If-Match), its size and,
 * without an ETag, its time.
 *
 * Statuses: NGT_E_REMOTE it cannot be had, now (no progress for so long) or ever (no such object, no
 * access); the message says what to do. NGT_E_MISMATCH it is not the object it was. NGT_E_STOPPED.
 */
#ifndef PRETOK_REMOTE_OBJECT_H
#define PRETOK_REMOTE_OBJECT_H

#include "remote/transfer.h"

struct pretok_identity {
    uint64_t size;  /* NGT_NO_POS: the server does not tell */
    uint64_t mtime; /* nanoseconds since 1970; 0: not told */
    char etag[160]; /* as the server writes it; "": none */
};

struct pretok_object;

/* Can it be asked for under the condition that it is the same? */
static inline bool pretok_etag_is_strong(const char *etag)
{
    return etag && etag[0] == '"';
}

/* remote NULL: NGT_E_UNSUPPORTED. etag: what it must be; NULL: what the first answer says. Asks
 * nothing yet. */
NGT_NODISCARD enum ngt_status pretok_object_open(const struct pretok_remote *remote,
                                                 const char *url, const char *etag,
                                                 struct pretok_object **ret_object,
                                                 struct ngt_error *reterr);
void pretok_object_close(struct pretok_object **o);

/* false: no more is wanted, which is no failure. */
typedef bool (*pretok_object_sink_fn)(void *arg, const uint8_t *bytes, uint64_t n);

/* Bytes [start, start + n) of it, or to its end where that comes first; n UINT64_MAX: to the end. */
NGT_NODISCARD enum ngt_status pretok_object_fetch(struct pretok_object *o, uint64_t start,
                                                  uint64_t n, pretok_object_sink_fn sink, void *arg,
                                                  struct ngt_error *reterr);
/* From another thread: a fetch that is under way ends soon, as if no more were wanted. */
void pretok_object_cancel(struct pretok_object *o);

/* All of [start, start + n) into memory. NGT_E_MISMATCH: it is shorter. */
NGT_NODISCARD enum ngt_status pretok_object_read(struct pretok_object *o, uint64_t start,
                                                 uint64_t n, uint8_t *out,
                                                 struct ngt_error *reterr);

/* The first n bytes, or all there are. */
NGT_NODISCARD enum ngt_status pretok_object_head(struct pretok_object *o, uint64_t n, uint8_t *out,
                                                 uint64_t *ret_n, struct ngt_error *reterr);

/* Valid once something was fetched. */
const struct pretok_identity *pretok_object_identity(const struct pretok_object *o);
/* A page of text that is no object: the answer to a query. Owned by the caller, NUL-terminated;
 * NGT_E_REMOTE also when it is longer than limit. */
NGT_NODISCARD enum ngt_status pretok_object_text(const struct pretok_remote *remote,
                                                 const char *shown, const char *url, uint64_t limit,
                                                 char **ret_text, struct ngt_error *reterr);

#endif
