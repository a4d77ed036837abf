/*
 * Status codes and the error that a failing call fills.
 *
 * Convention of the whole project: 0 is success, negatives are failures, details go to a struct
 * ngt_error that the caller owns and may omit. A public function clears it on entry; afterwards the
 * first cause stays, so the deepest message wins.
 */
#ifndef NGT_ERROR_H
#define NGT_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NGT_NODISCARD __attribute__((warn_unused_result))
#define NGT_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* offset or item that does not apply */
#define NGT_NO_POS UINT64_MAX

enum ngt_status {
    NGT_OK = 0,
    NGT_E_NOMEM = -1,   /* an allocation failed */
    NGT_E_IO = -2,      /* a system call failed (sys_errno), or a file shrank while it was read */
    NGT_E_CORRUPT = -3, /* bytes contradict a hash or the specification */
    NGT_E_UNSUPPORTED = -4, /* valid, but of a newer version or with a required part unknown here */
    NGT_E_RANGE = -5,       /* an argument leaves its documented range */
    NGT_E_MISMATCH = -6,    /* valid inputs that do not belong together */
    NGT_E_EXISTS = -7,      /* the output is there already and is something else */
    NGT_E_DATA = -8,        /* user input (text, JSON, configuration) is not what it should be */
    NGT_E_STOPPED = -9,     /* ended early and cleanly on request */
    NGT_E_REMOTE = -10,     /* what lies on another machine cannot be had; nothing is known of it */
};

/* A deliberate ignore: GCC's attribute is not satisfied by a cast to void. */
static inline void ngt_ignore(enum ngt_status status)
{
    (void)status;
}

struct ngt_error {
    enum ngt_status code;
    int sys_errno;         /* 0 unless a system call failed */
    uint64_t offset, item; /* byte; line, document or block number; NGT_NO_POS if none */
    char path[256];        /* cut on the left, so the file name survives */
    char message[256];     /* what is wrong, then what to do; no newline, no path */
};

/* Empties e; NULL is allowed. */
void ngt_error_clear(struct ngt_error *e);

/*
 * Fills e unless it holds a cause already, and returns code, so that `return ngt_fail(...)` works.
 * path may be NULL; offset and item NGT_NO_POS. With NGT_E_IO, errno is taken along, and its text
 * and what to do about it are appended.
 */
enum ngt_status ngt_fail(struct ngt_error *e, enum ngt_status code, const char *path,
                         uint64_t offset, uint64_t item, const char *format, ...) NGT_PRINTF(6, 7);

/* Writes "path: offset N: item N: message" to out [size]; always terminated. Parts that do not
 * apply are left out. */
void ngt_error_print(const struct ngt_error *e, char *out, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
