cimport cython


cdef class Timer:
    cdef public object action


cdef class Loop:
    cdef object _epoll, _order
    cdef dict _handlers
    cdef set _forgotten
    cdef list _timers, _soon
    cdef Py_ssize_t _crowded
    cdef public bint running

    @cython.locals(handlers=dict, forgotten=set, timers=list, soon=list)
    cpdef run(self)
