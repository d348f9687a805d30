/* What Python is told: events, summaries, counters; webrtc/fanout_events.py has their fields. */

#include "fanout.h"

#include <stdlib.h>

/* A new object of one of our classes; takes the tuple over, which may be NULL. */
static PyObject *
make(Fanout *fanout, int type, PyObject *arguments)
{
    PyObject *class = PyTuple_GetItem(fanout->types, type);
    PyObject *object = NULL;
    if (class != NULL && arguments != NULL) {
        object = PyObject_Call(class, arguments, NULL);
    }
    Py_XDECREF(arguments);
    return object;
}

/* What is told of one viewer, copied under the lock: objects are made after it, since making them
   may wait for the GIL, whose holder may wait for the lock. */
typedef struct {
    int event; /* EVENT_KINDS: a summary */
    Viewer *viewer; /* held */
    Place source;
    ArrivalSummary arrivals;
    double last_seen_s, loss[KINDS], jitter_s[KINDS];
    int lost[KINDS];
    uint64_t remb_bitrate;
} Told;

static void
copy_told(Told *told, Viewer *viewer, int event)
{
    atomic_fetch_add_explicit(&viewer->references, 1, memory_order_relaxed);
    told->event = event;
    told->viewer = viewer;
    told->source = viewer->source;
    if (event != EVENT_KINDS) {
        return;
    }
    told->arrivals = arrivals_summary(&viewer->arrivals);
    told->last_seen_s = viewer->last_seen_s;
    told->remb_bitrate = viewer->remb_bitrate;
    for (int kind = 0; kind < KINDS; kind++) {
        told->loss[kind] = viewer->streams[kind].loss;
        told->jitter_s[kind] = viewer->streams[kind].jitter_s;
        told->lost[kind] = viewer->streams[kind].is_reported ? viewer->streams[kind].lost : -1;
    }
}

static PyObject *
event_object(Fanout *fanout, const Told *told)
{
    unsigned long long id = told->viewer->id;
    switch (told->event) {
    case EVENT_BYE:
        return make(fanout, TYPE_BYE, Py_BuildValue("(K)", id));
    case EVENT_ADDRESS:
        return make(fanout, TYPE_ADDRESS,
                    Py_BuildValue("(KNi)", id, address_of(&told->source),
                                  (int)told->source.socket));
    default:
        return make(fanout, TYPE_PICTURE_LOST,
                    Py_BuildValue("(Ks)", id,
                                  told->event - EVENT_PICTURE_LOST == VIDEO ? "video" : "audio"));
    }
}

static PyObject *
stream_object(Fanout *fanout, const Told *told, int kind)
{
    Stream *stream = &told->viewer->streams[kind];
    if (!stream->exists) {
        return Py_NewRef(Py_None);
    }
    return make(fanout, TYPE_STREAM,
                Py_BuildValue("(KKKKKddi)", (unsigned long long)atomic_load(&stream->packets),
                              (unsigned long long)atomic_load(&stream->bytes),
                              (unsigned long long)atomic_load(&stream->resends),
                              (unsigned long long)atomic_load(&stream->nacks),
                              (unsigned long long)atomic_load(&stream->skipped),
                              told->loss[kind], told->jitter_s[kind], told->lost[kind]));
}

static PyObject *
summary_object(Fanout *fanout, const Told *told)
{
    const ArrivalSummary *arrivals = &told->arrivals;
    return make(fanout, TYPE_SUMMARY,
                Py_BuildValue("(KdNNdKdKdKddKK)", (unsigned long long)told->viewer->id,
                              told->last_seen_s, stream_object(fanout, told, VIDEO),
                              stream_object(fanout, told, AUDIO),
                              atomic_load(&told->viewer->rtt_s),
                              (unsigned long long)told->remb_bitrate, arrivals->reported_s,
                              (unsigned long long)arrivals->packets, arrivals->loss,
                              (unsigned long long)arrivals->bitrate, arrivals->queue_s,
                              arrivals->slope, (unsigned long long)arrivals->burst_bitrate,
                              (unsigned long long)atomic_load(&told->viewer->send_failures)));
}

/* Copies the events and the summaries that are due; gives how many. Under the lock. */
static size_t
collect(Fanout *fanout, Told *told, double now_s)
{
    size_t count = 0;
    for (size_t at = 0; at < fanout->event_count; at++) {
        Event *event = &fanout->events[at];
        uint64_t hash = hash_bytes(&event->viewer, sizeof event->viewer);
        Viewer *viewer = table_find(&fanout->viewers, hash, viewer_has_id, &event->viewer);
        if (viewer != NULL) {
            viewer->waiting[event->event] = false;
            copy_told(&told[count++], viewer, event->event);
        }
    }
    fanout->event_count = 0;
    for (size_t at = 0; at < fanout->viewers.capacity; at++) {
        Viewer *viewer = fanout->viewers.entries[at].item;
        if (viewer != NULL && viewer->summary_s <= now_s) {
            viewer->summary_s = now_s + SUMMARY_INTERVAL_S;
            copy_told(&told[count++], viewer, EVENT_KINDS);
        }
    }
    return count;
}

PyObject *
fanout_poll(Fanout *fanout, double now_s)
{
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&fanout->lock);
    size_t most = fanout->event_count + fanout->viewers.count;
    Told *told = malloc((most != 0 ? most : 1) * sizeof *told);
    size_t count = told != NULL ? collect(fanout, told, now_s) : 0;
    pthread_mutex_unlock(&fanout->lock);
    for (size_t at = 0; at < count; at++) {
        PyObject *object = list == NULL                      ? NULL
                           : told[at].event == EVENT_KINDS ? summary_object(fanout, &told[at])
                                                             : event_object(fanout, &told[at]);
        if (object == NULL || PyList_Append(list, object) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(object);
        viewer_release(told[at].viewer);
    }
    free(told);
    return told != NULL ? list : PyErr_NoMemory();
}

/* Of all threads together. */
static PyObject *
lateness_object(Fanout *fanout, int kind)
{
    double sum_s = 0.0;
    PyObject *counts = PyTuple_New(LATE_BUCKETS);
    for (int bucket = 0; counts != NULL && bucket < LATE_BUCKETS; bucket++) {
        uint64_t count = 0;
        for (int at = 0; at < fanout->shard_count; at++) {
            count += atomic_load(&fanout->shards[at].batch.lateness[kind].counts[bucket]);
        }
        PyObject *number = PyLong_FromUnsignedLongLong(count);
        if (number == NULL || PyTuple_SetItem(counts, bucket, number) < 0) {
            Py_CLEAR(counts);
        }
    }
    for (int at = 0; at < fanout->shard_count; at++) {
        sum_s += atomic_load(&fanout->shards[at].batch.lateness[kind].sum_s);
    }
    PyObject *arguments = counts != NULL ? Py_BuildValue("(Nd)", counts, sum_s) : NULL;
    return make(fanout, TYPE_LATENESS, arguments);
}

static uint64_t
skipped_by(const Viewer *viewer)
{
    return atomic_load(&viewer->streams[AUDIO].skipped) +
           atomic_load(&viewer->streams[VIDEO].skipped);
}

PyObject *
fanout_statistics(Fanout *fanout)
{
    Counts *counts = &fanout->counts;
    pthread_mutex_lock(&fanout->lock);
    uint64_t skipped = fanout->skipped_before;
    Py_ssize_t rings = (Py_ssize_t)fanout->rings.count;
    Py_ssize_t viewers = (Py_ssize_t)fanout->viewers.count;
    for (size_t at = 0; at < fanout->viewers.capacity; at++) {
        if (fanout->viewers.entries[at].item != NULL) {
            skipped += skipped_by(fanout->viewers.entries[at].item);
        }
    }
    pthread_mutex_unlock(&fanout->lock);
    return make(fanout, TYPE_STATISTICS,
                Py_BuildValue("(OsOinnKKKKKKKKKKNN)", Py_True, crypto_name(),
                              atomic_load(&fanout->has_gso) ? Py_True : Py_False,
                              fanout->thread_count, rings, viewers,
                              (unsigned long long)atomic_load(&counts->packets),
                              (unsigned long long)atomic_load(&counts->bytes),
                              (unsigned long long)atomic_load(&counts->resent),
                              (unsigned long long)atomic_load(&counts->calls),
                              (unsigned long long)atomic_load(&counts->blocked),
                              (unsigned long long)atomic_load(&counts->failures),
                              (unsigned long long)skipped,
                              (unsigned long long)atomic_load(&counts->received),
                              (unsigned long long)atomic_load(&counts->passed),
                              (unsigned long long)atomic_load(&counts->rejected),
                              lateness_object(fanout, AUDIO),
                              lateness_object(fanout, VIDEO)));
}
