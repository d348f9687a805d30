/* One kind of media to one viewer. stream.c: which packets come next; packet.c: how they are headed;
   pace.c: when they leave; backlog_times.c: what times they tell. */

#ifndef HEADWATER_STREAM_H
#define HEADWATER_STREAM_H

#include "limits.h"
#include "ring.h"

typedef struct Viewer Viewer;
typedef struct Fanout Fanout;
typedef struct Batch Batch;

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

#endif
