cimport cython

from pybus.broker.peer cimport Peer, Receiver


cdef class Routes:
    cdef readonly dict known, ways
    cdef public bint stirred
    cdef bint _has_changed
    cdef public Py_ssize_t left
    cdef object _find

    @cython.locals(
        number=cython.uint,
        left=cython.Py_ssize_t,
        known=dict,
        end=cython.Py_ssize_t,
        run=tuple,
        kind=cython.int,
        flags=cython.int,
        sender=cython.uint,
        count=cython.Py_ssize_t,
        key=bytes,
        data=bytes,
        receivers=tuple,
        receiver=Receiver,
    )
    cpdef Py_ssize_t forward(self, Peer peer, list runs, Py_ssize_t at) except -1
