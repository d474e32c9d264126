#include "loop/loop.h"

#include "base/log.h"
#include "loop/loop_priv.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

enum { DEFAULT_DISK_THREADS = 4, CLOSING_TURNS = 64 };

struct loop_timer {
    uv_timer_t uv;
    loop_timer_fn *fn;
    void *arg;
};

struct loop_signal {
    uv_signal_t uv;
    loop_signal_fn *fn;
    void *arg;
};

static enum base_err from_uv(int r)
{
    return r == 0 ? BASE_OK : base_err_from_errno(-r);
}

/* ---- calls ---- */

void loop_count(struct loop *l, int change)
{
    size_t before = l->counted;
    l->counted = change > 0 ? before + 1 : before - 1;
    if (before == 0)
        uv_ref((uv_handle_t *)&l->wake);
    else if (l->counted == 0)
        uv_unref((uv_handle_t *)&l->wake);
}

static struct loop_call *take_calls(struct loop_calls *list)
{
    struct loop_call *c = list->first;
    *list = (struct loop_calls){0};
    return c;
}

static void add_call(struct loop_calls *list, struct loop_call *call)
{
    call->next = NULL;
    if (list->last)
        list->last->next = call;
    else
        list->first = call;
    list->last = call;
}

static void run_calls(struct loop *l, struct loop_call *c)
{
    while (c) {
        struct loop_call *next = c->next; /* fn may free c */
        if (c->counted)
            loop_count(l, -1);
        c->fn(c->arg);
        c = next;
    }
}

static void run_posted(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    struct loop_call *c = take_calls(&l->posted);
    pthread_mutex_unlock(&l->lock);
    run_calls(l, c);
}

void loop_catch_up(struct loop *l)
{
    run_posted(l);
}

bool loop_is_awaited(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    bool awaited = l->posted.first != NULL;
    pthread_mutex_unlock(&l->lock);
    return awaited;
}

static void on_wake(uv_async_t *wake)
{
    run_posted(wake->data);
}

static void run_later(struct loop *l)
{
    struct loop_call *c = take_calls(&l->later);
    uv_idle_stop(&l->awake); /* started again by what they post */
    run_calls(l, c);
}

static void on_polled(uv_check_t *polled)
{
    run_later(polled->data);
}

static void on_awake(uv_idle_t *awake)
{
    (void)awake; /* that it is there keeps the loop from waiting */
}

void loop_post_counted(struct loop *l, struct loop_call *call)
{
    pthread_mutex_lock(&l->lock);
    add_call(&l->posted, call);
    /* Inside the lock: once the call is taken, loop_free may close wake. */
    uv_async_send(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

/* On the loop's own thread nothing needs to be woken, which would take three calls of the system.
 */
void loop_post(struct loop *l, struct loop_call *call, loop_call_fn *fn, void *arg)
{
    *call = (struct loop_call){.fn = fn, .arg = arg};
    if (pthread_equal(pthread_self(), l->thread)) {
        add_call(&l->later, call);
        uv_idle_start(&l->awake, on_awake);
    } else {
        loop_post_counted(l, call);
    }
}

/* ---- the loop ---- */

static enum base_err init_loop(struct loop *l, const struct loop_options *o)
{
    enum base_err err = from_uv(uv_loop_init(&l->uv));
    if (err)
        return err;
    err = from_uv(uv_async_init(&l->uv, &l->wake, on_wake));
    if (err) {
        uv_loop_close(&l->uv);
        return err;
    }
    uv_idle_init(&l->uv, &l->awake); /* these cannot fail */
    uv_check_init(&l->uv, &l->polled);
    uv_check_start(&l->polled, on_polled);
    l->wake.data = l;
    l->awake.data = l;
    l->polled.data = l;
    l->open = 3;
    uv_unref((uv_handle_t *)&l->wake);
    uv_unref((uv_handle_t *)&l->polled);
    err = loop_threads_start(&l->pools[LOOP_DISK], o->disk_threads);
    if (!err)
        err = loop_threads_start(&l->pools[LOOP_CPU], o->cpu_threads);
    if (!err)
        err = loop_threads_start(&l->pools[LOOP_FOLDER], o->folder_threads);
    if (!err)
        err = loop_threads_start(&l->pools[LOOP_LOGIN], o->login_threads);
    return err;
}

enum base_err loop_new(const struct loop_options *options, struct loop **out)
{
    struct loop_options o = {.disk_threads = DEFAULT_DISK_THREADS,
                             .cpu_threads = uv_available_parallelism()};
    if (options)
        o = *options;
    struct loop *l = calloc(1, sizeof *l);
    if (!l)
        return BASE_ENOMEM;
    signal(SIGPIPE, SIG_IGN);
    l->thread = pthread_self();
    pthread_mutex_init(&l->lock, NULL);
    for (int i = 0; i < LOOP_POOL_COUNT; i++) {
        pthread_mutex_init(&l->pools[i].lock, NULL);
        pthread_cond_init(&l->pools[i].wake, NULL);
    }
    enum base_err err = init_loop(l, &o);
    if (err) {
        loop_free(l);
        return err;
    }
    *out = l;
    return BASE_OK;
}

static void on_own_closed(uv_handle_t *h)
{
    struct loop *l = h->data;
    l->open--;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    for (int i = 0; i < LOOP_POOL_COUNT; i++)
        loop_threads_stop(&l->pools[i]);
    if (l->open) {
        while (l->posted.first || l->later.first) {
            run_posted(l);
            run_later(l);
        }
        uv_close((uv_handle_t *)&l->wake, on_own_closed);
        uv_close((uv_handle_t *)&l->awake, on_own_closed);
        uv_close((uv_handle_t *)&l->polled, on_own_closed);
        /* Close callbacks of handles freed just before us run here. */
        for (int i = 0; i < CLOSING_TURNS && (l->open || uv_loop_alive(&l->uv)); i++)
            uv_run(&l->uv, UV_RUN_NOWAIT);
        if (uv_loop_close(&l->uv) != 0)
            BASE_LOG(ERROR, "loop_freed_with_open_handles",
                     LOG_S("cause", "a handle was not freed"));
    }
    for (int i = 0; i < LOOP_POOL_COUNT; i++) {
        pthread_mutex_destroy(&l->pools[i].lock);
        pthread_cond_destroy(&l->pools[i].wake);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void loop_run(struct loop *l)
{
    assert(pthread_equal(pthread_self(), l->thread));
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}

/* ---- timers ---- */

static void on_handle_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_timer(uv_timer_t *uv)
{
    struct loop_timer *t = uv->data;
    t->fn(t->arg);
}

enum base_err loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg, struct loop_timer **out)
{
    struct loop_timer *t = calloc(1, sizeof *t);
    if (!t)
        return BASE_ENOMEM;
    uv_timer_init(&l->uv, &t->uv); /* cannot fail */
    t->uv.data = t;
    t->fn = fn;
    t->arg = arg;
    *out = t;
    return BASE_OK;
}

void loop_timer_start(struct loop_timer *t, uint64_t ms, uint64_t repeat_ms)
{
    /* Fails only for a closing handle, which no owner has. */
    int r = uv_timer_start(&t->uv, on_timer, ms, repeat_ms);
    assert(r == 0);
    (void)r;
}

void loop_timer_stop(struct loop_timer *t)
{
    uv_timer_stop(&t->uv);
}

void loop_timer_unref(struct loop_timer *t)
{
    uv_unref((uv_handle_t *)&t->uv);
}

void loop_timer_free(struct loop_timer *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->uv, on_handle_closed);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *uv, int signum)
{
    struct loop_signal *s = uv->data;
    s->fn(s->arg, signum);
}

enum base_err loop_signal_new(struct loop *l, int signum, loop_signal_fn *fn, void *arg,
                              struct loop_signal **out)
{
    struct loop_signal *s = calloc(1, sizeof *s);
    if (!s)
        return BASE_ENOMEM;
    enum base_err err = from_uv(uv_signal_init(&l->uv, &s->uv));
    if (err) {
        free(s);
        return err;
    }
    s->uv.data = s;
    s->fn = fn;
    s->arg = arg;
    uv_unref((uv_handle_t *)&s->uv);
    err = from_uv(uv_signal_start(&s->uv, on_signal, signum));
    if (err) {
        loop_signal_free(s);
        return err;
    }
    *out = s;
    return BASE_OK;
}

void loop_signal_free(struct loop_signal *s)
{
    if (s)
        uv_close((uv_handle_t *)&s->uv, on_handle_closed);
}
