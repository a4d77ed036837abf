/* Content by its first bytes. A mistake here would make text unreadable, so weak signs are proven.
 */
#include <string.h>

#include "input/stream.h"

static bool starts(const uint8_t *head, uint64_t n, const char *magic, uint64_t size)
{
    return n >= size && memcmp(head, magic, size) == 0;
}

static bool octal_field(const uint8_t *at, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (at[i] < '0' || at[i] > '7')
            return false;
    return true;
}

/* The header checksum, which old archives have too; no text satisfies it by chance. */
static bool is_tar(const uint8_t *head, uint64_t n)
{
    uint64_t sum = 0, stored = 0;
    unsigned i = 148;

    if (n < 512 || head[0] == 0)
        return false;
    for (unsigned k = 0; k < 512; k++)
        sum += k >= 148 && k < 156 ? ' ' : head[k];
    while (i < 156 && head[i] == ' ')
        i++;
    for (; i < 156 && head[i] >= '0' && head[i] <= '7'; i++)
        stored = stored * 8 + (head[i] - '0');
    return sum == stored;
}

/* An archive without members is nothing but zeros. */
static bool is_empty_tar(const uint8_t *head, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (head[i])
            return false;
    return n >= 1024;
}

enum pretok_content pretok_content_of(const uint8_t *head, uint64_t n)
{
    if (starts(head, n, "\x1F\x8B\x08", 3))
        return PRETOK_GZIP;
    if (starts(head, n, "\x28\xB5\x2F\xFD", 4) ||
        (n >= 4 && (head[0] & 0xF0) == 0x50 && starts(head + 1, n - 1, "\x2A\x4D\x18", 3)))
        return PRETOK_ZSTD;
    if (starts(head, n, "BZh", 3) && n >= 10 && head[3] >= '1' && head[3] <= '9' &&
        (starts(head + 4, n - 4, "\x31\x41\x59\x26\x53\x59", 6) ||
         starts(head + 4, n - 4, "\x17\x72\x45\x38\x50\x90", 6)))
        return PRETOK_BZIP2;
    if (starts(head, n, "\xFD\x37zXZ\0", 6))
        return PRETOK_XZ;
    if (starts(head, n, "\x04\x22\x4D\x18", 4) || starts(head, n, "\x02\x21\x4C\x18", 4))
        return PRETOK_LZ4;
    if (starts(head, n, "PK\3\4", 4) || starts(head, n, "PK\5\6", 4))
        return PRETOK_ZIP;
    if (starts(head, n, "7z\xBC\xAF\x27\x1C", 6))
        return PRETOK_7Z;
    if ((starts(head, n, "070707", 6) && n >= 76 && octal_field(head, 76)) ||
        ((starts(head, n, "070701", 6) || starts(head, n, "070702", 6)) && n >= 110 &&
         memchr(head, '\n', 110) == NULL && memchr(head, ' ', 110) == NULL) ||
        (starts(head, n, "\xC7\x71", 2) && n >= 26) || (starts(head, n, "\x71\xC7", 2) && n >= 26))
        return PRETOK_CPIO;
    if (starts(head, n, "PAR1", 4))
        return PRETOK_PARQUET;
    if (is_tar(head, n) || is_empty_tar(head, n))
        return PRETOK_TAR;
    return PRETOK_PLAIN;
}

const char *pretok_content_name(enum pretok_content content)
{
    static const char *const names[] = {"plain", "gzip", "zstd", "bzip2", "xz",     "lz4",
                                        "tar",   "zip",  "cpio", "7z",    "parquet"};
    return names[content];
}
