// The only C++ here. Encode into a vector of ids is the library's own entry point for a list of
// ids; the vector lives in the scratch, so its memory is reused from document to document.
#include "sp_shim.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <exception>
#include <new>
#include <vector>

struct sp_shim {
    sentencepiece::SentencePieceProcessor processor;
};

struct sp_shim_scratch {
    std::vector<int> ids;
};

namespace
{
void tell(char *message, const char *what)
{
    std::snprintf(message, SP_SHIM_MESSAGE, "%s", what);
}
} // namespace

extern "C" {

enum sp_shim_status sp_shim_load(const void *bytes, uint64_t n, struct sp_shim **ret_model,
                                 char *message)
{
    struct sp_shim *model = nullptr;
    enum sp_shim_status status = SP_SHIM_OK;
    try {
        model = new sp_shim;
        auto done = model->processor.LoadFromSerializedProto(
            std::string_view(static_cast<const char *>(bytes), n));
        if (!done.ok()) {
            tell(message, done.error_message());
            status = SP_SHIM_REFUSED;
        }
    } catch (const std::bad_alloc &) {
        status = SP_SHIM_NOMEM;
    } catch (const std::exception &e) {
        tell(message, e.what());
        status = SP_SHIM_REFUSED;
    } catch (...) {
        tell(message, "unknown exception");
        status = SP_SHIM_REFUSED;
    }
    if (status != SP_SHIM_OK) {
        sp_shim_free(model);
        return status;
    }
    *ret_model = model;
    return SP_SHIM_OK;
}

void sp_shim_free(struct sp_shim *model)
{
    delete model;
}

uint64_t sp_shim_count(const struct sp_shim *model)
{
    return static_cast<uint64_t>(model->processor.GetPieceSize());
}

struct sp_shim_scratch *sp_shim_scratch_new(void)
{
    return new (std::nothrow) sp_shim_scratch;
}

void sp_shim_scratch_free(struct sp_shim_scratch *scratch)
{
    delete scratch;
}

enum sp_shim_status sp_shim_encode(const struct sp_shim *model, struct sp_shim_scratch *scratch,
                                   const char *text, uint64_t n, const int **ret_ids,
                                   uint64_t *ret_count, char *message)
{
    try {
        scratch->ids.clear();
        auto done = model->processor.Encode(std::string_view(text, n), &scratch->ids);
        if (!done.ok()) {
            tell(message, done.error_message());
            return SP_SHIM_REFUSED;
        }
        *ret_ids = scratch->ids.data();
        *ret_count = scratch->ids.size();
        return SP_SHIM_OK;
    } catch (const std::bad_alloc &) {
        return SP_SHIM_NOMEM;
    } catch (const std::exception &e) {
        tell(message, e.what());
    } catch (...) {
        tell(message, "unknown exception");
    }
    return SP_SHIM_REFUSED;
}
}
