#include "ngt/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ngt_error_clear(struct ngt_error *e)
{
    if (!e)
        return;
    /* field by field: this runs at the start of every call, and the texts need only their first
     * byte */
    e->code = NGT_OK;
    e->sys_errno = 0;
    e->offset = e->item = NGT_NO_POS;
    e->path[0] = e->message[0] = '\0';
}

/* What to do about a call that failed with this errno, behind what strerror says: "" where that says it. */
static const char *remedy(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return "; make room and start again";
    case EFBIG:
        return "; raise the limit on the size of files (ulimit -f) and start again";
    case EMFILE:
    case ENFILE:
        return "; raise the limit on open files (ulimit -n) and start again";
    case EIO:
    case ESTALE:
    case ETIMEDOUT:
        return "; see to the disk or its server and start again";
    case EACCES:
    case EPERM:
    case EROFS:
        return "; allow it and start again";
    default:
        return "";
    }
}

enum ngt_status ngt_fail(struct ngt_error *e, enum ngt_status code, const char *path,
                         uint64_t offset, uint64_t item, const char *format, ...)
{
    int saved = errno;
    va_list args;

    if (!e || e->code != NGT_OK)
        return code;
    e->code = code;
    e->sys_errno = code == NGT_E_IO ? saved : 0;
    e->offset = offset;
    e->item = item;
    e->path[0] = '\0';
    if (path) {
        size_t n = strlen(path), room = sizeof e->path - 1;
        if (n > room)
            path += n - room;
        memcpy(e->path, path, strlen(path) + 1);
    }
    va_start(args, format);
    int used = vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    if (e->sys_errno && used >= 0 && (size_t)used < sizeof e->message)
        snprintf(e->message + used, sizeof e->message - (size_t)used, ": %s%s",
                 strerror(e->sys_errno), remedy(e->sys_errno));
    /* names in archives may hold anything, also what a terminal obeys */
    for (char *c = e->message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = *c == '\n' ? ' ' : '?';
    return code;
}

void ngt_error_print(const struct ngt_error *e, char *out, uint64_t size)
{
    char place[64] = "";
    int n = 0;

    if (!size)
        return;
    if (e->offset != NGT_NO_POS)
        n = snprintf(place, sizeof place, "offset %" PRIu64 ": ", e->offset);
    if (e->item != NGT_NO_POS)
        snprintf(place + n, sizeof place - (size_t)n, "item %" PRIu64 ": ", e->item);
    snprintf(out, size, "%s%s%s%s", e->path, e->path[0] ? ": " : "", place, e->message);
}
