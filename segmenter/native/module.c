/* segmenter._samples: what happens to every sample of a live stream, in C.

   Optional. The Python beside it (segmenter/media.py, streaming/ingest/flv.py, segmenter/
   timeline.py with its clocks, segmenter/presentation.py with its lanes) is the specification and
   does the same without it; tests hold the two against each other. Each function here takes a
   run of samples as far as they are ordinary and stops before the first that is not, with all
   state as the Python would have left it. Deciding what to do then is Python's.

   Built against the limited API of CPython 3.11, so one binary serves all later ones. */

#include "tag_reader.h"

#define INTERFACE 4 /* see segmenter/native_choice.py */

#include <stdlib.h>

int
intern_names(const Name *names, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        if (*names[at].name == NULL &&
            (*names[at].name = PyUnicode_InternFromString(names[at].text)) == NULL) {
            return -1;
        }
    }
    return 0;
}

int
read_int(PyObject *object, PyObject *name, int64_t *value)
{
    PyObject *attribute = PyObject_GetAttr(object, name);
    int overflow = 0;
    if (attribute == NULL) {
        return -1;
    }
    if (!PyLong_Check(attribute)) {
        Py_DECREF(attribute);
        return 0;
    }
    *value = PyLong_AsLongLongAndOverflow(attribute, &overflow);
    Py_DECREF(attribute);
    return overflow == 0;
}

int
read_float(PyObject *object, PyObject *name, double *value)
{
    PyObject *attribute = PyObject_GetAttr(object, name);
    if (attribute == NULL) {
        return -1;
    }
    *value = PyFloat_AsDouble(attribute);
    Py_DECREF(attribute);
    return *value == -1.0 && PyErr_Occurred() != NULL ? -1 : 1;
}

int
read_bool(PyObject *object, PyObject *name, bool *value)
{
    PyObject *attribute = PyObject_GetAttr(object, name);
    if (attribute == NULL) {
        return -1;
    }
    int truth = PyObject_IsTrue(attribute);
    Py_DECREF(attribute);
    *value = truth > 0;
    return truth < 0 ? -1 : 1;
}

int
write_int(PyObject *object, PyObject *name, int64_t value)
{
    PyObject *number = PyLong_FromLongLong(value);
    if (number == NULL) {
        return -1;
    }
    int result = PyObject_SetAttr(object, name, number);
    Py_DECREF(number);
    return result;
}

int
write_float(PyObject *object, PyObject *name, double value)
{
    PyObject *number = PyFloat_FromDouble(value);
    if (number == NULL) {
        return -1;
    }
    int result = PyObject_SetAttr(object, name, number);
    Py_DECREF(number);
    return result;
}

PyDoc_STRVAR(place_run_doc,
"place_run($module, lines, samples, index, now_utc, out, /)\n--\n\n"
"Place samples[index:] on the timeline as far as nothing is special about them.");

PyDoc_STRVAR(take_run_doc,
"take_run($module, lanes, leader_name, leader, rule, watermark, samples, index, now_utc, /)\n--\n\n"
"Let samples[index:] into the segments in progress as far as nothing is special about them.");

PyDoc_STRVAR(write_run_doc,
"write_run($module, samples, sequence_number, end, is_video, before, /)\n--\n\n"
"A chunk in pieces: before, moof and the header of mdat, then each sample's payload.");

static PyMethodDef functions[] = {
    {"place_run", place_run, METH_VARARGS, place_run_doc},
    {"take_run", take_run, METH_VARARGS, take_run_doc},
    {"write_run", write_run, METH_VARARGS, write_run_doc},
    {NULL, NULL, 0, NULL},
};

static int
exec_module(PyObject *module)
{
    if (getenv("HEADWATER_PURE_PYTHON") != NULL) {
        PyErr_SetString(PyExc_ImportError, "HEADWATER_PURE_PYTHON is set");
        return -1;
    }
    if (sample_add(module) < 0 || tag_reader_add(module) < 0) {
        return -1;
    }
    if (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0) {
        return -1;
    }
    bool has_failed =
        placing_init() < 0 || lane_init() < 0 || taking_init() < 0 || chunk_run_init() < 0;
    return has_failed ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_samples",
    .m_doc = "What happens to every sample of a live stream, in C.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__samples(void)
{
    return PyModuleDef_Init(&definition);
}
