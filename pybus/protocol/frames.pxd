cimport cython


@cython.locals(high=cython.uint)
cdef unsigned int _word(bytes data, Py_ssize_t pos) except? 0xFFFFFFFF

@cython.locals(start=cython.Py_ssize_t, end=cython.Py_ssize_t, size=cython.Py_ssize_t, frames=list)
cpdef list frames_of(bytes data, Py_ssize_t count, Py_ssize_t skip=*)


cdef class FrameReader:
    cdef Py_ssize_t _most, _have, _need
    cdef list _parts
    cdef tuple _known
    cdef dict _ways
    cdef public object failure

    @cython.locals(
        size=cython.Py_ssize_t,
        rest=cython.Py_ssize_t,
        length=cython.Py_ssize_t,
        first=cython.ulonglong,
        this_first=cython.ulonglong,
        target=cython.longlong,
        this_target=cython.longlong,
        serial=cython.uint,
        least=cython.Py_ssize_t,
    )
    cpdef list feed(self, bytes data)

    @cython.locals(
        header=cython.Py_ssize_t,
        most=cython.Py_ssize_t,
        size=cython.Py_ssize_t,
        first=cython.ulonglong,
        this_first=cython.ulonglong,
        target=cython.longlong,
        this_target=cython.longlong,
        kind=cython.int,
        flags=cython.int,
        sender=cython.uint,
        least=cython.Py_ssize_t,
        joins=cython.int,
        run_kind=cython.int,
        ways=dict,
        start=cython.Py_ssize_t,
        pos=cython.Py_ssize_t,
        end=cython.Py_ssize_t,
        length=cython.Py_ssize_t,
        count=cython.Py_ssize_t,
        serial=cython.uint,
        this_serial=cython.uint,
        key=bytes,
        run_key=bytes,
    )
    cdef Py_ssize_t _cut(self, bytes data, list runs) except -1
