cdef class Receiver:
    cpdef bint offer(self, bytes data, Py_ssize_t count, bytes key) except? False


cdef class Peer(Receiver):
    cdef readonly unsigned int number
    cdef readonly object credentials
    cdef readonly double since
    cdef public object limits, budget, missed, will, samples, channel, slowed_at
    cdef public list ready, outbox
    cdef public dict patterns, names, calls, serving
    cdef public set acquainted
    cdef public bint leaving
    cdef public Py_ssize_t queued, owed, unsafe, held
    cdef public long long sent, received, dropped, bytes_sent, bytes_received, answered
    cdef public double called, answer_time, slowed_seconds
    cdef Py_ssize_t _most, _owed_until

    cpdef bint offer(self, bytes data, Py_ssize_t count, bytes key) except? False
    cpdef put(self, bytes data)
    cpdef owe(self, bytes data)
    cpdef bytes next_bytes(self, Py_ssize_t most)
    cpdef taken(self, Py_ssize_t size)
    cdef _miss(self, bytes key, Py_ssize_t count)
