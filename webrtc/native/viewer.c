/* A viewer out of its settings (webrtc/viewer_settings.py), and addresses. */

#include "fanout.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* -- attributes: false with an exception ---------------------------------------------------- */

static bool
get_number(PyObject *object, const char *name, unsigned long most, unsigned long *number)
{
    PyObject *attribute = PyObject_GetAttrString(object, name);
    if (attribute == NULL) {
        return false;
    }
    *number = PyLong_AsUnsignedLong(attribute);
    Py_DECREF(attribute);
    if (*number == (unsigned long)-1 && PyErr_Occurred() != NULL) {
        return false;
    }
    if (*number > most) {
        PyErr_Format(PyExc_ValueError, "%s is %lu", name, *number);
        return false;
    }
    return true;
}

static bool
get_bytes(PyObject *object, const char *name, size_t least, size_t most, uint8_t *bytes,
          size_t *size)
{
    char *start;
    Py_ssize_t length;
    PyObject *attribute = PyObject_GetAttrString(object, name);
    if (attribute == NULL) {
        return false;
    }
    bool is_read = PyBytes_AsStringAndSize(attribute, &start, &length) == 0;
    if (is_read && ((size_t)length < least || (size_t)length > most)) {
        PyErr_Format(PyExc_ValueError, "%s of %zd bytes", name, length);
        is_read = false;
    }
    if (is_read) {
        memcpy(bytes, start, (size_t)length);
        *size = (size_t)length;
    }
    Py_DECREF(attribute);
    return is_read;
}

static char *
get_text(PyObject *object, const char *name)
{
    char *copy = NULL;
    Py_ssize_t size;
    PyObject *attribute = PyObject_GetAttrString(object, name);
    const char *text = attribute != NULL ? PyUnicode_AsUTF8AndSize(attribute, &size) : NULL;
    if (text != NULL && (copy = strdup(text)) == NULL) {
        PyErr_NoMemory();
    }
    Py_XDECREF(attribute);
    return copy;
}

static bool
get_keys(PyObject *settings, const char *name, MasterKeys *keys)
{
    unsigned long profile;
    size_t size;
    PyObject *object = PyObject_GetAttrString(settings, name);
    bool is_read = object != NULL && get_number(object, "profile", 0xFFFF, &profile);
    if (is_read && profile != PROFILE_SHA1_80 && profile != PROFILE_GCM_128 &&
        profile != PROFILE_GCM_256) {
        PyErr_Format(PyExc_ValueError, "SRTP profile %lu", profile);
        is_read = false;
    }
    if (is_read) {
        size_t key = (size_t)key_bytes_of((int)profile), salt = (size_t)salt_bytes_of((int)profile);
        keys->profile = (int)profile;
        is_read = get_bytes(object, "key", key, key, keys->key, &size) &&
                  get_bytes(object, "salt", salt, salt, keys->salt, &size);
    }
    Py_XDECREF(object);
    return is_read;
}

/* -- addresses ------------------------------------------------------------------------------ */

bool
place_from(Fanout *fanout, PyObject *address, long socket, Place *place)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    const char *host;
    int port;
    char service[16];
    if (socket < 0 || socket >= fanout->socket_count) {
        return refuse(fanout, "no such socket", NULL);
    }
    if (!PyArg_ParseTuple(address, "si", &host, &port)) {
        return false;
    }
    snprintf(service, sizeof service, "%d", port);
    hints.ai_family = fanout->families[socket];
    if (port < 1 || port > 65535 || getaddrinfo(host, service, &hints, &found) != 0) {
        return refuse(fanout, "not an address for this socket", address);
    }
    memset(place, 0, sizeof *place);
    place->socket = (uint8_t)socket;
    place->size = found->ai_addrlen;
    memcpy(&place->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

PyObject *
address_of(const Place *place)
{
    char host[NI_MAXHOST];
    const struct sockaddr_in *four = (const struct sockaddr_in *)&place->address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&place->address;
    bool is_long = place->address.ss_family == AF_INET6;
    if (getnameinfo((const struct sockaddr *)&place->address, place->size, host, sizeof host, NULL,
                    0, NI_NUMERICHOST) != 0) {
        host[0] = '\0';
    }
    return Py_BuildValue("(si)", host, (int)ntohs(is_long ? six->sin6_port : four->sin_port));
}

/* What tells places apart: socket, port, host and, of IPv6, its scope. */
typedef struct {
    uint8_t bytes[1 + 2 + 16 + 4];
} PlaceKey;

static PlaceKey
key_of(const Place *place)
{
    PlaceKey key = {{place->socket}};
    const struct sockaddr_in *four = (const struct sockaddr_in *)&place->address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&place->address;
    if (place->address.ss_family == AF_INET6) {
        memcpy(key.bytes + 1, &six->sin6_port, 2);
        memcpy(key.bytes + 3, &six->sin6_addr, 16);
        memcpy(key.bytes + 19, &six->sin6_scope_id, 4);
    } else {
        memcpy(key.bytes + 1, &four->sin_port, 2);
        memcpy(key.bytes + 3, &four->sin_addr, 4);
    }
    return key;
}

uint64_t
hash_place(const Place *place)
{
    PlaceKey key = key_of(place);
    return hash_bytes(key.bytes, sizeof key.bytes);
}

bool
is_at_place(const void *viewer, const void *place)
{
    PlaceKey one = key_of(&((const Viewer *)viewer)->source), other = key_of(place);
    return memcmp(one.bytes, other.bytes, sizeof one.bytes) == 0;
}

bool
viewer_has_id(const void *viewer, const void *id)
{
    return ((const Viewer *)viewer)->id == *(const uint64_t *)id;
}

/* -- viewers -------------------------------------------------------------------------------- */

static void
add_element(Stream *stream, unsigned long id, const uint8_t *value, size_t size)
{
    uint8_t *at = stream->header + stream->header_size;
    at[0] = (uint8_t)(id << 4 | (size - 1));
    memcpy(at + 1, value, size);
    stream->header_size += (uint8_t)(1 + size);
}

/* The header as it begins, with zeros for what is filled in. */
static void
make_header(Stream *stream, const uint8_t *mid, size_t mid_size, const unsigned long ids[3])
{
    static const uint8_t zeros[3];
    stream->header[0] = 0x80;
    stream->header_size = 16;
    if (ids[0] != 0 && mid_size != 0) {
        add_element(stream, ids[0], mid, mid_size);
    }
    if (ids[1] != 0) {
        stream->send_time_at = stream->header_size + 1;
        add_element(stream, ids[1], zeros, 3);
    }
    if (ids[2] != 0) {
        stream->transport_at = stream->header_size + 1;
        add_element(stream, ids[2], zeros, 2);
    }
    if (stream->header_size == 16) {
        stream->header_size = 12;
        return;
    }
    stream->header_size = (uint8_t)((stream->header_size + 3) / 4 * 4);
    stream->header[0] = 0x90;
    write_16(stream->header + 12, 0xBEDE);
    write_16(stream->header + 14, (stream->header_size - 16u) / 4);
}

static bool
read_stream(Viewer *viewer, int kind, PyObject *settings)
{
    Stream *stream = &viewer->streams[kind];
    unsigned long ids[3], ssrc, rtx_ssrc, type, rtx_type, rate, first, rtx_first, offset;
    uint8_t mid[MAX_MID_BYTES];
    size_t mid_size;
    if (!get_number(settings, "ssrc", UINT32_MAX, &ssrc) ||
        !get_number(settings, "rtx_ssrc", UINT32_MAX, &rtx_ssrc) ||
        !get_number(settings, "payload_type", 127, &type) ||
        !get_number(settings, "rtx_payload_type", 127, &rtx_type) ||
        !get_number(settings, "clock_rate", 1000000, &rate) ||
        !get_number(settings, "first_sequence", 0xFFFF, &first) ||
        !get_number(settings, "rtx_first_sequence", 0xFFFF, &rtx_first) ||
        !get_number(settings, "timestamp_offset", UINT32_MAX, &offset) ||
        !get_number(settings, "mid_extension", 14, &ids[0]) ||
        !get_number(settings, "abs_send_time_extension", 14, &ids[1]) ||
        !get_number(settings, "transport_cc_extension", 14, &ids[2]) ||
        !get_bytes(settings, "mid", 0, sizeof mid, mid, &mid_size)) {
        return false;
    }
    stream->viewer = viewer;
    stream->kind = kind;
    stream->exists = true;
    stream->ssrc = (uint32_t)ssrc;
    stream->rtx_ssrc = (uint32_t)rtx_ssrc;
    stream->payload_type = (uint8_t)type;
    stream->rtx_payload_type = (uint8_t)rtx_type;
    stream->clock_rate = rate != 0 ? (uint32_t)rate : 1;
    stream->index = first;
    stream->rtx_index = rtx_first;
    stream->timestamp_offset = (uint32_t)offset;
    stream->wake_s = stream->wait_until_s = INFINITY;
    stream->tokens = RESEND_MOST;
    stream->newest_run = -1;
    make_header(stream, mid, mid_size, ids);
    return true;
}

/* Room to remember sent packets, where any stream numbers them. */
static bool
make_history(Viewer *viewer)
{
    bool is_needed = viewer->streams[AUDIO].transport_at != 0 ||
                     viewer->streams[VIDEO].transport_at != 0;
    Sent *sent = is_needed ? calloc(HISTORY_PACKETS, sizeof *sent) : NULL;
    atomic_init(&viewer->sent, sent);
    if (is_needed && sent == NULL) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

static bool
read_streams(Viewer *viewer, PyObject *settings)
{
    static const char *names[KINDS] = {"audio", "video"};
    for (int kind = 0; kind < KINDS; kind++) {
        PyObject *stream = PyObject_GetAttrString(settings, names[kind]);
        bool is_read = stream != NULL &&
                       (stream == Py_None || read_stream(viewer, kind, stream));
        Py_XDECREF(stream);
        if (!is_read) {
            return false;
        }
    }
    return make_history(viewer);
}

static bool
read_settings(Fanout *fanout, Viewer *viewer, PyObject *settings)
{
    MasterKeys to, from;
    unsigned long socket, pace;
    char *cname = get_text(settings, "cname");
    PyObject *address = PyObject_GetAttrString(settings, "address");
    bool is_read = cname != NULL && address != NULL &&
                   get_number(settings, "socket", MAX_SOCKETS, &socket) &&
                   place_from(fanout, address, (long)socket, &viewer->place) &&
                   get_number(settings, "pace_bitrate", ULONG_MAX, &pace) &&
                   get_keys(settings, "send_keys", &to) &&
                   get_keys(settings, "receive_keys", &from) &&
                   (viewer->username = get_text(settings, "ice_username")) != NULL &&
                   (viewer->password = get_text(settings, "ice_password")) != NULL &&
                   read_streams(viewer, settings);
    if (is_read && (!protection_init(&viewer->rtp, &to, false, false) ||
                    !protection_init(&viewer->rtcp, &to, true, false) ||
                    !protection_init(&viewer->from_rtcp, &from, true, true))) {
        is_read = refuse(fanout, "the keys were not taken", NULL);
    }
    if (is_read) {
        snprintf(viewer->cname, sizeof viewer->cname, "%s", cname);
        viewer->pace_bitrate = (double)pace;
        viewer->source = viewer->place;
    }
    Py_XDECREF(address);
    free(cname);
    return is_read;
}

Viewer *
viewer_new(Fanout *fanout, PyObject *settings, double now_s)
{
    Viewer *viewer = calloc(1, sizeof *viewer);
    if (viewer == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    atomic_init(&viewer->references, 1);
    viewer->last_seen_s = now_s;
    viewer->summary_s = now_s + SUMMARY_INTERVAL_S;
    if (!read_settings(fanout, viewer, settings)) {
        viewer_release(viewer);
        return NULL;
    }
    return viewer;
}

void
viewer_release(Viewer *viewer)
{
    if (atomic_fetch_sub_explicit(&viewer->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    protection_free(&viewer->rtp);
    protection_free(&viewer->rtcp);
    protection_free(&viewer->from_rtcp);
    for (int kind = 0; kind < KINDS; kind++) {
        free(viewer->streams[kind].resent);
    }
    free(atomic_load(&viewer->sent));
    free(viewer->username);
    free(viewer->password);
    free(viewer);
}
