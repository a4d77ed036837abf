/*
 * A job of trillions of tokens on a cluster, for scripts/simulate-cluster.
 *
 * Real: the planner (pretok_plan_build over a list of inputs that is made up, and its table, written and
 * read back by shares as tasks do), which unit belongs to which task, the order in which a task takes its
 * units, what it looks at when it begins again. Modelled: the work itself, by measured times; the file
 * system, by three queues that serve one request after the other (metadata calls, bytes read, bytes
 * written); failures. The number of metadata calls of each step is what the program makes:
 * tests/cli/pretok/calls.sh counts them with strace and compares (--calls).
 *
 * The rule that is checked at the end: each unit was committed by its own task, exactly once.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "job/plan_file.h"
#include "ngt/file.h"

/* ---- calls that name a file in the inputs or in the job's folder ---- */
#define PLAN_INPUT_CALLS 1 /* pretok plan, an input: open */
#define TASK_CALLS 9       /* a task that has something to do, before its units */
#define UNIT_CALLS 9  /* a unit: is there a receipt? then shard, receipt, notes of earlier tries */
#define SHARD_CALLS 3 /* each further shard of it: create, rename, the folder's sync */
#define INPUT_CALLS 1 /* an input: opened, looked at whether it has changed, read */
#define DONE_CALLS 4  /* a unit found done: receipt, and that its shard is there */
#define FINISH_UNIT_CALLS 4 /* pretok finish --quick, a unit */

struct cluster {
    double tasks, cores;        /* cores of a task */
    double metadata, latency;   /* calls a second that the server serves; seconds of one call */
    double read, write;         /* bytes a second of all */
    double speed;               /* bytes of text a second of a core */
    double tokens_byte, packed; /* tokens a byte of text; stored bytes a byte of text */
    double shard_byte;          /* bytes of shard a token */
    double lost_hours, preempted_hours; /* mean hours until a task's node is lost, is preempted */
    double back_lost, back_preempted;   /* seconds until it begins again */
    double slow_share, slow;            /* stragglers, and how many times as long they take */
    double start;                       /* seconds: loading the tokenizer */
};

static const struct cluster usual = {.tasks = 10000,
                                     .cores = 1,
                                     .metadata = 20000,
                                     .latency = 1e-3,
                                     .read = 100e9,
                                     .write = 50e9,
                                     .speed = 60e6,
                                     .tokens_byte = .443,
                                     .packed = .3225,
                                     .shard_byte = 2.006,
                                     .lost_hours = 20000,
                                     .preempted_hours = 24,
                                     .back_lost = 600,
                                     .back_preempted = 300,
                                     .slow_share = .02,
                                     .slow = 3,
                                     .start = .3};

struct result {
    double plan_seconds, plan_bytes_input, table_bytes, share_seconds, share_bytes; /* measured */
    double list_seconds; /* modelled: looking at the inputs */
    double seconds, median, finish_seconds, core_seconds, lost_core_seconds;
    double calls, busiest, units, shards, attempts, failures;
    double stored, shard_bytes;
};

static uint64_t random_state;

static double uniform(void)
{
    uint64_t x = random_state += UINT64_C(0x9E3779B97F4A7C15);

    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    return ((double)(x >> 11) + .5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static double clock_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double memory(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024;
}

static void die(const char *what)
{
    fprintf(stderr, "simulate_cluster: %s\n", what);
    exit(1);
}

/* ---- inputs ---- */

/* Names in order, in folders of 10,000; sizes lognormal, as those of crawls are, times a factor. */
static void make_inputs(struct pretok_inputs *in, uint64_t count)
{
    char path[96];

    in->items = calloc(count, sizeof *in->items);
    in->count = count;
    if (!in->items)
        die("out of memory");
    for (uint64_t i = 0; i < count; i++) {
        struct pretok_input *one = &in->items[i];
        int root = snprintf(path, sizeof path, "/data/");
        snprintf(path + root, sizeof path - (size_t)root,
                 "chunk%06" PRIu64 "/part-%09" PRIu64 ".jsonl.zst", i / 10000, i);
        one->path = strdup(path);
        if (!one->path)
            die("out of memory");
        one->name = one->path + root;
        one->name_in_path = true;
        one->mtime = i;
        one->head_tail = i * UINT64_C(0x9E3779B97F4A7C15);
        one->format = PRETOK_FORMAT_JSONL;
    }
}

/* Sizes that sum up to about `stored`; none above a unit, which would be cut by reading it. */
static double size_inputs(struct pretok_inputs *in, double stored, double most)
{
    const double mean = stored / (double)in->count;
    double sum = 0;

    random_state = 1;
    for (uint64_t i = 0; i < in->count; i++) {
        double size = fmin(mean * exp(normal() - .5), most - 2);
        in->items[i].size = (uint64_t)size + 1;
        sum += (double)in->items[i].size;
    }
    return sum;
}

/* ---- the file system ---- */

struct queue {
    double rate, free_at, served;
};

static double serve(struct queue *q, double now, double amount)
{
    q->free_at = fmax(q->free_at, now) + amount / q->rate;
    q->served += amount;
    return q->free_at;
}

/* ---- the run ---- */

struct task {
    uint64_t next;   /* its units before this one are committed */
    double slow;     /* times as long as others */
    double fails_at; /* of its node or by preemption */
    bool preempted;
    double ended;
};

struct event {
    double at;
    uint64_t task;
    double began; /* the unit that ends here; < 0: the task begins */
};

struct heap {
    struct event *items;
    uint64_t count;
};

static void heap_push(struct heap *h, struct event e)
{
    uint64_t i = h->count++;

    for (; i && h->items[(i - 1) / 2].at > e.at; i = (i - 1) / 2)
        h->items[i] = h->items[(i - 1) / 2];
    h->items[i] = e;
}

static struct event heap_pop(struct heap *h)
{
    struct event top = h->items[0], last = h->items[--h->count];
    uint64_t i = 0, child;

    for (; (child = 2 * i + 1) < h->count; i = child) {
        if (child + 1 < h->count && h->items[child + 1].at < h->items[child].at)
            child++;
        if (h->items[child].at >= last.at)
            break;
        h->items[i] = h->items[child];
    }
    h->items[i] = last;
    return top;
}

static void draw_failure(const struct cluster *c, struct task *t, double now)
{
    double lost = c->lost_hours > 0 ? -log(uniform()) * c->lost_hours * 3600 : INFINITY;
    double preempted =
        c->preempted_hours > 0 ? -log(uniform()) * c->preempted_hours * 3600 : INFINITY;

    t->preempted = preempted < lost;
    t->fails_at = now + fmin(lost, preempted);
}

static int by_end(const void *a, const void *b)
{
    double x = ((const struct task *)a)->ended, y = ((const struct task *)b)->ended;

    return x < y ? -1 : x > y;
}

static double shards_of(const struct cluster *c, const struct pretok_unit *u)
{
    return fmax(1, ceil((double)u->bytes / c->packed * c->tokens_byte / (256.0 * 1048576)));
}

/* When a unit that begins now is committed. */
static double unit_end(const struct cluster *c, const struct pretok_unit *u, double slow,
                       double now, struct queue *metadata, struct queue *read, struct queue *write)
{
    double text = (double)u->bytes / c->packed, calls = (double)u->input_count * INPUT_CALLS;
    double shards = shards_of(c, u), commit = UNIT_CALLS - 1 + SHARD_CALLS * (shards - 1);
    double end = now + text / (c->speed * c->cores) * slow;

    /* files are opened one after the other in each of the units that are open at once */
    end = fmax(end, now + calls * c->latency / (2 + floor(c->cores / 4)));
    end = fmax(end, serve(metadata, now, calls));
    end = fmax(end, serve(read, now, (double)u->bytes));
    end = fmax(end, serve(write, now, text * c->tokens_byte * c->shard_byte));
    return fmax(end + commit * c->latency, serve(metadata, now, commit));
}

static void simulate(const struct cluster *c, const struct pretok_plan *plan, struct result *r)
{
    const uint64_t tasks = (uint64_t)c->tasks, units = plan->unit_count;
    struct task *all = calloc(tasks, sizeof *all);
    uint8_t *committed = calloc(units + 1, 1);
    struct heap heap = {.items = calloc(tasks + 1, sizeof *heap.items)};
    struct queue metadata = {.rate = c->metadata}, read = {.rate = c->read},
                 write = {.rate = c->write};
    double minute = 0, minute_calls = 0;

    if (!all || !committed || !heap.items)
        die("out of memory");
    random_state = 7;
    for (uint64_t t = 0; t < tasks; t++) {
        all[t] = (struct task){
            .next = t + 1, .slow = (uniform() < c->slow_share ? c->slow : 1) * exp(.1 * normal())};
        draw_failure(c, &all[t], 0);
        heap_push(&heap, (struct event){.at = 0, .task = t, .began = -1});
    }
    while (heap.count) {
        struct event e = heap_pop(&heap);
        struct task *t = &all[e.task];
        double now = e.at;
        if (e.began < 0) { /* begins: looks at all its units, those done more closely */
            double own = units > e.task ? (double)((units - e.task - 1) / tasks + 1) : 0;
            double done = (double)((t->next - e.task - 1) / tasks);
            double calls = TASK_CALLS + (own - done) + done * DONE_CALLS;
            r->attempts++;
            now = fmax(now + c->start + calls * c->latency, serve(&metadata, now, calls));
        } else if (now >= t->fails_at) { /* what was not committed is gone */
            r->failures++;
            r->lost_core_seconds += (now - e.began) * c->cores;
            r->core_seconds += (now - e.began) * c->cores;
            heap_push(&heap,
                      (struct event){.at = now + (t->preempted ? c->back_preempted : c->back_lost),
                                     .task = e.task,
                                     .began = -1});
            draw_failure(c, t, now);
            continue;
        } else {
            r->core_seconds += (now - e.began) * c->cores;
            if (committed[t->next]++)
                die("a unit was committed twice");
            t->next += tasks;
        }
        if (t->next > units) {
            t->ended = now;
            continue;
        }
        double before = metadata.served;
        double end = unit_end(c, &plan->units[t->next - 1], t->slow, now, &metadata, &read, &write);
        if (now - minute > 60) {
            r->busiest = fmax(r->busiest, minute_calls / (now - minute));
            minute = now;
            minute_calls = 0;
        }
        minute_calls += metadata.served - before;
        heap_push(
            &heap,
            (struct event){.at = fmin(end, fmax(t->fails_at, now)), .task = e.task, .began = now});
    }
    for (uint64_t u = 1; u <= units; u++) {
        if (!committed[u])
            die("a unit was not committed");
        r->shards += shards_of(c, &plan->units[u - 1]);
    }
    qsort(all, tasks, sizeof *all, by_end);
    r->seconds = all[tasks - 1].ended;
    r->median = all[tasks / 2].ended;
    r->units = (double)units;
    r->busiest = fmin(fmax(r->busiest, metadata.served / fmax(r->seconds, 60)), c->metadata);
    r->calls = metadata.served;
    r->finish_seconds = (FINISH_UNIT_CALLS * r->units + 2 * (r->shards - r->units)) * c->latency;
    free(all);
    free(committed);
    free(heap.items);
}

/* ---- the planner, measured ---- */

static void measure_table(const struct cluster *c, const struct pretok_plan *plan,
                          const char *folder, struct result *r)
{
    struct ngt_error error;
    struct pretok_plan back = {0};
    struct pretok_plan_share share = {(uint64_t)c->tasks / 2 + 1, (uint64_t)c->tasks};
    char *path = ngt_path_join(folder, "plan.json"), table[256];
    double start;

    if (!path || pretok_plan_save(plan, path, PRETOK_PLAN_SMALL, &error) != NGT_OK)
        die("cannot write the plan");
    snprintf(table, sizeof table, "%s/plan.%016" PRIx64 ".table", folder, plan->fingerprint);
    FILE *f = fopen(table, "rb");
    if (f && fseek(f, 0, SEEK_END) == 0)
        r->table_bytes = (double)ftell(f);
    if (f)
        fclose(f);
    start = clock_seconds();
    if (pretok_plan_load(path, &share, &back, &error) != NGT_OK)
        die(error.message);
    r->share_seconds = clock_seconds() - start;
    for (uint64_t u = share.task; u <= back.unit_count; u += share.tasks)
        for (uint64_t i = 0; i < back.units[u - 1].input_count; i++) {
            const struct pretok_input *x = &back.inputs.items[back.units[u - 1].first_input + i];
            if (!x->name || x->size != plan->inputs.items[back.units[u - 1].first_input + i].size)
                die("a task does not find its inputs in the plan");
        }
    pretok_plan_done(&back);
    unlink(table);
    unlink(path);
    free(path);
}

static struct result one(const struct cluster *c, struct pretok_inputs *inputs, double tokens,
                         double unit_bytes, const char *folder)
{
    static const struct ngt_pair options[] = {{"text_key", "text"}}, identity[] = {{"name", "x"}};
    struct pretok_plan_config config = {.unit_bytes = (uint64_t)unit_bytes,
                                        .options = options,
                                        .option_count = 1,
                                        .identity = identity,
                                        .identity_count = 1};
    struct pretok_plan plan = {0};
    struct ngt_error error;
    struct result r = {0};
    double start, count = (double)inputs->count;

    r.stored = size_inputs(inputs, tokens / c->tokens_byte * c->packed, unit_bytes);
    r.shard_bytes = r.stored / c->packed * c->tokens_byte * c->shard_byte;
    config.inputs = *inputs;
    start = clock_seconds();
    if (pretok_plan_build(&config, &plan, &error) != NGT_OK)
        die(error.message);
    r.plan_seconds = clock_seconds() - start;
    r.plan_bytes_input = memory() / count;
    r.list_seconds = fmax(count * PLAN_INPUT_CALLS / c->metadata, count * 3 * c->latency / 32);
    simulate(c, &plan, &r);
    if (folder)
        measure_table(c, &plan, folder, &r);
    *inputs = plan.inputs;
    plan.inputs = (struct pretok_inputs){0};
    pretok_plan_done(&plan);
    return r;
}

static void print(const struct cluster *c, double tokens, double unit_bytes, const struct result *r,
                  bool measured)
{
    printf("{\"tokens\": %.0f, \"unit_bytes\": %.0f, \"units\": %.0f, \"cores\": %.0f, "
           "\"list_hours\": %.3f, \"hours\": %.3f, "
           "\"median_task_hours\": %.3f, \"finish_hours\": %.3f, \"work_core_hours\": %.1f, "
           "\"core_hours\": %.1f, \"lost_core_hours\": %.2f, \"lost_share\": %.5f, "
           "\"failures\": %.0f, \"stored_bytes\": %.0f, \"shard_bytes\": %.0f, \"files\": %.0f, "
           "\"calls\": %.0f, \"calls_per_second\": %.0f, "
           "\"busiest_calls_per_second\": %.0f, \"plan_seconds\": %.1f, \"plan_memory_per_input\": "
           "%.0f",
           tokens, unit_bytes, r->units, c->tasks * c->cores, r->list_seconds / 3600,
           r->seconds / 3600, r->median / 3600, r->finish_seconds / 3600,
           r->stored / c->packed / c->speed / 3600, r->core_seconds / 3600,
           r->lost_core_seconds / 3600,
           r->core_seconds > 0 ? r->lost_core_seconds / r->core_seconds : 0, r->failures, r->stored,
           r->shard_bytes, r->shards + r->units + 3, r->calls,
           r->seconds > 0 ? r->calls / r->seconds : 0, r->busiest, r->plan_seconds,
           r->plan_bytes_input);
    if (measured)
        printf(", \"table_bytes\": %.0f, \"share_seconds\": %.4f", r->table_bytes,
               r->share_seconds);
    printf("}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct cluster c = usual;
    const struct {
        const char *name;
        double *value;
    } settings[] = {{"tasks", &c.tasks},
                    {"cores", &c.cores},
                    {"metadata", &c.metadata},
                    {"latency", &c.latency},
                    {"read", &c.read},
                    {"write", &c.write},
                    {"speed", &c.speed},
                    {"tokens-byte", &c.tokens_byte},
                    {"packed", &c.packed},
                    {"lost-hours", &c.lost_hours},
                    {"preempted-hours", &c.preempted_hours},
                    {"slow-share", &c.slow_share},
                    {"slow", &c.slow}};
    struct pretok_inputs inputs = {0};
    double count = 1e6, unit_bytes = 0, tokens[8];
    const char *folder = NULL;
    int cases = 0;

    if (argc == 2 && strcmp(argv[1], "--calls") == 0) {
        printf("plan_input %d\ntask %d\nunit %d\ninput %d\ndone %d\nfinish_unit %d\n",
               PLAN_INPUT_CALLS, TASK_CALLS, UNIT_CALLS, INPUT_CALLS, DONE_CALLS,
               FINISH_UNIT_CALLS);
        return 0;
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        double value = strtod(argv[i + 1], NULL);
        bool known = true;
        if (strcmp(argv[i], "--inputs") == 0)
            count = value;
        else if (strcmp(argv[i], "--unit-bytes") == 0)
            unit_bytes = value;
        else if (strcmp(argv[i], "--tokens") == 0 && cases < 8)
            tokens[cases++] = value;
        else if (strcmp(argv[i], "--folder") == 0)
            folder = argv[i + 1];
        else
            known = false;
        for (size_t k = 0; k < sizeof settings / sizeof *settings && !known; k++)
            if (strcmp(argv[i] + 2, settings[k].name) == 0) {
                *settings[k].value = value;
                known = true;
            }
        if (!known)
            die("unknown setting");
    }
    if (argc % 2 == 0 || !cases || count < 1 || c.tasks < 1)
        die("usage: simulate_cluster --tokens N [--tokens N ...] [--inputs N] [--unit-bytes N] "
            "[--folder DIR] [--SETTING X ...]");
    make_inputs(&inputs, (uint64_t)count);
    for (int i = 0; i < cases; i++) {
        double stored = tokens[i] / c.tokens_byte * c.packed;
        double unit =
            unit_bytes > 0 ? unit_bytes : fmin(fmax(stored / c.tasks / 8, 4194304), 268435456);
        struct result r =
            one(&c, &inputs, tokens[i], unit, folder && i + 1 == cases ? folder : NULL);
        print(&c, tokens[i], unit, &r, folder && i + 1 == cases);
    }
    pretok_inputs_done(&inputs);
    return 0;
}
