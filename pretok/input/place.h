/* Where an input lies: a file, or an object on another machine. */
#ifndef PRETOK_PLACE_H
#define PRETOK_PLACE_H

struct pretok_remote;

struct pretok_place {
    const char *path;    /* a path, or an address (remote/url.h); NULL: standard input */
    const char *address; /* the address where path is only what may be shown of it; else NULL */
    const char *etag;    /* of an address: what it must be; NULL: what it is when it is opened */
    int opened; /* the path's descriptor, at the beginning, where the path was opened before; what opens
                   the place takes it over, also when it fails. 0: none, nor can it be */
    const struct pretok_remote *remote; /* who asks for addresses; NULL: they are refused */
};

#endif
