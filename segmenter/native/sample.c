/* segmenter.media.Sample: made several times for each access unit, in 0.1 instead of 0.7 µs. */

#include "samples.h"

#include <stddef.h>
#include <structmember.h>

PyTypeObject *sample_type;

Sample *
sample_new(PyObject *track, PyObject *owner, const uint8_t *bytes, Py_ssize_t size)
{
    Sample *sample = (Sample *)PyType_GenericAlloc(sample_type, 0);
    if (sample == NULL) {
        return NULL;
    }
    Py_INCREF(track);
    Py_INCREF(owner);
    sample->track = track;
    sample->owner = owner;
    sample->bytes = bytes;
    sample->size = size;
    return sample;
}

static PyObject *
create(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"track", "dts", "pts", "data", "is_sync", "duration",
                            "discontinuity", "captured_utc", NULL};
    PyObject *track, *data;
    long long dts, pts, duration = 0;
    int is_sync, discontinuity = 0;
    double captured_utc = 0.0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ULLSp|Lpd:Sample", names, &track, &dts, &pts,
                                     &data, &is_sync, &duration, &discontinuity, &captured_utc)) {
        return NULL;
    }
    (void)type; /* no subclasses: Py_TPFLAGS_BASETYPE is not set */
    Sample *sample = sample_new(track, data, (const uint8_t *)PyBytes_AsString(data), PyBytes_Size(data));
    if (sample == NULL) {
        return NULL;
    }
    sample->dts = dts;
    sample->pts = pts;
    sample->is_sync = is_sync;
    sample->duration = duration;
    sample->discontinuity = discontinuity;
    sample->captured_utc = captured_utc;
    return (PyObject *)sample;
}

static void
destroy(PyObject *self)
{
    Sample *sample = (Sample *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(sample->track);
    Py_XDECREF(sample->owner);
    PyObject_Free(self);
    Py_DECREF(type);
}

static bool
is_all_of_its_owner(const Sample *sample)
{
    return PyBytes_Check(sample->owner) && sample->size == PyBytes_Size(sample->owner);
}

/* The payload as bytes of its own; what held it is let go. */
static PyObject *
get_data(PyObject *self, void *closure)
{
    Sample *sample = (Sample *)self;
    (void)closure;
    if (!is_all_of_its_owner(sample)) {
        PyObject *data = PyBytes_FromStringAndSize((const char *)sample->bytes, sample->size);
        if (data == NULL) {
            return NULL;
        }
        Py_DECREF(sample->owner);
        sample->owner = data;
        sample->bytes = (const uint8_t *)PyBytes_AsString(data);
    }
    Py_INCREF(sample->owner);
    return sample->owner;
}

PyObject *
sample_payload(Sample *sample)
{
    if (is_all_of_its_owner(sample)) {
        Py_INCREF(sample->owner);
        return sample->owner;
    }
    return PyMemoryView_FromObject((PyObject *)sample);
}

static PyObject *
get_payload(PyObject *self, void *closure)
{
    (void)closure;
    return sample_payload((Sample *)self);
}

/* Views keep the owner alive, not the sample, which may let it go. A memoryview that is the owner
   counts them, and is told by PyBuffer_Release of each that goes. */
static int
get_buffer(PyObject *self, Py_buffer *view, int flags)
{
    Sample *sample = (Sample *)self;
    Py_buffer whole;
    if (PyObject_GetBuffer(sample->owner, &whole, PyBUF_SIMPLE) < 0) {
        view->obj = NULL;
        return -1;
    }
    int result =
        PyBuffer_FillInfo(view, sample->owner, (void *)sample->bytes, sample->size, 1, flags);
    if (result < 0) {
        PyBuffer_Release(&whole);
    } else {
        Py_DECREF(whole.obj); /* of two references one stays, and the owner's count */
    }
    return result;
}

static PyObject *
represent(PyObject *self)
{
    Sample *sample = (Sample *)self;
    PyObject *data = get_data(self, NULL);
    PyObject *captured = PyFloat_FromDouble(sample->captured_utc);
    PyObject *text = NULL;
    if (data != NULL && captured != NULL) {
        text = PyUnicode_FromFormat(
            "Sample(track=%R, dts=%lld, pts=%lld, data=%R, is_sync=%s, duration=%lld, "
            "discontinuity=%s, captured_utc=%R)",
            sample->track, (long long)sample->dts, (long long)sample->pts, data,
            sample->is_sync ? "True" : "False", (long long)sample->duration,
            sample->discontinuity ? "True" : "False", captured);
    }
    Py_XDECREF(data);
    Py_XDECREF(captured);
    return text;
}

static PyObject *
compare(PyObject *self, PyObject *other, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) || !Py_IS_TYPE(other, sample_type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Sample *a = (Sample *)self, *b = (Sample *)other;
    bool same = a->dts == b->dts && a->pts == b->pts && a->duration == b->duration &&
                a->is_sync == b->is_sync && a->discontinuity == b->discontinuity &&
                a->captured_utc == b->captured_utc && a->size == b->size &&
                memcmp(a->bytes, b->bytes, (size_t)a->size) == 0;
    int tracks = same ? PyObject_RichCompareBool(a->track, b->track, Py_EQ) : 0;
    if (tracks < 0) {
        return NULL;
    }
    return PyBool_FromLong((tracks != 0) == (operation == Py_EQ));
}

static PyObject *
reduce(PyObject *self, PyObject *unused)
{
    Sample *sample = (Sample *)self;
    (void)unused;
    PyObject *data = get_data(self, NULL);
    if (data == NULL) {
        return NULL;
    }
    return Py_BuildValue("O(OLLNiLid)", Py_TYPE(self), sample->track, (long long)sample->dts,
                         (long long)sample->pts, data, (int)sample->is_sync,
                         (long long)sample->duration, (int)sample->discontinuity,
                         sample->captured_utc);
}

static PyMemberDef members[] = {
    {"track", T_OBJECT_EX, offsetof(Sample, track), READONLY, NULL},
    {"dts", T_LONGLONG, offsetof(Sample, dts), READONLY, NULL},
    {"pts", T_LONGLONG, offsetof(Sample, pts), READONLY, NULL},
    {"is_sync", T_BOOL, offsetof(Sample, is_sync), READONLY, NULL},
    {"duration", T_LONGLONG, offsetof(Sample, duration), READONLY, NULL},
    {"discontinuity", T_BOOL, offsetof(Sample, discontinuity), READONLY, NULL},
    {"captured_utc", T_DOUBLE, offsetof(Sample, captured_utc), READONLY, NULL},
    {"size_bytes", T_PYSSIZET, offsetof(Sample, size), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"data", get_data, NULL, NULL, NULL},
    {"payload", get_payload, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"__reduce__", reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(doc, "Sample(track, dts, pts, data, is_sync, duration=0, discontinuity=False, "
                  "captured_utc=0.0)\n--\n\nOne access unit of one track; see segmenter.media.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, create},
    {Py_tp_dealloc, destroy},
    {Py_tp_repr, represent},
    {Py_tp_richcompare, compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_members, members},
    {Py_tp_getset, getters},
    {Py_tp_methods, methods},
    {Py_bf_getbuffer, get_buffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "segmenter._samples.Sample",
    .basicsize = sizeof(Sample),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int
sample_add(PyObject *module)
{
    sample_type = (PyTypeObject *)PyType_FromSpec(&spec);
    if (sample_type == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "Sample", (PyObject *)sample_type);
}
