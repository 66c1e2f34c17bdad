cimport cython

from pybus.broker.queues.channel cimport Channel
from pybus.broker.queues.consumer cimport Consumer
from pybus.broker.queues.message cimport Message
from pybus.broker.queues.queue cimport Queue
from pybus.broker.queues.queueing cimport Queueing


cdef class Consuming:
    cdef Queueing _queueing
    cdef object _broker

    @cython.locals(message=Message, consumer=Consumer, channel=Channel, count=cython.Py_ssize_t, now=cython.double)
    cdef _deliver(self, Queue queue)
    @cython.locals(
        flags=cython.int,
        target=cython.ulonglong,
        channel=Channel,
        ordinary=cython.bint,
        unacked=dict,
        settled=list,
        one=bytes,
    )
    cpdef receive(self, object peer, tuple run)
    @cython.locals(queue=Queue, message=Message)
    cdef dict _ack(self, list deliveries)
    cdef _done(self, Queue queue, Message message)
