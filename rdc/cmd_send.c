/*
 * rdc send [--to URL|AET@HOST:PORT] … PATH…: sends the files a technician has.
 */
#include "rdc/rdc_command.h"
#include "rdc/rdc_send.h"
#include "rdc/rdc_table.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
    "usage: rdc send [--to URL|AET@HOST:PORT] [--login NAME] [--aet AET] [--accession TEXT]\n"
    "                [--patient-id TEXT] [--patient-name TEXT] [--priority stat|urgent|routine]\n"
    "                [--journal FILE] [--again] PATH…\n\n"
    "Sends every DICOM and ECG file below PATH, found by its content, those of one recording\n"
    "(WFDB, ISHNE) as one, and ends with 0 only\n"
    "if all were taken. Links below PATH are refused: name what they point to.\n"
    "What was acknowledged stands in the journal (FILE, or rdc/sent in the user's state folder)\n"
    "and is not sent again by the next call, unless --again. When it is larger than 64 MiB, half "
    "a\n"
    "million files, its older half is forgotten; those would be sent again, as duplicates.\n"
    "By HTTP a file of 8 MiB or more goes in pieces: when the line breaks, or the call ends, only\n"
    "what is missing is sent again. The server is told what belongs to each study, so that an "
    "exam\n"
    "is complete when its last file is there. URL\n"
    "(default: where this rdc serves) takes a token from RDC_TOKEN, or --login with the\n"
    "password on standard input. AET@HOST:PORT sends\n"
    "DICOM files by C-STORE as --aet (default RDC_SEND).\n";

enum { PASSED_OVER_SHOWN = 20 };

volatile sig_atomic_t rdc_send_interrupted;

static void on_signal(int number)
{
    (void)number;
    rdc_send_interrupted = 1;
}

/* Only the first Ctrl-C: the second ends the program as usual. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

struct options {
    const char *to;
    const char *login;
    const char *aet;
    const char *journal;
    bool again;
    struct base_buf query;
};

static void add_query(struct base_buf *out, const char *name, const char *value)
{
    base_buf_printf(out, "%s%s=", out->n ? "&" : "", name);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            base_buf_add_byte(out, c);
        else
            base_buf_printf(out, "%%%02X", c);
    }
}

/* An option with its value; false: unknown. */
static bool take_option(struct options *o, const char *name, const char *value)
{
    static const struct {
        const char *option;
        const char *query;
    } queries[] = {{"--accession", "accession"},
                   {"--patient-id", "patient_id"},
                   {"--patient-name", "patient_name"},
                   {"--priority", "priority"}};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        if (strcmp(name, queries[i].option) == 0) {
            add_query(&o->query, queries[i].query, value);
            return true;
        }
    const char **field = strcmp(name, "--to") == 0        ? &o->to
                         : strcmp(name, "--login") == 0   ? &o->login
                         : strcmp(name, "--aet") == 0     ? &o->aet
                         : strcmp(name, "--journal") == 0 ? &o->journal
                                                          : NULL;
    if (field)
        *field = value;
    return field != NULL;
}

/* Options stand anywhere before a "--". Leaves the paths from argv[1] on, and a NULL;
 * false when the options are wrong or there is no path. */
static bool parse(struct options *o, int argc, char **argv)
{
    int n = 1;
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (!options || strncmp(argv[i], "--", 2) != 0)
            argv[n++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options = false;
        else if (strcmp(argv[i], "--again") == 0)
            o->again = true;
        else if (i + 1 >= argc || !take_option(o, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    argv[n] = NULL;
    return n > 1;
}

/* Files of this state of which there is something to say. */
static void print_causes(const struct rdc_send *s, unsigned state, const char *title)
{
    const char *const headers[] = {"FILE", title};
    bool any = false;
    struct rdc_table *table = rdc_table_new(headers, 2);
    struct base_buf out = {0};
    if (!table)
        return;
    for (size_t i = 0; i < s->n; i++)
        if (s->files[i].state == state && s->files[i].cause) {
            rdc_table_add(table, s->files[i].path);
            rdc_table_add(table, s->files[i].cause);
            any = true;
        }
    if (any)
        rdc_table_print(table, &out);
    fwrite(base_buf_cstr(&out), 1, out.n, stdout);
    base_buf_deinit(&out);
    rdc_table_free(table);
}

static int report(const struct rdc_send *s, bool again)
{
    size_t counts[4] = {0};
    for (size_t i = 0; i < s->n; i++)
        counts[s->files[i].state]++;
    if (s->terminal)
        fputc('\n', stderr);
    print_causes(s, RDC_SEND_REFUSED, "WHY IT WAS REFUSED");
    print_causes(s, RDC_SEND_TAKEN, "TAKEN, BUT DAMAGED: SEND IT AGAIN, OR RECORD AGAIN");
    printf("%zu taken, %zu taken before, %zu refused, %zu not sent, %zu passed over\n",
           counts[RDC_SEND_TAKEN], counts[RDC_SEND_BEFORE], counts[RDC_SEND_REFUSED],
           counts[RDC_SEND_WAITING], s->n_passed_over);
    for (size_t i = 0; i < s->n_passed_over && i < PASSED_OVER_SHOWN; i++)
        rdc_print_line(stdout, "passed over: %s", s->passed_over[i]);
    if (s->n_passed_over > PASSED_OVER_SHOWN)
        printf("passed over: and %zu more\n", s->n_passed_over - PASSED_OVER_SHOWN);
    if (s->stopped[0]) {
        rdc_print_line(stderr, "rdc send: stopped: %s", s->stopped);
        if (!s->wrong)
            fprintf(stderr, "The same command goes on where it stopped%s.\n",
                    again ? ", without --again" : "");
    }
    if (s->n == 0)
        fputs("rdc send: there is no DICOM or ECG file\n", stderr);
    if (s->wrong)
        return 2;
    return s->n == 0 || counts[RDC_SEND_REFUSED] || counts[RDC_SEND_WAITING];
}

/* Reads a line from standard input; on a terminal with a prompt and without echo. */
static bool read_password(const struct options *o, const char *to, char *line, size_t size)
{
    struct termios shown;
    bool typed = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (typed) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fprintf(stderr, "Password of %s at %s: ", o->login, to);
        tcsetattr(STDIN_FILENO, TCSANOW, &hidden);
    }
    bool read = fgets(line, (int)size, stdin) != NULL;
    if (typed) {
        tcsetattr(STDIN_FILENO, TCSANOW, &shown);
        fputc('\n', stderr);
    }
    return read;
}

/* The token, which the caller frees; NULL: failed, and said why. */
static char *authenticate(const char *to, const struct options *o)
{
    char line[512] = "";
    const char *token = getenv("RDC_TOKEN");
    if (!o->login && token && token[0])
        return strdup(token);
    if (!o->login) {
        fputs("rdc send: set RDC_TOKEN, or give --login NAME and the password on standard input\n",
              stderr);
        return NULL;
    }
    if (!read_password(o, to, line, sizeof line)) {
        fputs("rdc send: no password on standard input\n", stderr);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    char *mine = rdc_send_login(to, o->login, line);
    explicit_bzero(line, sizeof line);
    return mine;
}

static int run(struct rdc_send *s, const struct options *o, char **paths)
{
    bool http = strstr(s->to, "://") != NULL;
    if (http && strncmp(s->to, "http://", 7) != 0 && strncmp(s->to, "https://", 8) != 0) {
        fprintf(stderr, "rdc send: --to takes http://…, https://… or AET@HOST:PORT, not %s\n",
                s->to);
        return 2;
    }
    char *token = NULL;
    if (rdc_send_collect(s, paths) || rdc_send_open_journal(s, o->journal, o->again))
        return 1;
    /* Before the password prompt, so that Ctrl-C there restores the terminal's echo. */
    catch_signals();
    if (http && rdc_send_next(s)) {
        token = authenticate(s->to, o);
        if (!token)
            return 1;
    }
    s->token = token;
    s->began_ms = base_clock_mono_ms();
    for (size_t i = 0; i < s->n; i++)
        s->done += s->files[i].state != RDC_SEND_WAITING;
    if (http)
        rdc_send_http(s);
    else
        rdc_send_dicom(s);
    free(token);
    return report(s, o->again);
}

int rdc_cmd_send(struct rdc_context *ctx, int argc, char **argv)
{
    struct options o = {.aet = "RDC_SEND"};
    char here[128];
    if (rdc_wants_help(argc, argv)) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse(&o, argc, argv)) {
        fputs(usage, stderr);
        base_buf_deinit(&o.query);
        return 2;
    }
    const struct base_conf_addr *address = &ctx->conf.http_address;
    snprintf(here, sizeof here, address->v6 ? "http://[%s]:%u" : "http://%s:%u", address->host,
             (unsigned)address->port);
    base_log_setup(BASE_LOG_ERROR, 0, "send");
    struct rdc_send s = {
        .to = o.to ? o.to : here,
        .aet = o.aet,
        .query = base_buf_cstr(&o.query),
        .terminal = isatty(STDERR_FILENO),
    };
    int status = run(&s, &o, argv + 1);
    rdc_send_free(&s);
    base_buf_deinit(&o.query);
    return status;
}
