cdef class Message:
    cdef public bytes data
    cdef public Py_ssize_t size, position, returns, priority, batch
    cdef public double since
    cdef public object due
    cdef public bint redelivered
