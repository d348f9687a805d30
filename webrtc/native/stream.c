/* Which packets of which ring come next; webrtc/viewer_stream.py is the specification.

   Called by the stream's shard alone. */

#include "fanout.h"

/* Puts a ring into one of the stream's two places, and the stream among its listeners. */
static void
set_ring(Stream *stream, Ring **place, Ring *ring)
{
    Shard *shard = stream->viewer->shard;
    Ring *old = *place;
    if (old == ring) {
        return;
    }
    *place = NULL;
    if (old != NULL) {
        if (stream->ring != old && stream->pending != old) {
            shard_ignore(shard, stream, old);
        }
        ring_release(old);
    }
    if (ring != NULL && (stream->ring == ring || stream->pending == ring ||
                         shard_listen(shard, stream, ring))) {
        *place = ring_keep(ring);
    }
}

static void
start(Stream *stream, Ring *ring, bool since_key)
{
    set_ring(stream, &stream->ring, ring);
    set_ring(stream, &stream->pending, NULL);
    pace_begin(&stream->pace);
    if (stream->ring == NULL) {
        return;
    }
    Unit *key = since_key ? ring_newest_key(ring) : NULL;
    if (key != NULL && stream->has_last && !is_after(key->timestamp, stream->last_timestamp)) {
        unit_release(key);
        key = NULL;
    }
    stream->waits_for_key = key == NULL;
    stream->cursor = key != NULL ? key->first_packet : atomic_load(&ring->next_packet);
    unit_release(key);
}

void
stream_play(Stream *stream, Ring *ring, bool since_key)
{
    stream->wait_until_s = INFINITY;
    if (stream->ring == NULL) {
        start(stream, ring, since_key);
    } else {
        set_ring(stream, &stream->pending, ring == stream->ring ? NULL : ring);
    }
}

void
stream_pause(Stream *stream)
{
    set_ring(stream, &stream->ring, NULL);
    set_ring(stream, &stream->pending, NULL);
}

/* Forgets where packets of a ring went; of every ring where it is NULL. */
static void
forget_runs(Stream *stream, const Ring *ring)
{
    Run kept[RUNS_KEPT];
    int count = 0;
    for (int at = stream->run_count - 1; at >= 0; at--) { /* the oldest first */
        Run *run = &stream->runs[(stream->newest_run - at + RUNS_KEPT) % RUNS_KEPT];
        if (ring != NULL && run->ring != ring) {
            kept[count++] = *run;
        } else {
            ring_release(run->ring);
        }
    }
    memcpy(stream->runs, kept, (size_t)count * sizeof *kept);
    stream->run_count = count;
    stream->newest_run = count - 1;
}

void
stream_drop_ring(Stream *stream, Ring *ring)
{
    if (stream->pending == ring) {
        set_ring(stream, &stream->pending, NULL);
    }
    if (stream->ring == ring) {
        Ring *follower = stream->pending;
        set_ring(stream, &stream->ring, NULL);
        if (follower != NULL) {
            ring_keep(follower);
            start(stream, follower, true);
            ring_release(follower);
        }
    }
    forget_runs(stream, ring);
}

void
stream_clear(Stream *stream)
{
    stream_pause(stream);
    forget_runs(stream, NULL);
}

void
stream_skip(Stream *stream)
{
    count_up(&stream->skipped, 1);
    if (stream->ring != NULL) {
        stream->cursor = atomic_load(&stream->ring->next_packet);
        stream->waits_for_key = true;
    }
}

static void
go_over(Stream *stream, const Unit *key)
{
    Ring *pending = ring_keep(stream->pending);
    set_ring(stream, &stream->ring, pending);
    set_ring(stream, &stream->pending, NULL);
    ring_release(pending);
    stream->wait_until_s = INFINITY;
    stream->cursor = key->first_packet;
    stream->waits_for_key = false;
    pace_begin(&stream->pace);
}

/* Whether to go on; goes over to the pending ring when that is due, and waits for the slower of
   the two where their key frames are to meet. */
static bool
is_ready_to_switch(Stream *stream, const Unit *unit, Unit *key, double now_s)
{
    if (key != NULL && stream->pace.is_ebbing) {
        forget_runs(stream, NULL);
        go_over(stream, key);
        return true;
    }
    if (key != NULL && unit != NULL) {
        if (is_after(key->timestamp, unit->timestamp)) {
            stream->wait_until_s = INFINITY;
        } else {
            go_over(stream, key);
        }
        return true;
    }
    if (key == NULL && (unit == NULL || !unit->is_key)) {
        stream->wait_until_s = INFINITY;
        return true;
    }
    if (stream->wait_until_s == INFINITY) {
        stream->wait_until_s = now_s + SWITCH_WAIT_S;
    }
    if (now_s < stream->wait_until_s) {
        stream->wake_s = stream->wait_until_s;
        return false;
    }
    if (key != NULL) {
        go_over(stream, key);
    }
    return true;
}

bool
stream_is_to_ebb(const Stream *stream)
{
    if (stream->ring == NULL || stream->pending == NULL) {
        return false;
    }
    double bitrate = atomic_load_explicit(&stream->ring->bitrate, memory_order_relaxed);
    double other = atomic_load_explicit(&stream->pending->bitrate, memory_order_relaxed);
    double carried = atomic_load_explicit(&stream->viewer->carried_bitrate, memory_order_relaxed);
    return other > 0.0 && other < bitrate && pace_exceeds(bitrate, carried);
}

static bool
judge_switch(Stream *stream, const Unit *unit, double now_s)
{
    if (!stream->has_last || stream->waits_for_key) {
        Ring *pending = ring_keep(stream->pending);
        start(stream, pending, true);
        ring_release(pending);
        return true;
    }
    Unit *key = ring_first_key_after(stream->pending, stream->last_timestamp);
    bool is_ready = is_ready_to_switch(stream, unit, key, now_s);
    unit_release(key);
    return is_ready;
}

/* To the newest key frame, when it is later than the cursor; without one, wait for it. */
static Unit *
catch_up(Stream *stream, Unit *unit)
{
    Unit *key = ring_newest_key(stream->ring);
    if (key != NULL && key->first_packet > stream->cursor) {
        count_up(&stream->skipped, 1);
        stream->cursor = key->first_packet;
        stream->waits_for_key = false;
        unit_release(unit);
        return key;
    }
    unit_release(key);
    if (unit == NULL) {
        stream_skip(stream);
    }
    return unit;
}

Unit *
stream_next_unit(Stream *stream, double now_s)
{
    if (stream->ring == NULL) {
        return NULL;
    }
    Unit *unit = ring_unit_at(stream->ring, stream->cursor);
    if (unit != NULL && stream->cursor > unit->first_packet) {
        return unit;
    }
    if (stream->pending != NULL) {
        bool is_ready = judge_switch(stream, unit, now_s);
        unit_release(unit);
        if (!is_ready || stream->ring == NULL) {
            return NULL;
        }
        unit = ring_unit_at(stream->ring, stream->cursor);
    }
    double most_s = stream->pace.is_behind ? BEHIND_LAG_S : MAX_LAG_S;
    bool is_late = unit != NULL && now_s - unit->written_s > most_s;
    if (is_late || (unit == NULL && stream->cursor < ring_first_packet(stream->ring))) {
        unit = catch_up(stream, unit);
    }
    while (unit != NULL && stream->waits_for_key && !unit->is_key) {
        stream->cursor = unit_end(unit);
        unit_release(unit);
        unit = ring_unit_at(stream->ring, stream->cursor);
    }
    if (unit != NULL) {
        stream->waits_for_key = false;
    }
    return unit;
}
