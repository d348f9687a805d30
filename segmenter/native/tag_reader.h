/* The tables of how ordinary messages begin; see tag_reader.c. */

#ifndef HEADWATER_TAG_READER_H
#define HEADWATER_TAG_READER_H

#include "samples.h"

#define MAX_PREFIX 8

typedef struct {
    PyObject *track;
    Py_ssize_t prefix_bytes;
    Py_ssize_t header_bytes;
    int offset_at; /* of a signed 24-bit pts - dts; -1: there is none */
    int first_unit_at; /* of the byte of the body that `special` judges; -1: none */
    uint8_t type_id;
    uint8_t prefix[MAX_PREFIX];
    uint8_t special[256];
    bool is_sync;
} Rule;

typedef struct {
    PyObject_HEAD
    Rule *rules;
    Py_ssize_t count;
} TagReader;

/* The rule for a message; NULL where Python must read it. */
const Rule *tag_reader_match(const TagReader *reader, unsigned long type_id, const uint8_t *bytes,
                             Py_ssize_t size);

/* Appends the sample of a message that lies at `bytes`, which are of `owner` (see sample_new). */
int tag_reader_append(const Rule *rule, PyObject *owner, const uint8_t *bytes, Py_ssize_t size,
                      uint32_t timestamp, double now_utc, PyObject *out);

int chunk_run_init(void);
PyObject *read_chunks(PyObject *self, PyObject *args);

#endif
