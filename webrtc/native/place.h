/* Where a datagram goes or came from. */

#ifndef HEADWATER_PLACE_H
#define HEADWATER_PLACE_H

#include <Python.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef struct Fanout Fanout;

typedef struct {
    uint8_t socket;
    socklen_t size;
    struct sockaddr_storage address;
} Place;

/* An address as Python has it, for one of the sockets. */
bool place_from(Fanout *fanout, PyObject *address, long socket, Place *place);
PyObject *address_of(const Place *place);
uint64_t hash_place(const Place *place);
bool is_at_place(const void *viewer, const void *place);

#endif
