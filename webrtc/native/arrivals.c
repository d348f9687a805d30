/* Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01);
   webrtc/rtcp.py and viewer_reports.py are the specification. */

#include "fanout.h"

enum { TICK_US = 250, BURST_GAP_US = 3500, BURST_PACKETS = 6, BURST_MOST_PACKETS = 64 };

static const double BURST_MEMORY = 0.5;

uint16_t
sent_note(Viewer *viewer, uint32_t now_us, size_t size)
{
    uint16_t sequence = viewer->transport_sequence++;
    uint64_t packed = (uint64_t)sequence << 48 | (uint64_t)size << 32 | now_us;
    Sent *sent = atomic_load_explicit(&viewer->sent, memory_order_relaxed);
    atomic_store_explicit(&sent[sequence % HISTORY_PACKETS].packed, packed, memory_order_relaxed);
    return sequence;
}

static void
burst_end(Viewer *viewer)
{
    Arrivals *arrivals = &viewer->arrivals;
    if (arrivals->burst.packets >= BURST_PACKETS) {
        int64_t span_us = arrivals->burst.arrived_us - arrivals->burst.began_us;
        span_us = span_us < TICK_US ? TICK_US : span_us;
        arrivals->burst.total_bytes =
            arrivals->burst.total_bytes * BURST_MEMORY + (double)arrivals->burst.bytes;
        arrivals->burst.total_us = arrivals->burst.total_us * BURST_MEMORY + (double)span_us;
        atomic_store_explicit(&viewer->carried_bitrate,
                              arrivals->burst.total_bytes * 8e6 / arrivals->burst.total_us,
                              memory_order_relaxed);
        arrivals->burst.is_new = true;
    }
}

static void
burst_note(Viewer *viewer, int32_t gap_us, size_t size)
{
    Arrivals *arrivals = &viewer->arrivals;
    uint32_t packets = arrivals->burst.packets;
    if (packets > 0 && packets < BURST_MOST_PACKETS && gap_us >= 0 && gap_us <= BURST_GAP_US) {
        arrivals->burst.packets++;
        arrivals->burst.bytes += size;
    } else {
        burst_end(viewer);
        arrivals->burst.packets = 1;
        arrivals->burst.bytes = 0;
        arrivals->burst.began_us = arrivals->arrival_us;
    }
    arrivals->burst.arrived_us = arrivals->arrival_us;
}

static void
note(Viewer *viewer, uint32_t ticks, uint32_t sent_us, size_t size, double now_s)
{
    Arrivals *arrivals = &viewer->arrivals;
    if (!arrivals->has_begun) {
        arrivals->has_begun = true;
        arrivals->newest_ticks = ticks;
        arrivals->sent_us = sent_us;
        arrivals->baseline_s = now_s;
        arrivals->least_us[0] = arrivals->least_us[1] = INT64_C(1) << 62;
    }
    arrivals->arrival_us += (int64_t)(int32_t)(ticks - arrivals->newest_ticks) * TICK_US;
    int32_t gap_us = (int32_t)(sent_us - arrivals->sent_us);
    arrivals->sent_total_us += gap_us;
    burst_note(viewer, gap_us, size);
    arrivals->newest_ticks = ticks;
    arrivals->sent_us = sent_us;
    arrivals->delay_us = arrivals->arrival_us - arrivals->sent_total_us;
    if (now_s - arrivals->baseline_s > BASELINE_S) {
        arrivals->least_us[0] = arrivals->least_us[1];
        arrivals->least_us[1] = INT64_C(1) << 62;
        arrivals->baseline_s = now_s;
    }
    if (arrivals->delay_us < arrivals->least_us[1]) {
        arrivals->least_us[1] = arrivals->delay_us;
    }
    if (arrivals->sums[0] == 0.0) {
        arrivals->first_us = arrivals->arrival_us;
        arrivals->first_delay_us = arrivals->delay_us;
    }
    double time_s = (double)(arrivals->arrival_us - arrivals->first_us) / 1e6;
    double delay_s = (double)(arrivals->delay_us - arrivals->first_delay_us) / 1e6;
    arrivals->sums[0] += 1.0;
    arrivals->sums[1] += time_s;
    arrivals->sums[2] += delay_s;
    arrivals->sums[3] += time_s * time_s;
    arrivals->products_s += time_s * delay_s;
}

/* One packet's fate: when it came, or that it did not. */
static void
take_one(Viewer *viewer, Sent *sent, uint16_t sequence, bool has_come, uint32_t ticks,
         double now_s)
{
    _Atomic uint64_t *place = &sent[sequence % HISTORY_PACKETS].packed;
    uint64_t packed = atomic_load_explicit(place, memory_order_relaxed);
    uint64_t size = packed >> 32 & 0xFFFF;
    if (size == 0 || packed >> 48 != sequence) {
        return;
    }
    viewer->arrivals.packets++;
    if (!has_come) {
        viewer->arrivals.lost++;
        return;
    }
    /* Once; unless the place has just been taken by another packet. */
    atomic_compare_exchange_strong_explicit(place, &packed, 0, memory_order_relaxed,
                                            memory_order_relaxed);
    viewer->arrivals.bytes += size;
    note(viewer, ticks, (uint32_t)packed, size, now_s);
}

/* Status symbols of a run (3.1.3) or a vector (3.1.4): 0 lost, 1 and 2 bytes of delta. */
static size_t
read_chunk(uint16_t word, uint8_t *symbols, size_t room)
{
    size_t count = 0, most;
    if (word >> 15 == 0) {
        most = word & 0x1FFF;
        for (; count < most && count < room; count++) {
            symbols[count] = word >> 13 & 3;
        }
    } else if ((word & 0x4000) == 0) {
        for (int bit = 13; bit >= 0 && count < room; bit--) {
            symbols[count++] = word >> bit & 1;
        }
    } else {
        for (int bit = 12; bit >= 0 && count < room; bit -= 2) {
            symbols[count++] = word >> bit & 3;
        }
    }
    return count;
}

void
arrivals_take(Viewer *viewer, const uint8_t *body, size_t size, double now_s)
{
    uint8_t symbols[MAX_STATUSES];
    uint32_t times[MAX_STATUSES];
    Sent *sent = atomic_load_explicit(&viewer->sent, memory_order_relaxed);
    if (size < 16 || sent == NULL) {
        return;
    }
    uint16_t first = read_16(body + 8);
    size_t count = read_16(body + 10), at = 16, known = 0;
    uint32_t time = (read_32(body + 12) >> 8) * 256;
    if (count == 0 || count > MAX_STATUSES) {
        return;
    }
    for (; known < count; at += 2) {
        if (at + 2 > size) {
            return;
        }
        known += read_chunk(read_16(body + at), symbols + known, count - known);
    }
    for (size_t number = 0; number < count; number++) {
        size_t delta = symbols[number] == 3 ? 0 : symbols[number];
        if (at + delta > size) {
            return;
        }
        time += delta == 1 ? body[at] : delta == 2 ? (uint32_t)(int16_t)read_16(body + at) : 0;
        times[number] = time;
        at += delta;
    }
    for (size_t number = 0; number < count; number++) {
        bool has_come = symbols[number] == 1 || symbols[number] == 2;
        take_one(viewer, sent, (uint16_t)(first + number), has_come, times[number], now_s);
    }
}

ArrivalSummary
arrivals_summary(Arrivals *arrivals)
{
    const double *sums = arrivals->sums;
    ArrivalSummary summary = {.packets = arrivals->packets};
    double span_s = 0.0, spread = sums[0] * sums[3] - sums[1] * sums[1];
    if (sums[0] != 0.0) {
        int64_t least = arrivals->least_us[0] < arrivals->least_us[1] ? arrivals->least_us[0]
                                                                      : arrivals->least_us[1];
        span_s = (double)(arrivals->arrival_us - arrivals->first_us) / 1e6;
        summary.queue_s = (double)(arrivals->delay_us - least) / 1e6;
    }
    if (spread > 1e-9) {
        summary.slope = (sums[0] * arrivals->products_s - sums[1] * sums[2]) / spread;
    }
    if (arrivals->packets != 0) {
        summary.loss = (double)arrivals->lost / (double)arrivals->packets;
    }
    summary.reported_s = fmax(span_s, 0.0);
    summary.bitrate = span_s > 0.0 ? (uint64_t)((double)arrivals->bytes * 8.0 / span_s) : 0;
    if (arrivals->burst.is_new) {
        arrivals->burst.is_new = false;
        summary.burst_bitrate =
            (uint64_t)(arrivals->burst.total_bytes * 8e6 / arrivals->burst.total_us);
    }
    arrivals->packets = arrivals->lost = arrivals->bytes = 0;
    arrivals->first_us = arrivals->first_delay_us = 0;
    memset(arrivals->sums, 0, sizeof arrivals->sums);
    arrivals->products_s = 0.0;
    return summary;
}
