/* What the files of webrtc._fanout share. See module.c for what the extension is.

   Threads. Callers hold the GIL and take `Fanout.lock` for viewers' receiving halves, tables and
   events. A shard is one sender thread with the sending halves of its viewers; it is told what to
   do by commands. Rings have locks of their own, held for a look-up; access units never change and
   go when the last who reads them has let go. No lock is taken while another is held, but a
   shard's under `Fanout.lock`; none is held while waiting for the GIL. */

#ifndef HEADWATER_FANOUT_H
#define HEADWATER_FANOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "incoming.h"
#include "shard.h"
#include "table.h"

enum { AT_ONCE = 32 }; /* datagrams of one recvmmsg */

typedef struct {
    uint64_t viewer;
    int event;
} Event;

typedef struct {
    _Atomic uint64_t packets, bytes, resent, calls, blocked, failures, received, passed, rejected;
} Counts;

struct Fanout {
    PyObject_HEAD
    int sockets[MAX_SOCKETS];
    int families[MAX_SOCKETS];
    int socket_count;
    int thread_count; /* 0: one shard that the caller steps */
    Shard *shards;
    int shard_count;
    _Atomic bool has_gso;
    _Atomic double utc_offset_s;
    Counts counts;
    PyObject *types; /* the event classes and LocalError, in the order of summaries.c */
    pthread_mutex_t lock; /* of the rest */
    uint64_t next_id, skipped_before;
    Table rings, viewers, by_address, by_username;
    Event *events;
    size_t event_count, event_capacity;
    bool is_receiving, is_closed;
    uint8_t (*datagrams)[MAX_DATAGRAM_BYTES]; /* the one's who receives */
};

enum { TYPE_PICTURE_LOST, TYPE_BYE, TYPE_ADDRESS, TYPE_SUMMARY, TYPE_STREAM, TYPE_STATISTICS,
       TYPE_LATENESS, TYPE_ERROR, TYPES };

bool refuse(Fanout *fanout, const char *message, PyObject *value);
PyObject *fanout_poll(Fanout *fanout, double now_s);
PyObject *fanout_statistics(Fanout *fanout);
PyObject *fanout_receive(Fanout *fanout, int socket, double now_s, bool has_clock);
/* A class of the module; -1 with an exception. */
int module_add_type(PyObject *module, PyType_Spec *spec);
int fanout_add(PyObject *module);
int receiver_add(PyObject *module);

#endif
