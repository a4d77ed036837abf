/*
 * Streams are made here with the libraries themselves; every prefix of them must be noticed, and
 * every kind of content told.
 */
#include "input/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "input/ahead_source.h"
#include "input/bytes.h"
#include "input/text.h"
#include "input/zstd_frames.h"
#include "t.h"

static char folder[] = "/tmp/ngt-stream-XXXXXX";

static const char *put(const char *name, const void *bytes, size_t n)
{
    static char path[256];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path); /* ext4 flushes a file that was truncated and written again */
    f = fopen(path, "wb");
    T_REQUIRE(f && (n == 0 || fwrite(bytes, 1, n, f) == n) && fclose(f) == 0);
    return path;
}

/* Everything a file holds: "member\0bytes" one after the other, members NULL as "". */
static struct {
    uint64_t stored;
    struct ngt_digest128 digest;
} slurped;

static enum ngt_status slurp_through(const char *path, struct pretok_ahead *ahead,
                                     struct pretok_bytes *out, struct ngt_error *error)
{
    struct pretok_stream_config config = {.place.path = path, .bytes = UINT64_MAX, .ahead = ahead};
    struct pretok_stream *s = NULL;
    enum ngt_status status = pretok_stream_open(&config, &s, error);
    const char *member;
    bool more = true;

    out->size = 0;
    while (status == NGT_OK && more) {
        const uint8_t *at;
        uint64_t n = 1;
        status = pretok_stream_next(s, &more, &member, error);
        if (status == NGT_OK && more && member)
            T_REQUIRE(pretok_bytes_append(out, member, strlen(member)));
        while (status == NGT_OK && more && n) {
            status = pretok_stream_read(s, &at, &n, error);
            if (status == NGT_OK)
                T_REQUIRE(pretok_bytes_append(out, at, n));
        }
    }
    if (s) {
        slurped.stored = pretok_stream_stored(s);
        slurped.digest = pretok_stream_digest(s);
    }
    pretok_stream_close(&s);
    return status;
}

static enum ngt_status slurp(const char *path, struct pretok_bytes *out, struct ngt_error *error)
{
    return slurp_through(path, NULL, out, error);
}

/* Some text that compresses, and some that does not. */
static void sample(struct pretok_bytes *b, size_t n)
{
    uint64_t seed = 7;

    b->size = 0;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint8_t c = i % 1000 < 500 ? (uint8_t)('a' + i % 7) : (uint8_t)(seed >> 58);
        T_REQUIRE(pretok_bytes_append(b, &c, 1));
    }
}

/* One stream through a libarchive filter; what: "bzip2", "xz", "lz4", "gzip". */
static void pack(const char *what, const void *bytes, size_t n, struct pretok_bytes *out)
{
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    size_t room = n + 65536, used = 0;
    uint8_t *to = malloc(room);

    T_REQUIRE(archive_write_add_filter_by_name(a, what) == ARCHIVE_OK);
    T_REQUIRE(archive_write_set_format_raw(a) == ARCHIVE_OK);
    T_REQUIRE(archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK);
    T_REQUIRE(archive_write_open_memory(a, to, room, &used) == ARCHIVE_OK);
    archive_entry_set_filetype(e, AE_IFREG);
    T_REQUIRE(archive_write_header(a, e) == ARCHIVE_OK);
    T_REQUIRE(n == 0 || archive_write_data(a, bytes, n) == (la_ssize_t)n);
    T_REQUIRE(archive_write_close(a) == ARCHIVE_OK);
    archive_write_free(a);
    archive_entry_free(e);
    T_REQUIRE(pretok_bytes_append(out, to, used));
    free(to);
}

static void pack_zstd(const void *bytes, size_t n, struct pretok_bytes *out)
{
    size_t room = ZSTD_compressBound(n), used;
    ZSTD_CCtx *c = ZSTD_createCCtx();

    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    T_REQUIRE(pretok_bytes_reserve(out, room));
    used = ZSTD_compress2(c, out->at + out->size, room, bytes, n);
    T_REQUIRE(!ZSTD_isError(used));
    out->size += used;
    ZSTD_freeCCtx(c);
}

static void compress_as(const char *what, const void *bytes, size_t n, struct pretok_bytes *out)
{
    if (strcmp(what, "zstd") == 0)
        pack_zstd(bytes, n, out);
    else
        pack(what, bytes, n, out);
}

static const char *const codecs[] = {"gzip", "zstd", "bzip2", "xz", "lz4"};

T_CASE(every_codec)
{
    struct pretok_bytes text = {0}, out = {0};
    struct ngt_error error;

    sample(&text, 300000);
    for (size_t i = 0; i < 5; i++) {
        struct pretok_bytes packed = {0};
        compress_as(codecs[i], text.at, text.size, &packed);
        enum ngt_status status = slurp(put("one", packed.at, packed.size), &out, &error);
        if (status != NGT_OK || out.size != text.size || memcmp(out.at, text.at, out.size) != 0)
            T_FAIL("%s: %s, %u bytes", codecs[i], status == NGT_OK ? "" : error.message,
                   (unsigned)out.size);
        /* streams one after the other are one */
        compress_as(codecs[i], "abc", 3, &packed);
        compress_as(codecs[i], text.at, 1000, &packed);
        status = slurp(put("three", packed.at, packed.size), &out, &error);
        if (status != NGT_OK || out.size != text.size + 1003 ||
            memcmp(out.at + text.size, "abc", 3) != 0)
            T_FAIL("%s, three streams: %s, %u bytes", codecs[i],
                   status == NGT_OK ? "" : error.message, (unsigned)out.size);
        pretok_bytes_done(&packed);
    }
    pretok_bytes_done(&text);
    pretok_bytes_done(&out);
}

/* Threads that unpack ahead for as long as `on`. */
struct helpers {
    struct pretok_ahead *ahead;
    _Atomic bool on;
    pthread_t threads[2];
};

static void *help(void *arg)
{
    struct helpers *h = arg;

    while (h->on)
        if (pretok_ahead_wanted(h->ahead))
            pretok_ahead_work(h->ahead);
        else
            usleep(50);
    return NULL;
}

/* With others at work or nobody, whole or not: the same bytes, counts and errors. */
T_CASE(unpacked_ahead)
{
    struct pretok_bytes text = {0}, packed = {0}, want = {0}, got = {0};
    struct ngt_error plain_error, error;
    struct pretok_ahead *ahead = pretok_ahead_new();
    struct helpers h = {.ahead = ahead, .on = true};

    T_REQUIRE(ahead);
    sample(&text, 3000000); /* more than is unpacked ahead */
    for (int helpers = 0; helpers < 2; helpers++) {
        for (int i = 0; i < 2 && helpers; i++)
            T_REQUIRE(pthread_create(&h.threads[i], NULL, help, &h) == 0);
        for (size_t c = 0; c < 2; c++) { /* gzip, zstd */
            packed.size = 0;
            compress_as(codecs[c], text.at, text.size, &packed);
            for (int damage = 0; damage < 4; damage++) { /* whole, cut, a bit, all but the head */
                const uint64_t sizes[] = {packed.size, packed.size - 5, packed.size, 600};
                packed.at[packed.size / 2] ^= damage == 2 ? 16 : 0;
                const char *path = put("ahead", packed.at, sizes[damage]);
                packed.at[packed.size / 2] ^= damage == 2 ? 16 : 0;
                enum ngt_status plain = slurp(path, &want, &plain_error);
                uint64_t stored = slurped.stored;
                struct ngt_digest128 digest = slurped.digest;
                T_EQ_INT(plain, damage ? NGT_E_DATA : NGT_OK);
                T_EQ_INT(slurp_through(path, ahead, &got, &error), plain);
                if (got.size != want.size || memcmp(got.at, want.at, got.size) != 0)
                    T_FAIL("%s, damage %d: other bytes", codecs[c], damage);
                T_EQ_U64(slurped.stored, stored);
                T_TRUE(slurped.digest.low == digest.low && slurped.digest.high == digest.high);
                if (damage)
                    T_EQ_STR(error.message, plain_error.message);
            }
        }
    }
    h.on = false;
    for (int i = 0; i < 2; i++)
        pthread_join(h.threads[i], NULL);
    pretok_ahead_free(&ahead);
    pretok_bytes_done(&text);
    pretok_bytes_done(&packed);
    pretok_bytes_done(&want);
    pretok_bytes_done(&got);
}

T_CASE(cuts_of_zstd)
{
    struct pretok_bytes b = {0};
    uint64_t starts[4], size;
    static const char text[1000] = "x";

    for (unsigned i = 0; i < 3; i++) {
        starts[i] = b.size;
        pack_zstd(text, 1000 - i, &b);
        if (i == 1) /* a seek table or such: stays with the frame before */
            T_REQUIRE(pretok_bytes_append(&b, "\x5E\x2A\x4D\x18\x03\0\0\0abc", 11));
    }
    size = starts[3] = b.size;
    const struct {
        uint64_t least, stored, text;
    } cases[] = {
        {0, starts[1], 1000},         {1, starts[1], 1000},
        {starts[1], starts[1], 1000}, {starts[1] + 1, starts[2], 1999},
        {starts[2], starts[2], 1999}, {starts[2] + 1, size, 2997},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pretok_zstd_place place = {0, 0};
        pretok_zstd_next_cut(b.at, size, cases[i].least, &place);
        T_EQ_U64(place.stored, cases[i].stored);
        if (place.stored < size)
            T_EQ_U64(place.text, cases[i].text);
    }
    /* cut off or damaged at any place: no cut behind it, and no byte beyond the end is touched */
    for (uint64_t n = 1; n < size; n++) {
        uint8_t *exact = malloc(n);
        struct pretok_zstd_place place = {0, 0};
        memcpy(exact, b.at, n);
        pretok_zstd_next_cut(exact, n, starts[1] + 1, &place);
        T_TRUE(place.stored == n || (place.stored == starts[2] && n > starts[2]) ||
               place.stored == starts[2] - 11); /* a skippable frame that cannot be told yet */
        free(exact);
    }
    for (uint64_t i = 0; i < size; i++) {
        struct pretok_zstd_place place = {0, 0};
        b.at[i] ^= 0xA5;
        pretok_zstd_next_cut(b.at, size, 1, &place);
        T_TRUE(place.stored > 0 && place.stored <= size);
        b.at[i] ^= 0xA5;
    }
    pretok_bytes_done(&b);
}

T_CASE(nothing_compressed)
{
    struct pretok_bytes out = {0};
    struct ngt_error error;

    for (size_t i = 0; i < 4; i++) { /* libarchive's lz4 writer crashes on nothing */
        struct pretok_bytes packed = {0};
        compress_as(codecs[i], "", 0, &packed);
        if (slurp(put("empty", packed.at, packed.size), &out, &error) != NGT_OK || out.size != 0)
            T_FAIL("%s of nothing: %s", codecs[i], error.message);
        pretok_bytes_done(&packed);
    }
    T_EQ_INT(slurp(put("empty", "", 0), &out, &error), NGT_OK);
    T_EQ_U64(out.size, 0);
    pretok_bytes_done(&out);
}

T_CASE(every_prefix_is_noticed)
{
    struct pretok_bytes text = {0}, out = {0};
    struct ngt_error error;

    sample(&text, 600);
    for (size_t i = 0; i < 5; i++) {
        struct pretok_bytes packed = {0};
        compress_as(codecs[i], text.at, text.size, &packed);
        /* from where the content can be told: shorter ones are plain bytes */
        for (size_t n = 12; n < packed.size; n++) {
            enum ngt_status status = slurp(put("cut", packed.at, n), &out, &error);
            if (status != NGT_E_DATA) {
                T_FAIL("%s cut to %zu of %u bytes: status %d, %u bytes out", codecs[i], n,
                       (unsigned)packed.size, status, (unsigned)out.size);
                break;
            }
            if (out.size > text.size || (out.size && memcmp(out.at, text.at, out.size) != 0))
                T_FAIL("%s cut to %zu: other bytes", codecs[i], n);
        }
        /* something that is no stream behind it */
        T_REQUIRE(pretok_bytes_append(&packed, "garbage behind", 14));
        if (slurp(put("tail", packed.at, packed.size), &out, &error) != NGT_E_DATA)
            T_FAIL("%s: garbage behind the stream passes", codecs[i]);
        pretok_bytes_done(&packed);
    }
    pretok_bytes_done(&text);
    pretok_bytes_done(&out);
}

T_CASE(flipped_bits_are_noticed)
{
    struct pretok_bytes text = {0}, out = {0};
    struct ngt_error error;

    sample(&text, 2000);
    for (size_t i = 0; i < 4;
         i++) { /* lz4 frames of libarchive carry no checksum of their content */
        struct pretok_bytes packed = {0};
        compress_as(codecs[i], text.at, text.size, &packed);
        for (size_t at = 16; at < packed.size; at += 37) {
            packed.at[at] ^= 1;
            enum ngt_status status = slurp(put("flip", packed.at, packed.size), &out, &error);
            if (status == NGT_OK &&
                (out.size != text.size || memcmp(out.at, text.at, out.size) != 0))
                T_FAIL("%s: a flipped bit at %zu passes", codecs[i], at);
            packed.at[at] ^= 1;
        }
        pretok_bytes_done(&packed);
    }
    pretok_bytes_done(&text);
    pretok_bytes_done(&out);
}

#define BLOCKS 40u

/* A thousand bytes a block; at [BLOCKS]: where each begins. */
static void pack_blocks(bool zstd, const struct pretok_bytes *text, struct pretok_bytes *out,
                        uint64_t *at)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    z_stream z = {0};

    T_REQUIRE(c && deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        T_REQUIRE(pretok_bytes_reserve(out, 4000));
        at[i] = out->size;
        if (zstd) {
            ZSTD_outBuffer to = {out->at + out->size, 4000, 0};
            ZSTD_inBuffer from = {text->at + i * 1000, 1000, 0};
            T_EQ_U64(
                ZSTD_compressStream2(c, &to, &from, i + 1 == BLOCKS ? ZSTD_e_end : ZSTD_e_flush),
                0);
            out->size += to.pos;
        } else {
            z.next_in = text->at + i * 1000;
            z.avail_in = 1000;
            z.next_out = out->at + out->size;
            z.avail_out = 4000;
            T_REQUIRE(deflate(&z, i + 1 == BLOCKS ? Z_FINISH : Z_FULL_FLUSH) >= 0);
            out->size += 4000 - z.avail_out;
        }
    }
    deflateEnd(&z);
    ZSTD_freeCCtx(c);
}

/* Damage in the middle: all that stands before it comes, and the message tells the byte. */
T_CASE(what_stands_before_damage)
{
    struct pretok_bytes text = {0}, out = {0};
    struct ngt_error error;
    uint64_t at[BLOCKS];

    sample(&text, BLOCKS * 1000);
    for (int zstd = 0; zstd < 2; zstd++) {
        for (uint64_t i = 1; i < BLOCKS; i++) {
            struct pretok_bytes packed = {0};
            unsigned long long told = 0;
            pack_blocks(zstd, &text, &packed, at);
            packed.at[at[i]] |= 6; /* a kind of block that neither format has */
            T_EQ_INT(slurp(put("damaged", packed.at, packed.size), &out, &error), NGT_E_DATA);
            T_EQ_U64(out.size, i * 1000);
            T_EQ_MEM(out.at, text.at, out.size);
            T_REQUIRE(sscanf(error.message, "%*s stream corrupt at byte %llu", &told) == 1);
            T_TRUE(told >= at[i] && told <= at[i] + 4);
            pretok_bytes_done(&packed);
        }
    }
    pretok_bytes_done(&text);
    pretok_bytes_done(&out);
}

T_CASE(zstd_skippable_and_long)
{
    struct pretok_bytes packed = {0}, out = {0};
    struct ngt_error error;
    static const char skippable[] = "\x50\x2A\x4D\x18\x04\0\0\0none";
    size_t n = (size_t)1 << 20, room = ZSTD_compressBound(n), used;
    char *same = malloc(n), *to = malloc(room);
    ZSTD_CCtx *c = ZSTD_createCCtx();

    (void)pretok_bytes_append(&packed, skippable, 12);
    pack_zstd("abc", 3, &packed);
    (void)pretok_bytes_append(&packed, skippable, 12);
    T_EQ_INT(slurp(put("skip", packed.at, packed.size), &out, &error), NGT_OK);
    T_EQ_U64(out.size, 3);
    /* a frame that asks for a window of 256 MiB, beyond libzstd's default limit */
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 28);
    ZSTD_CCtx_setParameter(c, ZSTD_c_enableLongDistanceMatching, 1);
    ZSTD_inBuffer in = {same, n / 2, 0};
    ZSTD_outBuffer o = {to, room, 0};
    memset(same, 'x', n);
    /* in two pieces: knowing the size, the encoder would ask for less */
    T_REQUIRE(!ZSTD_isError(ZSTD_compressStream2(c, &o, &in, ZSTD_e_continue)));
    in.size = n;
    while (ZSTD_compressStream2(c, &o, &in, ZSTD_e_end) != 0)
        ;
    used = o.pos;
    T_EQ_INT(slurp(put("long", to, used), &out, &error), NGT_OK);
    T_EQ_U64(out.size, n);
    ZSTD_freeCCtx(c);
    free(same);
    free(to);
    pretok_bytes_done(&packed);
    pretok_bytes_done(&out);
}

/* Two members, the second compressed, a folder between them. */
static void make_archive(const char *format, struct pretok_bytes *out)
{
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    size_t room = 1 << 20, used = 0;
    uint8_t *to = malloc(room);
    struct pretok_bytes inner = {0};

    pack("gzip", "second", 6, &inner);
    T_REQUIRE(archive_write_set_format_by_name(a, format) == ARCHIVE_OK);
    T_REQUIRE(archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK);
    T_REQUIRE(archive_write_open_memory(a, to, room, &used) == ARCHIVE_OK);
    for (int i = 0; i < 3; i++) {
        const void *bytes = i == 0 ? (const void *)"first" : inner.at;
        size_t n = i == 0 ? 5 : inner.size;
        archive_entry_clear(e);
        archive_entry_set_pathname(e, i == 0 ? "a.txt" : i == 1 ? "dir/" : "dir/b.txt.gz");
        archive_entry_set_filetype(e, i == 1 ? AE_IFDIR : AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, i == 1 ? 0 : (la_int64_t)n);
        T_REQUIRE(archive_write_header(a, e) == ARCHIVE_OK);
        if (i != 1)
            T_REQUIRE(archive_write_data(a, bytes, n) == (la_ssize_t)n);
    }
    T_REQUIRE(archive_write_close(a) == ARCHIVE_OK);
    archive_write_free(a);
    archive_entry_free(e);
    T_REQUIRE(pretok_bytes_append(out, to, used));
    free(to);
    pretok_bytes_done(&inner);
}

static const char *const formats[] = {"ustar", "pax", "gnutar", "newc", "odc", "zip", "7zip"};
#define EXPECTED "a.txtfirstdir/b.txt.gzsecond"

T_CASE(every_archive)
{
    struct ngt_error error;

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct pretok_bytes packed = {0}, out = {0}, outer = {0};
        make_archive(formats[i], &packed);
        enum ngt_status status = slurp(put("archive", packed.at, packed.size), &out, &error);
        if (status != NGT_OK || out.size != strlen(EXPECTED) ||
            memcmp(out.at, EXPECTED, out.size) != 0)
            T_FAIL("%s: %s: %.*s", formats[i], status == NGT_OK ? "" : error.message, (int)out.size,
                   (char *)out.at);
        /* compressed; 7z needs to seek and says so */
        pack_zstd(packed.at, packed.size, &outer);
        status = slurp(put("archive.zst", outer.at, outer.size), &out, &error);
        if (strcmp(formats[i], "7zip") == 0) {
            T_EQ_INT(status, NGT_E_UNSUPPORTED);
        } else if (status != NGT_OK || out.size != strlen(EXPECTED) ||
                   memcmp(out.at, EXPECTED, out.size) != 0) {
            T_FAIL("%s in zstd: %s: %.*s", formats[i], status == NGT_OK ? "" : error.message,
                   (int)out.size, (char *)out.at);
        }
        pretok_bytes_done(&packed);
        pretok_bytes_done(&outer);
        pretok_bytes_done(&out);
    }
}

T_CASE(cut_archives)
{
    struct ngt_error error;

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct pretok_bytes packed = {0}, out = {0};
        bool tar = i < 3;
        make_archive(formats[i], &packed);
        /* a tar's end mark is two blocks of zeros, of which one is enough */
        size_t last = tar ? packed.size : packed.size;
        for (size_t n = 512; n < last; n += 61) {
            bool only_zeros = true;
            for (size_t k = n >= 512 ? n - 512 : 0; k < packed.size; k++)
                only_zeros &= packed.at[k] == 0;
            if (tar && only_zeros)
                break;
            enum ngt_status status = slurp(put("cut", packed.at, n), &out, &error);
            if (status != NGT_E_DATA) {
                T_FAIL("%s cut to %zu of %u bytes: status %d", formats[i], n, (unsigned)packed.size,
                       status);
                break;
            }
        }
        pretok_bytes_done(&packed);
        pretok_bytes_done(&out);
    }
}

T_CASE(nested_archive_is_refused)
{
    struct pretok_bytes inner = {0}, out = {0};
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    static uint8_t to[1 << 16];
    size_t used = 0;
    struct ngt_error error;

    make_archive("ustar", &inner);
    T_REQUIRE(archive_write_set_format_ustar(a) == ARCHIVE_OK);
    T_REQUIRE(archive_write_open_memory(a, to, sizeof to, &used) == ARCHIVE_OK);
    archive_entry_set_pathname(e, "inner.tar");
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_size(e, (la_int64_t)inner.size);
    T_REQUIRE(archive_write_header(a, e) == ARCHIVE_OK);
    T_REQUIRE(archive_write_data(a, inner.at, inner.size) == (la_ssize_t)inner.size);
    archive_write_close(a);
    archive_write_free(a);
    archive_entry_free(e);
    T_EQ_INT(slurp(put("nested", to, used), &out, &error), NGT_E_UNSUPPORTED);
    T_TRUE(strstr(error.message, "inner.tar: a tar archive inside an archive") != NULL);
    pretok_bytes_done(&inner);
    pretok_bytes_done(&out);
}

T_CASE(plain_and_ranges)
{
    struct pretok_stream_config config = {.bytes = 4, .start = 3, .plain = true};
    struct pretok_stream *s = NULL;
    struct ngt_error error;
    const char *member;
    const uint8_t *at;
    uint64_t n;
    bool more;

    config.place.path = put("plain", "0123456789", 10);
    T_EQ_INT(pretok_stream_open(&config, &s, &error), NGT_OK);
    T_EQ_INT(pretok_stream_next(s, &more, &member, &error), NGT_OK);
    T_TRUE(more && !member);
    T_EQ_INT(pretok_stream_read(s, &at, &n, &error), NGT_OK);
    T_EQ_U64(n, 4);
    T_EQ_MEM(at, "3456", 4);
    T_EQ_INT(pretok_stream_read(s, &at, &n, &error), NGT_OK);
    T_EQ_U64(n, 0);
    T_EQ_INT(pretok_stream_next(s, &more, &member, &error), NGT_OK);
    T_TRUE(!more);
    T_EQ_U64(pretok_stream_stored(s), 4);
    T_EQ_U64(pretok_stream_digest(s).low, ngt_digest128("3456", 4).low);
    pretok_stream_close(&s);
    config.bytes = 8; /* one more than there are */
    T_EQ_INT(pretok_stream_open(&config, &s, &error), NGT_OK);
    T_EQ_INT(pretok_stream_next(s, &more, &member, &error), NGT_OK);
    enum ngt_status status = NGT_OK;
    do
        status = pretok_stream_read(s, &at, &n, &error);
    while (status == NGT_OK && n);
    T_EQ_INT(status, NGT_E_DATA);
    pretok_stream_close(&s);
    config.place.path = "/nonexistent/file";
    T_EQ_INT(pretok_stream_open(&config, &s, &error), NGT_E_IO);
}

T_CASE(content)
{
    static const struct {
        const char *bytes;
        uint64_t n;
        enum pretok_content content;
    } heads[] = {
        {"", 0, PRETOK_PLAIN},
        {"{\"text\":1}", 10, PRETOK_PLAIN},
        {"BZh is a name", 13, PRETOK_PLAIN},
        {"070707 is a number", 18, PRETOK_PLAIN},
        {"PAR1....", 8, PRETOK_PARQUET},
        {"PK\3\4", 4, PRETOK_ZIP},
        {"\x1F\x8B\x08", 3, PRETOK_GZIP},
        {"\x28\xB5\x2F\xFD", 4, PRETOK_ZSTD},
        {"\x5F\x2A\x4D\x18", 4, PRETOK_ZSTD},
    };

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        T_EQ_STR(
            pretok_content_name(pretok_content_of((const uint8_t *)heads[i].bytes, heads[i].n)),
            pretok_content_name(heads[i].content));
}

T_CASE(text_files)
{
    static const struct {
        const char *bytes, *expected;
        uint64_t max, replaced;
    } files[] = {
        {"abc\r\n", "abc\r\n", 100, 0},
        {"\xEF\xBB\xBF"
         "abc",
         "abc", 100, 0},
        {"", "", 100, 0},
        {"a\xFFz", "a\xEF\xBF\xBDz", 100, 1},
        {"12345", NULL, 4, 0},
        {"1234", "1234", 4, 0},
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct pretok_stream_config config = {.bytes = UINT64_MAX};
        struct pretok_stream *s = NULL;
        struct pretok_bytes text = {0}, raw = {0};
        struct pretok_record r;
        struct ngt_error error;
        const char *member;
        bool more;
        config.place.path = put("text", files[i].bytes, strlen(files[i].bytes));
        T_REQUIRE(pretok_stream_open(&config, &s, &error) == NGT_OK);
        T_REQUIRE(pretok_stream_next(s, &more, &member, &error) == NGT_OK);
        T_EQ_INT(pretok_text_read(s, tok_utf8_check(), files[i].max, &text, &raw, &r, &error), NGT_OK);
        if (files[i].expected) {
            T_EQ_INT(r.reason, PRETOK_ACCEPTED);
            T_EQ_U64(r.text_bytes, strlen(files[i].expected));
            T_EQ_MEM(text.at, files[i].expected, r.text_bytes);
            T_EQ_U64(r.replaced, files[i].replaced);
        } else {
            T_EQ_INT(r.reason, PRETOK_TOO_LONG);
            T_EQ_U64(r.full_bytes, strlen(files[i].bytes));
            T_EQ_U64(r.raw_bytes, r.full_bytes);
        }
        pretok_stream_close(&s);
        pretok_bytes_done(&text);
        pretok_bytes_done(&raw);
    }
}

int main(int argc, char **argv)
{
    T_REQUIRE(mkdtemp(folder) != NULL);
    int code = t_main(argc, argv);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        code = 99;
    return code;
}
