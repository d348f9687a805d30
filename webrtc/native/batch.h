/* batch.c: datagrams to the system. */

#ifndef HEADWATER_BATCH_H
#define HEADWATER_BATCH_H

#include "viewer.h"

enum { BATCH_MESSAGES = 64, BATCH_BYTES = 256 << 10 };

/* webrtc/lateness.py; written by the shard alone. */
enum { LATE_BUCKETS = 15 };

typedef struct {
    _Atomic uint64_t counts[LATE_BUCKETS];
    _Atomic double sum_s;
} Lateness;

struct Batch {
    Fanout *fanout;
    unsigned count;
    size_t used;
    bool is_open; /* the last message takes more packets of its size */
    struct mmsghdr messages[BATCH_MESSAGES];
    struct iovec pieces[BATCH_MESSAGES];
    struct {
        _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } controls[BATCH_MESSAGES];
    uint16_t sizes[BATCH_MESSAGES]; /* of each packet but the last */
    Viewer *viewers[BATCH_MESSAGES];
    Stream *streams[BATCH_MESSAGES]; /* NULL: nothing is skipped when it fails */
    struct {
        int kind;
        double written_s;
    } ended[BATCH_MESSAGES]; /* access units */
    unsigned ended_count;
    double stepped_s; /* now, by a caller's clock; NAN where the clock runs on by itself */
    Lateness lateness[KINDS];
    uint8_t *buffer;
};

bool batch_init(Batch *batch, Fanout *fanout);
void batch_free(Batch *batch);
/* Room for one packet more, where the caller writes it. */
uint8_t *batch_room(Batch *batch, size_t size);
/* What was written there: `size` bytes for a viewer. */
void batch_add(Batch *batch, Viewer *viewer, Stream *stream, size_t size);
/* Ends the run of packets: the next one begins a message. */
void batch_end_run(Batch *batch);
/* What was added ends an access unit, of which it is counted how late it leaves. */
void batch_end_unit(Batch *batch, int kind, double written_s);
void batch_flush(Batch *batch);

#endif
