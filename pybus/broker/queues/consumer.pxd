cimport cython


cdef class Consumer:
    cdef readonly str tag
    cdef readonly object channel, queue
    cdef readonly bint no_ack, exclusive
    cdef readonly long long prefetch
    cdef readonly object priority
    cdef readonly unsigned int serial
    cdef public Py_ssize_t unacked
    cdef public long long delivered

    cpdef bint can_take(self) except? False


cdef class Consumers:
    cdef list _levels
    cdef dict _all
    cdef bint _single

    @cython.locals(consumer=Consumer)
    cpdef Consumer next(self)
