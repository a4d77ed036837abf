/*
 * A byte-driven state machine with fast inner loops for strings, where nearly all bytes are.
 *
 *   LINE -> START -> VALUE ... END -> LINE        a newline ends the record in any state
 *                       \-> BAD -> LINE           anything wrong: the rest of the line is skipped
 *
 * Nesting is a bit a level, so depth costs no stack. The keys wanted are a tree, followed by a node
 * and a number: the object at depth d (the top one has depth 1) is the value of `node` when `matched`
 * == d - 1, that is, when each object around it is the value of the right key.
 *
 * What is kept: strings of the text go, decoded, to their slots; values of fields are captured byte
 * by byte, several at a time where one holds another, each as a run of the chunk that is copied when
 * the value or the chunk ends.
 */
#include "input/jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "input/json_string.h"
#include "input/key_tree.h"
#include "input/utf8.h"

enum state {
    S_BOM,
    S_LINE,  /* before the first byte of a line */
    S_START, /* blanks only so far */
    S_VALUE,
    S_FIRST_KEY, /* after { */
    S_KEY,
    S_COLON,
    S_FIRST_ELEMENT, /* after [ */
    S_AFTER,         /* after a value inside a container */
    S_STRING,
    S_ESCAPE,
    S_HEX,
    S_LITERAL,
    S_MINUS,
    S_ZERO,
    S_DIGITS,
    S_POINT,
    S_FRACTION,
    S_E,
    S_E_SIGN,
    S_E_DIGITS,
    S_END, /* the top value is complete */
    S_BAD,
};

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

struct pretok_jsonl {
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

    /* the source */
    uint64_t lines, offset; /* offset: of the next byte to come */
    unsigned bom;           /* bytes of a BOM met at the start */

    /* the record */
    enum state state;
    enum string_use use;
    struct slot *slot; /* USE_TEXT, and where its bytes go, how many there may be */
    struct pretok_bytes *to;
    uint64_t to_limit;
    enum pretok_reason reason;
    uint64_t line_offset, error_at;
    uint64_t text_start;
    struct pretok_key *node;    /* of the innermost object on the way to a key that is wanted */
    struct pretok_key *pending; /* the next value is this key's */
    uint64_t depth, matched;
    struct capture *open[PRETOK_JSONL_DEPTH]; /* captures that go on, the outer ones first */
    uint64_t open_count, captured;            /* captured: bytes of all */
    bool fields_too_long;
    uint64_t object_bits[PRETOK_JSONL_DEPTH / 64];
    bool top_is_object;
    const char *literal; /* what must follow */
    uint32_t hex, hex_digits, high_surrogate;

    uint8_t *key; /* decoded, cut at key_room: longer than any wanted is no match */
    uint64_t key_size, key_room;
    char keys[KEYS_LIMIT];
    uint64_t keys_size;

    uint8_t raw[PRETOK_RAW_LIMIT]; /* the record's bytes of earlier chunks */
    uint64_t raw_size;
};

/* ---- what is wanted ---- */

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the JSON reader");
}

static void measure(struct pretok_jsonl *j, const struct pretok_key *key)
{
    if (j->key_room < key->size + 1)
        j->key_room = key->size + 1;
}

static enum ngt_status want_text(struct pretok_jsonl *j, struct ngt_error *reterr)
{
    const struct pretok_template *t = j->wanted.text;
    enum ngt_status status = NGT_OK;

    j->slots = calloc(t->count + 1, sizeof *j->slots);
    j->slot_of = calloc(t->count + 1, sizeof *j->slot_of);
    j->direct = pretok_template_plain(t);
    if (!j->slots || !j->slot_of)
        return no_memory(reterr);
    for (uint64_t i = 0; i < t->count && t->parts[i].path && status == NGT_OK; i++) {
        struct pretok_key *key;
        status = pretok_key_tree_add(j->tree, t->parts[i].path,
                                     j->direct ? "text-key" : "text-template", &key, reterr);
        if (status != NGT_OK)
            break;
        if (key->text == PRETOK_NO_SLOT)
            key->text = j->slot_count++;
        j->slot_of[i] = key->text;
        for (struct pretok_key *k = key; k; k = k->parent) {
            k->text_below = true;
            measure(j, k);
        }
    }
    return status;
}

static enum ngt_status want_fields(struct pretok_jsonl *j, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    j->captures = calloc(j->wanted.field_count + 1, sizeof *j->captures);
    j->fields = calloc(j->wanted.field_count + 1, sizeof *j->fields);
    if (!j->captures || !j->fields)
        return no_memory(reterr);
    for (uint64_t i = 0; i < j->wanted.field_count && status == NGT_OK; i++) {
        struct pretok_key *key;
        status = pretok_key_tree_add(j->tree, j->wanted.fields[i], "meta-keys", &key, reterr);
        if (status != NGT_OK)
            break;
        key->field = (uint32_t)i;
        for (struct pretok_key *k = key; k; k = k->parent)
            measure(j, k);
    }
    return status;
}

enum ngt_status pretok_jsonl_new(const struct pretok_jsonl_config *config,
                                 struct pretok_jsonl **ret_jsonl, struct ngt_error *reterr)
{
    struct pretok_jsonl *j = NULL;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    j = calloc(1, sizeof *j);
    if (!j) {
        status = no_memory(reterr);
        goto out;
    }
    j->wanted = config->wanted;
    j->max_text = config->max_text_bytes;
    j->check = tok_utf8_check();
    j->key_room = 64; /* enough to show what keys there are */
    j->tree = pretok_key_tree_new();
    status = j->tree ? want_text(j, reterr) : no_memory(reterr);
    if (status == NGT_OK)
        status = want_fields(j, reterr);
    if (status != NGT_OK)
        goto out;
    j->key = malloc(j->key_room);
    if (!j->key) {
        status = no_memory(reterr);
        goto out;
    }
    pretok_jsonl_start(j, true);
    *ret_jsonl = j;
    j = NULL;
out:
    pretok_jsonl_free(&j);
    return status;
}

void pretok_jsonl_free(struct pretok_jsonl **jp)
{
    struct pretok_jsonl *j = *jp;

    if (!j)
        return;
    for (uint32_t i = 0; i < j->slot_count; i++)
        pretok_bytes_done(&j->slots[i].own);
    for (uint64_t i = 0; j->captures && i < j->wanted.field_count; i++)
        pretok_bytes_done(&j->captures[i].bytes);
    pretok_key_tree_free(&j->tree);
    free(j->slots);
    free(j->slot_of);
    free(j->captures);
    free(j->fields);
    free(j->key);
    free(j);
    *jp = NULL;
}

void pretok_jsonl_start(struct pretok_jsonl *j, bool skip_bom)
{
    j->lines = 0;
    j->offset = 0;
    j->bom = 0;
    j->state = skip_bom ? S_BOM : S_LINE;
    j->raw_size = 0;
}

uint64_t pretok_jsonl_lines(const struct pretok_jsonl *j)
{
    return j->lines;
}

/* ---- pieces of the machine ---- */

static void forget_slot(struct pretok_jsonl *j, struct slot *s)
{
    s->found = FOUND_NOTHING;
    s->start = s->end = j->direct ? j->text_start : 0;
    s->replaced = 0;
    s->own.size = 0;
    if (s->own.room > KEEP) /* it was a giant's */
        pretok_bytes_done(&s->own);
}

static void forget_capture(struct pretok_jsonl *j, struct capture *c)
{
    j->captured -= c->bytes.size;
    c->found = false;
    c->bytes.size = 0;
}

/* The key comes again: what it and the keys below it led to is forgotten. Paths are as deep as the
 * user wrote them. */
static void forget(struct pretok_jsonl *j, const struct pretok_key *key)
{
    if (key->text != PRETOK_NO_SLOT)
        forget_slot(j, &j->slots[key->text]);
    if (key->field != PRETOK_NO_SLOT)
        forget_capture(j, &j->captures[key->field]);
    for (const struct pretok_key *c = key->child; c; c = c->next)
        forget(j, c);
}

/* Takes what came of it in this chunk, up to `to`. False when out of memory. */
static bool capture_to(struct pretok_jsonl *j, struct capture *c, const uint8_t *to)
{
    uint64_t n = (uint64_t)(to - c->from);

    if (j->fields_too_long || n > PRETOK_FIELDS_LIMIT - j->captured) {
        j->fields_too_long = true;
        return true;
    }
    j->captured += n;
    return pretok_bytes_append(&c->bytes, c->from, n);
}

static void begin_record(struct pretok_jsonl *j, uint64_t offset, const struct pretok_bytes *text)
{
    j->lines++;
    j->line_offset = offset;
    j->state = S_START;
    j->use = USE_NOTHING;
    j->reason = PRETOK_ACCEPTED;
    j->text_start = text->size;
    for (uint32_t i = 0; i < j->slot_count; i++)
        forget_slot(j, &j->slots[i]);
    for (uint64_t i = 0; i < j->wanted.field_count; i++)
        forget_capture(j, &j->captures[i]);
    j->open_count = j->captured = 0;
    j->fields_too_long = false;
    j->error_at = 0;
    j->depth = j->matched = 0;
    j->node = j->tree;
    j->pending = NULL;
    j->top_is_object = false;
    j->high_surrogate = 0;
    j->keys_size = 0;
    j->keys[0] = '\0';
    j->raw_size = 0;
}

static bool in_object(const struct pretok_jsonl *j)
{
    uint64_t level = j->depth - 1;
    return j->object_bits[level / 64] >> (level % 64) & 1;
}

static bool on_path(const struct pretok_jsonl *j)
{
    return j->matched == j->depth - 1 && j->node->child;
}

static void push(struct pretok_jsonl *j, bool object)
{
    uint64_t bit = UINT64_C(1) << (j->depth % 64), *word = &j->object_bits[j->depth / 64];

    *word = object ? *word | bit : *word & ~bit;
    j->depth++;
}

/* A value ended before p. False when out of memory. */
static bool value_done(struct pretok_jsonl *j, const uint8_t *p)
{
    j->state = j->depth ? S_AFTER : S_END;
    if (j->open_count && j->open[j->open_count - 1]->depth == j->depth)
        return capture_to(j, j->open[--j->open_count], p);
    return true;
}

static bool pop(struct pretok_jsonl *j, const uint8_t *p)
{
    /* leaving the container that the last matched key opened */
    if (j->depth > 1 && j->matched == j->depth - 1) {
        j->matched--;
        j->node = j->node->parent;
    }
    j->depth--;
    return value_done(j, p);
}

static void fail(struct pretok_jsonl *j, enum pretok_reason reason, uint64_t at)
{
    j->reason = reason;
    j->error_at = at - j->line_offset;
    j->open_count = 0;
    j->state = S_BAD;
}

/* A value begins with *p. False when no value does. */
static bool begin_value(struct pretok_jsonl *j, const uint8_t *p, struct pretok_bytes *text)
{
    const uint8_t c = *p;
    struct pretok_key *key = j->pending;
    bool target = key && key->text != PRETOK_NO_SLOT;

    j->pending = NULL;
    if (j->depth == 0)
        j->top_is_object = c == '{';
    if (target) {
        j->slot = &j->slots[key->text];
        j->slot->found = c == '"' ? FOUND_TEXT : c == 'n' ? FOUND_NULL : FOUND_OTHER;
    }
    if (key && key->field != PRETOK_NO_SLOT) {
        struct capture *capture = &j->captures[key->field];
        capture->found = true;
        capture->depth = j->depth;
        capture->from = p;
        j->open[j->open_count++] = capture;
    }
    switch (c) {
    case '{':
        if (key && key->child) {
            j->matched = j->depth;
            j->node = key;
            if (key->text_below) { /* name the keys of the object that lacks one */
                j->keys_size = 0;
                j->keys[0] = '\0';
            }
        }
        push(j, true);
        j->state = S_FIRST_KEY;
        return true;
    case '[':
        push(j, false);
        j->state = S_FIRST_ELEMENT;
        return true;
    case '"':
        j->use = target ? USE_TEXT : USE_NOTHING;
        if (target) {
            j->to = j->direct ? text : &j->slot->own;
            j->to->size = j->slot->start;
            j->to_limit = UINT64_MAX - j->max_text < j->slot->start ? UINT64_MAX
                                                                    : j->slot->start + j->max_text;
        }
        j->state = S_STRING;
        return true;
    case 't':
        j->literal = "rue";
        j->state = S_LITERAL;
        return true;
    case 'f':
        j->literal = "alse";
        j->state = S_LITERAL;
        return true;
    case 'n':
        j->literal = "ull";
        j->state = S_LITERAL;
        return true;
    case '-':
        j->state = S_MINUS;
        return true;
    case '0':
        j->state = S_ZERO;
        return true;
    default:
        if (c < '1' || c > '9')
            return false;
        j->state = S_DIGITS;
        return true;
    }
}

static void begin_key(struct pretok_jsonl *j)
{
    j->use = on_path(j) ? USE_KEY : USE_OFF_KEY;
    j->key_size = 0;
    j->state = S_STRING;
}

static void list_key(struct pretok_jsonl *j)
{
    uint64_t need = j->key_size + (j->keys_size ? 2 : 0);

    if (j->keys_size + need >= KEYS_LIMIT)
        return;
    if (j->keys_size) {
        memcpy(j->keys + j->keys_size, ", ", 2);
        j->keys_size += 2;
    }
    memcpy(j->keys + j->keys_size, j->key, j->key_size);
    j->keys_size += j->key_size;
    j->keys[j->keys_size] = '\0';
}

/* p: behind the quote. False when out of memory. */
static bool end_string(struct pretok_jsonl *j, const uint8_t *p)
{
    switch (j->use) {
    case USE_KEY:
        if (j->node->text_below)
            list_key(j);
        j->pending = pretok_key_child(j->node, j->key, j->key_size);
        if (j->pending)
            forget(j, j->pending); /* the last of equal keys wins */
        j->state = S_COLON;
        return true;
    case USE_OFF_KEY:
        j->state = S_COLON;
        return true;
    case USE_TEXT:
        j->slot->end = j->to->size;
        break;
    case USE_NOTHING:
        break;
    }
    return value_done(j, p);
}

/* Bytes of a string's value; false when out of memory. */
static bool put(struct pretok_jsonl *j, const uint8_t *bytes, uint64_t n)
{
    if (j->use == USE_TEXT) {
        if (n <= j->to_limit - j->to->size)
            return pretok_bytes_append(j->to, bytes, n);
        j->slot->found = FOUND_TOO_LONG;
        j->to->size = j->slot->start;
        j->use = USE_NOTHING; /* the rest is passed over */
        return true;
    }
    if (j->use == USE_KEY) {
        uint64_t room = j->key_room - j->key_size;
        if (n > room)
            n = room;
        memcpy(j->key + j->key_size, bytes, n);
        j->key_size += n;
    }
    return true;
}

static bool put_code(struct pretok_jsonl *j, uint32_t code)
{
    uint8_t bytes[4];
    return put(j, bytes, pretok_utf8_put(code, bytes));
}

/* A high surrogate was followed by something else than a low one. */
static bool flush_surrogate(struct pretok_jsonl *j)
{
    if (!j->high_surrogate)
        return true;
    j->high_surrogate = 0;
    if (j->use == USE_TEXT)
        j->slot->replaced++;
    return put_code(j, 0xFFFD);
}

static bool put_hex(struct pretok_jsonl *j)
{
    uint32_t code = j->hex, high = j->high_surrogate;

    if (code >= 0xDC00 && code <= 0xDFFF && high) {
        j->high_surrogate = 0;
        return put_code(j, 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00));
    }
    if (!flush_surrogate(j))
        return false;
    if (code >= 0xD800 && code <= 0xDBFF) {
        j->high_surrogate = code;
        return true;
    }
    if (code >= 0xDC00 && code <= 0xDFFF) {
        if (j->use == USE_TEXT)
            j->slot->replaced++;
        code = 0xFFFD;
    }
    return put_code(j, code);
}

/*
 * Copies what a text holds from p on as far as there is room already and nothing unusual comes; put()
 * and the machine do the rest.
 */
static const uint8_t *copy_text(struct pretok_jsonl *j, const uint8_t *p, const uint8_t *end)
{
    struct pretok_bytes *to = j->to;
    uint64_t n = (uint64_t)(end - p), room = to->room - to->size, allowed = j->to_limit - to->size;

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

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* May a number end in this state? */
static bool number_whole(enum state s)
{
    return s == S_ZERO || s == S_DIGITS || s == S_FRACTION || s == S_E_DIGITS;
}

/* One byte of a number. False when it does not belong to it. */
static bool number_byte(struct pretok_jsonl *j, uint8_t c)
{
    bool digit = c >= '0' && c <= '9';

    switch (j->state) {
    case S_MINUS:
        if (!digit)
            return false;
        j->state = c == '0' ? S_ZERO : S_DIGITS;
        return true;
    case S_ZERO:
    case S_DIGITS:
        if (digit)
            return j->state == S_DIGITS;
        if (c == '.') {
            j->state = S_POINT;
            return true;
        }
        break;
    case S_POINT:
    case S_FRACTION:
        if (digit) {
            j->state = S_FRACTION;
            return true;
        }
        if (j->state == S_POINT)
            return false;
        break;
    case S_E:
        if (c == '+' || c == '-') {
            j->state = S_E_SIGN;
            return true;
        }
        __attribute__((fallthrough));
    case S_E_SIGN:
    case S_E_DIGITS:
        if (!digit)
            return false;
        j->state = S_E_DIGITS;
        return true;
    default:
        return false;
    }
    if (c == 'e' || c == 'E') {
        j->state = S_E;
        return true;
    }
    return false;
}

/* ---- the end of a record ---- */

static void keep_raw(struct pretok_jsonl *j, const uint8_t *from, const uint8_t *to)
{
    uint64_t n = (uint64_t)(to - from), room = PRETOK_RAW_LIMIT - j->raw_size;

    if (n > room)
        n = room;
    memcpy(j->raw + j->raw_size, from, n);
    j->raw_size += n;
}

/* Why the template cannot be filled. */
static enum pretok_reason text_reason(const struct pretok_jsonl *j)
{
    const struct pretok_template *t = j->wanted.text;

    for (uint64_t i = 0; i < t->count && t->parts[i].path; i++) {
        enum found found = j->slots[j->slot_of[i]].found;
        if (t->parts[i].optional && (found == FOUND_NOTHING || found == FOUND_NULL))
            continue;
        if (found != FOUND_TEXT)
            return found == FOUND_NOTHING    ? PRETOK_NO_KEY
                   : found == FOUND_TOO_LONG ? PRETOK_TOO_LONG
                                             : PRETOK_WRONG_TYPE;
    }
    return j->fields_too_long ? PRETOK_FIELDS_TOO_LONG : PRETOK_ACCEPTED;
}

/* The strings of the record, as the template has them, to text. False when out of memory. */
static bool fill_template(struct pretok_jsonl *j, struct pretok_bytes *text)
{
    const struct pretok_template *t = j->wanted.text;

    text->size = j->text_start;
    for (uint64_t i = 0; i < t->count; i++) {
        const struct pretok_template_part *part = &t->parts[i];
        const struct slot *s = part->path ? &j->slots[j->slot_of[i]] : NULL;
        uint64_t n = s && s->found == FOUND_TEXT ? s->end : 0;
        uint64_t after = n ? part->after_bytes : 0;
        uint64_t room = j->max_text - (text->size - j->text_start);
        if (part->before_bytes > room || n > room - part->before_bytes ||
            after > room - part->before_bytes - n) {
            j->reason = PRETOK_TOO_LONG;
            return true;
        }
        if (!pretok_bytes_append(text, part->before, part->before_bytes) ||
            (n && !pretok_bytes_append(text, s->own.at, n)) ||
            (after && !pretok_bytes_append(text, part->after, after)))
            return false;
    }
    return true;
}

static bool finish_fields(struct pretok_jsonl *j)
{
    for (uint64_t i = 0; i < j->wanted.field_count; i++) {
        struct capture *c = &j->captures[i];
        uint64_t replaced = 0;
        j->fields[i] = (struct pretok_field){0};
        if (!c->found)
            continue;
        if (!pretok_utf8_repair(&c->bytes, 0, j->check, &replaced))
            return false;
        j->fields[i] = (struct pretok_field){c->bytes.at, c->bytes.size};
    }
    return true;
}

/*
 * The newline at `at` (offset `offset`) ends the record that has its bytes of this chunk from
 * `from` on. PRETOK_MORE: the line was blank.
 */
static enum pretok_event end_record(struct pretok_jsonl *j, const uint8_t *from, const uint8_t *at,
                                    uint64_t offset, struct pretok_bytes *text,
                                    struct pretok_record *ret)
{
    bool blank_line = j->state == S_START;

    if (number_whole(j->state) && !value_done(j, at))
        return PRETOK_NOMEM;
    if (j->state != S_END && j->state != S_BAD && !blank_line)
        fail(j, PRETOK_NOT_JSON, offset);
    else if (j->state == S_END && !j->top_is_object)
        j->reason = PRETOK_NOT_OBJECT;
    else if (j->state == S_END)
        j->reason = text_reason(j);
    j->state = S_LINE;
    if (blank_line)
        return PRETOK_MORE;
    if (j->reason == PRETOK_ACCEPTED && !j->direct && !fill_template(j, text))
        return PRETOK_NOMEM;

    *ret = (struct pretok_record){.record = j->lines,
                                  .offset = j->line_offset,
                                  .reason = j->reason,
                                  .error_at = j->error_at,
                                  .full_bytes = offset - j->line_offset,
                                  .keys = j->keys};
    if (j->reason != PRETOK_ACCEPTED) {
        text->size = j->text_start;
        keep_raw(j, from, at);
        /* the BOM was no part of the record */
        ret->raw = j->raw;
        ret->raw_bytes = j->raw_size;
        return PRETOK_REFUSED;
    }
    if (j->direct)
        text->size = j->slots[0].end;
    ret->text_start = j->text_start;
    for (uint32_t i = 0; i < j->slot_count; i++)
        ret->replaced += j->slots[i].replaced;
    if (!pretok_utf8_repair(text, j->text_start, j->check, &ret->replaced) || !finish_fields(j))
        return PRETOK_NOMEM;
    ret->text_bytes = text->size - j->text_start;
    ret->fields = j->fields;
    ret->field_count = j->wanted.field_count;
    return PRETOK_DOCUMENT;
}

/* ---- the machine ---- */

enum pretok_event pretok_jsonl_next(struct pretok_jsonl *j, const uint8_t **at, const uint8_t *end,
                                    struct pretok_bytes *text, struct pretok_record *ret_record)
{
    const uint8_t *p = *at, *chunk = *at, *from = *at; /* from: the record's first byte here */
    const uint64_t base = j->offset;
    enum pretok_event event = PRETOK_MORE;

    for (uint64_t i = 0; i < j->open_count; i++)
        j->open[i]->from = p;
#define OFFSET(q) (base + (uint64_t)((q)-chunk))
    while (p < end) {
        uint8_t c = *p;

        switch (j->state) {
        case S_BOM: {
            static const uint8_t mark[3] = {0xEF, 0xBB, 0xBF};
            if (j->bom < 3 && c == mark[j->bom]) {
                p++;
                if (++j->bom == 3)
                    j->state = S_LINE;
                continue;
            }
            if (j->bom == 0) {
                j->state = S_LINE;
                continue;
            }
            /* it was none: these bytes begin line 1, which cannot be JSON */
            begin_record(j, OFFSET(p) - j->bom, text);
            if ((uint64_t)(p - chunk) < j->bom) { /* they came with an earlier chunk */
                keep_raw(j, mark, mark + j->bom);
                from = p;
            } else {
                from = p - j->bom;
            }
            fail(j, PRETOK_NOT_JSON, j->line_offset);
            continue;
        }
        case S_LINE:
            begin_record(j, OFFSET(p), text);
            from = p;
            continue;
        case S_BAD: {
            const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
            if (!newline) {
                p = end;
                continue;
            }
            p = newline;
            break;
        }
        case S_STRING: {
            if (j->use == USE_TEXT && !j->high_surrogate)
                p = copy_text(j, p, end);
            const uint8_t *stop = pretok_json_string_run(p, end);
            if (stop > p) {
                if (!flush_surrogate(j) || !put(j, p, (uint64_t)(stop - p)))
                    goto nomem;
                p = stop;
            }
            if (p == end)
                continue;
            c = *p;
            if (c == '"') {
                if (!flush_surrogate(j))
                    goto nomem;
                p++;
                if (!end_string(j, p))
                    goto nomem;
                continue;
            }
            if (c == '\\') {
                p++;
                j->state = S_ESCAPE;
                continue;
            }
            break; /* a control character */
        }
        case S_ESCAPE: {
            static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
            if (c == 'u') {
                p++;
                j->hex = j->hex_digits = 0;
                j->state = S_HEX;
                continue;
            }
            const char *which = c ? strchr(letters, c) : NULL;
            if (!which)
                break;
            p++;
            if (!flush_surrogate(j) || !put(j, (const uint8_t *)&values[which - letters], 1))
                goto nomem;
            j->state = S_STRING;
            continue;
        }
        case S_HEX: {
            int digit = hex_value(c);
            if (digit < 0)
                break;
            p++;
            j->hex = j->hex << 4 | (uint32_t)digit;
            if (++j->hex_digits < 4)
                continue;
            j->state = S_STRING;
            if (!put_hex(j))
                goto nomem;
            continue;
        }
        case S_LITERAL:
            if (c != (uint8_t)*j->literal)
                break;
            p++;
            if (!*++j->literal && !value_done(j, p))
                goto nomem;
            continue;
        case S_MINUS:
        case S_ZERO:
        case S_DIGITS:
        case S_POINT:
        case S_FRACTION:
        case S_E:
        case S_E_SIGN:
        case S_E_DIGITS:
            if (number_byte(j, c)) {
                p++;
                continue;
            }
            if (!number_whole(j->state))
                break;
            if (!value_done(j, p))
                goto nomem;
            continue; /* the byte belongs to what follows */
        case S_START:
        case S_VALUE:
        case S_FIRST_ELEMENT:
            if (blank(c)) {
                p++;
                continue;
            }
            if (c == ']' && j->state == S_FIRST_ELEMENT) {
                p++;
                if (!pop(j, p))
                    goto nomem;
                continue;
            }
            if ((c == '{' || c == '[') && j->depth == PRETOK_JSONL_DEPTH) {
                fail(j, PRETOK_TOO_DEEP, OFFSET(p));
                continue;
            }
            if (c == '\n' || !begin_value(j, p, text))
                break;
            p++;
            continue;
        case S_FIRST_KEY:
        case S_KEY:
            if (blank(c)) {
                p++;
                continue;
            }
            if (c == '"') {
                p++;
                begin_key(j);
                continue;
            }
            if (c == '}' && j->state == S_FIRST_KEY) {
                p++;
                if (!pop(j, p))
                    goto nomem;
                continue;
            }
            break;
        case S_COLON:
            if (blank(c)) {
                p++;
                continue;
            }
            if (c != ':')
                break;
            p++;
            j->state = S_VALUE;
            continue;
        case S_AFTER:
            if (blank(c)) {
                p++;
                continue;
            }
            if (c == ',') {
                p++;
                j->state = in_object(j) ? S_KEY : S_VALUE;
                continue;
            }
            if (c == (in_object(j) ? '}' : ']')) {
                p++;
                if (!pop(j, p))
                    goto nomem;
                continue;
            }
            break;
        case S_END:
            if (blank(c)) {
                p++;
                continue;
            }
            break;
        }

        /* Here c has no place where it stands, or it is the newline that ends the record. */
        if (*p != '\n') {
            fail(j, PRETOK_NOT_JSON, OFFSET(p));
            continue;
        }
        event = end_record(j, from, p, OFFSET(p), text, ret_record);
        p++;
        from = p;
        if (event != PRETOK_MORE)
            break;
    }
    if (event == PRETOK_MORE && j->state != S_LINE && j->state != S_BOM)
        keep_raw(j, from, p);
    for (uint64_t i = 0; i < j->open_count && event == PRETOK_MORE; i++)
        if (!capture_to(j, j->open[i], p))
            goto nomem;
    j->offset = OFFSET(p);
    *at = p;
    return event;

nomem:
    j->offset = OFFSET(p);
    *at = p;
    return PRETOK_NOMEM;
#undef OFFSET
}

enum pretok_event pretok_jsonl_end(struct pretok_jsonl *j, struct pretok_bytes *text,
                                   struct pretok_record *ret_record)
{
    static const uint8_t newline[1] = {'\n'};
    const uint8_t *at = newline;

    if (j->state == S_LINE || (j->state == S_BOM && j->bom == 0))
        return PRETOK_MORE;
    return pretok_jsonl_next(j, &at, newline + 1, text, ret_record);
}
