cdef class Output:
    cdef readonly Py_ssize_t waiting
    cdef object _frames
    cdef Py_ssize_t _begun

    cpdef put(self, bytes data)
