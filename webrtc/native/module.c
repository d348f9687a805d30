/* webrtc._fanout: what happens to every WebRTC packet, in C.

   Optional. webrtc/python_fanout.py and what it stands on are the specification and do the same
   without it; tests hold the two against each other, byte by byte. Built against the limited API
   of CPython 3.11, so one binary serves all later ones. It links to no crypto library but looks
   for one at run time (crypto.c). */

#include "fanout.h"

#include <stdlib.h>

#define INTERFACE 7 /* see webrtc/native_choice.py */

PyDoc_STRVAR(load_crypto_doc,
"load_crypto($module, path, /)\n--\n\n"
"Use the OpenSSL in a shared library; gives \"\", or what it lacks.");

static PyObject *
load_crypto(PyObject *module, PyObject *path)
{
    (void)module;
    const char *text = PyUnicode_AsUTF8AndSize(path, NULL);
    if (text == NULL) {
        return NULL;
    }
    const char *complaint = crypto_load(text);
    return PyUnicode_FromString(complaint == NULL ? "" : complaint);
}

static PyMethodDef functions[] = {
    {"load_crypto", load_crypto, METH_O, load_crypto_doc},
    {NULL, NULL, 0, NULL},
};

static int
exec_module(PyObject *module)
{
    if (getenv("HEADWATER_PURE_PYTHON") != NULL) {
        PyErr_SetString(PyExc_ImportError, "HEADWATER_PURE_PYTHON is set");
        return -1;
    }
    if (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0) {
        return -1;
    }
    return fanout_add(module) < 0 || receiver_add(module) < 0 ? -1 : 0;
}

int
module_add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int result = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return result;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fanout",
    .m_doc = "What happens to every WebRTC packet, in C.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__fanout(void)
{
    return PyModuleDef_Init(&definition);
}
