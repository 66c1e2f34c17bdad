cimport cython

from pybus.client.calls cimport Calls
from pybus.client.inbox cimport Inboxes
from pybus.client.pending cimport Pending
from pybus.protocol.frames cimport FrameReader


cdef class Core(Calls):
    cdef readonly object welcome, work, goodbye
    cdef readonly bint parted
    cdef readonly Inboxes inboxes
    cdef FrameReader _reader
    cdef readonly object _kept
    cdef object _opening, _services, _queues, _will
    cdef str _program, _bus

    @cython.locals(kind=cython.int, run=tuple)
    cpdef receive(self, bytes data)
    @cython.locals(kind=cython.int, flags=cython.int, sender=cython.uint, pending=Pending)
    cdef _answer(self, tuple run)
