/* Ordinary media messages straight from RTMP's chunks, without a message in between.

   ChunkReader (streaming/ingest/rtmp/chunk_stream.py) is the specification. A chunk is ordinary
   that holds a whole message of a chunk stream which has begun, without an extended timestamp;
   any other is left to it, with the streams as they are by then. */

#include "tag_reader.h"

#define MAX_STREAMS 8
#define AUDIO 8
#define VIDEO 9
#define EXTENDED 0xFFFFFF

static PyObject *n_body, *n_delta, *n_extended, *n_length, *n_message_stream_id, *n_timestamp,
    *n_type_id;

/* What the headers to come leave out. */
typedef struct {
    PyObject *object; /* borrowed from the dictionary of streams, which nobody changes meanwhile */
    int id;
    bool is_ordinary, is_touched, is_named;
    int64_t timestamp, delta, length, type_id;
    uint32_t message_stream_id; /* if `is_named` */
} Stream;

typedef struct {
    PyObject *streams;
    Stream known[MAX_STREAMS];
    size_t count;
} Run;

static const Py_ssize_t message_header_bytes[] = {11, 7, 3, 0};

int
chunk_run_init(void)
{
    static const Name names[] = {
        {&n_body, "body"}, {&n_delta, "delta"}, {&n_extended, "extended"},
        {&n_length, "length"}, {&n_message_stream_id, "message_stream_id"},
        {&n_timestamp, "timestamp"}, {&n_type_id, "type_id"},
    };
    return intern_names(names, sizeof names / sizeof *names);
}

/* 1; 0: a message is unfinished, or there is an extended timestamp; -1: exception. */
static int
load(Stream *stream)
{
    bool is_extended;
    PyObject *body = PyObject_GetAttr(stream->object, n_body);
    if (body == NULL) {
        return -1;
    }
    Py_DECREF(body);
    if (body != Py_None) {
        return 0;
    }
    if (read_bool(stream->object, n_extended, &is_extended) < 0) {
        return -1;
    }
    int result = !is_extended;
    if (result == 1) {
        result = read_int(stream->object, n_timestamp, &stream->timestamp);
    }
    if (result == 1) {
        result = read_int(stream->object, n_delta, &stream->delta);
    }
    if (result == 1) {
        result = read_int(stream->object, n_length, &stream->length);
    }
    if (result == 1) {
        result = read_int(stream->object, n_type_id, &stream->type_id);
    }
    return result;
}

/* The chunk stream, loaded when it is first met; NULL where it is Python's, with an exception if
   one is set. */
static Stream *
find(Run *run, int id)
{
    for (size_t at = 0; at < run->count; at++) {
        if (run->known[at].id == id) {
            return run->known[at].is_ordinary ? &run->known[at] : NULL;
        }
    }
    PyObject *number = run->count < MAX_STREAMS ? PyLong_FromLong(id) : NULL;
    if (number == NULL) {
        return NULL;
    }
    PyObject *object = PyDict_GetItemWithError(run->streams, number);
    Py_DECREF(number);
    if (object == NULL) {
        return NULL;
    }
    Stream *stream = &run->known[run->count];
    memset(stream, 0, sizeof *stream);
    stream->object = object;
    stream->id = id;
    int result = load(stream);
    if (result < 0) {
        return NULL;
    }
    run->count++;
    stream->is_ordinary = result == 1;
    return stream->is_ordinary ? stream : NULL;
}

static int
store(const Run *run)
{
    for (size_t at = 0; at < run->count; at++) {
        const Stream *stream = &run->known[at];
        if (!stream->is_touched) {
            continue;
        }
        if (write_int(stream->object, n_timestamp, stream->timestamp) < 0 ||
            write_int(stream->object, n_delta, stream->delta) < 0 ||
            write_int(stream->object, n_length, stream->length) < 0 ||
            write_int(stream->object, n_type_id, stream->type_id) < 0 ||
            (stream->is_named &&
             write_int(stream->object, n_message_stream_id, stream->message_stream_id) < 0)) {
            return -1;
        }
    }
    return 0;
}

static uint32_t
uint24(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
}

/* What the header of a chunk makes of its stream; false where it is not ordinary. */
static bool
read_header(Stream *next, int form, const uint8_t *header)
{
    uint32_t time = form == 3 ? (uint32_t)next->delta : uint24(header);
    if (time == EXTENDED) {
        return false;
    }
    next->delta = time;
    next->timestamp = form == 0 ? time : (uint32_t)(next->timestamp + time);
    if (form < 2) {
        next->length = uint24(header + 3);
        next->type_id = header[6];
    }
    if (form == 0) {
        next->is_named = true;
        next->message_stream_id = (uint32_t)header[7] | (uint32_t)header[8] << 8 |
                                  (uint32_t)header[9] << 16 | (uint32_t)header[10] << 24;
    }
    next->is_touched = true;
    return next->type_id == AUDIO || next->type_id == VIDEO;
}

/* One chunk: where the next begins; `position` where it is not ordinary; -1 with an exception. */
static Py_ssize_t
read_chunk(const TagReader *reader, Run *run, PyObject *data, Py_ssize_t position,
           Py_ssize_t longest, double now_utc, PyObject *out)
{
    const uint8_t *bytes = (const uint8_t *)PyBytes_AsString(data);
    Py_ssize_t end = PyBytes_Size(data);
    int form = bytes[position] >> 6, id = bytes[position] & 0x3F;
    Py_ssize_t start = position + 1 + message_header_bytes[form];
    Stream *stream = id >= 2 && start <= end ? find(run, id) : NULL;
    if (stream == NULL) {
        return PyErr_Occurred() != NULL ? -1 : position;
    }
    Stream next = *stream;
    if (!read_header(&next, form, bytes + position + 1) || next.length <= 0 ||
        next.length > longest || next.length > end - start) {
        return position;
    }
    const Rule *rule =
        tag_reader_match(reader, (unsigned long)next.type_id, bytes + start, next.length);
    if (rule == NULL) {
        return position;
    }
    if (tag_reader_append(rule, data, bytes + start, next.length, (uint32_t)next.timestamp,
                          now_utc, out) < 0) {
        return -1;
    }
    *stream = next;
    return start + next.length;
}

PyObject *
read_chunks(PyObject *self, PyObject *args)
{
    Run run = {.count = 0};
    PyObject *data, *out;
    Py_ssize_t position, longest;
    double now_utc;
    if (!PyArg_ParseTuple(args, "SnnO!dO!:read_chunks", &data, &position, &longest, &PyDict_Type,
                          &run.streams, &now_utc, &PyList_Type, &out)) {
        return NULL;
    }
    Py_ssize_t end = PyBytes_Size(data);
    while (position >= 0 && position < end) {
        Py_ssize_t after =
            read_chunk((TagReader *)self, &run, data, position, longest, now_utc, out);
        if (after == position) {
            break;
        }
        position = after;
    }
    if (PyErr_Occurred() != NULL || store(&run) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(position);
}
