/* arrivals.c: transport-wide feedback. */

#ifndef HEADWATER_ARRIVALS_H
#define HEADWATER_ARRIVALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Viewer Viewer;

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

void arrivals_take(Viewer *viewer, const uint8_t *body, size_t size, double now_s);
typedef struct {
    double reported_s, loss, queue_s, slope;
    uint64_t packets, bitrate, burst_bitrate;
} ArrivalSummary;
ArrivalSummary arrivals_summary(Arrivals *arrivals);
uint16_t sent_note(Viewer *viewer, uint32_t now_us, size_t size);

#endif
