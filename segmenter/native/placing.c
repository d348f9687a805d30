/* The timeline's steady state: samples whose stamps stay within all bounds.

   VideoClock.place and AudioClock.place (segmenter/video_clock.py, audio_clock.py) are the
   specification; whatever they would nudge, drop, correct, mark or count is left to them. */

#include "samples.h"

#define MAX_LINES 16

static PyObject *n_ahead, *n_back, *n_break_due, *n_composition_limit, *n_denominator,
    *n_drift_limit, *n_frame_ticks, *n_frontier, *n_half, *n_is_started, *n_is_video,
    *n_last_arrival, *n_last_delta, *n_last_dts, *n_last_duration, *n_last_pts, *n_last_source,
    *n_numerator, *n_off_frames, *n_offset, *n_origin, *n_shift, *n_source_origin, *n_start_pts;

/* What a track's clock knows, for as long as a run lasts. */
typedef struct {
    PyObject *name;  /* both are kept alive by the run */
    PyObject *clock;
    bool is_ordinary, is_video, break_due, is_touched;
    int64_t offset, back, ahead, last_source, frontier;
    int64_t origin, source_origin, numerator, denominator, half;
    int64_t composition_limit, shift, start_pts, last_dts, last_pts, last_delta; /* of video */
    int64_t drift_limit, frame_ticks, last_duration; /* of audio */
} Line;

int
placing_init(void)
{
    static const Name names[] = {
        {&n_ahead, "ahead"}, {&n_back, "back"}, {&n_break_due, "break_due"},
        {&n_composition_limit, "_composition_limit"}, {&n_denominator, "_denominator"},
        {&n_drift_limit, "_drift_limit"}, {&n_frame_ticks, "_frame_ticks"},
        {&n_frontier, "frontier"}, {&n_half, "_half"}, {&n_is_started, "is_started"},
        {&n_is_video, "is_video"}, {&n_last_arrival, "last_arrival"},
        {&n_last_delta, "_last_delta"}, {&n_last_dts, "_last_dts"},
        {&n_last_duration, "_last_duration"}, {&n_last_pts, "_last_pts"},
        {&n_last_source, "last_source"}, {&n_numerator, "_numerator"},
        {&n_off_frames, "_off_frames"}, {&n_offset, "offset"}, {&n_origin, "_origin"},
        {&n_shift, "_shift"}, {&n_source_origin, "_source_origin"}, {&n_start_pts, "_start_pts"},
    };
    return intern_names(names, sizeof names / sizeof *names);
}

/* Reads attributes in a row; the result is that of the first which is not 1. */
typedef struct {
    PyObject *name;
    int64_t *value;
} Wanted;

static int
read_ints(PyObject *object, const Wanted *wanted, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        int result = read_int(object, wanted[at].name, wanted[at].value);
        if (result != 1) {
            return result;
        }
    }
    return 1;
}

/* 1: the line is ordinary; 0: it is not, or no longer ours to judge; -1: exception. */
static int
load(Line *line)
{
    PyObject *clock = line->clock;
    bool is_started;
    if (read_bool(clock, n_is_started, &is_started) < 0 ||
        read_bool(clock, n_is_video, &line->is_video) < 0 ||
        read_bool(clock, n_break_due, &line->break_due) < 0) {
        return -1;
    }
    if (!is_started) {
        return 0;
    }
    const Wanted common[] = {
        {n_offset, &line->offset}, {n_back, &line->back}, {n_ahead, &line->ahead},
        {n_last_source, &line->last_source}, {n_frontier, &line->frontier},
        {n_origin, &line->origin}, {n_source_origin, &line->source_origin},
        {n_numerator, &line->numerator}, {n_denominator, &line->denominator},
        {n_half, &line->half},
    };
    const Wanted video[] = {
        {n_composition_limit, &line->composition_limit}, {n_shift, &line->shift},
        {n_start_pts, &line->start_pts}, {n_last_dts, &line->last_dts},
        {n_last_pts, &line->last_pts}, {n_last_delta, &line->last_delta},
    };
    const Wanted audio[] = {
        {n_drift_limit, &line->drift_limit}, {n_frame_ticks, &line->frame_ticks},
        {n_last_duration, &line->last_duration},
    };
    int result = read_ints(clock, common, sizeof common / sizeof *common);
    if (result == 1) {
        result = line->is_video ? read_ints(clock, video, sizeof video / sizeof *video)
                                : read_ints(clock, audio, sizeof audio / sizeof *audio);
    }
    return result == 1 ? line->denominator > 0 : result;
}

static int
store(const Line *line, double now_utc)
{
    PyObject *clock = line->clock;
    if (write_int(clock, n_last_source, line->last_source) < 0 ||
        write_float(clock, n_last_arrival, now_utc) < 0 ||
        write_int(clock, n_frontier, line->frontier) < 0) {
        return -1;
    }
    if (!line->is_video) {
        return write_int(clock, n_last_duration, line->last_duration) < 0 ||
                       write_int(clock, n_off_frames, 0) < 0 ? -1 : 0;
    }
    return write_int(clock, n_last_dts, line->last_dts) < 0 ||
                   write_int(clock, n_last_pts, line->last_pts) < 0 ||
                   write_int(clock, n_last_delta, line->last_delta) < 0 ? -1 : 0;
}

/* TrackClock.media_time; false where it does not fit. */
static bool
media_time(const Line *line, int64_t source, int64_t *out)
{
    int64_t value;
    if (__builtin_sub_overflow(source, line->source_origin, &value) ||
        __builtin_mul_overflow(value, line->numerator, &value) ||
        __builtin_add_overflow(value, line->half, &value)) {
        return false;
    }
    int64_t quotient = value / line->denominator;
    if (value % line->denominator < 0) {
        quotient--;
    }
    return !__builtin_add_overflow(quotient, line->origin, out);
}

static bool
is_within(int64_t value, int64_t least, int64_t most)
{
    return least <= value && value <= most;
}

/* Where a video sample goes; false where VideoClock must decide. */
static bool
place_video(Line *line, const Sample *sample, int64_t source, Sample *placed)
{
    int64_t composition, position, pts, dts;
    if ((line->break_due && sample->is_sync) ||
        __builtin_sub_overflow(sample->pts, sample->dts, &composition) ||
        !is_within(composition, -line->composition_limit, line->composition_limit) ||
        !media_time(line, source, &position) || !media_time(line, source + composition, &pts) ||
        __builtin_add_overflow(position, line->shift, &dts) || dts < line->frontier ||
        (pts < line->start_pts && line->start_pts <= dts) || dts == INT64_MAX ||
        (sample->is_sync && pts != dts)) {
        return false;
    }
    if (line->last_dts >= 0) {
        line->last_delta = dts - line->last_dts;
    }
    line->last_dts = dts;
    line->frontier = dts + 1;
    if (pts > line->last_pts) {
        line->last_pts = pts;
    }
    placed->dts = dts;
    placed->pts = pts;
    return true;
}

/* Where an audio sample goes; false where AudioClock must decide. */
static bool
place_audio(Line *line, const Sample *sample, int64_t source, Sample *placed)
{
    int64_t duration = sample->duration != 0 ? sample->duration : line->frame_ticks;
    int64_t dts = line->frontier, said, error, frontier;
    if (line->break_due || duration == 0 || !media_time(line, source, &said) ||
        __builtin_sub_overflow(said, dts, &error) ||
        !is_within(error, -line->drift_limit, line->drift_limit) ||
        __builtin_add_overflow(dts, duration, &frontier)) {
        return false;
    }
    line->frontier = frontier;
    line->last_duration = duration;
    placed->dts = placed->pts = dts;
    placed->duration = duration;
    return true;
}

/* 1: appended to `out`; 0: not ordinary; -1: exception. */
static int
place(Line *line, Sample *sample, double now_utc, PyObject *out)
{
    int64_t source, step;
    if (__builtin_add_overflow(sample->dts, line->offset, &source) ||
        source > INT64_MAX / 2 || source < INT64_MIN / 2 ||
        __builtin_sub_overflow(source, line->last_source, &step) ||
        !is_within(step, -line->back, line->ahead)) {
        return 0;
    }
    Sample *placed = sample_new(sample->track, sample->owner, sample->bytes, sample->size);
    if (placed == NULL) {
        return -1;
    }
    bool is_placed = line->is_video ? place_video(line, sample, source, placed)
                                    : place_audio(line, sample, source, placed);
    int result = 0;
    if (is_placed) {
        placed->is_sync = sample->is_sync;
        placed->captured_utc = sample->captured_utc != 0.0 ? sample->captured_utc : now_utc;
        line->last_source = source;
        line->is_touched = true;
        result = PyList_Append(out, (PyObject *)placed) < 0 ? -1 : 1;
    }
    Py_DECREF(placed);
    return result;
}

/* The line of a track, loaded when it is first met; NULL where there is none or no room for it,
   with an exception if one is set. */
static Line *
find(Line *known, size_t *count, PyObject *clocks, PyObject *track)
{
    for (size_t at = 0; at < *count; at++) {
        if (known[at].name == track) {
            return &known[at];
        }
    }
    PyObject *clock = PyDict_GetItemWithError(clocks, track);
    if (clock == NULL) {
        return NULL;
    }
    for (size_t at = 0; at < *count; at++) {
        if (known[at].clock == clock) { /* an equal name, but another object */
            return &known[at];
        }
    }
    if (*count == MAX_LINES) {
        return NULL;
    }
    Line *line = &known[*count];
    memset(line, 0, sizeof *line);
    line->name = Py_NewRef(track);
    line->clock = Py_NewRef(clock);
    ++*count;
    int result = load(line);
    line->is_ordinary = result == 1;
    return result < 0 ? NULL : line;
}

PyObject *
place_run(PyObject *module, PyObject *args)
{
    PyObject *clocks, *samples, *out;
    Py_ssize_t index;
    double now_utc;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!ndO!:place_run", &PyDict_Type, &clocks, &PyList_Type,
                          &samples, &index, &now_utc, &PyList_Type, &out)) {
        return NULL;
    }
    Line known[MAX_LINES];
    size_t count = 0;
    int result = 1;
    while (index >= 0 && index < PyList_Size(samples)) {
        Sample *sample = sample_at(samples, index);
        Line *line = sample != NULL ? find(known, &count, clocks, sample->track) : NULL;
        if (line == NULL || !line->is_ordinary) {
            break;
        }
        result = place(line, sample, now_utc, out);
        if (result != 1) {
            break;
        }
        index++;
    }
    bool failed = result < 0 || PyErr_Occurred() != NULL;
    for (size_t at = 0; at < count; at++) {
        if (!failed && known[at].is_touched && store(&known[at], now_utc) < 0) {
            failed = true;
        }
        Py_DECREF(known[at].name);
        Py_DECREF(known[at].clock);
    }
    return failed ? NULL : PyLong_FromSsize_t(index);
}
