/* Samples on their way into the segments in progress, as long as nothing begins or ends.

   Lanes.push, BoundaryRule.judge, Lane.take and TrackSegmenter.push are the
   specification. A sample is ordinary that only makes the part in progress longer; one with
   which a boundary, a part, a loss, a silence or an error could come is left to them. */

#include "samples.h"

#define MAX_LANES 32

static PyObject *n_append, *n_counts_gops, *n_end, *n_is_open, *n_is_settled, *n_last_dts,
    *n_last_moment, *n_last_push_utc, *n_longest_part, *n_next_line, *n_next_ticks,
    *n_part_duration_s, *n_popleft, *n_queue, *n_queued_bytes, *n_samples, *n_segmenter, *n_start,
    *n_step, *n_timescale;

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

typedef struct {
    PyObject *lanes, *leader, *rule;
    bool counts_gops;
    int64_t last_dts, step, next_line, last_moment, watermark;
    double now_utc;
    Lane known[MAX_LANES];
    size_t count;
    Lane *leading;
} Run;

/* A track of which so much would wait is Python's: it may be overdue (Lanes). */
static const int64_t queue_limit_s = 1;
static const int64_t queue_limit_bytes = 8 << 20;
static const double silence_s = 1.0;

int
taking_init(void)
{
    static const Name names[] = {
        {&n_append, "append"}, {&n_counts_gops, "_counts_gops"}, {&n_end, "_end"},
        {&n_is_open, "is_open"}, {&n_is_settled, "_is_settled"},
        {&n_last_dts, "_last_dts"}, {&n_last_moment, "_last_moment"},
        {&n_last_push_utc, "last_push_utc"}, {&n_longest_part, "_longest_part"},
        {&n_next_line, "next_line"},
        {&n_next_ticks, "_next_ticks"}, {&n_part_duration_s, "_part_duration_s"},
        {&n_popleft, "popleft"}, {&n_queue, "queue"}, {&n_queued_bytes, "queued_bytes"},
        {&n_samples, "_samples"}, {&n_segmenter, "_segmenter"}, {&n_start, "_start"},
        {&n_step, "_step"}, {&n_timescale, "timescale"},
    };
    return intern_names(names, sizeof names / sizeof *names);
}

static int
read_float(PyObject *object, PyObject *name, double *value)
{
    PyObject *attribute = PyObject_GetAttr(object, name);
    if (attribute == NULL) {
        return -1;
    }
    *value = PyFloat_AsDouble(attribute);
    Py_DECREF(attribute);
    return *value == -1.0 && PyErr_Occurred() != NULL ? -1 : 1;
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
    int64_t start;
    int result = read_int(lane->segmenter, n_start, &start);
    if (result != 1) { /* None: the first sample of a segment is never ordinary */
        return result;
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

static int
store(const Run *run, const Lane *lane)
{
    PyObject *settled = lane->is_settled ? Py_True : Py_False;
    return write_float(lane->lane, n_last_push_utc, run->now_utc) < 0 ||
                   write_int(lane->lane, n_queued_bytes, lane->queued_bytes) < 0 ||
                   PyObject_SetAttr(lane->segmenter, n_is_settled, settled) < 0 ? -1 : 0;
}

/* The lane of a track, loaded when it is first met; NULL where there is none that is known,
   with an exception if one is set. */
static Lane *
find(Run *run, PyObject *track)
{
    for (size_t at = 0; at < run->count; at++) {
        if (run->known[at].name == track) {
            return &run->known[at];
        }
    }
    PyObject *object = PyDict_GetItemWithError(run->lanes, track);
    if (object == NULL) {
        return NULL;
    }
    for (size_t at = 0; at < run->count; at++) {
        if (run->known[at].lane == object) { /* an equal name, but another object */
            return &run->known[at];
        }
    }
    if (run->count == MAX_LANES) {
        return NULL;
    }
    Lane *lane = &run->known[run->count];
    memset(lane, 0, sizeof *lane);
    lane->name = Py_NewRef(track);
    lane->lane = Py_NewRef(object);
    lane->is_leader = object == run->leader;
    run->count++;
    int result = load(lane);
    lane->is_ordinary = result == 1;
    return result < 0 ? NULL : lane;
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

/* Whether a sample only makes the part in progress longer. */
static bool
is_ordinary(const Lane *lane, const Sample *sample)
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

/* Whether the leading track's next sample makes no boundary (BoundaryRule.judge). */
static bool
is_within_segment(const Run *run, const Sample *sample)
{
    int64_t step, end;
    if (sample->is_sync && (run->counts_gops || sample->dts >= run->next_line)) {
        return false;
    }
    if (__builtin_sub_overflow(sample->dts, run->last_dts, &step) || step <= 0 ||
        __builtin_add_overflow(sample->dts, sample->duration ? sample->duration : step, &end)) {
        return false;
    }
    return end <= run->last_moment;
}

/* Whether the leading track has passed a sample of another (Lanes._drain). */
static bool
is_passed(const Run *run, const Lane *lane, const Sample *sample)
{
    return (__int128)sample->dts * run->leading->timescale <
           (__int128)run->watermark * lane->timescale;
}

static int
take(Lane *lane, Sample *sample)
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
    return 0;
}

/* Lets the queues follow the leading track: 1; 0: Python must go on; -1: exception. */
static int
drain(Run *run)
{
    PyObject *name, *object;
    Py_ssize_t at = 0;
    while (PyDict_Next(run->lanes, &at, &name, &object)) {
        Lane *lane = find(run, name);
        if (lane == NULL) {
            return PyErr_Occurred() != NULL ? -1 : 0;
        }
        Py_ssize_t waiting;
        while ((waiting = PyObject_Size(lane->queue)) > 0) {
            if (!lane->is_ordinary) {
                return 0;
            }
            PyObject *item = PySequence_GetItem(lane->queue, 0);
            if (item == NULL) {
                return -1;
            }
            Sample *sample = Py_IS_TYPE(item, sample_type) ? (Sample *)item : NULL;
            int result = 1;
            bool is_due = sample != NULL && is_passed(run, lane, sample);
            if (sample == NULL || (is_due && !is_ordinary(lane, sample))) {
                result = 0;
            } else if (is_due) {
                PyObject *taken = PyObject_CallMethodObjArgs(lane->queue, n_popleft, NULL);
                result = taken == NULL || take(lane, sample) < 0 ? -1 : 1;
                Py_XDECREF(taken);
                lane->queued_bytes -= sample->size;
                lane->is_touched = true;
            }
            Py_DECREF(item);
            if (result != 1) {
                return result;
            }
            if (!is_due) {
                break;
            }
        }
        if (waiting < 0) {
            return -1;
        }
    }
    return 1;
}

/* A sample of the leading track: 1 taken; 0 not ordinary; -1 exception. */
static int
lead(Run *run, Lane *lane, Sample *sample)
{
    if (!is_within_segment(run, sample) || !is_ordinary(lane, sample)) {
        return 0;
    }
    run->step = sample->dts - run->last_dts;
    run->last_dts = sample->dts;
    run->watermark = sample->dts + (sample->duration ? sample->duration : 1);
    lane->is_touched = true;
    return take(lane, sample) < 0 ? -1 : 1;
}

/* A sample of another track: taken at once, or queued. The same results. */
static int
follow(Run *run, Lane *lane, Sample *sample)
{
    Py_ssize_t waiting = PyObject_Size(lane->queue);
    if (waiting < 0) {
        return -1;
    }
    int64_t since = 0;
    if (waiting > 0) {
        PyObject *item = PySequence_GetItem(lane->queue, 0);
        if (item == NULL) {
            return -1;
        }
        Sample *oldest = Py_IS_TYPE(item, sample_type) ? (Sample *)item : NULL;
        bool is_odd = oldest == NULL || is_passed(run, lane, oldest) ||
                      __builtin_sub_overflow(sample->dts, oldest->dts, &since);
        Py_DECREF(item);
        if (is_odd) {
            return 0;
        }
    }
    if (waiting == 0 && is_passed(run, lane, sample)) {
        if (!is_ordinary(lane, sample)) {
            return 0;
        }
        lane->is_touched = true;
        return take(lane, sample) < 0 ? -1 : 1;
    }
    if (!lane->is_ordinary || since >= queue_limit_s * lane->timescale ||
        lane->queued_bytes + sample->size > queue_limit_bytes) {
        return 0;
    }
    PyObject *result = PyObject_CallMethodObjArgs(lane->queue, n_append, sample, NULL);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    lane->queued_bytes += sample->size;
    lane->is_touched = true;
    return 1;
}

static int
begin(Run *run, PyObject *leader_name)
{
    if (read_bool(run->rule, n_counts_gops, &run->counts_gops) < 0) {
        return -1;
    }
    int result = read_int(run->rule, n_last_dts, &run->last_dts);
    if (result == 1) {
        result = read_int(run->rule, n_next_line, &run->next_line);
    }
    if (result == 1) {
        result = read_int(run->rule, n_last_moment, &run->last_moment);
    }
    if (result == 1) {
        run->leading = find(run, leader_name);
        result = run->leading != NULL ? run->leading->is_ordinary : PyErr_Occurred() ? -1 : 0;
    }
    return result;
}

static int
finish(Run *run)
{
    if (run->leading->is_touched && (write_int(run->rule, n_last_dts, run->last_dts) < 0 ||
                                     write_int(run->rule, n_step, run->step) < 0)) {
        return -1;
    }
    for (size_t at = 0; at < run->count; at++) {
        if (run->known[at].is_touched && store(run, &run->known[at]) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
take_run(PyObject *module, PyObject *args)
{
    Run run = {.count = 0};
    PyObject *samples, *leader_name;
    Py_ssize_t index;
    long long watermark;
    double leader_push_utc;
    int result, needs_drain = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!UOOLO!nd:take_run", &PyDict_Type, &run.lanes, &leader_name,
                          &run.leader, &run.rule, &watermark, &PyList_Type,
                          &samples, &index, &run.now_utc)) {
        return NULL;
    }
    run.watermark = watermark;
    result = begin(&run, leader_name);
    if (result == 1 && read_float(run.leader, n_last_push_utc, &leader_push_utc) < 0) {
        result = -1;
    }
    while (result == 1 && index >= 0 && index < PyList_Size(samples)) {
        Sample *sample = sample_at(samples, index);
        Lane *lane = sample != NULL ? find(&run, sample->track) : NULL;
        if (lane == NULL) {
            break;
        }
        if (lane->is_leader) {
            result = lead(&run, lane, sample);
            if (result == 1) {
                index++;
                result = drain(&run);
                needs_drain = result == 0;
            }
        } else if (!run.leading->is_touched && run.now_utc - leader_push_utc > silence_s) {
            result = 0;
        } else {
            result = follow(&run, lane, sample);
            index += result == 1;
        }
    }
    bool failed = result < 0 || PyErr_Occurred() != NULL;
    if (!failed && run.leading != NULL) {
        failed = finish(&run) < 0;
    }
    for (size_t at = 0; at < run.count; at++) {
        Lane *lane = &run.known[at];
        Py_DECREF(lane->name);
        Py_DECREF(lane->lane);
        Py_XDECREF(lane->segmenter);
        Py_XDECREF(lane->queue);
        Py_XDECREF(lane->samples);
    }
    return failed ? NULL
                  : Py_BuildValue("nLO", index, (long long)run.watermark,
                                  needs_drain ? Py_True : Py_False);
}
