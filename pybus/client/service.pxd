cimport cython

from pybus.client.core cimport Core


cdef class IncomingCall:
    cdef readonly object method, arguments, caller, reply_to, serial
    cdef public object connection
    cdef readonly bint wants_reply
    cdef Py_ssize_t _depth

    cpdef start(self)


cdef class Services:
    cdef Core _core
    cdef readonly dict _callers
    cdef dict _interfaces, _options, _methods

    cpdef incoming(self, tuple run)
    cpdef bint is_current(self, IncomingCall call) except? False
    @cython.locals(data=bytes)
    cpdef answer(self, IncomingCall call, object value)
    cdef _accept(self, tuple run)
    cdef _find(self, str name, str method)
    cdef _reply_error(self, target, serial, error, bint wanted)
