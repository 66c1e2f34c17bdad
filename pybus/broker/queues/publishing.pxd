cimport cython

from pybus.broker.queues.channel cimport Channel
from pybus.broker.queues.message cimport Message
from pybus.broker.queues.queue cimport Queue
from pybus.broker.queues.queueing cimport Queueing


cdef class Publishing:
    cdef Queueing _queueing
    cdef object _broker, _vhost
    cdef dict _routes

    @cython.locals(
        count=cython.Py_ssize_t,
        payloads=cython.Py_ssize_t,
        queue=Queue,
        one=bytes,
        now=cython.double,
    )
    cdef bint _take_all(
        self, Channel channel, tuple queues, list frames, int flags, Py_ssize_t skip, Py_ssize_t size
    ) except? False
