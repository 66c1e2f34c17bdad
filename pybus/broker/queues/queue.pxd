cimport cython

from pybus.broker.queues.consumer cimport Consumers
from pybus.broker.queues.lane cimport Lane
from pybus.broker.queues.message cimport Message


cdef class Queue:
    cdef readonly str name
    cdef readonly object properties, policy
    cdef readonly Consumers consumers
    cdef public long long bytes  # on disk, too
    cdef public Py_ssize_t unacked, memory
    cdef public bint stuck, deleted, timed, expiring
    cdef readonly bint bounded
    cdef public double used
    cdef public object due, read_again
    cdef public long long published, delivered, acked, returned, dropped
    cdef public long long last, number, marked, asked, reached, ahead
    cdef public object lent
    cdef list _lanes, _highest_first, _paused
    cdef object _aside
    cdef double _retry
    cdef Py_ssize_t _retries, _length

    @cython.locals(message=Message, position=cython.longlong)
    cpdef put_all(self, list messages, Py_ssize_t size)
    @cython.locals(lane=Lane, message=Message)
    cpdef Message head(self)
    @cython.locals(lane=Lane, message=Message)
    cpdef Message take(self)
    cdef _count(self, Message message, Py_ssize_t step)
