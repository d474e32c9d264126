/* Inside an association; only for net_assoc*.c. */
#ifndef NET_ASSOC_PRIV_H
#define NET_ASSOC_PRIV_H

#include "dicom/dicom_dul.h"
#include "net/net_address.h"
#include "net/net_assoc.h"

#include <uv.h>

enum {
    NET_ASSOC_READ_SIZE = 256 * 1024,   /* one buffer for all associations of a server */
    NET_ASSOC_QUEUE_SIZE = 256 * 1024,  /* a stream is pulled while less is queued */
    NET_ASSOC_PDU_MIN = 128,            /* the least maximum that a peer may announce */
    NET_ASSOC_PDU_DEFAULT = 64 * 1024,  /* largest to a peer that sets no limit */
    NET_ASSOC_ARTIM_DEFAULT_MS = 30000, /* when it was configured as 0 */
    NET_ASSOC_TRICKLE = 1024,           /* bytes of data sets that count as progress */
    NET_ASSOC_TEXT_SIZE = 480,          /* of the text given to on_closed */
    NET_ASSOC_ARENA_LIMIT = 4 * 1024 * 1024
};

struct net_assoc_dial; /* name look-up and connection attempts */

/*
 * Freed when refs drops to 0. References are: each open libuv handle (tcp,
 * timer), each libuv request that cannot be cancelled at once, and the posted
 * call. Invariants (net_assoc.c:assert_state): state is DUL_STA1 only before the start and
 * once the handles are closing; ended is set when the action that leads to Sta13 or Sta1 is
 * done; Sta2, 3, 10 and 12 are the acceptor's, Sta4, 5, 9 and 11 the requestor's; from Sta6
 * on request and answer are there.
 */
struct net_assoc {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    unsigned refs;
    bool tcp_open;
    struct net_tls *tls; /* NULL: none */
    struct loop *loop;
    struct loop_call call; /* posted by net_assoc_wake */
    bool posted;

    struct net_assoc_server *server; /* NULL: we are the requestor */
    struct net_assoc *next;          /* in the server's list */
    struct net_assoc *prev;
    struct net_assoc_dial *dial; /* requestor only */
    uint64_t id;
    struct net_address peer;

    struct net_assoc_handlers handlers;
    void *arg;
    bool given;    /* the handlers have been told of it */
    bool counted;  /* in the server's count of associations */
    bool ended;    /* cause and text are set; on_closed is the only callback to come */
    bool notified; /* on_closed was called */
    enum net_assoc_cause cause;
    char text[NET_ASSOC_TEXT_SIZE];

    enum dicom_dul_state state;
    const struct dicom_pdu *pdu; /* set during an event that a PDU caused */
    struct dicom_abort abort;    /* what AA-7 and AA-8 send */
    struct dicom_reject reject;  /* what AE-6 and AE-8 send */
    unsigned artim_ms;
    unsigned idle_ms;
    unsigned connect_ms;
    uint64_t ends;   /* uv_now() of the deadline for the whole association; 0 = none */
    uint64_t active; /* uv_now() of the last progress */
    size_t trickled; /* bytes of data sets received since */
    bool hangup;     /* close as soon as everything has left */

    struct base_arena arena;
    struct dicom_associate *rq;
    struct dicom_associate *ac;
    uint8_t by_id[DICOM_CONTEXTS_MAX]; /* [id / 2]: index in ac->contexts + 1; 0 = not accepted */
    uint32_t max_pdu;                  /* ours */
    uint32_t peer_pdu;

    /* reading */
    struct dicom_pdu_decoder decoder;
    struct dicom_assembler messages;
    struct base_buf held; /* from held_at on: read but not decoded when the pause came */
    size_t held_at;
    unsigned paused;
    unsigned unread;   /* pauses of the socket alone */
    unsigned straight; /* above 0: fragments are large, and read to where on_space says */
    bool deaf;         /* an invalid PDU came: whatever follows is dropped */
    bool taking;       /* input is being decoded: no re-entry */
    bool owing;        /* the peer waits for our response */

    /* writing */
    struct base_buf out;     /* to be sent */
    struct base_buf writing; /* under way in libuv */
    bool in_flight;
    bool broken; /* writing failed; the read side will report the end */
    void (*pull)(struct net_assoc *a, void *arg); /* set: a stream is open */
    uint8_t stream_context;
    bool pulled; /* pull was called and net_assoc_feed has not answered yet */
    bool pumping;
    bool has_carry; /* an odd byte waits, since fragments have even lengths */
    uint8_t carry;
    bool release_wanted; /* after the stream */
};

struct net_assoc_server {
    uv_poll_t poll;
    uv_timer_t retry; /* accepting again after it failed */
    int fd;
    unsigned refs; /* handles and associations */
    bool stopped;
    bool starved; /* the last accept failed for lack of descriptors or memory */
    struct loop *loop;
    struct net_assoc_config config;
    struct net_assoc_handlers handlers;
    void *arg;
    struct net_assoc *first; /* newest */
    struct net_assoc *last;
    unsigned open;    /* associations given to handlers and not ended */
    unsigned awaited; /* in Sta2 */
    unsigned closing; /* in Sta13 */
    uint8_t *read_buffer;
    struct base_buf plain; /* what TLS decrypted from it, during a read */
    void (*done)(void *arg);
    void *done_arg;
};

/* net_assoc.c */
struct net_assoc *net_assoc_new(struct loop *loop, const struct net_assoc_handlers *handlers,
                                void *arg);
void net_assoc_ref(struct net_assoc *a);
void net_assoc_unref(struct net_assoc *a);
/* Close callback of its handles: drops the reference that each holds. */
void net_assoc_on_handle_closed(uv_handle_t *h);
/* Records why it ended, once; the handlers hear of it from the loop. */
void net_assoc_end(struct net_assoc *a, enum net_assoc_cause cause, const char *text);
/* The only way to change the state. alternative: which next state of AE-6 and AR-8. */
void net_assoc_event(struct net_assoc *a, enum dicom_dul_event event, bool alternative);
/* net_assoc_end, then the A-ABORT or close that the state calls for. */
void net_assoc_give_up(struct net_assoc *a, enum net_assoc_cause cause, const char *text);
/* Looks at held input, the stream and the end in a later turn of the loop. */
void net_assoc_wake(struct net_assoc *a);

/* net_assoc_timer.c */
/* Starts the timer of the state. */
void net_assoc_arm(struct net_assoc *a);

/* net_assoc_io.c */
/* Decodes and delivers the input held back by a pause. */
void net_assoc_take_held(struct net_assoc *a);
/* Starts or stops reading, according to pauses and the end. */
void net_assoc_update_reading(struct net_assoc *a);
/* Sends the close_notify of a TLS connection. */
void net_assoc_say_bye(struct net_assoc *a);
size_t net_assoc_queued(const struct net_assoc *a);
void net_assoc_flush(struct net_assoc *a);

/* net_assoc_message.c */
void net_assoc_deliver(struct net_assoc *a, const struct dicom_pdu *pdu);
/* Notes what request and answer agreed on: contexts and the peer's PDU size. */
void net_assoc_agree(struct net_assoc *a);
/* Pulls the stream while there is room. */
void net_assoc_pump(struct net_assoc *a);

/* net_assoc_dial.c */
void net_assoc_dial_start(struct net_assoc *a);
void net_assoc_dial_cancel(struct net_assoc *a);
void net_assoc_dial_free(struct net_assoc_dial *d);

/* net_assoc_server.c */
void net_assoc_server_leave(struct net_assoc *a);

#endif
