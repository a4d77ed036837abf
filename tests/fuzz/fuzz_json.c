/* libngt's JSON reader on any bytes; what it takes, the writer's string function must survive too.
 */
#include <stdlib.h>
#include <string.h>

#include "ngt/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ngt_json *root = NULL;
    struct ngt_json_out out;

    if (ngt_json_parse((const char *)data, size, "fuzz", &root, NULL) == NGT_OK &&
        root->type == NGT_JSON_STRING) {
        struct ngt_json *again = NULL;
        ngt_json_out_init(&out, true);
        ngt_json_string_n(&out, root->string, root->length);
        if (ngt_json_parse(out.bytes, out.size, "again", &again, NULL) != NGT_OK ||
            again->length != root->length || memcmp(again->string, root->string, root->length) != 0)
            abort();
        ngt_json_free(&again);
        ngt_json_out_done(&out);
    }
    ngt_json_free(&root);
    return 0;
}
