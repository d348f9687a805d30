/* ring.c: one rendition's packets. */

#ifndef HEADWATER_RING_H
#define HEADWATER_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
