/* A track's part in progress as a run knows it: lane.c, for taking.c. */

#ifndef HEADWATER_LANE_H
#define HEADWATER_LANE_H

#include "samples.h"

/* What a lane and its segmenter know, for as long as a run lasts. */
typedef struct {
    PyObject *name; /* these are kept alive by the run */
    PyObject *lane;
    PyObject *segmenter;
    PyObject *queue;   /* deque */
    PyObject *samples; /* list: the part in progress */
    bool is_ordinary, is_leader, is_settled, has_parts, is_touched;
    int64_t timescale, next_ticks, last_moment, end, longest_part, queued_bytes;
    int64_t first_dts, last_dts, last_end; /* last_end: what it says itself, 0: unknown */
    Py_ssize_t count; /* samples in the part in progress */
} Lane;

/* The lane of a track, `object`, of which all that is not loaded is zero: 1; 0: it takes nothing
   ordinary now; -1: exception. */
int lane_load(Lane *lane, PyObject *track, PyObject *object);
/* What has changed, back to Python's objects. -1: exception. */
int lane_store(const Lane *lane, double now_utc);
void lane_release(Lane *lane);
/* Whether a sample only makes the part in progress longer. */
bool lane_is_ordinary(const Lane *lane, const Sample *sample);
/* Into the part in progress, or to the end of the queue; off its head, which was `sample`.
   1, or -1 with an exception. */
int lane_take(Lane *lane, Sample *sample);
int lane_enqueue(Lane *lane, Sample *sample);
int lane_dequeue(Lane *lane, const Sample *sample);

#endif
