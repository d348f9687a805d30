/* Which streams of a shard wait for packets of which ring. */

#include "fanout.h"

#include <stdlib.h>

static const double GOLDEN_RATIO = 0.6180339887498949; /* its multiples spread evenly */

static Channel *
channel_of(Shard *shard, const Ring *ring)
{
    for (size_t at = 0; at < shard->channel_count; at++) {
        if (shard->channels[at].ring == ring) {
            return &shard->channels[at];
        }
    }
    return NULL;
}

static Channel *
add_channel(Shard *shard, Ring *ring)
{
    if (shard->channel_count == shard->channel_capacity) {
        size_t capacity = shard->channel_capacity == 0 ? 8 : shard->channel_capacity * 2;
        Channel *larger = realloc(shard->channels, capacity * sizeof *larger);
        if (larger == NULL) {
            return NULL;
        }
        shard->channels = larger;
        shard->channel_capacity = capacity;
    }
    Channel *channel = &shard->channels[shard->channel_count++];
    *channel = (Channel){.ring = ring_keep(ring), .seen = atomic_load(&ring->next_packet)};
    return channel;
}

bool
shard_listen(Shard *shard, Stream *stream, Ring *ring)
{
    Channel *channel = channel_of(shard, ring);
    if (channel == NULL && (channel = add_channel(shard, ring)) == NULL) {
        return false;
    }
    if (channel->count == channel->capacity) {
        size_t capacity = channel->capacity == 0 ? 8 : channel->capacity * 2;
        Stream **larger = realloc(channel->members, capacity * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        channel->members = larger;
        channel->capacity = capacity;
    }
    channel->members[channel->count++] = stream;
    return true;
}

void
shard_ignore(Shard *shard, Stream *stream, Ring *ring)
{
    Channel *channel = channel_of(shard, ring);
    for (size_t at = 0; channel != NULL && at < channel->count; at++) {
        if (channel->members[at] == stream) {
            channel->members[at] = channel->members[--channel->count];
            break;
        }
    }
    if (channel != NULL && channel->count == 0) {
        ring_release(channel->ring);
        free(channel->members);
        *channel = shard->channels[--shard->channel_count];
    }
}

/* Whose turn is first, another one's with each key frame: the last one gets it when all others
   have it, so nobody is to be last for good. Within a group of pictures, and for sound, whose units
   are all keys, the order stays: otherwise it would be jitter. */
static size_t
first_member(const Channel *channel)
{
    if (channel->members[0]->kind == AUDIO) {
        return 0;
    }
    uint64_t keys = atomic_load_explicit(&channel->ring->keys, memory_order_relaxed);
    double turn = (double)keys * GOLDEN_RATIO;
    return (size_t)((turn - floor(turn)) * (double)channel->count) % channel->count;
}

void
channels_look(Shard *shard)
{
    for (size_t at = 0; at < shard->channel_count; at++) {
        Channel *channel = &shard->channels[at];
        uint64_t next = atomic_load_explicit(&channel->ring->next_packet, memory_order_acquire);
        if (next != channel->seen) {
            channel->seen = next;
            size_t first = first_member(channel);
            for (size_t member = 0; member < channel->count; member++) {
                shard_make_ready(shard, channel->members[(first + member) % channel->count]);
            }
        }
    }
}

void
channels_free(Shard *shard)
{
    for (size_t at = 0; at < shard->channel_count; at++) {
        ring_release(shard->channels[at].ring);
        free(shard->channels[at].members);
    }
    free(shard->channels);
}
