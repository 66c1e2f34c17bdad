cimport cython

from pybus.broker.calls cimport Call, OpenCalls
from pybus.broker.peer cimport Peer
from pybus.broker.routes cimport Routes


cdef class Dispatch:
    cdef readonly OpenCalls open
    cdef readonly object held
    cdef readonly Py_ssize_t late_answers
    cdef object _broker
    cdef Routes _routes

    @cython.locals(
        flags=cython.int,
        target=cython.uint,
        key=bytes,
        name=bytes,
        data=bytes,
        reply=cython.bint,
        deadline=cython.double,
        callee=Peer,
    )
    cpdef call(self, Peer peer, tuple run)
    @cython.locals(data=bytes, call=Call)
    cpdef answer(self, Peer peer, tuple run)
    cpdef refuse(self, Peer caller, object serial, object error, Call call=*)
    cdef _check_room(self, Peer peer, Peer callee, bytes name, bint reply)
    cdef _hand_over(self, Peer peer, Peer callee, bytes data)
    cdef _hand_back(self, Call call, bytes data)
    cdef _give_answer(self, bytes data, Peer caller, Call call)
