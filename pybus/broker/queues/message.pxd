cdef class Message:
    cdef public bytes data
    cdef public Py_ssize_t size, returns, priority
    cdef public long long position, batch
    cdef public double since
    cdef public object due
    cdef public bint redelivered
