/* What the files of segmenter._samples share. See module.c for what the extension is. */

#ifndef HEADWATER_SAMPLES_H
#define HEADWATER_SAMPLES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* One access unit; the fields are those of segmenter.media.Sample.

   The payload is `size` bytes at `bytes`, which `owner` keeps where they are, so that reading a
   message or a file copies no media; `data` cuts them out when somebody asks for them. */
typedef struct {
    PyObject_HEAD
    PyObject *track;
    PyObject *owner;
    const uint8_t *bytes;
    Py_ssize_t size;
    int64_t dts;
    int64_t pts;
    int64_t duration;
    double captured_utc;
    bool is_sync;
    bool discontinuity;
} Sample;

extern PyTypeObject *sample_type;

int sample_add(PyObject *module);
int tag_reader_add(PyObject *module);
int placing_init(void);
int lane_init(void);
int taking_init(void);

/* A new sample of `size` bytes at `bytes`, which are of `owner`: a bytes object or a memoryview,
   which never move what they hold. Its other fields are zero. */
Sample *sample_new(PyObject *track, PyObject *owner, const uint8_t *bytes, Py_ssize_t size);

/* Its payload, uncopied: bytes or a view of them; a new reference. */
PyObject *sample_payload(Sample *sample);

/* A borrowed sample, or NULL without an exception where `list[index]` is none of ours. */
static inline Sample *
sample_at(PyObject *list, Py_ssize_t index)
{
    PyObject *item = PyList_GetItem(list, index);
    return item != NULL && Py_IS_TYPE(item, sample_type) ? (Sample *)item : NULL;
}

PyObject *place_run(PyObject *module, PyObject *args);
PyObject *take_run(PyObject *module, PyObject *args);
PyObject *write_run(PyObject *module, PyObject *args);

/* The name of an attribute or method, and where it is kept once it has been made. */
typedef struct {
    PyObject **name;
    const char *text;
} Name;

/* -1 with an exception. */
int intern_names(const Name *names, size_t count);

/* Attributes of the Python objects whose state the runs advance. Those that read give 1, 0 where
   the value is none of ours (too large, None), and -1 with an exception. */
int read_int(PyObject *object, PyObject *name, int64_t *value);
int read_bool(PyObject *object, PyObject *name, bool *value);
int read_float(PyObject *object, PyObject *name, double *value);
int write_int(PyObject *object, PyObject *name, int64_t value);
int write_float(PyObject *object, PyObject *name, double value);

#endif
