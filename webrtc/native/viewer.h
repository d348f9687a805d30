/* viewer.c: who watches. */

#ifndef HEADWATER_VIEWER_H
#define HEADWATER_VIEWER_H

#include "arrivals.h"
#include "crypto.h"
#include "place.h"
#include "stream.h"

typedef struct Shard Shard;

enum { EVENT_PICTURE_LOST, EVENT_BYE = EVENT_PICTURE_LOST + KINDS, EVENT_ADDRESS, EVENT_KINDS };

struct Viewer {
    atomic_int references;
    uint64_t id;
    Shard *shard;
    Stream streams[KINDS];
    /* the shard's */
    Viewer *next, *previous;
    Place place;
    Protection rtp, rtcp;
    uint32_t rtcp_index;
    uint16_t transport_sequence;
    double pace_bitrate;
    _Atomic double carried_bitrate; /* by the receiving half; 0.0: unknown */
    char cname[MAX_CNAME_BYTES + 1];
    _Atomic(Sent *) sent; /* NULL: no transport-wide numbers */
    _Atomic uint64_t send_failures;
    _Atomic double rtt_s;
    /* the receiving half, under Fanout.lock */
    Place source;
    Protection from_rtcp;
    Sources sources;
    char *username, *password;
    double last_seen_s, summary_s;
    uint64_t remb_bitrate;
    Arrivals arrivals;
    bool waiting[EVENT_KINDS]; /* events not yet polled */
};

/* A viewer of Python settings with all that can be refused checked; NULL with an exception. */
Viewer *viewer_new(Fanout *fanout, PyObject *settings, double now_s);
void viewer_release(Viewer *viewer);
bool viewer_has_id(const void *viewer, const void *id);

#endif
