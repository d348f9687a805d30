/* webrtc._fanout.Fanout: what Python calls. webrtc/fanout.py documents it.

   Arguments are read before the lock is taken and exceptions set after it: nothing between may
   call Python. */

#include "object.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

bool
refuse(Fanout *fanout, const char *message, PyObject *value)
{
    PyObject *type = PyTuple_GetItem(fanout->types, TYPE_ERROR);
    PyObject *text = PyUnicode_FromFormat(value != NULL ? "%s: %R" : "%s", message, value);
    if (type != NULL && text != NULL) {
        PyErr_SetObject(type, text);
    }
    Py_XDECREF(text);
    return false;
}

bool
refuse_number(Fanout *fanout, const char *message, unsigned long long number)
{
    PyObject *value = PyLong_FromUnsignedLongLong(number);
    refuse(fanout, message, value);
    Py_XDECREF(value);
    return false;
}

bool
read_now(PyObject *object, double *now_s)
{
    *now_s = object == Py_None ? clock_s() : PyFloat_AsDouble(object);
    return *now_s != -1.0 || PyErr_Occurred() == NULL;
}

static PyObject *
receive(Fanout *fanout, PyObject *args)
{
    int socket;
    PyObject *now;
    double now_s;
    if (!PyArg_ParseTuple(args, "iO:receive", &socket, &now) || !read_now(now, &now_s)) {
        return NULL;
    }
    if (socket < 0 || socket >= fanout->socket_count) {
        refuse(fanout, "no such socket", NULL);
        return NULL;
    }
    pthread_mutex_lock(&fanout->lock);
    bool is_free = !fanout->is_receiving;
    fanout->is_receiving = true;
    pthread_mutex_unlock(&fanout->lock);
    if (!is_free) {
        return PyList_New(0); /* another thread is at it */
    }
    PyObject *others = fanout_receive(fanout, socket, now_s, now != Py_None);
    pthread_mutex_lock(&fanout->lock);
    fanout->is_receiving = false;
    pthread_mutex_unlock(&fanout->lock);
    return others;
}

static PyObject *
poll_events(Fanout *fanout, PyObject *args)
{
    PyObject *now;
    double now_s;
    if (!PyArg_ParseTuple(args, "O:poll", &now) || !read_now(now, &now_s)) {
        return NULL;
    }
    return fanout_poll(fanout, now_s);
}

static PyObject *
step(Fanout *fanout, PyObject *args)
{
    double now_s, due_s;
    if (!PyArg_ParseTuple(args, "d:step", &now_s)) {
        return NULL;
    }
    if (fanout->thread_count != 0 || fanout->is_closed) {
        refuse(fanout, "only a fan-out without threads is stepped", NULL);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    due_s = shard_run(fanout->shards, now_s, false);
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(due_s);
}

static PyObject *
set_utc_offset(Fanout *fanout, PyObject *args)
{
    double offset_s;
    if (!PyArg_ParseTuple(args, "d:set_utc_offset", &offset_s)) {
        return NULL;
    }
    atomic_store(&fanout->utc_offset_s, offset_s);
    return Py_NewRef(Py_None);
}

static PyObject *
statistics(Fanout *fanout, PyObject *unused)
{
    (void)unused;
    return fanout_statistics(fanout);
}

/* Nothing is stopped or freed while the lock is held, for `close_down` takes it first. */
static PyObject *
thread_ids(Fanout *fanout, PyObject *unused)
{
    long ids[MAX_THREADS];
    Py_ssize_t count = 0;
    (void)unused;
    pthread_mutex_lock(&fanout->lock);
    if (!fanout->is_closed) {
        for (; count < fanout->thread_count; count++) {
            ids[count] = (long)shard_thread_id(&fanout->shards[count]);
        }
    }
    pthread_mutex_unlock(&fanout->lock);
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t at = 0; tuple != NULL && at < count; at++) {
        PyObject *id = PyLong_FromLong(ids[at]);
        if (id == NULL || PyTuple_SetItem(tuple, at, id) < 0) {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

/* Ends the threads and lets everything go; the GIL is not held while they end. Nobody is found any
   more before that, so nothing is commanded after it. */
static void
close_down(Fanout *fanout)
{
    pthread_mutex_lock(&fanout->lock);
    Table viewers = fanout->viewers, rings = fanout->rings;
    int count = fanout->is_closed ? 0 : fanout->shard_count;
    fanout->is_closed = true;
    memset(&fanout->viewers, 0, sizeof fanout->viewers);
    memset(&fanout->rings, 0, sizeof fanout->rings);
    table_free(&fanout->by_address);
    table_free(&fanout->by_username);
    pthread_mutex_unlock(&fanout->lock);
    Py_BEGIN_ALLOW_THREADS
    for (int at = 0; at < count; at++) {
        shard_stop(&fanout->shards[at]);
        shard_free(&fanout->shards[at]);
    }
    Py_END_ALLOW_THREADS
    for (size_t at = 0; at < viewers.capacity; at++) {
        if (viewers.entries[at].item != NULL) {
            viewer_release(viewers.entries[at].item);
        }
    }
    for (size_t at = 0; at < rings.capacity; at++) {
        ring_release(rings.entries[at].item);
    }
    table_free(&viewers);
    table_free(&rings);
}

static PyObject *
close_object(Fanout *fanout, PyObject *unused)
{
    (void)unused;
    close_down(fanout);
    return Py_NewRef(Py_None);
}

static bool
read_sockets(Fanout *fanout, PyObject *sockets)
{
    Py_ssize_t count = PySequence_Size(sockets);
    if (count < 1 || count > MAX_SOCKETS) {
        return PyErr_Occurred() == NULL && refuse(fanout, "one to eight sockets are needed", NULL);
    }
    atomic_store(&fanout->has_gso, true);
    for (Py_ssize_t at = 0; at < count; at++) {
        struct sockaddr_storage own;
        socklen_t size = sizeof own;
        int segment, segment_size = sizeof segment;
        PyObject *item = PySequence_GetItem(sockets, at);
        long number = item != NULL ? PyLong_AsLong(item) : -1;
        Py_XDECREF(item);
        if (PyErr_Occurred() != NULL) {
            return false;
        }
        if (getsockname((int)number, (struct sockaddr *)&own, &size) < 0) {
            return refuse(fanout, "not a socket", sockets);
        }
        fanout->sockets[at] = (int)number;
        fanout->families[at] = own.ss_family;
        socklen_t option_size = (socklen_t)segment_size;
        if (getsockopt((int)number, SOL_UDP, UDP_SEGMENT, &segment, &option_size) < 0) {
            atomic_store(&fanout->has_gso, false); /* before Linux 4.18 */
        }
    }
    fanout->socket_count = (int)count;
    return true;
}

static bool
start_shards(Fanout *fanout)
{
    int count = fanout->thread_count != 0 ? fanout->thread_count : 1;
    fanout->shards = calloc((size_t)count, sizeof *fanout->shards);
    fanout->datagrams = malloc(AT_ONCE * sizeof *fanout->datagrams);
    if (fanout->shards == NULL || fanout->datagrams == NULL) {
        return false;
    }
    for (; fanout->shard_count < count; fanout->shard_count++) {
        Shard *shard = &fanout->shards[fanout->shard_count];
        if (!shard_init(shard, fanout) || (fanout->thread_count != 0 && !shard_start(shard))) {
            shard_free(shard);
            return false;
        }
    }
    return true;
}

static PyObject *
new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *sockets, *types;
    int threads;
    double offset_s;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "OidO!:Fanout", &sockets, &threads, &offset_s, &PyTuple_Type,
                          &types)) {
        return NULL;
    }
    if (PyTuple_Size(types) != TYPES || threads < 0 || threads > MAX_THREADS ||
        *crypto_name() == '\0') {
        PyErr_SetString(PyExc_ValueError, "wrong classes or threads, or no crypto loaded");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Fanout *fanout = (Fanout *)allocate(type, 0);
    if (fanout == NULL) {
        return NULL;
    }
    pthread_mutex_init(&fanout->lock, NULL);
    fanout->types = Py_NewRef(types);
    fanout->thread_count = threads;
    fanout->next_id = 1;
    atomic_store(&fanout->utc_offset_s, offset_s);
    if (!read_sockets(fanout, sockets)) {
        Py_DECREF(fanout);
        return NULL;
    }
    if (!start_shards(fanout)) {
        Py_DECREF(fanout);
        return PyErr_NoMemory();
    }
    return (PyObject *)fanout;
}

static void
deallocate(Fanout *fanout)
{
    PyTypeObject *type = Py_TYPE((PyObject *)fanout);
    close_down(fanout);
    free(fanout->shards);
    free(fanout->datagrams);
    free(fanout->events);
    pthread_mutex_destroy(&fanout->lock);
    Py_XDECREF(fanout->types);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(fanout);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"close", (PyCFunction)close_object, METH_NOARGS, NULL},
    {"add_ring", (PyCFunction)object_add_ring, METH_VARARGS, NULL},
    {"write", (PyCFunction)object_write, METH_VARARGS, NULL},
    {"remove_ring", (PyCFunction)object_remove_ring, METH_VARARGS, NULL},
    {"add_viewer", (PyCFunction)object_add_viewer, METH_VARARGS, NULL},
    {"remove_viewer", (PyCFunction)object_remove_viewer, METH_VARARGS, NULL},
    {"play", (PyCFunction)object_play, METH_VARARGS, NULL},
    {"pause", (PyCFunction)object_pause, METH_VARARGS, NULL},
    {"set_address", (PyCFunction)object_set_address, METH_VARARGS, NULL},
    {"set_ice", (PyCFunction)object_set_ice, METH_VARARGS, NULL},
    {"set_utc_offset", (PyCFunction)set_utc_offset, METH_VARARGS, NULL},
    {"receive", (PyCFunction)receive, METH_VARARGS, NULL},
    {"poll", (PyCFunction)poll_events, METH_VARARGS, NULL},
    {"step", (PyCFunction)step, METH_VARARGS, NULL},
    {"statistics", (PyCFunction)statistics, METH_NOARGS, NULL},
    {"thread_ids", (PyCFunction)thread_ids, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new},
    {Py_tp_dealloc, deallocate},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webrtc._fanout.Fanout",
    .basicsize = sizeof(Fanout),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int
fanout_add(PyObject *module)
{
    return module_add_type(module, &spec);
}
