cimport cython

from pybus.broker.queues.consumer cimport Consumer
from pybus.broker.queues.message cimport Message
from pybus.broker.queues.queue cimport Queue


cdef class Channel:
    cdef readonly object peer, outlet
    cdef readonly dict consumers
    cdef readonly dict unacked
    cdef public Py_ssize_t held
    cdef public long long prefetch
    cdef public bint waiting, crowded, unfinished, confirming
    cdef public str last_queue, reply_queue
    cdef public object transaction, meter
    cdef readonly object confirms
    cdef list _hungry
    cdef long long _last_tag

    cpdef bint has_room(self, bint no_ack) except? False
    cpdef long long deliver(self, Queue queue, Message message, Consumer consumer) except -1
    @cython.locals(queue=Queue, consumer=Consumer)
    cpdef release(self, list deliveries)
