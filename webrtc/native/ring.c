/* The packets of one rendition; webrtc/packet_ring.py is the specification. */

#include "fanout.h"

#include <stdlib.h>

Unit *
unit_new(size_t count, size_t size)
{
    size_t head = sizeof(Unit) + count * sizeof(uint32_t);
    Unit *unit = malloc(head + size);
    if (unit != NULL) {
        memset(unit, 0, sizeof *unit);
        atomic_init(&unit->references, 1);
        unit->count = (uint32_t)count;
        unit->size = size;
        unit->bytes = (const uint8_t *)unit + head;
    }
    return unit;
}

static Unit *
keep(Unit *unit)
{
    if (unit != NULL) {
        atomic_fetch_add_explicit(&unit->references, 1, memory_order_relaxed);
    }
    return unit;
}

void
unit_release(Unit *unit)
{
    if (unit != NULL &&
        atomic_fetch_sub_explicit(&unit->references, 1, memory_order_acq_rel) == 1) {
        free(unit);
    }
}

Ring *
ring_new(uint64_t id, uint32_t clock_rate, size_t max_bytes, size_t max_packets)
{
    Ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) {
        return NULL;
    }
    atomic_init(&ring->references, 1);
    atomic_init(&ring->next_packet, 0);
    atomic_init(&ring->keys, 0);
    atomic_init(&ring->bitrate, 0.0);
    pthread_mutex_init(&ring->lock, NULL);
    ring->id = id;
    ring->clock_rate = clock_rate;
    ring->max_bytes = max_bytes;
    ring->max_packets = max_packets;
    return ring;
}

Ring *
ring_keep(Ring *ring)
{
    atomic_fetch_add_explicit(&ring->references, 1, memory_order_relaxed);
    return ring;
}

void
ring_release(Ring *ring)
{
    if (ring == NULL ||
        atomic_fetch_sub_explicit(&ring->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t at = 0; at < ring->count; at++) {
        unit_release(ring->units[(ring->first + at) % ring->capacity]);
    }
    free(ring->units);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

static Unit *
unit_number(const Ring *ring, size_t number)
{
    return ring->units[(ring->first + number) % ring->capacity];
}

static bool
grow(Ring *ring)
{
    if (ring->count < ring->capacity) {
        return true;
    }
    size_t capacity = ring->capacity == 0 ? 64 : ring->capacity * 2;
    Unit **units = malloc(capacity * sizeof *units);
    if (units == NULL) {
        return false;
    }
    for (size_t at = 0; at < ring->count; at++) {
        units[at] = unit_number(ring, at);
    }
    free(ring->units);
    ring->units = units;
    ring->capacity = capacity;
    ring->first = 0;
    return true;
}

/* The newest key frame's place among the units; `count` where there is none. */
static size_t
newest_key(const Ring *ring)
{
    for (size_t at = ring->count; at-- > 0;) {
        if (unit_number(ring, at)->is_key) {
            return at;
        }
    }
    return ring->count;
}

static void
evict(Ring *ring, const Unit *newest)
{
    size_t key = newest_key(ring), gone = 0, count = ring->count;
    uint64_t next = atomic_load_explicit(&ring->next_packet, memory_order_relaxed);
    for (; gone < count; gone++) {
        Unit *unit = unit_number(ring, gone);
        bool is_old = newest->media_utc_s - unit->media_utc_s > KEPT_S;
        bool is_spare = key != count && gone < key && is_old;
        if (!is_spare && ring->size <= ring->max_bytes &&
            next - unit->first_packet <= ring->max_packets) {
            break;
        }
        ring->size -= unit->size;
    }
    for (; gone > 0; gone--) {
        unit_release(unit_number(ring, 0));
        ring->first = (ring->first + 1) % ring->capacity;
        ring->count--;
    }
}

static void
measure(Ring *ring, const Unit *newest)
{
    double span_s = newest->media_utc_s - unit_number(ring, 0)->media_utc_s;
    double size = (double)(ring->size - newest->size); /* whose time is still to come */
    double bitrate = span_s >= BITRATE_SPAN_S ? size * 8.0 / span_s : 0.0;
    atomic_store_explicit(&ring->bitrate, bitrate, memory_order_relaxed);
}

int
ring_write(Ring *ring, Unit *unit)
{
    int result = 0;
    pthread_mutex_lock(&ring->lock);
    if (unit->count != 0 && (!ring->is_broken || unit->is_key)) {
        ring->is_broken = unit->size > ring->max_bytes || unit->count > ring->max_packets;
        result = ring->is_broken ? 0 : grow(ring) ? 1 : -1;
    }
    if (result == 1) {
        uint64_t next = atomic_load_explicit(&ring->next_packet, memory_order_relaxed);
        unit->first_packet = next;
        ring->units[(ring->first + ring->count++) % ring->capacity] = unit;
        ring->size += unit->size;
        count_up(&ring->keys, unit->is_key);
        atomic_store_explicit(&ring->newest_timestamp, unit->timestamp, memory_order_relaxed);
        atomic_store_explicit(&ring->next_packet, next + unit->count, memory_order_release);
        evict(ring, unit);
        measure(ring, unit);
    }
    pthread_mutex_unlock(&ring->lock);
    if (result != 1) {
        unit_release(unit);
    }
    return result;
}

static uint64_t
first_packet(const Ring *ring)
{
    return ring->count != 0 ? unit_number(ring, 0)->first_packet
                            : atomic_load_explicit(&ring->next_packet, memory_order_relaxed);
}

uint64_t
ring_first_packet(Ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    uint64_t first = first_packet(ring);
    pthread_mutex_unlock(&ring->lock);
    return first;
}

Unit *
ring_unit_at(Ring *ring, uint64_t packet)
{
    Unit *found = NULL;
    if (packet >= atomic_load_explicit(&ring->next_packet, memory_order_acquire)) {
        return NULL; /* the usual case without the lock */
    }
    pthread_mutex_lock(&ring->lock);
    if (packet >= first_packet(ring)) {
        size_t low = 0, high = ring->count - 1;
        while (low < high) { /* the last unit that begins at or before the packet */
            size_t middle = high - (high - low) / 2;
            if (unit_number(ring, middle)->first_packet <= packet) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        found = keep(unit_number(ring, low));
    }
    pthread_mutex_unlock(&ring->lock);
    return found;
}

Unit *
ring_newest_key(Ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    size_t key = newest_key(ring);
    Unit *found = key != ring->count ? keep(unit_number(ring, key)) : NULL;
    pthread_mutex_unlock(&ring->lock);
    return found;
}

Unit *
ring_first_key_after(Ring *ring, uint32_t timestamp)
{
    Unit *found = NULL;
    pthread_mutex_lock(&ring->lock);
    for (size_t at = ring->count; at-- > 0;) {
        Unit *unit = unit_number(ring, at);
        if (!is_after(unit->timestamp, timestamp)) {
            break;
        }
        found = unit->is_key ? unit : found;
    }
    keep(found);
    pthread_mutex_unlock(&ring->lock);
    return found;
}
