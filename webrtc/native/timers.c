/* A heap of a shard's streams by when they are to be looked at again. */

#include "fanout.h"

#include <stdlib.h>

static void
place(Shard *shard, size_t at, Stream *stream)
{
    shard->timers[at] = stream;
    stream->timer = at + 1;
}

static void
move_up(Shard *shard, size_t at, Stream *stream)
{
    while (at > 0 && stream->wake_s < shard->timers[(at - 1) / 2]->wake_s) {
        place(shard, at, shard->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(shard, at, stream);
}

static void
move_down(Shard *shard, size_t at, Stream *stream)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < shard->timer_count &&
            shard->timers[child + 1]->wake_s < shard->timers[child]->wake_s) {
            child++;
        }
        if (child >= shard->timer_count || shard->timers[child]->wake_s >= stream->wake_s) {
            break;
        }
        place(shard, at, shard->timers[child]);
        at = child;
    }
    place(shard, at, stream);
}

static void
take_out(Shard *shard, Stream *stream)
{
    size_t at = stream->timer - 1;
    Stream *last = shard->timers[--shard->timer_count];
    stream->timer = 0;
    if (last != stream) {
        move_up(shard, at, last);
        move_down(shard, last->timer - 1, last);
    }
}

void
timer_set(Shard *shard, Stream *stream, double wake_s)
{
    if (stream->timer != 0) {
        take_out(shard, stream);
    }
    stream->wake_s = wake_s;
    if (wake_s == INFINITY) {
        return;
    }
    if (shard->timer_count == shard->timer_capacity) {
        size_t capacity = shard->timer_capacity == 0 ? 64 : shard->timer_capacity * 2;
        Stream **larger = realloc(shard->timers, capacity * sizeof *larger);
        if (larger == NULL) {
            shard_make_ready(shard, stream); /* looked at too soon rather than never */
            return;
        }
        shard->timers = larger;
        shard->timer_capacity = capacity;
    }
    move_up(shard, shard->timer_count++, stream);
}

double
timer_first(const Shard *shard)
{
    return shard->timer_count == 0 ? INFINITY : shard->timers[0]->wake_s;
}
