cimport cython


cdef class Delivered:
    cdef bytes _data
    cdef dict _properties
    cdef public object body, stream
    cdef public Py_ssize_t tag
    cdef public bint settled
