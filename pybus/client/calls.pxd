cimport cython

from pybus.client.output cimport Output
from pybus.client.pending cimport Pending


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
    cpdef abandon(self, Pending pending)
    cpdef Pending await_publish(self, bint confirm)
    cpdef Pending _await(self, unsigned int serial)
