cimport cython

from pybus.broker.peer cimport Peer


cdef class Call:
    cdef readonly Peer caller
    cdef public Peer callee
    cdef readonly object serial
    cdef readonly bytes key
    cdef readonly double since, deadline
    cdef public tuple held
    cdef public bint open


cdef class OpenCalls:
    cdef readonly list _heap
    cdef Py_ssize_t _closed

    cpdef Call open(self, Peer caller, object serial, bytes key, double since, double deadline)
    cpdef deliver(self, Call call, Peer callee)
    cpdef close(self, Call call)
    @cython.locals(first=Call)
    cpdef next_deadline(self)
