cdef class Pending:
    cdef readonly unsigned int serial
    cdef readonly bint done
    cdef readonly object value, error
    cdef public object notify
    cdef public double until

    cpdef settle(self, object value, object error=*)
