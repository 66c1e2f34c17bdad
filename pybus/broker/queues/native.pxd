cimport cython

from pybus.broker.peer cimport Peer
from pybus.broker.queues.consumer cimport Consumer
from pybus.broker.queues.message cimport Message


cdef class NativeOutlet:
    cdef Peer _peer
    cdef bytes _published, _delivered
    cdef unsigned int _serial

    @cython.locals(data=bytes, published=bytes)
    cpdef deliver(self, Consumer consumer, Message message)
