/* The part in progress of one track, as long as its samples only make it longer.

   Lane.take and TrackSegmenter.push are the specification. */

#include "lane.h"

static PyObject *n_append, *n_end, *n_is_open, *n_is_settled, *n_last_moment, *n_last_push_utc,
    *n_longest_part, *n_next_ticks, *n_part_duration_s, *n_popleft, *n_queue, *n_queued_bytes,
    *n_samples, *n_segmenter, *n_shift, *n_start, *n_timescale;

int
lane_init(void)
{
    static const Name names[] = {
        {&n_append, "append"}, {&n_end, "_end"}, {&n_is_open, "is_open"},
        {&n_is_settled, "_is_settled"}, {&n_last_moment, "_last_moment"},
        {&n_last_push_utc, "last_push_utc"}, {&n_longest_part, "_longest_part"},
        {&n_next_ticks, "_next_ticks"}, {&n_part_duration_s, "_part_duration_s"},
        {&n_popleft, "popleft"}, {&n_queue, "queue"}, {&n_queued_bytes, "queued_bytes"},
        {&n_samples, "_samples"}, {&n_segmenter, "_segmenter"}, {&n_shift, "_shift"},
        {&n_start, "_start"}, {&n_timescale, "timescale"},
    };
    return intern_names(names, sizeof names / sizeof *names);
}

/* How long parts may be: 1, or 0 while that is not decided; -1: exception. */
static int
load_parts(Lane *lane)
{
    double part_duration_s;
    if (read_float(lane->segmenter, n_part_duration_s, &part_duration_s) < 0) {
        return -1;
    }
    lane->has_parts = part_duration_s > 0.0;
    if (!lane->has_parts) {
        return 1;
    }
    int result = read_int(lane->segmenter, n_longest_part, &lane->longest_part);
    return result == 1 && lane->longest_part == 0 ? 0 : result;
}

/* The part in progress: 1; 0: the segment has no sample yet, or something is odd; -1: exception. */
static int
load_samples(Lane *lane)
{
    int64_t start, shift;
    int result = read_int(lane->segmenter, n_start, &start);
    if (result != 1) { /* None: the first sample of a segment is never ordinary */
        return result;
    }
    result = read_int(lane->segmenter, n_shift, &shift);
    if (result != 1 || shift != 0) { /* samples that are to be moved are not, either */
        return result == 1 ? 0 : result;
    }
    lane->count = PyList_Size(lane->samples);
    if (lane->count == 0) {
        return read_int(lane->segmenter, n_end, &lane->end);
    }
    Sample *first = sample_at(lane->samples, 0);
    Sample *last = sample_at(lane->samples, lane->count - 1);
    if (first == NULL || last == NULL) {
        return 0;
    }
    lane->first_dts = first->dts;
    lane->last_dts = last->dts;
    lane->last_end = 0;
    return last->duration <= 0 ||
           !__builtin_add_overflow(last->dts, last->duration, &lane->last_end);
}

static int
load(Lane *lane)
{
    bool is_open;
    if ((lane->segmenter = PyObject_GetAttr(lane->lane, n_segmenter)) == NULL ||
        (lane->queue = PyObject_GetAttr(lane->lane, n_queue)) == NULL ||
        (lane->samples = PyObject_GetAttr(lane->segmenter, n_samples)) == NULL ||
        read_bool(lane->lane, n_is_open, &is_open) < 0 ||
        read_bool(lane->segmenter, n_is_settled, &lane->is_settled) < 0) {
        return -1;
    }
    if (!is_open || !PyList_Check(lane->samples)) {
        return 0;
    }
    int result = read_int(lane->lane, n_timescale, &lane->timescale);
    if (result == 1) {
        result = read_int(lane->lane, n_next_ticks, &lane->next_ticks);
    }
    if (result == 1) {
        result = read_int(lane->lane, n_last_moment, &lane->last_moment);
    }
    if (result == 1) {
        result = read_int(lane->lane, n_queued_bytes, &lane->queued_bytes);
    }
    if (result == 1) {
        result = load_parts(lane);
    }
    return result == 1 ? load_samples(lane) : result;
}

int
lane_load(Lane *lane, PyObject *track, PyObject *object)
{
    lane->name = Py_NewRef(track);
    lane->lane = Py_NewRef(object);
    int result = load(lane);
    lane->is_ordinary = result == 1;
    return result;
}

int
lane_store(const Lane *lane, double now_utc)
{
    PyObject *settled = lane->is_settled ? Py_True : Py_False;
    return write_float(lane->lane, n_last_push_utc, now_utc) < 0 ||
                   write_int(lane->lane, n_queued_bytes, lane->queued_bytes) < 0 ||
                   PyObject_SetAttr(lane->segmenter, n_is_settled, settled) < 0 ? -1 : 0;
}

void
lane_release(Lane *lane)
{
    Py_DECREF(lane->name);
    Py_DECREF(lane->lane);
    Py_XDECREF(lane->segmenter);
    Py_XDECREF(lane->queue);
    Py_XDECREF(lane->samples);
}

/* Whether a part from `first` to `end`, whose last sample begins at `last`, may go on: one more
   sample like it would not make it too long. TrackSegmenter._settle would give no part then. */
static bool
has_room(const Lane *lane, int64_t first, int64_t last, int64_t end)
{
    int64_t length, frame;
    return !__builtin_sub_overflow(end, first, &length) &&
           !__builtin_sub_overflow(end, last, &frame) &&
           !__builtin_add_overflow(length, frame, &length) && length <= lane->longest_part;
}

bool
lane_is_ordinary(const Lane *lane, const Sample *sample)
{
    int64_t end;
    if (!lane->is_ordinary || sample->discontinuity || sample->duration < 0 ||
        sample->dts >= lane->next_ticks ||
        __builtin_add_overflow(sample->dts, sample->duration, &end) || end > lane->last_moment) {
        return false;
    }
    if (lane->count == 0 ? sample->dts != lane->end : sample->dts <= lane->last_dts) {
        return false;
    }
    if (lane->count != 0 && lane->last_end != 0 && sample->dts > lane->last_end) {
        return false; /* sound may be missing, for which silence would stand */
    }
    if (!lane->has_parts) {
        return true;
    }
    int64_t first = lane->count == 0 ? sample->dts : lane->first_dts;
    return (lane->count == 0 || lane->is_settled ||
            has_room(lane, first, lane->last_dts, sample->dts)) &&
           (sample->duration == 0 || has_room(lane, first, sample->dts, end));
}

int
lane_take(Lane *lane, Sample *sample)
{
    if (PyList_Append(lane->samples, (PyObject *)sample) < 0) {
        return -1;
    }
    if (lane->count == 0) {
        lane->first_dts = sample->dts;
    }
    lane->count++;
    lane->last_dts = sample->dts;
    lane->last_end = sample->duration > 0 ? sample->dts + sample->duration : 0;
    lane->is_settled = sample->duration > 0;
    lane->is_touched = true;
    return 1;
}

int
lane_enqueue(Lane *lane, Sample *sample)
{
    PyObject *result = PyObject_CallMethodObjArgs(lane->queue, n_append, sample, NULL);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    lane->queued_bytes += sample->size;
    lane->is_touched = true;
    return 1;
}

int
lane_dequeue(Lane *lane, const Sample *sample)
{
    PyObject *taken = PyObject_CallMethodObjArgs(lane->queue, n_popleft, NULL);
    lane->queued_bytes -= sample->size;
    lane->is_touched = true;
    if (taken == NULL) {
        return -1;
    }
    Py_DECREF(taken);
    return 1;
}
