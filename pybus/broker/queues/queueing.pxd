from pybus.broker.queues.message cimport Message
from pybus.broker.queues.queue cimport Queue


cdef class Queueing:
    cdef readonly object broker, journal, vhost, disk, timers, publishing, consuming, overdue, dead_letters, replying
    cdef readonly object observing, works
    cdef public Py_ssize_t bytes
    cdef readonly list unfinished, hungry, faults

    cpdef release(self, Queue queue, Message message)
