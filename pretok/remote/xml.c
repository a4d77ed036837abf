#include "remote/xml.h"

#include <stdlib.h>
#include <string.h>

/* One UTF-8 character; nothing for what is none. */
static char *put(char *out, unsigned long c)
{
    if (c == 0 || c > 0x10FFFF)
        return out;
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    unsigned tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(first[tail] | (c >> (6 * tail)));
    while (tail--)
        *out++ = (char)(0x80 | ((c >> (6 * tail)) & 0x3F));
    return out;
}

/* An entity is longer than the character it stands for, so out never overtakes. */
static void unescape(const char *at, const char *end, char *out)
{
    static const struct {
        const char *name;
        char is;
    } names[] = {{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}};

    while (at < end) {
        if (*at != '&') {
            *out++ = *at++;
            continue;
        }
        if (at + 1 < end && at[1] == '#') {
            bool hex = at[2] == 'x';
            char *stop;
            unsigned long c = strtoul(at + (hex ? 3 : 2), &stop, hex ? 16 : 10);
            if (*stop == ';' && stop < end) {
                out = put(out, c);
                at = stop + 1;
                continue;
            }
        }
        unsigned i = 0;
        for (; i < sizeof names / sizeof *names; i++)
            if (strncmp(at + 1, names[i].name, strlen(names[i].name)) == 0)
                break;
        if (i < sizeof names / sizeof *names) {
            *out++ = names[i].is;
            at += 1 + strlen(names[i].name);
        } else {
            *out++ = *at++;
        }
    }
    *out = '\0';
}

bool pretok_xml_next(struct pretok_xml *x, const char **ret_name, const char **ret_value)
{
    for (;;) {
        const char *open = strchr(x->at, '<'), *close = open ? strchr(open, '>') : NULL;
        if (!close) {
            x->at += strlen(x->at);
            return false;
        }
        bool ends = open[1] == '/', empty = close[-1] == '/';
        const char *name = open + 1 + ends;
        size_t n = strcspn(name, " \t\r\n/>");
        x->at = close + 1;
        if (n == 0 || *name == '?' || *name == '!')
            continue;
        const char *next = strchr(x->at, '<');
        if (!ends && !empty && !(next && next[1] == '/'))
            continue; /* the beginning of one that holds others */
        memcpy(x->room, name, n);
        x->room[n] = '\0';
        *ret_name = x->room;
        *ret_value = NULL;
        if (ends)
            return true;
        unescape(x->at, empty ? x->at : next, x->room + n + 1);
        *ret_value = x->room + n + 1;
        if (!empty)
            x->at = next + 1 + strcspn(next, ">") - (strchr(next, '>') == NULL);
        return true;
    }
}
