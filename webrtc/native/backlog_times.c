/* The RTP timestamps of pictures that wait for who joins; webrtc/backlog_times.py is the specification
   and says why. */

#include "fanout.h"

static const uint32_t KEPT_SHARE = 64;

void
backlog_place(BacklogTimes *times, uint64_t index, uint32_t timestamp, uint32_t newest)
{
    if (times->has_ended) {
        return;
    }
    bool has_last = times->count != 0;
    uint32_t last = has_last ? times->steps[times->count - 1].newest : 0;
    if (has_last && !is_after(newest, last)) {
        newest = last;
    }
    if (!is_after(newest, timestamp)) {
        times->has_ended = true;
        times->end = index;
    } else if ((!has_last || newest != last) && times->count < MOST_BACKLOG_STEPS) {
        times->steps[times->count].first_index = index;
        times->steps[times->count++].newest = newest;
    }
}

uint32_t
backlog_stamp(const BacklogTimes *times, uint64_t index, uint32_t timestamp)
{
    if (times->has_ended && index >= times->end) {
        return timestamp;
    }
    for (int at = times->count; at-- > 0;) {
        if (times->steps[at].first_index <= index) {
            uint32_t newest = times->steps[at].newest;
            return is_after(newest, timestamp) ? newest - (newest - timestamp) / KEPT_SHARE
                                               : timestamp;
        }
    }
    return timestamp;
}
