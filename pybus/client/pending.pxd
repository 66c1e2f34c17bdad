cdef class Pending:
    cdef readonly object serial
    cdef public bint done
    cdef public object value, error, notify
    cdef public double until

    cpdef settle(self, object value, object error=*)
