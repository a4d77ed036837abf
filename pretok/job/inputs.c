#include "job/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input/parquet.h"
#include "input/stream.h"
#include "job/remote_inputs.h"
#include "ngt/digest.h"
#include "ngt/file.h"
#include "ngt/pool.h"
#include "remote/bucket.h"
#include "remote/url.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define LIST_LIMIT (1u << 30)
#define DEPTH_LIMIT 64u /* folders below the one given; ends a cycle of links */

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the list of inputs");
}

/* ---- names ---- */

static bool cut_suffix(const char *name, size_t *length, const char *suffix)
{
    size_t n = strlen(suffix);

    if (*length <= n || strncasecmp(name + *length - n, suffix, n) != 0)
        return false;
    *length -= n;
    return true;
}

bool pretok_format_of_name(const char *name, enum pretok_format *ret_format, bool *ret_archive)
{
    static const char *const compressed[] = {".gz", ".zst", ".zstd", ".bz2", ".xz", ".lz4", NULL};
    static const char *const archives[] = {".tar",  ".tgz", ".tbz2", ".tbz", ".txz", ".tzst",
                                           ".tlz4", ".zip", ".cpio", ".7z",  NULL};
    static const struct {
        const char *suffix;
        enum pretok_format format;
    } formats[] = {{".jsonl", PRETOK_FORMAT_JSONL},    {".ndjson", PRETOK_FORMAT_JSONL},
                   {".json", PRETOK_FORMAT_JSONL},     {".txt", PRETOK_FORMAT_TEXT},
                   {".text", PRETOK_FORMAT_TEXT},      {".md", PRETOK_FORMAT_TEXT},
                   {".warc", PRETOK_FORMAT_WARC},      {".wet", PRETOK_FORMAT_WARC},
                   {".parquet", PRETOK_FORMAT_PARQUET}};
    size_t n = strlen(name);

    *ret_archive = false;
    *ret_format = PRETOK_FORMAT_AUTO;
    for (unsigned i = 0; compressed[i]; i++)
        if (cut_suffix(name, &n, compressed[i]))
            break;
    for (unsigned i = 0; archives[i]; i++)
        if (cut_suffix(name, &n, archives[i])) {
            *ret_archive = true;
            return true;
        }
    for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++)
        if (cut_suffix(name, &n, formats[i].suffix)) {
            *ret_format = formats[i].format;
            return true;
        }
    return false;
}

const char *pretok_format_name(enum pretok_format format)
{
    static const char *const names[] = {"auto", "jsonl", "text", "warc", "parquet"};
    return names[format];
}

bool pretok_name_matches(const char *name, const char *const *globs, uint64_t count)
{
    const char *last = strrchr(name, '/');

    for (uint64_t i = 0; i < count; i++) {
        const char *on = last && !strchr(globs[i], '/') ? last + 1 : name;
        if (fnmatch(globs[i], on, 0) == 0)
            return true;
    }
    return false;
}

/* ---- one file ---- */

static enum ngt_status read_at(int fd, const char *path, uint8_t *to, uint64_t n, uint64_t offset,
                               struct ngt_error *reterr)
{
    for (uint64_t done = 0; done < n;) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ngt_fail(reterr, NGT_E_IO, path, offset, NGT_NO_POS, "cannot read");
        if (got == 0)
            return ngt_fail(reterr, NGT_E_DATA, path, HERE, "changes while it is looked at");
        done += (uint64_t)got;
    }
    return NGT_OK;
}

static uint64_t time_of(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

enum ngt_status pretok_input_probe_open(const char *path, struct pretok_input *ret_input,
                                        int *ret_fd, struct ngt_error *reterr)
{
    struct stat st;
    uint8_t *edges = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (fd < 0 || fstat(fd, &st) != 0) {
        status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot open");
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        status = ngt_fail(reterr, NGT_E_DATA, path, HERE,
                          "not a regular file; a stream is read from standard input (-)");
        goto out;
    }
    uint64_t size = (uint64_t)st.st_size,
             head = size < PRETOK_INPUT_EDGE ? size : PRETOK_INPUT_EDGE, tail = size - head;
    if (tail > PRETOK_INPUT_EDGE)
        tail = PRETOK_INPUT_EDGE;
    /* no more than the file has: malloc maps large pieces anew, which small files would pay for */
    edges = malloc(head + tail + 1);
    if (!edges) {
        status = no_memory(reterr);
        goto out;
    }
    status = read_at(fd, path, edges, head, 0, reterr);
    if (status == NGT_OK)
        status = read_at(fd, path, edges + head, tail, size - tail, reterr);
    if (status != NGT_OK)
        goto out;
    enum pretok_content content = pretok_content_of(edges, head);
    ret_input->size = size;
    ret_input->mtime = time_of(&st);
    ret_input->head_tail = ngt_digest64(edges, head + tail);
    ret_input->plain = content == PRETOK_PLAIN;
    ret_input->parquet = content == PRETOK_PARQUET;
    ret_input->device = st.st_dev;
    ret_input->node = st.st_ino;
    *ret_fd = fd;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    free(edges);
    return status;
}

enum ngt_status pretok_input_probe(const char *path, struct pretok_input *ret_input,
                                   struct ngt_error *reterr)
{
    int fd = -1;
    enum ngt_status status = pretok_input_probe_open(path, ret_input, &fd, reterr);

    if (status == NGT_OK)
        close(fd);
    return status;
}

/* ---- finding ---- */

struct search {
    const struct pretok_inputs_config *config;
    struct pretok_inputs found;
    uint64_t room;
    struct stat output; /* st_ino 0: there is none yet */
};

static enum ngt_status decide_format(const struct pretok_inputs_config *c, const char *name,
                                     const char *path, enum pretok_format *ret,
                                     struct ngt_error *reterr)
{
    bool archive = false;

    *ret = c->format;
    if (c->format == PRETOK_FORMAT_AUTO) {
        if (!pretok_format_of_name(name, ret, &archive))
            return ngt_fail(reterr, NGT_E_DATA, path, HERE,
                            "its name does not tell the format (.jsonl, .ndjson, .json, .txt, .md, "
                            ".warc, .wet, .parquet, "
                            "or an archive of those); give --input-format, or leave it out with "
                            "--exclude");
    }
    if (*ret == PRETOK_FORMAT_PARQUET && !pretok_parquet_built())
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, path, HERE, PRETOK_NO_PARQUET);
    return NGT_OK;
}

/* Files looked at at the same time, and from how many on. */
#define PROBES 32
#define PROBES_FROM 512

static void input_done(struct pretok_input *in)
{
    if (!in->name_in_path)
        free(in->name);
    free(in->path);
    if (in->address)
        explicit_bzero(in->address, strlen(in->address));
    free(in->address);
    free(in->etag);
}

static int name_against(const void *key, const void *item)
{
    return strcmp(key, ((const struct pretok_input *)item)->name);
}

/* As pretok_input_probe, by what is known where size and time agree. */
static enum ngt_status probe(const struct pretok_inputs *known, const char *name, const char *path,
                             struct pretok_input *ret_input, struct ngt_error *reterr)
{
    const struct pretok_input *k =
        known ? bsearch(name, known->items, known->count, sizeof *known->items, name_against)
              : NULL;
    struct stat st;

    if (!k || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != k->size ||
        time_of(&st) != k->mtime)
        return pretok_input_probe(path, ret_input, reterr);
    ret_input->size = k->size;
    ret_input->mtime = k->mtime;
    ret_input->head_tail = k->head_tail;
    ret_input->plain = k->plain;
    ret_input->device = st.st_dev;
    ret_input->node = st.st_ino;
    return NGT_OK;
}

static enum ngt_status check_parquet(const struct pretok_input *in, struct ngt_error *reterr)
{
    if (!in->parquet || in->format == PRETOK_FORMAT_PARQUET)
        return NGT_OK;
    return ngt_fail(reterr, NGT_E_DATA, in->path, HERE,
                    "a parquet file; call it .parquet, or give --input-format parquet");
}

static bool is_wanted(const struct pretok_inputs_config *c, const char *name)
{
    return (!c->include_count || pretok_name_matches(name, c->include, c->include_count)) &&
           !pretok_name_matches(name, c->exclude, c->exclude_count);
}

/* Takes the strings of in over, also on failure. */
static enum ngt_status push(struct search *s, struct pretok_input in, struct ngt_error *reterr)
{
    if (s->found.count == s->room) {
        uint64_t room = s->room * 2 + 64;
        struct pretok_input *grown = realloc(s->found.items, room * sizeof *grown);
        if (!grown) {
            input_done(&in);
            return no_memory(reterr);
        }
        s->found.items = grown;
        s->room = room;
    }
    s->found.items[s->found.count++] = in;
    return in.name && in.path ? NGT_OK : no_memory(reterr);
}

/* name and path are copied. */
static enum ngt_status add(struct search *s, const char *name, const char *path,
                           struct ngt_error *reterr)
{
    const struct pretok_inputs_config *c = s->config;
    struct pretok_input in = {0};
    enum ngt_status status;

    if (!is_wanted(c, name))
        return NGT_OK;
    status = decide_format(c, name, path, &in.format, reterr);
    if (status != NGT_OK)
        return status;
    size_t p = strlen(path), n = strlen(name);
    in.path = strdup(path);
    in.name_in_path = in.path && p >= n && strcmp(path + p - n, name) == 0;
    in.name = in.name_in_path ? in.path + p - n : strdup(name);
    return push(s, in, reterr);
}

/* ---- on other machines ---- */

/*
 * Is looked at later, with all others at once: size NGT_NO_POS. etag and size are what a list says of
 * it, or NULL: then that may be known already. All strings are copied.
 */
static enum ngt_status add_remote(struct search *s, const char *name, const char *address,
                                  const char *etag, uint64_t size, struct ngt_error *reterr)
{
    const struct pretok_inputs_config *c = s->config;
    struct pretok_input in = {.size = NGT_NO_POS, .device = NGT_NO_POS};
    enum ngt_status status;

    if (!is_wanted(c, name))
        return NGT_OK;
    in.path = pretok_url_shown(address);
    in.name = strdup(name);
    in.node = ngt_digest64(address, strlen(address));
    if (in.path && strcmp(in.path, address) != 0 && !(in.address = strdup(address))) {
        input_done(&in);
        return no_memory(reterr);
    }
    status = in.path ? decide_format(c, name, in.path, &in.format, reterr) : no_memory(reterr);
    if (status != NGT_OK) {
        input_done(&in);
        return status;
    }
    const struct pretok_inputs *known = c->known;
    const struct pretok_input *k =
        known && etag && etag[0]
            ? bsearch(name, known->items, known->count, sizeof *known->items, name_against)
            : NULL;
    if (k && k->etag && strcmp(k->etag, etag) == 0 && k->size == size) {
        in.size = size;
        in.mtime = k->mtime;
        in.head_tail = k->head_tail;
        in.plain = k->plain;
        in.etag = strdup(etag);
    }
    return push(s, in, reterr);
}

struct listing {
    struct search *s;
    const struct pretok_url *url; /* the folder */
};

static enum ngt_status add_listed(void *arg, const struct pretok_listed *object,
                                  struct ngt_error *reterr)
{
    const struct listing *l = arg;
    char *address = NULL;
    enum ngt_status status;

    if (asprintf(&address, "s3://%s/%s", l->url->host, object->key) < 0)
        return no_memory(reterr);
    status = add_remote(l->s, object->key + strlen(l->url->path), address, object->etag,
                        object->size, reterr);
    free(address);
    return status;
}

/* own_name: as add_operand. */
static enum ngt_status add_address(struct search *s, const char *address, bool own_name,
                                   struct ngt_error *reterr)
{
    struct pretok_url url = {0};
    struct listing listing = {s, &url};
    enum ngt_status status;

    if (!pretok_remote_built())
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, NULL, HERE, "%.60s: " PRETOK_NO_REMOTE, address);
    status = pretok_url_parse(address, &url, reterr);
    if (status != NGT_OK)
        return status;
    if (pretok_url_is_folder(address)) {
        status = pretok_bucket_list(s->config->remote, address, add_listed, &listing, reterr);
    } else if (url.path[strlen(url.path) - 1] == '/') {
        status =
            ngt_fail(reterr, NGT_E_DATA, address, HERE,
                     "names no file, and a web server has no list of them; give their addresses "
                     "one by one, or in a list (--files-from)");
    } else {
        char *name = pretok_url_name(&url, !own_name);
        status = name ? add_remote(s, name, address, NULL, 0, reterr) : no_memory(reterr);
        free(name);
    }
    pretok_url_done(&url);
    return status;
}

static enum ngt_status probe_one(void *arg, uint64_t index, unsigned worker,
                                 struct ngt_error *reterr)
{
    struct search *s = arg;
    struct pretok_input *in = &s->found.items[index];
    enum ngt_status status = NGT_OK;

    (void)worker;
    if (!pretok_url_is(in->path))
        status = probe(s->config->known, in->name, in->path, in, reterr);
    else if (in->size == NGT_NO_POS)
        status = pretok_remote_input_probe(s->config->remote, in->address ? in->address : in->path,
                                           in, reterr);
    return status == NGT_OK ? check_parquet(in, reterr) : status;
}

/* A server, of files or objects, answers each look after a while, whatever the cores here: many wait
 * at once. */
static enum ngt_status probe_all(struct search *s, struct ngt_error *reterr)
{
    struct ngt_pool *pool = NULL;
    const uint64_t count = s->found.count;
    bool many = count >= PROBES_FROM;
    enum ngt_status status;

    for (uint64_t i = 0; i < count && !many; i++)
        many = s->found.items[i].size == NGT_NO_POS; /* an address */
    status = ngt_pool_new(!many ? 1 : count < PROBES ? (unsigned)count : PROBES, &pool, reterr);

    if (status == NGT_OK)
        status = ngt_pool_each(pool, s->found.count, probe_one, s, reterr);
    ngt_pool_free(&pool);
    return status;
}

/* Folders still to be read: a stack of paths relative to the one given, so depth costs no stack. */
struct folders {
    char **names;
    uint64_t count, room;
};

static bool folders_push(struct folders *f, char *name)
{
    if (f->count == f->room) {
        uint64_t room = f->room * 2 + 16;
        char **grown = realloc(f->names, room * sizeof *grown);
        if (!grown)
            return false;
        f->names = grown;
        f->room = room;
    }
    f->names[f->count++] = name;
    return name != NULL;
}

static char *join(const char *folder, const char *name)
{
    return folder[0] ? ngt_path_join(folder, name) : strdup(name);
}

/* is_file: the folder said so, which saves a look at each of many files */
static enum ngt_status add_entry(struct search *s, struct folders *todo, const char *below,
                                 const char *path, bool is_file, struct ngt_error *reterr)
{
    struct stat st;

    if (is_file)
        return add(s, below, path, reterr);
    if (stat(path, &st) != 0)
        return ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot open");
    if (!S_ISDIR(st.st_mode))
        return add(s, below, path, reterr);
    if (s->output.st_ino && st.st_ino == s->output.st_ino && st.st_dev == s->output.st_dev)
        return NGT_OK;
    uint64_t depth = 0;
    for (const char *c = below; *c; c++)
        depth += *c == '/';
    if (depth > DEPTH_LIMIT)
        return ngt_fail(reterr, NGT_E_DATA, path, HERE,
                        "more than %u folders deep; is there a cycle of links?", DEPTH_LIMIT);
    return folders_push(todo, strdup(below)) ? NGT_OK : no_memory(reterr);
}

static enum ngt_status walk(struct search *s, const char *root, struct ngt_error *reterr)
{
    struct folders todo = {0};
    char *here = NULL, *path = NULL, *below = NULL, *entry_path = NULL;
    DIR *dir = NULL;
    enum ngt_status status = folders_push(&todo, strdup("")) ? NGT_OK : no_memory(reterr);

    while (status == NGT_OK && todo.count) {
        here = todo.names[--todo.count];
        path = here[0] ? ngt_path_join(root, here) : strdup(root);
        dir = path ? opendir(path) : NULL;
        if (!dir)
            status = path ? ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot read the folder")
                          : no_memory(reterr);
        errno = 0;
        for (struct dirent *e; status == NGT_OK && (e = readdir(dir)) != NULL;) {
            if (e->d_name[0] == '.')
                continue;
            below = join(here, e->d_name);
            entry_path = below ? ngt_path_join(root, below) : NULL;
            status = entry_path
                         ? add_entry(s, &todo, below, entry_path, e->d_type == DT_REG, reterr)
                         : no_memory(reterr);
            free(below);
            free(entry_path);
            errno = 0;
        }
        if (status == NGT_OK && errno)
            status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot read the folder");
        if (dir)
            closedir(dir);
        free(here);
        free(path);
    }
    while (todo.count)
        free(todo.names[--todo.count]);
    free(todo.names);
    return status;
}

/* own_name: a file is called by its last part; else by the path as given. */
static enum ngt_status add_operand(struct search *s, const char *path, bool own_name,
                                   struct ngt_error *reterr)
{
    struct stat st;
    const char *slash = strrchr(path, '/');

    if (pretok_url_is(path))
        return add_address(s, path, own_name, reterr);
    if (stat(path, &st) != 0)
        return ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot open");
    if (S_ISDIR(st.st_mode))
        return walk(s, path, reterr);
    return add(s, own_name && slash ? slash + 1 : path, path, reterr);
}

static enum ngt_status add_list(struct search *s, const char *list, struct ngt_error *reterr)
{
    uint8_t *bytes = NULL;
    uint64_t size;
    enum ngt_status status = ngt_file_read(list, LIST_LIMIT, &bytes, &size, reterr);
    uint64_t line = 0;
    char *rest = (char *)bytes, *path;

    while (status == NGT_OK && (path = strsep(&rest, "\n")) != NULL) {
        size_t n = strlen(path);
        line++;
        if (n && path[n - 1] == '\r')
            path[--n] = '\0';
        if (n == 0)
            continue;
        if (strcmp(path, "-") == 0)
            status = ngt_fail(reterr, NGT_E_DATA, list, NGT_NO_POS, line,
                              "standard input cannot stand in a list of files");
        else
            status = add_operand(
                s, path, !pretok_url_is(path) && (path[0] == '/' || strstr(path, "..") != NULL),
                reterr);
    }
    free(bytes);
    return status;
}

static int by_name(const void *a, const void *b)
{
    const struct pretok_input *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_node(const void *a, const void *b)
{
    const struct pretok_input *x = *(const struct pretok_input *const *)a,
                              *y = *(const struct pretok_input *const *)b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static enum ngt_status check_twins(const struct pretok_inputs *in, struct ngt_error *reterr)
{
    const struct pretok_input **order = malloc(in->count * sizeof *order);
    enum ngt_status status = NGT_OK;

    if (!order)
        return no_memory(reterr);
    for (uint64_t i = 0; i < in->count; i++)
        order[i] = &in->items[i];
    qsort(order, in->count, sizeof *order, by_node);
    for (uint64_t i = 1; i < in->count && status == NGT_OK; i++)
        if (by_node(&order[i - 1], &order[i]) == 0)
            status = ngt_fail(reterr, NGT_E_DATA, order[i]->path, HERE,
                              "is given twice (also as %s)", order[i - 1]->path);
    for (uint64_t i = 1; i < in->count && status == NGT_OK; i++)
        if (strcmp(in->items[i - 1].name, in->items[i].name) == 0)
            status = ngt_fail(reterr, NGT_E_DATA, in->items[i].path, HERE,
                              "has the same name in the data set (%s) as %s; give a folder above "
                              "both instead",
                              in->items[i].name, in->items[i - 1].path);
    free(order);
    return status;
}

static enum ngt_status add_stdin(struct search *s, struct ngt_error *reterr)
{
    const struct pretok_inputs_config *c = s->config;

    if (c->operand_count != 1 || c->files_from)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "standard input (-) must be the only input");
    if (c->format == PRETOK_FORMAT_AUTO)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "standard input has no name to tell its format; give --input-format");
    s->found.items = calloc(1, sizeof *s->found.items);
    if (!s->found.items || !(s->found.items[0].name = strdup("-")))
        return no_memory(reterr);
    s->found.count = 1;
    if (c->format == PRETOK_FORMAT_PARQUET)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "a Parquet file is not read in order and cannot come from standard input");
    return decide_format(c, "-", "standard input", &s->found.items[0].format, reterr);
}

enum ngt_status pretok_inputs_find(const struct pretok_inputs_config *config,
                                   struct pretok_inputs *ret_inputs, struct ngt_error *reterr)
{
    struct search s = {.config = config};
    bool there = false;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (config->output) /* it may be below a folder of inputs */
        status = ngt_file_find(config->output, &there, &s.output, reterr);
    if (!there)
        s.output = (struct stat){0};
    for (uint64_t i = 0; i < config->operand_count && status == NGT_OK; i++)
        status = strcmp(config->operands[i], "-") == 0
                     ? add_stdin(&s, reterr)
                     : add_operand(&s, config->operands[i], true, reterr);
    if (status == NGT_OK && config->files_from)
        status = add_list(&s, config->files_from, reterr);
    if (status == NGT_OK && s.found.count == 0)
        status = ngt_fail(
            reterr, NGT_E_DATA, config->operand_count == 1 ? config->operands[0] : NULL, HERE,
            "no input files%s",
            config->include_count || config->exclude_count ? " (with this --include and --exclude)"
                                                           : "");
    if (status == NGT_OK) {
        qsort(s.found.items, s.found.count, sizeof *s.found.items, by_name);
        if (s.found.items[0].path)
            status = probe_all(&s, reterr);
    }
    if (status == NGT_OK) {
        status = check_twins(&s.found, reterr);
    }
    if (status == NGT_OK)
        *ret_inputs = s.found;
    else
        pretok_inputs_done(&s.found);
    return status;
}

void pretok_inputs_done(struct pretok_inputs *inputs)
{
    for (uint64_t i = 0; i < inputs->count; i++)
        input_done(&inputs->items[i]);
    free(inputs->items);
    *inputs = (struct pretok_inputs){0};
}
