cimport cython

from pybus.client.calls cimport Calls
from pybus.client.pending cimport Pending


cdef class Publishing:
    cdef readonly Calls _core
    cdef dict _unconfirmed, _returned

    @cython.locals(serials=list, pending=Pending, one=object)
    cpdef _confirmed(self, int flags, object serial)
