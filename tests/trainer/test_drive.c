/*
 * The loop against a fake device that answers late, as a resident kernel does: results come back
 * `lag` slots after they were submitted, and only a waiting collect gets the rest.
 */
#include "trainer/drive.h"

#include "t.h"
#include "trainer/device.h"

struct kern_backend {
    struct kern_result queue[256];
    unsigned head, tail; /* answered, produced */
    unsigned lag, submitted, most_outstanding, stops;
    unsigned fail_at; /* submission that fails, 1-based; 0: none */
    uint32_t rows;    /* of the open step */
};

enum kern_status kern_submit(struct kern_backend *b, const struct kern_slot *slot,
                             struct kern_error *reterr)
{
    b->submitted++;
    if (b->submitted == b->fail_at) {
        reterr->code = KERN_E_DEVICE;
        snprintf(reterr->message, sizeof reterr->message, "fell off the bus");
        return KERN_E_DEVICE;
    }
    if (slot->kind == KERN_STOP) {
        b->stops++;
        return KERN_OK;
    }
    b->rows += slot->rows;
    if (slot->kind == KERN_VALIDATE || slot->last_micro) {
        T_REQUIRE(b->tail - b->head < 256);
        b->queue[b->tail++ % 256] = (struct kern_result){.kind = slot->kind,
                                                         .step = slot->step,
                                                         .targets = b->rows,
                                                         .nll = 2.0 * b->rows,
                                                         .updated = true};
        b->rows = 0;
    }
    if (b->tail - b->head > b->most_outstanding)
        b->most_outstanding = b->tail - b->head;
    return KERN_OK;
}

enum kern_status kern_collect(struct kern_backend *b, bool wait, bool *ret_have,
                              struct kern_result *ret_result, struct kern_error *reterr)
{
    (void)reterr;
    *ret_have = b->tail - b->head > (wait ? 0 : b->lag);
    if (*ret_have)
        *ret_result = b->queue[b->head++ % 256];
    return KERN_OK;
}

enum ngt_status trainer_kern_fail(struct ngt_error *reterr, const struct kern_error *error,
                                  const char *where)
{
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, NULL, NGT_NO_POS, NGT_NO_POS, "%s: %s",
                    where ? where : "", error->message);
}

/* What the callbacks saw: "t0 t1 v2:3 c2 ..." */
struct seen {
    char text[1024];
    uint64_t stop_before; /* step */
    uint64_t steps;
    struct kern_backend *backend;
};

static void note(struct seen *s, const char *format, unsigned long long a, unsigned long long b)
{
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, format, a, b);
}

static bool stopped(void *context)
{
    struct seen *s = context;
    return s->steps >= s->stop_before;
}

static enum ngt_status step_done(void *context, const struct kern_result *result, double lr,
                                 struct ngt_error *reterr)
{
    struct seen *s = context;
    (void)reterr;
    T_TRUE(lr == (double)result->step + 0.5); /* each result finds its own rate */
    s->steps++;
    note(s, "t%llu ", result->step, 0);
    return NGT_OK;
}

static enum ngt_status validated(void *context, uint64_t step, double nll, uint64_t targets,
                                 double compute_seconds, struct ngt_error *reterr)
{
    (void)compute_seconds;
    (void)reterr;
    T_TRUE(nll == 2.0 * (double)targets);
    note(context, "v%llu:%llu ", step, targets);
    return NGT_OK;
}

static enum ngt_status checkpoint(void *context, uint64_t step, struct ngt_error *reterr)
{
    struct seen *s = context;
    (void)reterr;
    T_EQ_U64(s->backend->head, s->backend->tail); /* nothing outstanding */
    note(s, "c%llu ", step, 0);
    return NGT_OK;
}

static void put(struct trainer_ring *ring, enum trainer_slot_kind kind, uint64_t step, bool first,
                bool last)
{
    T_REQUIRE(trainer_ring_reserve(ring, 1));
    struct trainer_slot *slot = trainer_ring_reserved(ring, 0);
    slot->kind = kind;
    slot->step = step;
    slot->rows = 1;
    slot->first = first;
    slot->last = last;
    slot->lr = (double)step + 0.5;
    trainer_ring_publish(ring, 1);
}

/* Steps of two micro-batches, a validation of three after step 2, checkpoints after 2 and 4. */
static struct trainer_ring *script(void)
{
    struct trainer_ring *ring = NULL;
    T_REQUIRE(trainer_ring_new(32, 1, 1, &ring, NULL) == NGT_OK);
    for (uint64_t step = 0; step < 4; step++) {
        put(ring, TRAINER_TRAIN, step, true, false);
        put(ring, TRAINER_TRAIN, step, false, true);
        if (step == 1)
            for (int i = 0; i < 3; i++)
                put(ring, TRAINER_VALIDATE, 2, i == 0, i == 2);
        if (step % 2)
            put(ring, TRAINER_CHECKPOINT, step + 1, true, true);
    }
    put(ring, TRAINER_STOP, 4, true, true);
    return ring;
}

static struct trainer_drive drive(struct kern_backend *backend, struct trainer_ring *ring,
                                  struct seen *seen)
{
    return (struct trainer_drive){.backend = backend,
                                  .ring = ring,
                                  .validation_micros = 3,
                                  .context = seen,
                                  .stopped = stopped,
                                  .step_done = step_done,
                                  .validated = validated,
                                  .checkpoint = checkpoint};
}

static void run(unsigned lag, uint64_t stop_before, const char *expected, uint64_t steps)
{
    struct kern_backend backend = {.lag = lag};
    struct seen seen = {.stop_before = stop_before, .backend = &backend};
    struct trainer_ring *ring = script();
    struct trainer_drive d = drive(&backend, ring, &seen);
    struct ngt_error error;
    uint64_t done = 0;
    bool stop = false;

    T_EQ_INT(trainer_drive(&d, 0, &done, &stop, &error), NGT_OK);
    T_EQ_STR(seen.text, expected);
    T_EQ_U64(done, steps);
    T_EQ_INT(stop, steps < 4);
    T_EQ_U64(backend.stops, 1);
    T_TRUE(backend.most_outstanding <= lag + 1);
    trainer_ring_free(&ring);
}

T_CASE(order_is_kept_whatever_the_lag)
{
    for (unsigned lag = 0; lag < 10; lag++)
        run(lag, UINT64_MAX, "t0 t1 v2:3 c2 t2 t3 c4 ", 4);
}

T_CASE(a_stop_ends_between_steps_with_a_checkpoint)
{
    run(0, 1, "t0 c1 ", 1);
    run(0, 2, "t0 t1 c2 ", 2); /* the validation is left out, and made up for later */
    run(0, 3, "t0 t1 v2:3 c2 t2 c3 ", 3);
    run(0, 0, "", 0);
}

T_CASE(a_stop_takes_what_is_outstanding_along)
{
    /* with a lag of 2 the stop shows up later: steps already submitted are finished and kept */
    struct kern_backend backend = {.lag = 2};
    struct seen seen = {.stop_before = 1, .backend = &backend};
    struct trainer_ring *ring = script();
    struct trainer_drive d = drive(&backend, ring, &seen);
    uint64_t done = 0;
    bool stop = false;

    T_EQ_INT(trainer_drive(&d, 10, &done, &stop, NULL), NGT_OK);
    T_TRUE(stop);
    T_TRUE(strstr(seen.text, "t0 t1 ") == seen.text);
    T_EQ_U64(done, 10 + seen.steps);
    trainer_ring_free(&ring);
}

T_CASE(a_failing_device_ends_the_run)
{
    struct kern_backend backend = {.fail_at = 4};
    struct seen seen = {.stop_before = UINT64_MAX, .backend = &backend};
    struct trainer_ring *ring = script();
    struct trainer_drive d = drive(&backend, ring, &seen);
    struct ngt_error error;
    uint64_t done = 77;
    bool stop = false;

    T_EQ_INT(trainer_drive(&d, 0, &done, &stop, &error), NGT_E_UNSUPPORTED);
    T_EQ_STR(error.message, "training step 2: fell off the bus");
    T_EQ_STR(seen.text, "t0 ");
    T_EQ_U64(done, 77);
    T_EQ_U64(backend.stops, 1); /* all the same: a kernel may be resident */
    trainer_ring_free(&ring);
}

/* One step handed over and nothing after it. */
static struct trainer_ring *starved(void)
{
    struct trainer_ring *ring = NULL;
    T_REQUIRE(trainer_ring_new(4, 1, 1, &ring, NULL) == NGT_OK);
    put(ring, TRAINER_TRAIN, 0, true, true);
    return ring;
}

static bool dead(void *context)
{
    (void)context;
    return false;
}

static void starve(struct trainer_drive *d, const char *message)
{
    struct ngt_error error;
    uint64_t done = 77;
    bool stop = false;

    T_EQ_INT(trainer_drive(d, 0, &done, &stop, &error), NGT_E_IO);
    T_TRUE(strstr(error.message, message) == error.message);
    T_EQ_INT(error.sys_errno, 0);
    T_EQ_U64(d->backend->stops, 1);
    /* what the device had done was told while the ring was empty */
    T_EQ_STR(((struct seen *)d->context)->text, "t0 ");
}

T_CASE(an_empty_ring_ends_the_run_after_the_deadline)
{
    struct kern_backend backend = {0};
    struct seen seen = {.stop_before = UINT64_MAX, .backend = &backend};
    struct trainer_ring *ring = starved();
    struct trainer_drive d = drive(&backend, ring, &seen);

    d.deadline = 0.2;
    starve(&d, "no data came for 0.2 s");
    trainer_ring_free(&ring);
}

T_CASE(a_dead_feed_ends_the_run_at_once)
{
    struct kern_backend backend = {0};
    struct seen seen = {.stop_before = UINT64_MAX, .backend = &backend};
    struct trainer_ring *ring = starved();
    struct trainer_drive d = drive(&backend, ring, &seen);

    d.deadline = 1000;
    d.feeding = dead;
    starve(&d, "the thread that reads the data died");
    trainer_ring_free(&ring);
}

T_CASE(a_stop_is_heeded_while_the_ring_is_empty)
{
    struct kern_backend backend = {0};
    struct seen seen = {.stop_before = 1, .backend = &backend};
    struct trainer_ring *ring = starved();
    struct trainer_drive d = drive(&backend, ring, &seen);
    uint64_t done = 0;
    bool stop = false;

    T_EQ_INT(trainer_drive(&d, 0, &done, &stop, NULL), NGT_OK);
    T_TRUE(stop);
    T_EQ_U64(done, 1);
    T_EQ_STR(seen.text, "t0 c1 ");
    trainer_ring_free(&ring);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
