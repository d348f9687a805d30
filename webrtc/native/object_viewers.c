/* Those methods of webrtc._fanout.Fanout that deal with viewers. */

#include "object.h"

#include <stdlib.h>

typedef struct {
    const char *start;
    size_t size;
} Text;

static bool
has_username(const void *viewer, const void *key)
{
    const Text *text = key;
    const char *username = ((const Viewer *)viewer)->username;
    return strlen(username) == text->size && memcmp(username, text->start, text->size) == 0;
}

Viewer *
viewer_named(Fanout *fanout, const uint8_t *username, size_t size)
{
    Text text = {(const char *)username, size};
    return table_find(&fanout->by_username, hash_bytes(username, size), has_username, &text);
}

static uint64_t
hash_username(const Viewer *viewer)
{
    return hash_bytes(viewer->username, strlen(viewer->username));
}

static Viewer *
find_viewer(Fanout *fanout, uint64_t id)
{
    return table_find(&fanout->viewers, hash_bytes(&id, sizeof id), viewer_has_id, &id);
}

static bool
read_kind(Fanout *fanout, const char *text, int *kind)
{
    *kind = strcmp(text, "video") == 0 ? VIDEO : AUDIO;
    return *kind == VIDEO || strcmp(text, "audio") == 0 || refuse(fanout, "no such kind", NULL);
}

/* Takes a viewer out of all tables. Under the lock. */
static void
unlist(Fanout *fanout, Viewer *viewer)
{
    table_remove(&fanout->viewers, hash_bytes(&viewer->id, sizeof viewer->id), viewer);
    table_remove(&fanout->by_address, hash_place(&viewer->source), viewer);
    table_remove(&fanout->by_username, hash_username(viewer), viewer);
}

static bool
list(Fanout *fanout, Viewer *viewer)
{
    if (table_put(&fanout->viewers, hash_bytes(&viewer->id, sizeof viewer->id), viewer) &&
        table_put(&fanout->by_address, hash_place(&viewer->source), viewer) &&
        table_put(&fanout->by_username, hash_username(viewer), viewer)) {
        return true;
    }
    unlist(fanout, viewer);
    return false;
}

/* NULL, or why the viewer cannot be one. Under the lock. */
static const char *
admit(Fanout *fanout, Viewer *viewer)
{
    const uint8_t *username = (const uint8_t *)viewer->username;
    if (fanout->is_closed) {
        return "the fan-out is closed";
    }
    if (table_find(&fanout->by_address, hash_place(&viewer->source), is_at_place,
                   &viewer->source) != NULL ||
        viewer_named(fanout, username, strlen(viewer->username)) != NULL) {
        return "another viewer has this address or user name";
    }
    Command *command = command_new(ADD, viewer, 0);
    viewer->id = fanout->next_id++;
    if (command == NULL || !list(fanout, viewer)) {
        free(command);
        return "no memory for another viewer";
    }
    viewer->shard = &fanout->shards[viewer->id % (unsigned)fanout->shard_count];
    atomic_fetch_add(&viewer->references, 1); /* the shard's */
    shard_command(viewer->shard, command);
    return NULL;
}

PyObject *
object_add_viewer(Fanout *fanout, PyObject *args)
{
    PyObject *settings, *now;
    double now_s;
    if (!PyArg_ParseTuple(args, "OO:add_viewer", &settings, &now) || !read_now(now, &now_s)) {
        return NULL;
    }
    Viewer *viewer = viewer_new(fanout, settings, now_s);
    if (viewer == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&fanout->lock);
    const char *complaint = admit(fanout, viewer);
    unsigned long long id = viewer->id;
    pthread_mutex_unlock(&fanout->lock);
    if (complaint != NULL) {
        viewer_release(viewer);
        refuse(fanout, complaint, NULL);
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(id);
}

PyObject *
object_remove_viewer(Fanout *fanout, PyObject *args)
{
    unsigned long long id;
    if (!PyArg_ParseTuple(args, "K:remove_viewer", &id)) {
        return NULL;
    }
    Command *command = command_new(REMOVE, NULL, 0);
    if (command == NULL) {
        return PyErr_NoMemory();
    }
    pthread_mutex_lock(&fanout->lock);
    Viewer *viewer = find_viewer(fanout, id);
    if (viewer != NULL) {
        unlist(fanout, viewer);
        fanout->skipped_before += atomic_load(&viewer->streams[AUDIO].skipped) +
                                  atomic_load(&viewer->streams[VIDEO].skipped);
        command->viewer = viewer;
        shard_command(viewer->shard, command);
        viewer_release(viewer);
    }
    pthread_mutex_unlock(&fanout->lock);
    if (viewer == NULL) {
        free(command);
        refuse_number(fanout, "no such viewer", id);
        return NULL;
    }
    return Py_NewRef(Py_None);
}

/* Sends a command about one stream, and perhaps a ring; `ring` 0: none. */
static PyObject *
command_stream(Fanout *fanout, Verb verb, unsigned long long id, int kind, uint64_t ring_id,
               bool since_key)
{
    const char *complaint = NULL;
    Command *command = command_new(verb, NULL, 0);
    if (command == NULL) {
        return PyErr_NoMemory();
    }
    pthread_mutex_lock(&fanout->lock);
    Viewer *viewer = find_viewer(fanout, id);
    Ring *ring = ring_id != 0 ? find_ring(fanout, ring_id) : NULL;
    if (viewer == NULL || (ring_id != 0 && ring == NULL)) {
        complaint = "no such viewer or ring";
    } else if (!viewer->streams[kind].exists) {
        complaint = "the viewer takes no such kind";
    } else if (ring != NULL && ring->clock_rate != viewer->streams[kind].clock_rate) {
        complaint = "ring and stream have different clock rates";
    } else {
        command->viewer = viewer;
        command->kind = kind;
        command->ring = ring != NULL ? ring_keep(ring) : NULL;
        command->since_key = since_key;
        shard_command(viewer->shard, command);
    }
    pthread_mutex_unlock(&fanout->lock);
    if (complaint != NULL) {
        free(command);
        refuse_number(fanout, complaint, id);
        return NULL;
    }
    return Py_NewRef(Py_None);
}

PyObject *
object_play(Fanout *fanout, PyObject *args)
{
    unsigned long long viewer, ring;
    const char *text, *since;
    int kind;
    if (!PyArg_ParseTuple(args, "KsKs:play", &viewer, &text, &ring, &since) ||
        !read_kind(fanout, text, &kind)) {
        return NULL;
    }
    if (ring == 0) {
        refuse_number(fanout, "no such viewer or ring", ring);
        return NULL;
    }
    return command_stream(fanout, PLAY, viewer, kind, ring, strcmp(since, "key") == 0);
}

PyObject *
object_pause(Fanout *fanout, PyObject *args)
{
    unsigned long long viewer;
    const char *text;
    int kind;
    if (!PyArg_ParseTuple(args, "Ks:pause", &viewer, &text) ||
        !read_kind(fanout, text, &kind)) {
        return NULL;
    }
    return command_stream(fanout, PAUSE, viewer, kind, 0, false);
}

PyObject *
object_set_address(Fanout *fanout, PyObject *args)
{
    unsigned long long id;
    PyObject *address;
    long socket;
    Place place;
    const char *complaint = NULL;
    if (!PyArg_ParseTuple(args, "KOl:set_address", &id, &address, &socket) ||
        !place_from(fanout, address, socket, &place)) {
        return NULL;
    }
    pthread_mutex_lock(&fanout->lock);
    Viewer *viewer = find_viewer(fanout, id);
    uint64_t hash = hash_place(&place);
    const Viewer *other = table_find(&fanout->by_address, hash, is_at_place, &place);
    if (viewer == NULL) {
        complaint = "no such viewer";
    } else if (other != NULL && other != viewer) {
        complaint = "another viewer has this address";
    } else if (other == NULL && !viewer_move(fanout, viewer, &place)) {
        complaint = "no memory for an address";
    }
    pthread_mutex_unlock(&fanout->lock);
    if (complaint != NULL) {
        refuse_number(fanout, complaint, id);
        return NULL;
    }
    return Py_NewRef(Py_None);
}

/* Gives the viewer the names, which it then owns. Under the lock. */
static const char *
rename_viewer(Fanout *fanout, Viewer *viewer, char *username, char *password)
{
    Viewer *other = viewer_named(fanout, (const uint8_t *)username, strlen(username));
    if (other != NULL && other != viewer) {
        return "another viewer has this user name";
    }
    if (!table_put(&fanout->by_username, hash_bytes(username, strlen(username)), viewer)) {
        return "no memory for a user name";
    }
    table_remove(&fanout->by_username, hash_username(viewer), viewer);
    free(viewer->username);
    free(viewer->password);
    viewer->username = username;
    viewer->password = password;
    return NULL;
}

PyObject *
object_set_ice(Fanout *fanout, PyObject *args)
{
    unsigned long long id;
    const char *username, *password, *complaint = "no such viewer";
    if (!PyArg_ParseTuple(args, "Kss:set_ice", &id, &username, &password)) {
        return NULL;
    }
    char *own_username = strdup(username), *own_password = strdup(password);
    if (own_username == NULL || own_password == NULL) {
        free(own_username);
        free(own_password);
        return PyErr_NoMemory();
    }
    pthread_mutex_lock(&fanout->lock);
    Viewer *viewer = find_viewer(fanout, id);
    if (viewer != NULL) {
        complaint = rename_viewer(fanout, viewer, own_username, own_password);
    }
    pthread_mutex_unlock(&fanout->lock);
    if (complaint != NULL) {
        free(own_username);
        free(own_password);
        refuse_number(fanout, complaint, id);
        return NULL;
    }
    return Py_NewRef(Py_None);
}
