#include "set_name.h"

#include <stdio.h>
#include <string.h>

#include "job/plan_file.h"
#include "job/receipt.h"
#include "ngt/dataset.h"
#include "ngt/digest.h"
#include "ngt/json.h"

#define LONGEST 100u
#define KEPT 80u /* of a longer one */

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Names that stand in the folder beside the sets. */
static bool taken(const uint8_t *value, uint64_t n)
{
    static const char *const names[] = {PRETOK_RECEIPT_FOLDER, PRETOK_PLAN_FILE, NGT_DATASET_FILE,
                                        "quarantine.jsonl"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (n == strlen(names[i]) && memcmp(value, names[i], n) == 0)
            return true;
    return false;
}

static void encode(const uint8_t *value, uint64_t n, char *out)
{
    const bool masked = n && (taken(value, n) || value[0] == '.' || value[0] == '-');
    uint64_t size = 0;

    for (uint64_t i = 0; i < n; i++) {
        bool as_is = plain(value[i]) && !(i == 0 && masked);
        if (size + (as_is ? 1 : 3) > LONGEST) {
            char hex[17];
            ngt_digest64_hex(ngt_digest64(value, n), hex);
            size = size < KEPT ? size : KEPT;
            while (size && (out[size - 1] == '%' || (size > 1 && out[size - 2] == '%')))
                size--; /* no half of a %XX */
            sprintf(out + size, "~%s", hex);
            return;
        }
        size += (uint64_t)sprintf(out + size, as_is ? "%c" : "%%%02X", value[i]);
    }
    strcpy(out + size, n ? "" : "%");
}

bool pretok_set_name(const uint8_t *json, uint64_t n, char out[PRETOK_SET_NAME_ROOM])
{
    struct ngt_json *value = NULL;

    if (n == 0 || json[0] == '{' || json[0] == '[' || json[0] == 'n')
        return false;
    /* a string that the strict reader refuses (a lone surrogate) is named by its spelling */
    if (json[0] == '"' && ngt_json_parse((const char *)json, n, "", &value, NULL) == NGT_OK)
        encode((const uint8_t *)value->string, value->length, out);
    else
        encode(json, n, out);
    ngt_json_free(&value);
    return true;
}
