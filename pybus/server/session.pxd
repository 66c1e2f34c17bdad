cimport cython

from pybus.broker.peer cimport Peer
from pybus.broker.routes cimport Routes
from pybus.protocol.frames cimport FrameReader


cdef class Session:
    cdef readonly Peer peer
    cdef object _server, _broker, _sock, _credentials, _greeter, _unsent, _resting, _timer, _pidfd
    cdef FrameReader _reader
    cdef Routes _routes
    cdef list _held
    cdef bytes _last_key
    cdef int _events
    cdef bint _parted, _turn_over
    cdef Py_ssize_t _reckoned, _reckoned_sent, _step, _room, _large

    cpdef flush(self)
    cpdef resume(self)
    cpdef _ready(self, int events)
    @cython.locals(size=cython.Py_ssize_t)
    cdef _read(self)
    cdef _make_room(self, list runs)
    cdef _handle(self, list runs)
    cdef _reckon(self, list runs)
    cdef _adjust(self)

