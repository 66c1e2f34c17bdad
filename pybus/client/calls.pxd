cimport cython

from pybus.client.output cimport Output


cdef class Calls:
    cdef readonly Output output
    cdef readonly object keys, refusals
    cdef readonly unsigned int number
    cdef readonly Py_ssize_t most
    cdef public object _doubtful
    cdef public dict _pending
    cdef public unsigned int _serial
    cdef dict _heads

    @cython.locals(data=bytes, head=bytes, size=cython.Py_ssize_t)
    cpdef news(self, object topic, object body)
