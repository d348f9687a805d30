/* webrtc._fanout.SrtpReceiver: what a publisher sends, batch by batch; webrtc/srtp_receiver.py. */

#include "fanout.h"

typedef struct {
    PyObject_HEAD
    Protection rtp, rtcp;
    Sources rtp_sources, rtcp_sources;
} Receiver;

static PyObject *
new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    MasterKeys keys;
    int profile;
    const char *key, *salt;
    Py_ssize_t key_size, salt_size;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "iy#y#:SrtpReceiver", &profile, &key, &key_size, &salt,
                          &salt_size)) {
        return NULL;
    }
    bool is_known = profile == PROFILE_SHA1_80 || profile == PROFILE_GCM_128 ||
                    profile == PROFILE_GCM_256;
    if (!is_known || key_size != key_bytes_of(profile) || salt_size != salt_bytes_of(profile) ||
        *crypto_name() == '\0') {
        PyErr_SetString(PyExc_ValueError, "no such profile, or keys of other sizes");
        return NULL;
    }
    keys.profile = profile;
    memcpy(keys.key, key, (size_t)key_size);
    memcpy(keys.salt, salt, (size_t)salt_size);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Receiver *receiver = (Receiver *)allocate(type, 0);
    if (receiver == NULL) {
        return NULL;
    }
    if (!protection_init(&receiver->rtp, &keys, false, true) ||
        !protection_init(&receiver->rtcp, &keys, true, true)) {
        Py_DECREF(receiver);
        return PyErr_NoMemory();
    }
    return (PyObject *)receiver;
}

static void
deallocate(Receiver *receiver)
{
    PyTypeObject *type = Py_TYPE((PyObject *)receiver);
    protection_free(&receiver->rtp);
    protection_free(&receiver->rtcp);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(receiver);
    Py_DECREF(type);
}

/* One datagram without its protection; None for one that is forged, repeated, old or damaged. */
static PyObject *
open_one(Receiver *receiver, PyObject *datagram)
{
    uint8_t packet[MAX_DATAGRAM_BYTES];
    char *start;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(datagram, &start, &size) < 0) {
        return NULL;
    }
    if (size < 12 || size > MAX_DATAGRAM_BYTES) {
        return Py_NewRef(Py_None);
    }
    memcpy(packet, start, (size_t)size);
    bool is_rtcp = packet[1] >= 192 && packet[1] <= 223;
    size_t opened = is_rtcp ? unprotect_rtcp(&receiver->rtcp, &receiver->rtcp_sources, packet,
                                             (size_t)size)
                            : unprotect_rtp(&receiver->rtp, &receiver->rtp_sources, packet,
                                            (size_t)size);
    return opened == 0 ? Py_NewRef(Py_None)
                       : PyBytes_FromStringAndSize((const char *)packet, (Py_ssize_t)opened);
}

static PyObject *
unprotect(Receiver *receiver, PyObject *datagrams)
{
    PyObject *opened = PyList_New(0);
    Py_ssize_t count = PySequence_Size(datagrams);
    for (Py_ssize_t at = 0; opened != NULL && at < count; at++) {
        PyObject *datagram = PySequence_GetItem(datagrams, at);
        PyObject *packet = datagram != NULL ? open_one(receiver, datagram) : NULL;
        if (packet == NULL || (packet != Py_None && PyList_Append(opened, packet) < 0)) {
            Py_CLEAR(opened);
        }
        Py_XDECREF(packet);
        Py_XDECREF(datagram);
    }
    if (count < 0) {
        Py_CLEAR(opened);
    }
    return opened;
}

PyDoc_STRVAR(unprotect_doc,
"unprotect($self, datagrams, /)\n--\n\n"
"Those that are authentic and new, as they were before; RTP and RTCP in their order.");

static PyMethodDef methods[] = {
    {"unprotect", (PyCFunction)unprotect, METH_O, unprotect_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new},
    {Py_tp_dealloc, deallocate},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "webrtc._fanout.SrtpReceiver",
    .basicsize = sizeof(Receiver),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int
receiver_add(PyObject *module)
{
    return module_add_type(module, &spec);
}
