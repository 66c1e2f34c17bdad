cimport cython


cdef class Signal:
    cdef public object topic, body, sender
    cdef public bint retained, cleared
    cdef public Py_ssize_t size, depth


cdef class Inbox:
    cdef readonly tuple patterns
    cdef readonly bint retained, closed
    cdef readonly object handler
    cdef readonly dict missed
    cdef public object wake
    cdef public unsigned int serial
    cdef object _signals
    cdef Py_ssize_t _bytes

    cpdef bint put(self, list signals, Py_ssize_t size) except? False
    cpdef Signal take(self)
    @cython.locals(depth=cython.Py_ssize_t, signal=Signal)
    cpdef object handle(self)


cdef class Inboxes:
    cdef public dict overflowed
    cdef list _all
    cdef dict _handed_out, _routes

    @cython.locals(flags=cython.int, count=cython.Py_ssize_t, size=cython.Py_ssize_t, inbox=Inbox, body=bytes)
    cpdef deliver(self, tuple run)
