/* Ordinary media messages to samples, by tables of how they begin.

   What FLV's and RTMP's bytes mean is said by whoever makes the tables (streaming/ingest). Here
   is only the layout that RTMP messages, aggregates and FLV files share: type, length, time. */

#include "tag_reader.h"

#define MAX_RULES 64
#define TAG_HEADER_BYTES 11
#define BACK_POINTER_BYTES 4

static int
read_rule(PyObject *tuple, Rule *rule)
{
    const char *prefix, *special;
    Py_ssize_t prefix_bytes, special_bytes;
    int type_id, is_sync, header_bytes;
    PyObject *track;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a rule is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(tuple, "iy#iiUpiy#", &type_id, &prefix, &prefix_bytes, &header_bytes,
                          &rule->offset_at, &track, &is_sync, &rule->first_unit_at, &special,
                          &special_bytes)) {
        return -1;
    }
    if (type_id < 0 || type_id > 255 || prefix_bytes > MAX_PREFIX || header_bytes < prefix_bytes ||
        rule->offset_at < -1 || (rule->offset_at >= 0 && rule->offset_at > header_bytes - 3) ||
        rule->first_unit_at < -1) {
        PyErr_SetString(PyExc_ValueError, "a rule whose header does not hold what it names");
        return -1;
    }
    memcpy(rule->prefix, prefix, (size_t)prefix_bytes);
    for (Py_ssize_t at = 0; at < special_bytes; at++) {
        rule->special[(uint8_t)special[at]] = 1;
    }
    rule->prefix_bytes = prefix_bytes;
    rule->header_bytes = header_bytes;
    rule->type_id = (uint8_t)type_id;
    rule->is_sync = is_sync;
    Py_INCREF(track);
    rule->track = track;
    return 0;
}

static void
destroy(PyObject *self)
{
    TagReader *reader = (TagReader *)self;
    PyTypeObject *type = Py_TYPE(self);
    for (Py_ssize_t at = 0; at < reader->count; at++) {
        Py_XDECREF(reader->rules[at].track);
    }
    PyMem_Free(reader->rules);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *
create(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *list;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O!:TagReader", &PyList_Type, &list)) {
        return NULL;
    }
    Py_ssize_t count = PyList_Size(list);
    if (count > MAX_RULES) {
        return PyErr_Format(PyExc_ValueError, "more than %d rules", MAX_RULES);
    }
    TagReader *reader = (TagReader *)PyType_GenericAlloc(type, 0);
    if (reader == NULL) {
        return NULL;
    }
    reader->rules = PyMem_Calloc((size_t)count + 1, sizeof(Rule));
    if (reader->rules == NULL) {
        Py_DECREF(reader);
        return PyErr_NoMemory();
    }
    for (; reader->count < count; reader->count++) {
        if (read_rule(PyList_GetItem(list, reader->count), &reader->rules[reader->count]) < 0) {
            Py_DECREF(reader);
            return NULL;
        }
    }
    return (PyObject *)reader;
}

const Rule *
tag_reader_match(const TagReader *reader, unsigned long type_id, const uint8_t *bytes,
                 Py_ssize_t size)
{
    for (Py_ssize_t at = 0; at < reader->count; at++) {
        const Rule *rule = &reader->rules[at];
        if (rule->type_id != type_id || size <= rule->header_bytes ||
            memcmp(rule->prefix, bytes, (size_t)rule->prefix_bytes) != 0) {
            continue;
        }
        Py_ssize_t unit = rule->header_bytes + rule->first_unit_at;
        if (rule->first_unit_at >= 0 && unit < size && rule->special[bytes[unit]]) {
            return NULL;
        }
        return rule;
    }
    return NULL;
}

int
tag_reader_append(const Rule *rule, PyObject *owner, const uint8_t *bytes, Py_ssize_t size,
                  uint32_t timestamp, double now_utc, PyObject *out)
{
    int32_t offset = 0;
    if (rule->offset_at >= 0) {
        const uint8_t *field = bytes + rule->offset_at;
        offset = field[0] << 16 | field[1] << 8 | field[2];
        offset -= (offset & 0x800000) << 1;
    }
    Sample *sample =
        sample_new(rule->track, owner, bytes + rule->header_bytes, size - rule->header_bytes);
    if (sample == NULL) {
        return -1;
    }
    sample->dts = timestamp;
    sample->pts = (int64_t)timestamp + offset;
    sample->is_sync = rule->is_sync;
    sample->captured_utc = now_utc;
    int result = PyList_Append(out, (PyObject *)sample);
    Py_DECREF(sample);
    return result;
}

/* One message: 1 when it was taken, 0 when Python must, -1 with an exception. */
static int
read_message(const TagReader *reader, PyObject *message, double now_utc, PyObject *out)
{
    if (!PyTuple_Check(message) || PyTuple_Size(message) < 4) {
        return 0;
    }
    PyObject *payload = PyTuple_GetItem(message, 3);
    if (!PyBytes_Check(payload)) {
        return 0;
    }
    unsigned long type_id = PyLong_AsUnsignedLong(PyTuple_GetItem(message, 0));
    unsigned long timestamp = PyLong_AsUnsignedLong(PyTuple_GetItem(message, 1));
    if (PyErr_Occurred() != NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_ssize_t size = PyBytes_Size(payload);
    const uint8_t *bytes = (const uint8_t *)PyBytes_AsString(payload);
    const Rule *rule = tag_reader_match(reader, type_id, bytes, size);
    if (rule == NULL || timestamp > UINT32_MAX) {
        return 0;
    }
    return tag_reader_append(rule, payload, bytes, size, (uint32_t)timestamp, now_utc, out) < 0
               ? -1
               : 1;
}

static PyObject *
read_messages(PyObject *self, PyObject *args)
{
    PyObject *messages, *out;
    Py_ssize_t index;
    double now_utc;
    if (!PyArg_ParseTuple(args, "O!ndO!:read_messages", &PyList_Type, &messages, &index, &now_utc,
                          &PyList_Type, &out)) {
        return NULL;
    }
    for (; index >= 0 && index < PyList_Size(messages); index++) {
        int taken =
            read_message((TagReader *)self, PyList_GetItem(messages, index), now_utc, out);
        if (taken < 0) {
            return NULL;
        }
        if (taken == 0) {
            break;
        }
    }
    return PyLong_FromSsize_t(index);
}

/* Reads the tags of `view`, whose bytes stay where they are while `owner` lives: where the first
   one not read begins, or anything with an exception. */
static Py_ssize_t
read_view(TagReader *reader, PyObject *owner, const Py_buffer *view, Py_ssize_t position,
          uint32_t shift, double now_utc, PyObject *out)
{
    const uint8_t *bytes = view->buf;
    Py_ssize_t end = view->len;
    while (position >= 0 && position < end && end - position >= TAG_HEADER_BYTES) {
        const uint8_t *header = bytes + position, *body = header + TAG_HEADER_BYTES;
        Py_ssize_t size = (Py_ssize_t)header[1] << 16 | header[2] << 8 | header[3];
        uint32_t time = (uint32_t)header[4] << 16 | (uint32_t)header[5] << 8 | header[6] |
                        (uint32_t)header[7] << 24;
        if (size > end - position - TAG_HEADER_BYTES) {
            break;
        }
        const Rule *rule = tag_reader_match(reader, header[0], body, size);
        if (rule == NULL) {
            break;
        }
        if (tag_reader_append(rule, owner, body, size, time + shift, now_utc, out) < 0) {
            return -1;
        }
        position += TAG_HEADER_BYTES + size + BACK_POINTER_BYTES;
    }
    return position;
}

/* What keeps the bytes of `data` in their place, and cannot be released by anybody else. */
static PyObject *
owner_of(PyObject *data)
{
    return PyBytes_Check(data) ? Py_NewRef(data) : PyMemoryView_FromObject(data);
}

static PyObject *
read_tags(PyObject *self, PyObject *args)
{
    PyObject *data, *out;
    Py_ssize_t position;
    unsigned int shift;
    double now_utc;
    if (!PyArg_ParseTuple(args, "OnIdO!:read_tags", &data, &position, &shift, &now_utc,
                          &PyList_Type, &out)) {
        return NULL;
    }
    PyObject *owner = owner_of(data);
    Py_buffer view;
    if (owner == NULL || PyObject_GetBuffer(owner, &view, PyBUF_SIMPLE) < 0) {
        Py_XDECREF(owner);
        return NULL;
    }
    position = read_view((TagReader *)self, owner, &view, position, shift, now_utc, out);
    PyBuffer_Release(&view);
    Py_DECREF(owner);
    return PyErr_Occurred() != NULL ? NULL : PyLong_FromSsize_t(position);
}

PyDoc_STRVAR(read_messages_doc,
"read_messages($self, messages, index, now_utc, out, /)\n--\n\n"
"Append the samples of messages[index:] to out, up to the first that no rule knows.");

PyDoc_STRVAR(read_tags_doc,
"read_tags($self, data, position, shift, now_utc, out, /)\n--\n\n"
"The same of FLV tags, one after the other in data, which are bytes or a view of what does not\n"
"change; returns where the first not read begins.");

PyDoc_STRVAR(read_chunks_doc,
"read_chunks($self, data, position, longest, streams, now_utc, out, /)\n--\n\n"
"The same of RTMP chunks that hold whole messages; returns where the first not read begins.");

static PyMethodDef methods[] = {
    {"read_chunks", read_chunks, METH_VARARGS, read_chunks_doc},
    {"read_messages", read_messages, METH_VARARGS, read_messages_doc},
    {"read_tags", read_tags, METH_VARARGS, read_tags_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(doc, "TagReader(rules, /)\n--\n\nReads runs of messages that begin as rules say.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, create},
    {Py_tp_dealloc, destroy},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "segmenter._samples.TagReader",
    .basicsize = sizeof(TagReader),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int
tag_reader_add(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) {
        return -1;
    }
    int result = PyModule_AddObjectRef(module, "TagReader", type);
    Py_DECREF(type);
    return result;
}
