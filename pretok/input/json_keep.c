#include "input/json_keep.h"

#include <stdlib.h>
#include <string.h>

#include "input/json_string.h"
#include "input/jsonl.h"
#include "input/key_tree.h"
#include "input/utf8.h"

enum string_use {
    USE_NOTHING,
    USE_KEY,     /* a key in an object on the path */
    USE_OFF_KEY, /* a key elsewhere */
    USE_TEXT,
};

enum found {
    FOUND_NOTHING,
    FOUND_OTHER, /* the key is there, its value is no string */
    FOUND_NULL,
    FOUND_TEXT,
    FOUND_TOO_LONG,
};

#define KEYS_LIMIT 256u

#define KEEP (UINT64_C(1) << 20) /* of a slot's memory, from record to record */

/* A string of the text. */
struct slot {
    enum found found;
    uint64_t start, end; /* in the buffer it goes to */
    uint64_t replaced;
    struct pretok_bytes own; /* where the text is made of several */
};

/* A field's value. */
struct capture {
    bool found;
    uint64_t depth;      /* of the container it stands in */
    const uint8_t *from; /* its first byte in this chunk that is not in bytes yet */
    struct pretok_bytes bytes;
};

/*
 * The keys wanted are a tree, followed by a node and a number: the object at depth d (the top one has
 * depth 1) is the value of `node` when `matched` == d - 1, that is, when each object around it is the
 * value of the right key.
 */
struct pretok_json_keep {
    struct pretok_wanted wanted;
    uint64_t max_text;
    tok_utf8_fn check;
    struct pretok_key *tree;
    struct slot *slots; /* [slot_count]; several parts of the template may name one */
    uint32_t *slot_of;  /* [parts of the template] */
    uint32_t slot_count;
    bool direct;              /* the text is one string: it goes straight to the caller's buffer */
    struct capture *captures; /* [fields] */
    struct pretok_field *fields; /* [fields] what the record is told */

    /* the record */
    enum string_use use;
    struct slot *slot; /* USE_TEXT, and where its bytes go, how many there may be */
    struct pretok_bytes *to;
    uint64_t to_limit;
    uint64_t text_start;
    struct pretok_key *node;    /* of the innermost object on the way to a key that is wanted */
    struct pretok_key *pending; /* the next value is this key's */
    uint64_t matched;
    struct capture *open[PRETOK_JSONL_DEPTH]; /* captures that go on, the outer ones first */
    uint64_t open_count, captured;            /* captured: bytes of all */
    bool fields_too_long;

    uint8_t *key; /* decoded, cut at key_room: longer than any wanted is no match */
    uint64_t key_size, key_room;
    char keys[KEYS_LIMIT];
    uint64_t keys_size;
};

/* ---- what is wanted ---- */

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the JSON reader");
}

static void measure(struct pretok_json_keep *k, const struct pretok_key *key)
{
    if (k->key_room < key->size + 1)
        k->key_room = key->size + 1;
}

static enum ngt_status want_text(struct pretok_json_keep *k, struct ngt_error *reterr)
{
    const struct pretok_template *t = k->wanted.text;
    enum ngt_status status = NGT_OK;

    k->slots = calloc(t->count + 1, sizeof *k->slots);
    k->slot_of = calloc(t->count + 1, sizeof *k->slot_of);
    k->direct = pretok_template_plain(t);
    if (!k->slots || !k->slot_of)
        return no_memory(reterr);
    for (uint64_t i = 0; i < t->count && t->parts[i].path && status == NGT_OK; i++) {
        struct pretok_key *key;
        status = pretok_key_tree_add(k->tree, t->parts[i].path,
                                     k->direct ? "text-key" : "text-template", &key, reterr);
        if (status != NGT_OK)
            break;
        if (key->text == PRETOK_NO_SLOT)
            key->text = k->slot_count++;
        k->slot_of[i] = key->text;
        for (struct pretok_key *up = key; up; up = up->parent) {
            up->text_below = true;
            measure(k, up);
        }
    }
    return status;
}

static enum ngt_status want_fields(struct pretok_json_keep *k, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    k->captures = calloc(k->wanted.field_count + 1, sizeof *k->captures);
    k->fields = calloc(k->wanted.field_count + 1, sizeof *k->fields);
    if (!k->captures || !k->fields)
        return no_memory(reterr);
    for (uint64_t i = 0; i < k->wanted.field_count && status == NGT_OK; i++) {
        struct pretok_key *key;
        status = pretok_key_tree_add(k->tree, k->wanted.fields[i], "meta-keys", &key, reterr);
        if (status != NGT_OK)
            break;
        key->field = (uint32_t)i;
        for (struct pretok_key *up = key; up; up = up->parent)
            measure(k, up);
    }
    return status;
}

enum ngt_status pretok_json_keep_new(const struct pretok_wanted *wanted, uint64_t max_text_bytes,
                                     struct pretok_json_keep **ret_keep, struct ngt_error *reterr)
{
    struct pretok_json_keep *k = calloc(1, sizeof *k);
    enum ngt_status status = k ? NGT_OK : no_memory(reterr);

    if (!k)
        return status;
    k->wanted = *wanted;
    k->max_text = max_text_bytes;
    k->check = tok_utf8_check();
    k->key_room = 64; /* enough to show what keys there are */
    k->tree = pretok_key_tree_new();
    status = k->tree ? want_text(k, reterr) : no_memory(reterr);
    if (status == NGT_OK)
        status = want_fields(k, reterr);
    if (status == NGT_OK && !(k->key = malloc(k->key_room)))
        status = no_memory(reterr);
    if (status == NGT_OK)
        *ret_keep = k;
    else
        pretok_json_keep_free(&k);
    return status;
}

void pretok_json_keep_free(struct pretok_json_keep **keep)
{
    struct pretok_json_keep *k = *keep;

    if (!k)
        return;
    for (uint32_t i = 0; i < k->slot_count; i++)
        pretok_bytes_done(&k->slots[i].own);
    for (uint64_t i = 0; k->captures && i < k->wanted.field_count; i++)
        pretok_bytes_done(&k->captures[i].bytes);
    pretok_key_tree_free(&k->tree);
    free(k->slots);
    free(k->slot_of);
    free(k->captures);
    free(k->fields);
    free(k->key);
    free(k);
    *keep = NULL;
}

/* ---- a record goes by ---- */

static void forget_slot(struct pretok_json_keep *k, struct slot *s)
{
    s->found = FOUND_NOTHING;
    s->start = s->end = k->direct ? k->text_start : 0;
    s->replaced = 0;
    s->own.size = 0;
    if (s->own.room > KEEP) /* it was a giant's */
        pretok_bytes_done(&s->own);
}

static void forget_capture(struct pretok_json_keep *k, struct capture *c)
{
    k->captured -= c->bytes.size;
    c->found = false;
    c->bytes.size = 0;
}

/* The key comes again: what it and the keys below it led to is forgotten. Paths are as deep as the
 * user wrote them. */
static void forget(struct pretok_json_keep *k, const struct pretok_key *key)
{
    if (key->text != PRETOK_NO_SLOT)
        forget_slot(k, &k->slots[key->text]);
    if (key->field != PRETOK_NO_SLOT)
        forget_capture(k, &k->captures[key->field]);
    for (const struct pretok_key *c = key->child; c; c = c->next)
        forget(k, c);
}

/* Takes what came of it in this chunk, up to `to`. False when out of memory. */
static bool capture_to(struct pretok_json_keep *k, struct capture *c, const uint8_t *to)
{
    uint64_t n = (uint64_t)(to - c->from);

    if (k->fields_too_long || n > PRETOK_FIELDS_LIMIT - k->captured) {
        k->fields_too_long = true;
        return true;
    }
    k->captured += n;
    return pretok_bytes_append(&c->bytes, c->from, n);
}

void pretok_json_keep_begin(struct pretok_json_keep *k, const struct pretok_bytes *text)
{
    k->use = USE_NOTHING;
    k->text_start = text->size;
    for (uint32_t i = 0; i < k->slot_count; i++)
        forget_slot(k, &k->slots[i]);
    for (uint64_t i = 0; i < k->wanted.field_count; i++)
        forget_capture(k, &k->captures[i]);
    k->open_count = k->captured = 0;
    k->fields_too_long = false;
    k->matched = 0;
    k->node = k->tree;
    k->pending = NULL;
    k->keys_size = 0;
    k->keys[0] = '\0';
}

void pretok_json_keep_chunk(struct pretok_json_keep *k, const uint8_t *from)
{
    for (uint64_t i = 0; i < k->open_count; i++)
        k->open[i]->from = from;
}

bool pretok_json_keep_chunk_end(struct pretok_json_keep *k, const uint8_t *to)
{
    for (uint64_t i = 0; i < k->open_count; i++)
        if (!capture_to(k, k->open[i], to))
            return false;
    return true;
}

void pretok_json_keep_value(struct pretok_json_keep *k, const uint8_t *at, uint64_t depth,
                            struct pretok_bytes *text)
{
    const uint8_t c = *at;
    struct pretok_key *key = k->pending;
    bool target = key && key->text != PRETOK_NO_SLOT;

    k->pending = NULL;
    if (target) {
        k->slot = &k->slots[key->text];
        k->slot->found = c == '"' ? FOUND_TEXT : c == 'n' ? FOUND_NULL : FOUND_OTHER;
    }
    if (key && key->field != PRETOK_NO_SLOT) {
        struct capture *capture = &k->captures[key->field];
        capture->found = true;
        capture->depth = depth;
        capture->from = at;
        k->open[k->open_count++] = capture;
    }
    if (c == '{' && key && key->child) {
        k->matched = depth;
        k->node = key;
        if (key->text_below) { /* name the keys of the object that lacks one */
            k->keys_size = 0;
            k->keys[0] = '\0';
        }
    }
    if (c != '"')
        return;
    k->use = target ? USE_TEXT : USE_NOTHING;
    if (target) {
        k->to = k->direct ? text : &k->slot->own;
        k->to->size = k->slot->start;
        k->to_limit =
            UINT64_MAX - k->max_text < k->slot->start ? UINT64_MAX : k->slot->start + k->max_text;
    }
}

bool pretok_json_keep_value_end(struct pretok_json_keep *k, const uint8_t *to, uint64_t depth)
{
    if (k->open_count && k->open[k->open_count - 1]->depth == depth)
        return capture_to(k, k->open[--k->open_count], to);
    return true;
}

void pretok_json_keep_leave(struct pretok_json_keep *k, uint64_t depth)
{
    /* the container that the last matched key opened */
    if (depth > 1 && k->matched == depth - 1) {
        k->matched--;
        k->node = k->node->parent;
    }
}

void pretok_json_keep_key(struct pretok_json_keep *k, uint64_t depth)
{
    k->use = k->matched == depth - 1 && k->node->child ? USE_KEY : USE_OFF_KEY;
    k->key_size = 0;
}

static void list_key(struct pretok_json_keep *k)
{
    uint64_t need = k->key_size + (k->keys_size ? 2 : 0);

    if (k->keys_size + need >= KEYS_LIMIT)
        return;
    if (k->keys_size) {
        memcpy(k->keys + k->keys_size, ", ", 2);
        k->keys_size += 2;
    }
    memcpy(k->keys + k->keys_size, k->key, k->key_size);
    k->keys_size += k->key_size;
    k->keys[k->keys_size] = '\0';
}

bool pretok_json_keep_string_end(struct pretok_json_keep *k)
{
    switch (k->use) {
    case USE_KEY:
        if (k->node->text_below)
            list_key(k);
        k->pending = pretok_key_child(k->node, k->key, k->key_size);
        if (k->pending)
            forget(k, k->pending); /* the last of equal keys wins */
        return true;
    case USE_OFF_KEY:
        return true;
    case USE_TEXT:
        k->slot->end = k->to->size;
        break;
    case USE_NOTHING:
        break;
    }
    return false;
}

bool pretok_json_keep_put(struct pretok_json_keep *k, const uint8_t *bytes, uint64_t n)
{
    if (k->use == USE_TEXT) {
        if (n <= k->to_limit - k->to->size)
            return pretok_bytes_append(k->to, bytes, n);
        k->slot->found = FOUND_TOO_LONG;
        k->to->size = k->slot->start;
        k->use = USE_NOTHING; /* the rest is passed over */
        return true;
    }
    if (k->use == USE_KEY) {
        uint64_t room = k->key_room - k->key_size;
        if (n > room)
            n = room;
        memcpy(k->key + k->key_size, bytes, n);
        k->key_size += n;
    }
    return true;
}

void pretok_json_keep_replaced(struct pretok_json_keep *k)
{
    if (k->use == USE_TEXT)
        k->slot->replaced++;
}

/*
 * Copies what a text holds from p on as far as there is room already and nothing unusual comes; pretok_json_keep_put()
 * and the machine do the rest.
 */
const uint8_t *pretok_json_keep_copy(struct pretok_json_keep *k, const uint8_t *p,
                                     const uint8_t *end)
{
    if (k->use != USE_TEXT)
        return p;
    struct pretok_bytes *to = k->to;
    uint64_t n = (uint64_t)(end - p), room = to->room - to->size, allowed = k->to_limit - to->size;

    if (room <= PRETOK_JSON_STRING_SLACK)
        return p;
    room -= PRETOK_JSON_STRING_SLACK;
    n = n < room ? n : room;
    n = n < allowed ? n : allowed;
    uint8_t *out = to->at + to->size;
    p = pretok_json_string_copy(p, p + n, &out);
    to->size = (uint64_t)(out - to->at);
    return p;
}

/* ---- its end ---- */

/* Why the template cannot be filled. */
static enum pretok_reason text_reason(const struct pretok_json_keep *k)
{
    const struct pretok_template *t = k->wanted.text;

    for (uint64_t i = 0; i < t->count && t->parts[i].path; i++) {
        enum found found = k->slots[k->slot_of[i]].found;
        if (t->parts[i].optional && (found == FOUND_NOTHING || found == FOUND_NULL))
            continue;
        if (found != FOUND_TEXT)
            return found == FOUND_NOTHING    ? PRETOK_NO_KEY
                   : found == FOUND_TOO_LONG ? PRETOK_TOO_LONG
                                             : PRETOK_WRONG_TYPE;
    }
    return k->fields_too_long ? PRETOK_FIELDS_TOO_LONG : PRETOK_ACCEPTED;
}

/* The strings of the record, as the template has them, to text. False when out of memory. */
static bool fill_template(struct pretok_json_keep *k, struct pretok_bytes *text,
                          enum pretok_reason *ret_reason)
{
    const struct pretok_template *t = k->wanted.text;

    text->size = k->text_start;
    for (uint64_t i = 0; i < t->count; i++) {
        const struct pretok_template_part *part = &t->parts[i];
        const struct slot *s = part->path ? &k->slots[k->slot_of[i]] : NULL;
        uint64_t n = s && s->found == FOUND_TEXT ? s->end : 0;
        uint64_t after = n ? part->after_bytes : 0;
        uint64_t room = k->max_text - (text->size - k->text_start);
        if (part->before_bytes > room || n > room - part->before_bytes ||
            after > room - part->before_bytes - n) {
            *ret_reason = PRETOK_TOO_LONG;
            return true;
        }
        if (!pretok_bytes_append(text, part->before, part->before_bytes) ||
            (n && !pretok_bytes_append(text, s->own.at, n)) ||
            (after && !pretok_bytes_append(text, part->after, after)))
            return false;
    }
    return true;
}

static bool finish_fields(struct pretok_json_keep *k)
{
    for (uint64_t i = 0; i < k->wanted.field_count; i++) {
        struct capture *c = &k->captures[i];
        uint64_t replaced = 0;
        k->fields[i] = (struct pretok_field){0};
        if (!c->found)
            continue;
        if (!pretok_utf8_repair(&c->bytes, 0, k->check, &replaced))
            return false;
        k->fields[i] = (struct pretok_field){c->bytes.at, c->bytes.size};
    }
    return true;
}

bool pretok_json_keep_text(struct pretok_json_keep *k, struct pretok_bytes *text,
                           enum pretok_reason *ret_reason)
{
    *ret_reason = text_reason(k);
    if (*ret_reason != PRETOK_ACCEPTED)
        return true;
    if (!k->direct)
        return fill_template(k, text, ret_reason);
    text->size = k->slots[0].end;
    return true;
}

void pretok_json_keep_drop(struct pretok_json_keep *k)
{
    k->open_count = 0;
}

void pretok_json_keep_refuse(const struct pretok_json_keep *k, struct pretok_bytes *text)
{
    text->size = k->text_start;
}

const char *pretok_json_keep_keys(const struct pretok_json_keep *k)
{
    return k->keys;
}

bool pretok_json_keep_finish(struct pretok_json_keep *k, struct pretok_bytes *text,
                             struct pretok_record *ret)
{
    ret->text_start = k->text_start;
    for (uint32_t i = 0; i < k->slot_count; i++)
        ret->replaced += k->slots[i].replaced;
    if (!pretok_utf8_repair(text, k->text_start, k->check, &ret->replaced) || !finish_fields(k))
        return false;
    ret->text_bytes = text->size - k->text_start;
    ret->fields = k->fields;
    ret->field_count = k->wanted.field_count;
    return true;
}
