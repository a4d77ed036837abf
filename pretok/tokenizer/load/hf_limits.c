#include "load/hf_limits.h"

#include <string.h>

#define LONGEST (1u << 30)

static bool is_set(const struct ngt_json *j)
{
    return j && j->type != NGT_JSON_NULL;
}

static bool read_direction(const struct ngt_json *object, bool *ret_left)
{
    const char *direction = "Right";

    if (ngt_json_get(object, "direction") && !ngt_json_get_string(object, "direction", &direction))
        return false;
    *ret_left = strcmp(direction, "Left") == 0;
    return *ret_left || strcmp(direction, "Right") == 0;
}

static bool read_truncation(const struct ngt_json *j, struct tok_hf_limits *l)
{
    uint64_t stride = 0;
    const char *strategy = "LongestFirst";

    if (!ngt_json_get_u64(j, "max_length", &l->max_length) || l->max_length > LONGEST)
        return false;
    if (ngt_json_get(j, "stride") && !ngt_json_get_u64(j, "stride", &stride))
        return false;
    if (ngt_json_get(j, "strategy") && !ngt_json_get_string(j, "strategy", &strategy))
        return false;
    l->truncates = true;
    /* OnlySecond is about pairs of texts, which a corpus has none of */
    return (stride < l->max_length || l->max_length == 0) && strcmp(strategy, "OnlySecond") != 0 &&
           read_direction(j, &l->cuts_left);
}

static bool read_padding(const struct ngt_json *j, struct tok_hf_limits *l)
{
    const struct ngt_json *strategy = ngt_json_get(j, "strategy");
    const struct ngt_json *multiple = ngt_json_get(j, "pad_to_multiple_of");
    uint64_t id = 0;

    if (!ngt_json_get_u64(j, "pad_id", &id) || id >= 1u << 24 || !strategy)
        return false;
    if (strategy->type == NGT_JSON_OBJECT) {
        if (!ngt_json_get_u64(strategy, "Fixed", &l->fixed) || l->fixed > LONGEST)
            return false;
    } else if (strategy->type != NGT_JSON_STRING || strcmp(strategy->string, "BatchLongest") != 0) {
        return false;
    }
    if (is_set(multiple) &&
        (!ngt_json_get_u64(j, "pad_to_multiple_of", &l->multiple) || l->multiple > LONGEST))
        return false;
    l->pads = true;
    l->pad_id = (uint32_t)id;
    return read_direction(j, &l->pads_left);
}

enum ngt_status tok_hf_read_limits(const struct ngt_json *truncation,
                                   const struct ngt_json *padding, const char *path,
                                   struct tok_hf_limits *ret_limits, struct ngt_error *reterr)
{
    struct tok_hf_limits l = {0};

    if (is_set(truncation) && !read_truncation(truncation, &l))
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "\"truncation\" is not understood; leave out --file-limits");
    if (is_set(padding) && !read_padding(padding, &l))
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "\"padding\" is not understood; leave out --file-limits");
    *ret_limits = l;
    return NGT_OK;
}

enum ngt_status tok_hf_limit(const struct tok_hf_limits *l, uint64_t first, struct tok_ids *ids,
                             struct ngt_error *reterr)
{
    uint64_t count = ids->count - first, goal = l->fixed > count ? l->fixed : count;

    if (l->truncates && count > l->max_length) {
        if (l->cuts_left)
            memmove(ids->ids + first, ids->ids + first + (count - l->max_length),
                    l->max_length * sizeof *ids->ids);
        ids->count = first + l->max_length;
        count = l->max_length;
        goal = l->fixed > count ? l->fixed : count;
    }
    if (!l->pads)
        return NGT_OK;
    if (l->multiple && goal % l->multiple)
        goal += l->multiple - goal % l->multiple;
    enum ngt_status status = tok_ids_reserve(ids, goal - count, reterr);
    if (status != NGT_OK)
        return status;
    uint64_t more = goal - count, place = first + count;
    if (l->pads_left && more) {
        memmove(ids->ids + first + more, ids->ids + first, count * sizeof *ids->ids);
        place = first;
    }
    for (uint64_t i = 0; i < more; i++)
        ids->ids[place + i] = l->pad_id;
    ids->count += more;
    return NGT_OK;
}
