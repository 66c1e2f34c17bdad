from pybus.client.face cimport Face
from pybus.client.pending cimport Pending
from pybus.client.service cimport IncomingCall


cdef class Connection(Face):
    cdef public object _closing
    cdef readonly object _sock, _loop, _failure, _ended
    cdef readonly object _turn
    cdef object _tasks, _up, _room, _guard
    cdef Py_ssize_t _read_size
    cdef bint _writing
    cdef readonly bint _write_scheduled

    cdef _answer(self, Pending pending, object timeout)
    cpdef _future(self, Pending pending, object timeout=*)
    cdef _await(self, Pending pending, object timeout)
    cpdef _schedule_write(self)
    cpdef _write(self)
    cpdef _read(self)
    cdef _take(self)
    cpdef _work(self)
    cdef _go_on(self)
    cdef _carry_out(self, IncomingCall call)
    cdef _watch_for_room(self, bint wanted)
