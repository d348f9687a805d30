/* How packets are headed, protected and sent; webrtc/packet_heads.py and viewer_stream.py are the
   specification.

   Called by the stream's shard alone. */

#include "fanout.h"

#include <stdlib.h>

Moment
moment_of(const Fanout *fanout, double now_s)
{
    double utc_s = now_s + atomic_load_explicit(&fanout->utc_offset_s, memory_order_relaxed);
    return (Moment){
        .s = now_s,
        .utc_s = utc_s,
        .send_time = (uint32_t)(uint64_t)((utc_s + NTP_EPOCH_S) * 262144.0),
        .us = (uint32_t)(uint64_t)(now_s * 1e6),
    };
}

/* RFC 3550 5.1 and, where negotiated, RFC 8285 4.2, of the packet that was first sent with this index,
   by itself or as RTX. Gives the header's size. */
static size_t
write_header(Stream *stream, uint8_t *packet, const Unit *unit, uint32_t place, uint64_t index,
             const Moment *now, size_t size, bool is_rtx)
{
    uint32_t timestamp = backlog_stamp(&stream->times, index, unit->timestamp);
    memcpy(packet, stream->header, stream->header_size);
    bool is_last = place == unit->count - 1 && stream->kind == VIDEO;
    packet[1] = (is_rtx ? stream->rtx_payload_type : stream->payload_type) | is_last << 7;
    write_16(packet + 2, (uint32_t)(is_rtx ? stream->rtx_index : index));
    write_32(packet + 4, timestamp + stream->timestamp_offset);
    write_32(packet + 8, is_rtx ? stream->rtx_ssrc : stream->ssrc);
    if (stream->send_time_at != 0) {
        packet[stream->send_time_at] = (uint8_t)(now->send_time >> 16);
        write_16(packet + stream->send_time_at + 1, now->send_time);
    }
    if (stream->transport_at != 0) {
        write_16(packet + stream->transport_at, sent_note(stream->viewer, now->us, size));
    }
    return stream->header_size;
}

/* The run of numbers that the packet at the cursor goes on, or begins. */
static Run *
current_run(Stream *stream)
{
    Run *run = &stream->runs[stream->newest_run < 0 ? 0 : stream->newest_run];
    if (stream->run_count != 0 && run->ring == stream->ring &&
        run->first_packet + run->count == stream->cursor) {
        return run;
    }
    stream->newest_run = (stream->newest_run + 1) % RUNS_KEPT;
    run = &stream->runs[stream->newest_run];
    if (stream->run_count == RUNS_KEPT) {
        ring_release(run->ring);
    } else {
        stream->run_count++;
    }
    *run = (Run){stream->index, stream->cursor, 0, ring_keep(stream->ring)};
    return run;
}

static const uint8_t *
payload_of(const Unit *unit, uint32_t place, size_t *size)
{
    uint32_t start = place == 0 ? 0 : unit->ends[place - 1];
    *size = unit->ends[place] - start;
    return unit->bytes + start;
}

static size_t
send_next(Stream *stream, Batch *batch, const Unit *unit, const Moment *now)
{
    size_t size;
    uint32_t place = (uint32_t)(stream->cursor - unit->first_packet);
    const uint8_t *payload = payload_of(unit, place, &size);
    uint8_t *packet = batch_room(batch, MAX_HEADER_BYTES + size + MAX_TAG_BYTES);
    current_run(stream)->count++;
    if (place == 0 && stream->kind == VIDEO) {
        backlog_place(&stream->times, stream->index, unit->timestamp,
                      atomic_load_explicit(&stream->ring->newest_timestamp, memory_order_relaxed));
    }
    size_t head = write_header(stream, packet, unit, place, stream->index, now, size, false);
    size_t whole = protect_rtp(&stream->viewer->rtp, packet, head, NULL, 0, payload, size,
                               stream->index);
    batch_add(batch, stream->viewer, stream, whole);
    stream->index++;
    stream->cursor++;
    stream->tokens = stream->tokens + RESEND_GAIN < RESEND_MOST ? stream->tokens + RESEND_GAIN
                                                                : RESEND_MOST;
    count_up(&stream->packets, 1);
    count_up(&stream->bytes, size);
    return whole;
}

/* So many bytes leave now; none may mean that the stream has caught up. */
static void
note_pace(Stream *stream, double now_s, size_t sent)
{
    Ring *ring = stream->ring;
    Viewer *viewer = stream->viewer;
    if (ring == NULL) {
        return;
    }
    if (sent == 0) {
        bool is_at_end = !stream->waits_for_key && stream->cursor >= atomic_load(&ring->next_packet);
        stream->pace.is_behind = stream->pace.is_behind && !is_at_end;
    } else if (stream->kind == VIDEO) {
        pace_note(&stream->pace, (double)sent, now_s, viewer->pace_bitrate,
                  atomic_load_explicit(&ring->bitrate, memory_order_relaxed),
                  atomic_load_explicit(&viewer->carried_bitrate, memory_order_relaxed));
    }
}

int
stream_send_chunk(Stream *stream, Batch *batch, const Moment *now)
{
    int count = 0;
    size_t sent = 0;
    bool ends_unit = false;
    stream->wake_s = INFINITY;
    stream->pace.is_ebbing = stream_is_to_ebb(stream);
    if (stream->kind == VIDEO && !pace_is_time(&stream->pace, now->s)) {
        stream->wake_s = stream->pace.next_send_s;
        return 0;
    }
    while (count < CHUNK_PACKETS) {
        Unit *unit = stream_next_unit(stream, now->s);
        if (unit == NULL) {
            break;
        }
        stream->has_last = true;
        stream->last_timestamp = unit->timestamp;
        stream->last_media_utc_s = unit->media_utc_s;
        stream->last_written_s = unit->written_s;
        stream->last_clock_rate = stream->ring->clock_rate;
        while (count < CHUNK_PACKETS && stream->cursor < unit_end(unit)) {
            sent += send_next(stream, batch, unit, now);
            count++;
        }
        ends_unit = stream->cursor == unit_end(unit);
        stream->has_begun = !ends_unit && !stream->pace.is_behind;
        unit_release(unit);
    }
    note_pace(stream, now->s, sent);
    batch_end_run(batch);
    if (ends_unit && !stream->pace.is_behind) {
        batch_end_unit(batch, stream->kind, stream->last_written_s);
    }
    return count;
}

void
stream_send_report(Stream *stream, Batch *batch, const Moment *now)
{
    Viewer *viewer = stream->viewer;
    if (!stream->has_last || stream->ring == NULL || now->s < stream->report_s) {
        return;
    }
    stream->report_s = now->s + REPORT_INTERVAL_S;
    double ticks = floor((now->utc_s - stream->last_media_utc_s) * stream->last_clock_rate + 0.5);
    uint32_t timestamp = stream->last_timestamp + (uint32_t)(int64_t)ticks +
                         stream->timestamp_offset;
    uint8_t *packet = batch_room(batch, 28 + 12 + MAX_CNAME_BYTES + MAX_RTCP_TRAILER_BYTES);
    size_t size = rtcp_render_report(packet, stream->ssrc, viewer->cname, ntp_of(now->utc_s),
                                     timestamp, (uint32_t)atomic_load(&stream->packets),
                                     (uint32_t)atomic_load(&stream->bytes));
    size = protect_rtcp(&viewer->rtcp, packet, size, viewer->rtcp_index);
    viewer->rtcp_index = (viewer->rtcp_index + 1) & 0x7FFFFFFF;
    batch_end_run(batch);
    batch_add(batch, viewer, NULL, size);
    batch_end_run(batch);
}

/* The unit that a number was given to, and which of its packets; NULL when it has gone. */
static Unit *
find_sent(Stream *stream, uint64_t index, uint32_t *place)
{
    for (int at = 0; at < stream->run_count; at++) {
        Run *run = &stream->runs[(stream->newest_run - at + RUNS_KEPT) % RUNS_KEPT];
        if (index >= run->first_index && index < run->first_index + run->count) {
            bool is_of_before = stream->ring != NULL && run->ring != stream->ring;
            if (is_of_before && stream->tokens < RESEND_MOST / 2) {
                return NULL;
            }
            uint64_t packet = run->first_packet + (index - run->first_index);
            Unit *unit = ring_unit_at(run->ring, packet);
            if (unit != NULL) {
                *place = (uint32_t)(packet - unit->first_packet);
            }
            return unit;
        }
    }
    return NULL;
}

/* RFC 4588 4; without RTX the very same bytes, which need a header that never changes. */
static bool
repeat(Stream *stream, Batch *batch, const Unit *unit, uint32_t place, uint64_t index,
       const Moment *now)
{
    size_t size, whole;
    const uint8_t *payload = payload_of(unit, place, &size);
    bool is_rtx = stream->rtx_ssrc != 0;
    if (!is_rtx && (stream->send_time_at != 0 || stream->transport_at != 0)) {
        return false;
    }
    uint8_t original[2], *packet = batch_room(batch, MAX_HEADER_BYTES + 2 + size + MAX_TAG_BYTES);
    uint64_t number = is_rtx ? stream->rtx_index : index;
    size_t head = write_header(stream, packet, unit, place, index, now, size + (is_rtx ? 2 : 0),
                               is_rtx);
    write_16(original, (uint32_t)index);
    whole = protect_rtp(&stream->viewer->rtp, packet, head, original, is_rtx ? 2 : 0, payload,
                        size, number);
    stream->rtx_index += is_rtx;
    batch_add(batch, stream->viewer, NULL, whole);
    return true;
}

/* When the packet was last sent again, by its place; NULL without memory. */
static Resent *
resent_of(Stream *stream, uint64_t index)
{
    if (stream->resent == NULL && (stream->resent = malloc(RESENT_KEPT * sizeof(Resent))) != NULL) {
        for (int at = 0; at < RESENT_KEPT; at++) {
            stream->resent[at] = (Resent){.sent_s = -INFINITY};
        }
    }
    return stream->resent != NULL ? &stream->resent[index % RESENT_KEPT] : NULL;
}

static bool
resend_one(Stream *stream, Batch *batch, uint16_t sequence, const Moment *now, double pause_s)
{
    uint32_t place = 0;
    uint64_t last = stream->index - 1, behind = (uint16_t)((uint16_t)last - sequence);
    uint64_t index = last - behind;
    if (stream->tokens < RESEND_COST || stream->index == 0 || behind > last ||
        stream->pace.is_ebbing) {
        return false;
    }
    Resent *resent = resent_of(stream, index);
    if (resent == NULL || (resent->index == index && now->s - resent->sent_s < pause_s)) {
        return false;
    }
    Unit *unit = find_sent(stream, index, &place);
    if (unit == NULL) {
        return false;
    }
    bool is_sent = repeat(stream, batch, unit, place, index, now);
    if (is_sent) {
        stream->tokens -= RESEND_COST;
        *resent = (Resent){.index = index, .sent_s = now->s};
    }
    unit_release(unit);
    return is_sent;
}

void
stream_resend(Stream *stream, Batch *batch, const uint16_t *sequences, int count,
              const Moment *now)
{
    double pause_s = fmax(atomic_load(&stream->viewer->rtt_s) * RESEND_SHARE, RESEND_LEAST_S);
    uint64_t resent = 0;
    batch_end_run(batch);
    for (int at = 0; at < count; at++) {
        resent += resend_one(stream, batch, sequences[at], now, pause_s);
    }
    batch_end_run(batch);
    count_up(&stream->nacks, (uint64_t)count);
    count_up(&stream->resends, resent);
    atomic_fetch_add_explicit(&batch->fanout->counts.resent, resent, memory_order_relaxed);
}
