/* What a Fanout is told of rings, and what goes into them. */

#include "object.h"

#include <stdlib.h>

static bool
ring_has_id(const void *ring, const void *id)
{
    return ((const Ring *)ring)->id == *(const uint64_t *)id;
}

Ring *
find_ring(Fanout *fanout, uint64_t id)
{
    return table_find(&fanout->rings, hash_bytes(&id, sizeof id), ring_has_id, &id);
}

PyObject *
object_add_ring(Fanout *fanout, PyObject *args)
{
    long long rate, bytes, packets;
    if (!PyArg_ParseTuple(args, "LLL:add_ring", &rate, &bytes, &packets)) {
        return NULL;
    }
    if (rate <= 0 || rate > 1000000 || bytes <= 0 || packets <= 0) {
        refuse(fanout, "a ring needs a clock rate and bounds", NULL);
        return NULL;
    }
    Ring *ring = ring_new(0, (uint32_t)rate, (size_t)bytes, (size_t)packets);
    if (ring == NULL) {
        return PyErr_NoMemory();
    }
    pthread_mutex_lock(&fanout->lock);
    ring->id = fanout->next_id++;
    bool is_added = !fanout->is_closed &&
        table_put(&fanout->rings, hash_bytes(&ring->id, sizeof ring->id), ring);
    unsigned long long id = ring->id;
    pthread_mutex_unlock(&fanout->lock);
    if (!is_added) {
        ring_release(ring);
        return PyErr_NoMemory();
    }
    return PyLong_FromUnsignedLongLong(id);
}

/* The payloads as one unit; NULL with an exception. */
static Unit *
read_payloads(Fanout *fanout, PyObject *payloads)
{
    Py_ssize_t count = PySequence_Size(payloads), held = 0;
    size_t size = 0;
    Unit *unit = NULL;
    if (count < 0) {
        return NULL;
    }
    Py_buffer *views = malloc((count != 0 ? (size_t)count : 1) * sizeof *views);
    for (; views != NULL && held < count; held++) {
        PyObject *item = PySequence_GetItem(payloads, held);
        if (item == NULL || PyObject_GetBuffer(item, &views[held], PyBUF_SIMPLE) < 0) {
            Py_XDECREF(item);
            break;
        }
        Py_DECREF(item); /* the view holds it */
        if (views[held].len < 1 || views[held].len > MAX_PAYLOAD_BYTES) {
            refuse_number(fanout, "impossible size of a payload",
                          (unsigned long long)views[held].len);
            held++;
            break;
        }
        size += (size_t)views[held].len;
    }
    if (PyErr_Occurred() == NULL) {
        unit = views != NULL && held == count ? unit_new((size_t)count, size) : NULL;
        if (unit == NULL) {
            PyErr_NoMemory();
        }
    }
    size = 0;
    for (Py_ssize_t at = 0; at < held; at++) {
        if (unit != NULL) {
            memcpy((uint8_t *)unit->bytes + size, views[at].buf, (size_t)views[at].len);
            size += (size_t)views[at].len;
            unit->ends[at] = (uint32_t)size;
        }
        PyBuffer_Release(&views[at]);
    }
    free(views);
    return unit;
}

PyObject *
object_write(Fanout *fanout, PyObject *args)
{
    unsigned long long id;
    PyObject *payloads, *now;
    unsigned int timestamp;
    int is_key;
    double utc_s, now_s;
    if (!PyArg_ParseTuple(args, "KOIpdO:write", &id, &payloads, &timestamp, &is_key, &utc_s,
                          &now) ||
        !read_now(now, &now_s)) {
        return NULL;
    }
    Unit *unit = read_payloads(fanout, payloads);
    if (unit == NULL) {
        return NULL;
    }
    unit->timestamp = timestamp;
    unit->is_key = is_key;
    unit->media_utc_s = utc_s;
    unit->written_s = now_s;
    pthread_mutex_lock(&fanout->lock);
    Ring *ring = find_ring(fanout, id);
    int stored = ring != NULL ? ring_write(ring, unit) : 0;
    pthread_mutex_unlock(&fanout->lock);
    if (ring == NULL) {
        unit_release(unit);
        refuse_number(fanout, "no such ring", id);
        return NULL;
    }
    for (int at = 0; stored == 1 && at < fanout->shard_count; at++) {
        shard_wake(&fanout->shards[at]);
    }
    return stored < 0 ? PyErr_NoMemory() : PyBool_FromLong(stored);
}

PyObject *
object_remove_ring(Fanout *fanout, PyObject *args)
{
    unsigned long long id;
    if (!PyArg_ParseTuple(args, "K:remove_ring", &id)) {
        return NULL;
    }
    pthread_mutex_lock(&fanout->lock);
    Ring *ring = find_ring(fanout, id);
    if (ring != NULL) {
        table_remove(&fanout->rings, hash_bytes(&ring->id, sizeof ring->id), ring);
    }
    for (int at = 0; ring != NULL && at < fanout->shard_count; at++) {
        Command *command = command_new(DROP, NULL, 0);
        if (command != NULL) {
            command->ring = ring_keep(ring);
            shard_command(&fanout->shards[at], command);
        }
    }
    ring_release(ring);
    pthread_mutex_unlock(&fanout->lock);
    if (ring == NULL) {
        refuse_number(fanout, "no such ring", id);
        return NULL;
    }
    return Py_NewRef(Py_None);
}
