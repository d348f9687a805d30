/* What the files of the Fanout object share. */

#ifndef HEADWATER_OBJECT_H
#define HEADWATER_OBJECT_H

#include "fanout.h"

bool refuse_number(Fanout *fanout, const char *message, unsigned long long number);
bool read_now(PyObject *object, double *now_s);
Ring *find_ring(Fanout *fanout, uint64_t id);

PyObject *object_add_ring(Fanout *fanout, PyObject *args);
PyObject *object_write(Fanout *fanout, PyObject *args);
PyObject *object_remove_ring(Fanout *fanout, PyObject *args);

PyObject *object_add_viewer(Fanout *fanout, PyObject *args);
PyObject *object_remove_viewer(Fanout *fanout, PyObject *args);
PyObject *object_play(Fanout *fanout, PyObject *args);
PyObject *object_pause(Fanout *fanout, PyObject *args);
PyObject *object_set_address(Fanout *fanout, PyObject *args);
PyObject *object_set_ice(Fanout *fanout, PyObject *args);

#endif
