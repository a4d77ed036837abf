#include "job/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/receipt.h"
#include "ngt/file.h"

#define FAILURE_LIMIT 4096u /* a longer one is not ours */

static char *path_of(const struct pretok_plan *plan, const char *folder, uint64_t unit)
{
    char name[64], *path = NULL;

    if (asprintf(&path, "%s/" PRETOK_RECEIPT_FOLDER "/%s.failed", folder,
                 pretok_unit_name(plan, unit, name)) < 0)
        return NULL;
    return path;
}

void pretok_failure_note(const struct pretok_plan *plan, const char *folder, uint64_t unit,
                         const struct ngt_error *error)
{
    char text[600];
    char *path = path_of(plan, folder, unit);

    ngt_error_print(error, text, sizeof text - 1);
    strcat(text, "\n");
    if (path && ngt_file_write(path, text, strlen(text), NULL) != NGT_OK) {
        /* then status knows less; the task tells the failure itself */
    }
    free(path);
}

char *pretok_failure_load(const struct pretok_plan *plan, const char *folder, uint64_t unit)
{
    char *path = path_of(plan, folder, unit);
    uint8_t *bytes = NULL;
    uint64_t size;

    if (!path || access(path, F_OK) != 0 ||
        ngt_file_read(path, FAILURE_LIMIT, &bytes, &size, NULL) != NGT_OK)
        bytes = NULL;
    free(path);
    if (bytes)
        bytes[strcspn((char *)bytes, "\n")] = '\0';
    return (char *)bytes;
}

void pretok_failure_remove(const struct pretok_plan *plan, const char *folder, uint64_t unit)
{
    char *path = path_of(plan, folder, unit);

    if (path)
        (void)unlink(path);
    free(path);
}
