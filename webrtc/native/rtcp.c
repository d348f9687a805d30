/* RTCP as viewers send it, and our sender reports; webrtc/rtcp.py is the specification. */

#include "fanout.h"

enum {
    SENDER_REPORT = 200,
    RECEIVER_REPORT = 201,
    SOURCE_DESCRIPTION = 202,
    GOODBYE = 203,
    TRANSPORT_FEEDBACK = 205,
    PAYLOAD_FEEDBACK = 206,
    NACK = 1,
    TRANSPORT_WIDE = 15,
    PLI = 1,
    FIR = 4,
    APPLICATION = 15,
    BLOCK_BYTES = 24,
};

uint64_t
ntp_of(double utc_s)
{
    double seconds = floor(utc_s + NTP_EPOCH_S);
    uint64_t fraction = (uint64_t)((utc_s + NTP_EPOCH_S - seconds) * 4294967296.0);
    return ((uint64_t)seconds & UINT32_MAX) << 32 | fraction;
}

static Stream *
stream_of(Viewer *viewer, uint32_t ssrc)
{
    for (int kind = 0; kind < KINDS; kind++) {
        if (viewer->streams[kind].exists && viewer->streams[kind].ssrc == ssrc) {
            return &viewer->streams[kind];
        }
    }
    return NULL;
}

static void
take_blocks(Viewer *viewer, const uint8_t *body, size_t size, size_t at, int count, double now_utc)
{
    for (; count > 0 && at + BLOCK_BYTES <= size; count--, at += BLOCK_BYTES) {
        const uint8_t *block = body + at;
        Stream *stream = stream_of(viewer, read_32(block));
        uint32_t last = read_32(block + 16), delay = read_32(block + 20);
        if (stream == NULL) {
            continue;
        }
        stream->loss = block[4] / 256.0;
        int32_t lost = (int32_t)(read_32(block + 4) & 0xFFFFFF);
        stream->is_reported = true;
        stream->lost = lost < 0x800000 ? lost : 0; /* negative where some came twice */
        stream->jitter_s = (double)read_32(block + 12) / stream->clock_rate;
        uint32_t elapsed = (uint32_t)(ntp_of(now_utc) >> 16) - last - delay;
        if (last != 0 && elapsed < UINT32_C(1) << 21) { /* beyond half a minute it is nonsense */
            atomic_store(&viewer->rtt_s, elapsed / 65536.0);
        }
    }
}

static void
take_picture_loss(Fanout *fanout, Viewer *viewer, uint32_t ssrc)
{
    Stream *stream = stream_of(viewer, ssrc);
    if (stream != NULL) {
        tell(fanout, viewer, EVENT_PICTURE_LOST + stream->kind);
    }
}

/* RFC 4585 6.2.1; `room` is what the compound packet may still ask for. */
static int
take_nack(Viewer *viewer, const uint8_t *body, size_t size, int room)
{
    uint16_t lost[MAX_LOST + 17];
    int count = 0;
    for (size_t at = 8; at + 4 <= size && count < MAX_LOST; at += 4) {
        uint16_t first = read_16(body + at), mask = read_16(body + at + 2);
        lost[count++] = first;
        for (int bit = 0; bit < 16; bit++) {
            if (mask >> bit & 1) {
                lost[count++] = (uint16_t)(first + 1 + bit);
            }
        }
    }
    count = count < MAX_LOST ? count : MAX_LOST;
    count = count < room ? count : room;
    Stream *stream = stream_of(viewer, read_32(body + 4));
    Command *command = stream != NULL ? command_new(RESEND, viewer, count) : NULL;
    if (command != NULL) {
        command->kind = stream->kind;
        memcpy(command->sequences, lost, (size_t)count * sizeof *lost);
        shard_command(viewer->shard, command);
    }
    return count;
}

static void
take_remb(Viewer *viewer, const uint8_t *body, size_t size)
{
    if (size < 16 || memcmp(body + 8, "REMB", 4) != 0) {
        return;
    }
    int exponent = body[13] >> 2;
    uint64_t mantissa = (uint64_t)(body[13] & 3) << 16 | read_16(body + 14);
    bool fits = exponent < 45 || mantissa >> (63 - exponent) == 0;
    viewer->remb_bitrate = fits ? mantissa << exponent : INT64_MAX;
}

/* Feedback (RFC 4585 6.1): `body` begins with two SSRCs. Gives how many packets it asks for. */
static int
take_feedback(Fanout *fanout, Viewer *viewer, int kind, int format, const uint8_t *body,
              size_t size, double now_s, int room)
{
    if (kind == TRANSPORT_FEEDBACK && format == NACK) {
        return take_nack(viewer, body, size, room);
    }
    if (kind == TRANSPORT_FEEDBACK && format == TRANSPORT_WIDE) {
        arrivals_take(viewer, body, size, now_s);
    } else if (kind == PAYLOAD_FEEDBACK && format == PLI) {
        take_picture_loss(fanout, viewer, read_32(body + 4));
    } else if (kind == PAYLOAD_FEEDBACK && format == FIR) {
        for (size_t at = 8; at + 8 <= size; at += 8) {
            take_picture_loss(fanout, viewer, read_32(body + at));
        }
    } else if (kind == PAYLOAD_FEEDBACK && format == APPLICATION) {
        take_remb(viewer, body, size);
    }
    return 0;
}

void
rtcp_take(Fanout *fanout, Viewer *viewer, const uint8_t *compound, size_t size, double now_s)
{
    double now_utc = now_s + atomic_load(&fanout->utc_offset_s);
    int room = MAX_LOST;
    for (size_t at = 0, end; at + 4 <= size && compound[at] >> 6 == 2; at = end) {
        end = at + 4 + 4 * (size_t)read_16(compound + at + 2);
        if (end > size) {
            return;
        }
        const uint8_t *body = compound + at + 4;
        size_t body_size = end - at - 4;
        int kind = compound[at + 1], count = compound[at] & 0x1F;
        if (kind == RECEIVER_REPORT) {
            take_blocks(viewer, body, body_size, 4, count, now_utc);
        } else if (kind == SENDER_REPORT) {
            take_blocks(viewer, body, body_size, 24, count, now_utc);
        } else if (kind == GOODBYE) {
            tell(fanout, viewer, EVENT_BYE);
        } else if (body_size >= 8) {
            room -= take_feedback(fanout, viewer, kind, count, body, body_size, now_s, room);
        }
    }
}

size_t
rtcp_render_report(uint8_t *out, uint32_t ssrc, const char *cname, uint64_t ntp,
                   uint32_t timestamp, uint32_t packets, uint32_t bytes)
{
    uint8_t *item = out + 28;
    size_t name = strlen(cname), words = (7 + name + 3) / 4;
    out[0] = 0x80;
    out[1] = SENDER_REPORT;
    write_16(out + 2, 6);
    write_32(out + 4, ssrc);
    write_32(out + 8, (uint32_t)(ntp >> 32));
    write_32(out + 12, (uint32_t)ntp);
    write_32(out + 16, timestamp);
    write_32(out + 20, packets);
    write_32(out + 24, bytes);
    memset(item, 0, 4 + 4 * words);
    item[0] = 0x81;
    item[1] = SOURCE_DESCRIPTION;
    write_16(item + 2, (uint32_t)words);
    write_32(item + 4, ssrc);
    item[8] = 1;
    item[9] = (uint8_t)name;
    memcpy(item + 10, cname, name);
    return 28 + 4 + 4 * words;
}
