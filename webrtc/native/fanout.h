/* What the files of webrtc._fanout share. See module.c for what the extension is.

   Threads. Callers hold the GIL and take `Fanout.lock` for viewers' receiving halves, tables and
   events. A shard is one sender thread with the sending halves of its viewers; it is told what to
   do by commands. Rings have locks of their own, held for a look-up; access units never change and
   go when the last who reads them has let go. No lock is taken while another is held, but a
   shard's under `Fanout.lock`; none is held while waiting for the GIL. */

#ifndef HEADWATER_FANOUT_H
#define HEADWATER_FANOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "crypto.h"

/* webrtc/viewer_stream.py, pace.py, packet_ring.py, python_fanout.py and viewer_reports.py say why. */
enum {
    MAX_PAYLOAD_BYTES = 1142, /* webrtc/rtp/limits.py */
    MAX_DATAGRAM_BYTES = 2048,
    MAX_DATAGRAMS = 256,
    CHUNK_PACKETS = 16,
    RUNS_KEPT = 8,
    RESEND_GAIN = 3,
    RESEND_COST = 10,
    RESEND_MOST = 250 * RESEND_COST,
    RESENT_KEPT = 128,
    HISTORY_PACKETS = 1024,
    MAX_STATUSES = HISTORY_PACKETS,
    MAX_LOST = 512,
    MAX_MID_BYTES = 16,
    MAX_CNAME_BYTES = 64,
    MAX_HEADER_BYTES = 12 + 28,
    MAX_SOCKETS = 8,
    MAX_THREADS = 64, /* webrtc/fanout.py */
    MAX_COMMANDS_ASKED = 4096, /* of viewers, in one shard: beyond, the network asks in vain */
};

#define MAX_LAG_S 1.0
#define BEHIND_LAG_S 0.25
#define SWITCH_WAIT_S 0.25
#define RESEND_LEAST_S 0.01
#define RESEND_SHARE 0.6
#define REPORT_INTERVAL_S 1.0
#define SUMMARY_INTERVAL_S 1.0
#define BASELINE_S 10.0
#define KEPT_S 2.0
#define BITRATE_SPAN_S 0.5
#define BLOCKED_S 0.02
#define NTP_EPOCH_S 2208988800.0

enum { AUDIO, VIDEO, KINDS }; /* in the order in which they are sent */

/* -- ring.c: one rendition's packets ------------------------------------------------------- */

typedef struct {
    atomic_int references;
    uint64_t first_packet;
    uint32_t count;
    uint32_t timestamp;
    bool is_key;
    double media_utc_s, written_s;
    size_t size;
    const uint8_t *bytes;
    uint32_t ends[]; /* of each payload in `bytes`, which follow */
} Unit;

typedef struct {
    atomic_int references;
    uint64_t id;
    uint32_t clock_rate;
    size_t max_bytes, max_packets;
    _Atomic uint64_t next_packet, keys;
    _Atomic uint32_t newest_timestamp; /* of the last unit that was stored */
    _Atomic double bitrate; /* of what is held; 0.0: unknown yet */
    pthread_mutex_t lock; /* of all that follows */
    bool is_broken;
    size_t size;
    Unit **units; /* a circle */
    size_t capacity, first, count;
} Ring;

Ring *ring_new(uint64_t id, uint32_t clock_rate, size_t max_bytes, size_t max_packets);
Ring *ring_keep(Ring *ring);
void ring_release(Ring *ring);
/* Takes the unit over: 1 stored, 0 not, -1 no memory. */
int ring_write(Ring *ring, Unit *unit);
Unit *unit_new(size_t count, size_t size);
void unit_release(Unit *unit);
static inline uint64_t
unit_end(const Unit *unit)
{
    return unit->first_packet + unit->count;
}

/* Those that give a unit give one to release, or NULL. */
Unit *ring_unit_at(Ring *ring, uint64_t packet);
Unit *ring_newest_key(Ring *ring);
Unit *ring_first_key_after(Ring *ring, uint32_t timestamp);
uint64_t ring_first_packet(Ring *ring);

static inline bool
is_after(uint32_t timestamp, uint32_t other)
{
    return timestamp != other && timestamp - other < UINT32_C(1) << 31;
}

/* -- table.c: finding by a hash ------------------------------------------------------------ */

typedef bool Matches(const void *item, const void *key);

typedef struct {
    struct TableEntry {
        uint64_t hash;
        void *item;
    } *entries;
    size_t capacity, count;
} Table;

uint64_t hash_bytes(const void *bytes, size_t size);
bool table_put(Table *table, uint64_t hash, void *item);
void *table_find(const Table *table, uint64_t hash, Matches *matches, const void *key);
bool table_remove(Table *table, uint64_t hash, const void *item);
void table_free(Table *table);

/* -- viewers ------------------------------------------------------------------------------- */

typedef struct Viewer Viewer;
typedef struct Shard Shard;
typedef struct Fanout Fanout;

/* Where a datagram goes or came from. */
typedef struct {
    uint8_t socket;
    socklen_t size;
    struct sockaddr_storage address;
} Place;

/* Packets of one ring that have successive sequence numbers. */
typedef struct {
    uint64_t first_index, first_packet, count;
    Ring *ring;
} Run;

typedef struct {
    uint64_t index;
    double sent_s;
} Resent;

/* When a stream's next chunk may leave: pace.c. */
typedef struct {
    bool is_behind, is_ebbing;
    double next_send_s, first_bytes;
} Pace;

/* The timestamps of pictures that wait for who joins: backlog_times.c. */
enum { MOST_BACKLOG_STEPS = 32 };
typedef struct {
    struct {
        uint64_t first_index;
        uint32_t newest;
    } steps[MOST_BACKLOG_STEPS];
    int count;
    bool has_ended;
    uint64_t end;
} BacklogTimes;

typedef struct Stream {
    Viewer *viewer;
    bool exists;
    int kind;
    /* settings */
    uint32_t ssrc, rtx_ssrc, timestamp_offset, clock_rate;
    uint8_t payload_type, rtx_payload_type;
    uint8_t header[MAX_HEADER_BYTES]; /* as it begins; numbers are filled in */
    uint8_t header_size, send_time_at, transport_at;
    /* the shard's: which packets come next */
    Ring *ring, *pending;
    uint64_t cursor, index, rtx_index;
    bool waits_for_key, has_last, is_ready, is_failed, has_begun;
    int queue; /* of those that are ready */
    double wait_until_s, wake_s, report_s;
    Pace pace;
    BacklogTimes times;
    int tokens;
    uint32_t last_timestamp, last_clock_rate;
    double last_media_utc_s, last_written_s;
    Run runs[RUNS_KEPT];
    int newest_run, run_count;
    Resent *resent; /* RESENT_KEPT of them once there is one: most viewers lose nothing */
    struct Stream *next_ready;
    size_t timer; /* place in the shard's heap from 1 on; 0: none */
    /* counters that others read */
    _Atomic uint64_t packets, bytes, resends, nacks, skipped;
    /* the receiving half's */
    double loss, jitter_s;
    bool is_reported;
    int32_t lost;
} Stream;

/* Sent packets by transport-wide number: number, size and time, packed so that a thread that reads
   while another writes gets the one or the other. */
typedef struct {
    _Atomic uint64_t packed;
} Sent;

typedef struct {
    bool has_begun;
    uint32_t newest_ticks, sent_us;
    int64_t arrival_us, sent_total_us, delay_us, least_us[2];
    double baseline_s;
    uint64_t packets, lost, bytes;
    int64_t first_us, first_delay_us;
    double sums[4], products_s;
    struct {
        uint32_t packets;
        uint64_t bytes;
        int64_t began_us, arrived_us;
        double total_bytes, total_us;
        bool is_new;
    } burst;
} Arrivals;

enum { AT_ONCE = 32 }; /* datagrams of one recvmmsg */

enum { EVENT_PICTURE_LOST, EVENT_BYE = EVENT_PICTURE_LOST + KINDS, EVENT_ADDRESS, EVENT_KINDS };

struct Viewer {
    atomic_int references;
    uint64_t id;
    Shard *shard;
    Stream streams[KINDS];
    /* the shard's */
    Viewer *next, *previous;
    Place place;
    Protection rtp, rtcp;
    uint32_t rtcp_index;
    uint16_t transport_sequence;
    double pace_bitrate;
    _Atomic double carried_bitrate; /* by the receiving half; 0.0: unknown */
    char cname[MAX_CNAME_BYTES + 1];
    _Atomic(Sent *) sent; /* NULL: no transport-wide numbers */
    _Atomic uint64_t send_failures;
    _Atomic double rtt_s;
    /* the receiving half, under Fanout.lock */
    Place source;
    Protection from_rtcp;
    Sources sources;
    char *username, *password;
    double last_seen_s, summary_s;
    uint64_t remb_bitrate;
    Arrivals arrivals;
    bool waiting[EVENT_KINDS]; /* events not yet polled */
};

/* A viewer of Python settings with all that can be refused checked; NULL with an exception. */
Viewer *viewer_new(Fanout *fanout, PyObject *settings, double now_s);
void viewer_release(Viewer *viewer);
/* An address as Python has it, for one of the sockets. */
bool place_from(Fanout *fanout, PyObject *address, long socket, Place *place);
PyObject *address_of(const Place *place);
uint64_t hash_place(const Place *place);
bool is_at_place(const void *viewer, const void *place);
bool viewer_has_id(const void *viewer, const void *id);

/* -- stream.c: which packets come next; packet.c: how they are headed ------------------------- */

/* Now, as the headers of packets have it. */
typedef struct {
    double s, utc_s;
    uint32_t send_time; /* abs-send-time: 6.18 bits of seconds */
    uint32_t us;        /* modulo 2**32 */
} Moment;

Moment moment_of(const Fanout *fanout, double now_s);

/* Counters have one writer, so they need no locked addition. */
static inline void
count_up(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

typedef struct Batch Batch;

void stream_play(Stream *stream, Ring *ring, bool since_key);
void stream_pause(Stream *stream);
void stream_drop_ring(Stream *stream, Ring *ring);
void stream_skip(Stream *stream);
void stream_clear(Stream *stream);
bool stream_is_to_ebb(const Stream *stream);
Unit *stream_next_unit(Stream *stream, double now_s);

/* Adds the next packets to the batch, at most CHUNK_PACKETS; gives how many. */
int stream_send_chunk(Stream *stream, Batch *batch, const Moment *now);
void stream_send_report(Stream *stream, Batch *batch, const Moment *now);
void stream_resend(Stream *stream, Batch *batch, const uint16_t *sequences, int count,
                   const Moment *now);

/* -- pace.c ----------------------------------------------------------------------------------- */

/* Whether a rendition is known not to get through. */
bool pace_exceeds(double bitrate, double carried);
void pace_begin(Pace *pace);
bool pace_is_time(const Pace *pace, double now_s);
/* A chunk leaves; bits per second: at most, of the rendition, of the way (0: unknown). */
void pace_note(Pace *pace, double size, double now_s, double most, double bitrate,
               double carried);

/* -- backlog_times.c -------------------------------------------------------------------------- */

void backlog_place(BacklogTimes *times, uint64_t index, uint32_t timestamp, uint32_t newest);
uint32_t backlog_stamp(const BacklogTimes *times, uint64_t index, uint32_t timestamp);

/* -- batch.c: datagrams to the system ------------------------------------------------------- */

enum { BATCH_MESSAGES = 64, BATCH_BYTES = 256 << 10 };

/* webrtc/lateness.py; written by the shard alone. */
enum { LATE_BUCKETS = 15 };

typedef struct {
    _Atomic uint64_t counts[LATE_BUCKETS];
    _Atomic double sum_s;
} Lateness;

struct Batch {
    Fanout *fanout;
    unsigned count;
    size_t used;
    bool is_open; /* the last message takes more packets of its size */
    struct mmsghdr messages[BATCH_MESSAGES];
    struct iovec pieces[BATCH_MESSAGES];
    struct {
        _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } controls[BATCH_MESSAGES];
    uint16_t sizes[BATCH_MESSAGES]; /* of each packet but the last */
    Viewer *viewers[BATCH_MESSAGES];
    Stream *streams[BATCH_MESSAGES]; /* NULL: nothing is skipped when it fails */
    struct {
        int kind;
        double written_s;
    } ended[BATCH_MESSAGES]; /* access units */
    unsigned ended_count;
    double stepped_s; /* now, by a caller's clock; NAN where the clock runs on by itself */
    Lateness lateness[KINDS];
    uint8_t *buffer;
};

bool batch_init(Batch *batch, Fanout *fanout);
void batch_free(Batch *batch);
/* Room for one packet more, where the caller writes it. */
uint8_t *batch_room(Batch *batch, size_t size);
/* What was written there: `size` bytes for a viewer. */
void batch_add(Batch *batch, Viewer *viewer, Stream *stream, size_t size);
/* Ends the run of packets: the next one begins a message. */
void batch_end_run(Batch *batch);
/* What was added ends an access unit, of which it is counted how late it leaves. */
void batch_end_unit(Batch *batch, int kind, double written_s);
void batch_flush(Batch *batch);

/* -- shard.c: sender threads ---------------------------------------------------------------- */

typedef enum { ADD, REMOVE, PLAY, PAUSE, DROP, MOVE, RESEND } Verb;

typedef struct Command {
    struct Command *next;
    Verb verb;
    Viewer *viewer;
    int kind;
    Ring *ring; /* held by the command */
    bool since_key;
    Place place;
    int count;
    uint16_t sequences[];
} Command;

/* The streams of a shard that wait for packets of a ring. */
typedef struct {
    Ring *ring;
    uint64_t seen;
    Stream **members;
    size_t count, capacity;
} Channel;

/* Who is ready is served in this order: sound, pictures that have begun, others. */
enum { READY_SOUND, READY_BEGUN, READY_PICTURE, QUEUES };

typedef struct {
    Stream *first, *last;
} Queue;

struct Shard {
    Fanout *fanout;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* of the next seven */
    pthread_cond_t changed;
    Command *commands, **commands_end;
    size_t asked; /* RESEND commands among them */
    bool is_awake;
    _Atomic bool is_closing;
    pid_t thread_id; /* the system's, as soon as it runs; 0: none */
    /* the thread's */
    Batch batch;
    Viewer *viewers;
    Channel *channels;
    size_t channel_count, channel_capacity;
    Queue ready[QUEUES];
    Stream **timers;
    size_t timer_count, timer_capacity;
};

bool shard_init(Shard *shard, Fanout *fanout);
bool shard_start(Shard *shard);
void shard_stop(Shard *shard); /* waits for the thread */
void shard_free(Shard *shard);
pid_t shard_thread_id(Shard *shard); /* waits until the thread runs */
Command *command_new(Verb verb, Viewer *viewer, int count);
void shard_command(Shard *shard, Command *command);
void shard_wake(Shard *shard);
/* Everything that is due; gives when something else will be. `is_live`: the clock runs on. */
double shard_run(Shard *shard, double now_s, bool is_live);
/* The stream wants to hear of the ring's packets, or no longer; false: no memory. */
bool shard_listen(Shard *shard, Stream *stream, Ring *ring);
void shard_ignore(Shard *shard, Stream *stream, Ring *ring);
void shard_make_ready(Shard *shard, Stream *stream);
double clock_s(void);

/* channels.c: whose rings have grown */
void channels_look(Shard *shard);
void channels_free(Shard *shard);

/* timers.c: a heap of streams by wake_s; INFINITY takes a stream out */
void timer_set(Shard *shard, Stream *stream, double wake_s);
double timer_first(const Shard *shard);

/* -- what comes in -------------------------------------------------------------------------- */

typedef struct {
    uint16_t type;
    const uint8_t *transaction_id;
    const uint8_t *username, *integrity;
    size_t username_size;
    size_t protected_size; /* bytes before MESSAGE-INTEGRITY */
    bool nominates, has_unknown;
} StunMessage;

bool is_stun(const uint8_t *datagram, size_t size);
bool stun_parse(const uint8_t *datagram, size_t size, StunMessage *message);
bool stun_is_from(const StunMessage *message, const uint8_t *datagram, const char *password);
enum { STUN_ANSWER_BYTES = 20 + 24 + 24 + 8 };
size_t stun_answer(const StunMessage *request, const Place *place, const char *password,
                   uint8_t answer[STUN_ANSWER_BYTES]);

/* rtcp.c: reads a compound packet and lets the viewer have what it says */
void rtcp_take(Fanout *fanout, Viewer *viewer, const uint8_t *compound, size_t size, double now_s);
size_t rtcp_render_report(uint8_t *out, uint32_t ssrc, const char *cname, uint64_t ntp,
                          uint32_t timestamp, uint32_t packets, uint32_t bytes);
uint64_t ntp_of(double utc_s);

/* arrivals.c: transport-wide feedback */
void arrivals_take(Viewer *viewer, const uint8_t *body, size_t size, double now_s);
typedef struct {
    double reported_s, loss, queue_s, slope;
    uint64_t packets, bitrate, burst_bitrate;
} ArrivalSummary;
ArrivalSummary arrivals_summary(Arrivals *arrivals);
uint16_t sent_note(Viewer *viewer, uint32_t now_us, size_t size);

/* receive.c */
bool take_datagram(Fanout *fanout, int socket, uint8_t *datagram, size_t size, Place *source,
                   double now_s);
void tell(Fanout *fanout, Viewer *viewer, int event);
bool viewer_move(Fanout *fanout, Viewer *viewer, const Place *place);
Viewer *viewer_named(Fanout *fanout, const uint8_t *username, size_t size);

/* -- the whole ------------------------------------------------------------------------------ */

typedef struct {
    uint64_t viewer;
    int event;
} Event;

typedef struct {
    _Atomic uint64_t packets, bytes, resent, calls, blocked, failures, received, passed, rejected;
} Counts;

struct Fanout {
    PyObject_HEAD
    int sockets[MAX_SOCKETS];
    int families[MAX_SOCKETS];
    int socket_count;
    int thread_count; /* 0: one shard that the caller steps */
    Shard *shards;
    int shard_count;
    _Atomic bool has_gso;
    _Atomic double utc_offset_s;
    Counts counts;
    PyObject *types; /* the event classes and LocalError, in the order of summaries.c */
    pthread_mutex_t lock; /* of the rest */
    uint64_t next_id, skipped_before;
    Table rings, viewers, by_address, by_username;
    Event *events;
    size_t event_count, event_capacity;
    bool is_receiving, is_closed;
    uint8_t (*datagrams)[MAX_DATAGRAM_BYTES]; /* the one's who receives */
};

enum { TYPE_PICTURE_LOST, TYPE_BYE, TYPE_ADDRESS, TYPE_SUMMARY, TYPE_STREAM, TYPE_STATISTICS,
       TYPE_LATENESS, TYPE_ERROR, TYPES };

bool refuse(Fanout *fanout, const char *message, PyObject *value);
PyObject *fanout_poll(Fanout *fanout, double now_s);
PyObject *fanout_statistics(Fanout *fanout);
PyObject *fanout_receive(Fanout *fanout, int socket, double now_s, bool has_clock);
int fanout_add(PyObject *module);
int receiver_add(PyObject *module);

#endif
