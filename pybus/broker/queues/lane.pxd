from pybus.broker.queues.message cimport Message


cdef class Lane:
    cdef object _fresh
    cdef list _returned

    cpdef Message head(self)
    cpdef Message take(self)
