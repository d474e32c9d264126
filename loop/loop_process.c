#include "loop/loop_process.h"

#include "loop/loop_priv.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { FDS_MAX = 16, READ_SIZE = 64 * 1024 };

/* The exit callback runs when the process has ended and its output is at the end of
 * file; freed by the last close callback. */
struct loop_process {
    uv_process_t uv;
    uv_pipe_t in;
    uv_pipe_t out;
    uv_timer_t deadline;
    unsigned open; /* handles not yet closed */
    bool has_input;
    bool has_output;
    bool ended;
    bool output_open;
    loop_process_output_fn *on_output;
    loop_process_exit_fn *on_exit;
    void *arg;
    uint64_t output_n;
    uint64_t output_max;
    struct loop_process_exit exit;
    char buffer[READ_SIZE];
};

struct input {
    uv_write_t req;
    struct loop_process *p;
    uint8_t bytes[];
};

static void on_closed(uv_handle_t *h)
{
    struct loop_process *p = h->data;
    if (--p->open == 0)
        free(p);
}

static void close_handle(uv_handle_t *h)
{
    if (!uv_is_closing(h))
        uv_close(h, on_closed);
}

static void finish_if_over(struct loop_process *p)
{
    if (!p->ended || p->output_open)
        return;
    p->on_exit(p->arg, &p->exit);
    close_handle((uv_handle_t *)&p->deadline);
    if (p->has_input)
        close_handle((uv_handle_t *)&p->in);
    close_handle((uv_handle_t *)&p->uv);
}

static void close_output(struct loop_process *p)
{
    p->output_open = false;
    close_handle((uv_handle_t *)&p->out);
    finish_if_over(p);
}

static void on_process_exit(uv_process_t *uv, int64_t status, int signum)
{
    struct loop_process *p = uv->data;
    p->ended = true;
    p->exit.status = (int)status;
    p->exit.signum = signum;
    finish_if_over(p);
}

static void kill_for(struct loop_process *p, enum loop_process_cause cause)
{
    if (!p->ended) {
        p->exit.cause = cause;
        uv_process_kill(&p->uv, SIGKILL);
    }
    /* Do not wait for output of grandchildren. */
    if (p->output_open)
        close_output(p);
}

static void on_deadline(uv_timer_t *t)
{
    kill_for(t->data, LOOP_PROCESS_TIMEOUT);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct loop_process *p = h->data;
    (void)suggested;
    *buf = uv_buf_init(p->buffer, sizeof p->buffer);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct loop_process *p = s->data;
    if (n < 0) {
        close_output(p);
        return;
    }
    p->output_n += (uint64_t)n;
    if (p->output_max && p->output_n > p->output_max)
        kill_for(p, LOOP_PROCESS_OUTPUT);
    else if (n > 0)
        p->on_output(p->arg, base_bytes_of(buf->base, (size_t)n));
}

static void init_handles(struct loop *l, struct loop_process *p)
{
    /* These inits cannot fail. */
    uv_timer_init(&l->uv, &p->deadline);
    p->deadline.data = p;
    p->open = 2; /* the timer and the process */
    if (p->has_input) {
        uv_pipe_init(&l->uv, &p->in, 0);
        p->in.data = p;
        p->open++;
    }
    if (p->has_output) {
        uv_pipe_init(&l->uv, &p->out, 0);
        p->out.data = p;
        p->open++;
    }
    p->uv.data = p;
}

static int spawn(struct loop *l, struct loop_process *p, const struct loop_process_options *o)
{
    uv_stdio_container_t io[3 + FDS_MAX] = {{.flags = UV_IGNORE}};
    if (p->has_input) {
        io[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
        io[0].data.stream = (uv_stream_t *)&p->in;
    }
    io[1].flags = UV_INHERIT_FD;
    io[1].data.fd = 1;
    if (p->has_output) {
        io[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
        io[1].data.stream = (uv_stream_t *)&p->out;
    }
    io[2].flags = UV_INHERIT_FD;
    io[2].data.fd = 2;
    for (size_t i = 0; i < o->fd_count; i++) {
        io[3 + i].flags = UV_INHERIT_FD;
        io[3 + i].data.fd = o->fds[i];
    }
    uv_process_options_t uo = {
        .file = o->argv[0],
        .args = (char **)(uintptr_t)o->argv,
        .env = (char **)(uintptr_t)o->env,
        .exit_cb = on_process_exit,
        .stdio = io,
        .stdio_count = 3 + (int)o->fd_count,
    };
    return uv_spawn(&l->uv, &p->uv, &uo);
}

static void close_all(struct loop_process *p)
{
    close_handle((uv_handle_t *)&p->deadline);
    if (p->has_input)
        close_handle((uv_handle_t *)&p->in);
    if (p->has_output)
        close_handle((uv_handle_t *)&p->out);
    close_handle((uv_handle_t *)&p->uv);
}

enum base_err loop_process_spawn(struct loop *l, const struct loop_process_options *o,
                                 struct loop_process **out)
{
    assert(o->on_exit && o->argv[0]);
    if (o->fd_count > FDS_MAX)
        return BASE_EINVAL;
    struct loop_process *p = calloc(1, sizeof *p);
    if (!p)
        return BASE_ENOMEM;
    p->has_input = o->input;
    p->has_output = o->on_output != NULL;
    p->on_output = o->on_output;
    p->on_exit = o->on_exit;
    p->arg = o->arg;
    init_handles(l, p);
    int r = spawn(l, p, o);
    if (r == 0 && p->has_output) {
        p->output_open = true;
        /* Cannot fail on a pipe that uv_spawn has just opened for reading. */
        r = uv_read_start((uv_stream_t *)&p->out, on_alloc, on_read);
        assert(r == 0);
    }
    if (r != 0) {
        close_all(p);
        return base_err_from_errno(-r);
    }
    loop_process_rearm(p, o->timeout_ms, o->output_max);
    *out = p;
    return BASE_OK;
}

static void on_written(uv_write_t *req, int status)
{
    (void)status; /* a child that stopped reading says why by its exit */
    free(req->data);
}

enum base_err loop_process_write(struct loop_process *p, struct base_bytes bytes)
{
    assert(p->has_input);
    if (p->ended || uv_is_closing((uv_handle_t *)&p->in))
        return BASE_ECLOSED;
    if (bytes.n == 0)
        return BASE_OK;
    struct input *in = malloc(sizeof *in + bytes.n);
    if (!in)
        return BASE_ENOMEM;
    in->req.data = in;
    memcpy(in->bytes, bytes.p, bytes.n);
    uv_buf_t buf = uv_buf_init((char *)in->bytes, (unsigned)bytes.n);
    int r = uv_write(&in->req, (uv_stream_t *)&p->in, &buf, 1, on_written);
    if (r != 0) {
        free(in);
        return BASE_ECLOSED;
    }
    return BASE_OK;
}

static void on_shut_down(uv_shutdown_t *req, int status)
{
    if (status != UV_ECANCELED)
        close_handle((uv_handle_t *)req->handle);
    free(req);
}

void loop_process_end_input(struct loop_process *p)
{
    assert(p->has_input);
    uv_shutdown_t *req = malloc(sizeof *req);
    if (uv_is_closing((uv_handle_t *)&p->in) || !req ||
        uv_shutdown(req, (uv_stream_t *)&p->in, on_shut_down) != 0) {
        free(req);
        close_handle((uv_handle_t *)&p->in);
    }
}

void loop_process_rearm(struct loop_process *p, uint64_t timeout_ms, uint64_t output_max)
{
    p->output_n = 0;
    p->output_max = output_max;
    if (timeout_ms)
        uv_timer_start(&p->deadline, on_deadline, timeout_ms, 0);
    else
        uv_timer_stop(&p->deadline);
}

void loop_process_kill(struct loop_process *p, int signum)
{
    if (!p->ended)
        uv_process_kill(&p->uv, signum);
}
