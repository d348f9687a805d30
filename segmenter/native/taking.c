/* Samples on their way into the segments in progress, as long as nothing begins or ends.

   Lanes.push and BoundaryRule.judge are the specification, and what lane.c names. A sample is
   ordinary that only makes the part in progress longer; one with which a boundary, a part, a loss,
   a silence or an error could come is left to them. */

#include "lane.h"

#define MAX_LANES 32

static PyObject *n_counts_gops, *n_last_dts, *n_watched_from, *n_last_push_utc, *n_next_line,
    *n_step;

typedef struct {
    PyObject *lanes, *leader, *rule;
    bool counts_gops;
    int64_t last_dts, step, next_line, watched_from, watermark;
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
        {&n_counts_gops, "_counts_gops"}, {&n_last_dts, "_last_dts"},
        {&n_watched_from, "_watched_from"}, {&n_last_push_utc, "last_push_utc"},
        {&n_next_line, "next_line"}, {&n_step, "_step"},
    };
    return intern_names(names, sizeof names / sizeof *names);
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
    lane->is_leader = object == run->leader;
    run->count++;
    return lane_load(lane, track, object) < 0 ? NULL : lane;
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
    return end <= run->watched_from;
}

/* Whether the leading track has passed a sample of another (Lanes._drain). */
static bool
is_passed(const Run *run, const Lane *lane, const Sample *sample)
{
    return (__int128)sample->dts * run->leading->timescale <
           (__int128)run->watermark * lane->timescale;
}

/* Lets one queue follow the leading track: 1; 0: Python must go on; -1: exception. */
static int
drain_queue(Run *run, Lane *lane)
{
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
        if (sample == NULL || (is_due && !lane_is_ordinary(lane, sample))) {
            result = 0;
        } else if (is_due) {
            result = lane_dequeue(lane, sample);
            result = result == 1 ? lane_take(lane, sample) : result;
        }
        Py_DECREF(item);
        if (result != 1 || !is_due) {
            return result;
        }
    }
    return waiting < 0 ? -1 : 1;
}

/* Lets all queues follow it. The same results. */
static int
drain(Run *run)
{
    PyObject *name, *object;
    Py_ssize_t at = 0;
    int result = 1;
    while (result == 1 && PyDict_Next(run->lanes, &at, &name, &object)) {
        Lane *lane = find(run, name);
        if (lane == NULL) {
            return PyErr_Occurred() != NULL ? -1 : 0;
        }
        result = drain_queue(run, lane);
    }
    return result;
}

/* A sample of the leading track: 1 taken; 0 not ordinary; -1 exception. */
static int
lead(Run *run, Lane *lane, Sample *sample)
{
    if (!is_within_segment(run, sample) || !lane_is_ordinary(lane, sample)) {
        return 0;
    }
    run->step = sample->dts - run->last_dts;
    run->last_dts = sample->dts;
    run->watermark = sample->dts + (sample->duration ? sample->duration : 1);
    return lane_take(lane, sample);
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
        if (!lane_is_ordinary(lane, sample)) {
            return 0;
        }
        return lane_take(lane, sample);
    }
    if (!lane->is_ordinary || since >= queue_limit_s * lane->timescale ||
        lane->queued_bytes + sample->size > queue_limit_bytes) {
        return 0;
    }
    return lane_enqueue(lane, sample);
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
        result = read_int(run->rule, n_watched_from, &run->watched_from);
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
        if (run->known[at].is_touched && lane_store(&run->known[at], run->now_utc) < 0) {
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
        lane_release(&run.known[at]);
    }
    return failed ? NULL
                  : Py_BuildValue("nLO", index, (long long)run.watermark,
                                  needs_drain ? Py_True : Py_False);
}
