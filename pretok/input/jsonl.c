/*
 * A byte-driven state machine with fast inner loops for strings, where nearly all bytes are.
 *
 *   LINE -> START -> VALUE ... END -> LINE        a newline ends the record in any state
 *                       \-> BAD -> LINE           anything wrong: the rest of the line is skipped
 *
 * Nesting is a bit a level, so depth costs no stack. What is kept of all that passes is input/json_keep.c's.
 */
#include "input/jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "input/json_keep.h"
#include "input/json_string.h"
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

struct pretok_jsonl {
    struct pretok_json_keep *keep;

    /* the source */
    uint64_t lines, offset; /* offset: of the next byte to come */
    unsigned bom;           /* bytes of a BOM met at the start */

    /* the record */
    enum state state;
    enum pretok_reason reason;
    uint64_t line_offset, error_at;
    uint64_t depth;
    uint64_t object_bits[PRETOK_JSONL_DEPTH / 64];
    bool top_is_object;
    const char *literal; /* what must follow */
    uint32_t hex, hex_digits, high_surrogate;

    uint8_t raw[PRETOK_RAW_LIMIT]; /* the record's bytes of earlier chunks */
    uint64_t raw_size;
};

enum ngt_status pretok_jsonl_new(const struct pretok_jsonl_config *config,
                                 struct pretok_jsonl **ret_jsonl, struct ngt_error *reterr)
{
    struct pretok_jsonl *j = calloc(1, sizeof *j);
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!j)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the JSON reader");
    status = pretok_json_keep_new(&config->wanted, config->max_text_bytes, &j->keep, reterr);
    if (status != NGT_OK) {
        pretok_jsonl_free(&j);
        return status;
    }
    pretok_jsonl_start(j, true);
    *ret_jsonl = j;
    return NGT_OK;
}

void pretok_jsonl_free(struct pretok_jsonl **j)
{
    if (!*j)
        return;
    pretok_json_keep_free(&(*j)->keep);
    free(*j);
    *j = NULL;
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

static void begin_record(struct pretok_jsonl *j, uint64_t offset, const struct pretok_bytes *text)
{
    j->lines++;
    j->line_offset = offset;
    j->state = S_START;
    j->reason = PRETOK_ACCEPTED;
    j->error_at = 0;
    j->depth = 0;
    j->top_is_object = false;
    j->high_surrogate = 0;
    j->raw_size = 0;
    pretok_json_keep_begin(j->keep, text);
}

static bool in_object(const struct pretok_jsonl *j)
{
    uint64_t level = j->depth - 1;
    return j->object_bits[level / 64] >> (level % 64) & 1;
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
    return pretok_json_keep_value_end(j->keep, p, j->depth);
}

static bool pop(struct pretok_jsonl *j, const uint8_t *p)
{
    pretok_json_keep_leave(j->keep, j->depth);
    j->depth--;
    return value_done(j, p);
}

static void fail(struct pretok_jsonl *j, enum pretok_reason reason, uint64_t at)
{
    j->reason = reason;
    j->error_at = at - j->line_offset;
    j->state = S_BAD;
    pretok_json_keep_drop(j->keep);
}

/* A value begins with *p. False when no value does. */
static bool begin_value(struct pretok_jsonl *j, const uint8_t *p, struct pretok_bytes *text)
{
    const uint8_t c = *p;

    if (j->depth == 0)
        j->top_is_object = c == '{';
    pretok_json_keep_value(j->keep, p, j->depth, text);
    switch (c) {
    case '{':
        push(j, true);
        j->state = S_FIRST_KEY;
        return true;
    case '[':
        push(j, false);
        j->state = S_FIRST_ELEMENT;
        return true;
    case '"':
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
    pretok_json_keep_key(j->keep, j->depth);
    j->state = S_STRING;
}

/* p: behind the quote. False when out of memory. */
static bool end_string(struct pretok_jsonl *j, const uint8_t *p)
{
    if (!pretok_json_keep_string_end(j->keep))
        return value_done(j, p);
    j->state = S_COLON;
    return true;
}

static bool put_code(struct pretok_jsonl *j, uint32_t code)
{
    uint8_t bytes[4];
    return pretok_json_keep_put(j->keep, bytes, pretok_utf8_put(code, bytes));
}

/* A high surrogate was followed by something else than a low one. */
static bool flush_surrogate(struct pretok_jsonl *j)
{
    if (!j->high_surrogate)
        return true;
    j->high_surrogate = 0;
    pretok_json_keep_replaced(j->keep);
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
        pretok_json_keep_replaced(j->keep);
        code = 0xFFFD;
    }
    return put_code(j, code);
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
    else if (j->state == S_END && !pretok_json_keep_text(j->keep, text, &j->reason))
        return PRETOK_NOMEM;
    j->state = S_LINE;
    if (blank_line)
        return PRETOK_MORE;

    *ret = (struct pretok_record){.record = j->lines,
                                  .offset = j->line_offset,
                                  .reason = j->reason,
                                  .error_at = j->error_at,
                                  .full_bytes = offset - j->line_offset,
                                  .keys = pretok_json_keep_keys(j->keep)};
    if (j->reason != PRETOK_ACCEPTED) {
        pretok_json_keep_refuse(j->keep, text);
        keep_raw(j, from, at);
        /* the BOM was no part of the record */
        ret->raw = j->raw;
        ret->raw_bytes = j->raw_size;
        return PRETOK_REFUSED;
    }
    return pretok_json_keep_finish(j->keep, text, ret) ? PRETOK_DOCUMENT : PRETOK_NOMEM;
}

/* ---- the machine ---- */

enum pretok_event pretok_jsonl_next(struct pretok_jsonl *j, const uint8_t **at, const uint8_t *end,
                                    struct pretok_bytes *text, struct pretok_record *ret_record)
{
    const uint8_t *p = *at, *chunk = *at, *from = *at; /* from: the record's first byte here */
    const uint64_t base = j->offset;
    enum pretok_event event = PRETOK_MORE;

    pretok_json_keep_chunk(j->keep, p);
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
            if (!j->high_surrogate)
                p = pretok_json_keep_copy(j->keep, p, end);
            const uint8_t *stop = pretok_json_string_run(p, end);
            if (stop > p) {
                if (!flush_surrogate(j) || !pretok_json_keep_put(j->keep, p, (uint64_t)(stop - p)))
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
            if (!flush_surrogate(j) ||
                !pretok_json_keep_put(j->keep, (const uint8_t *)&values[which - letters], 1))
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
    if (event == PRETOK_MORE && !pretok_json_keep_chunk_end(j->keep, p))
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
