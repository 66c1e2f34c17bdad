from pybus.client.core cimport Core


cdef class Face:
    cdef readonly str _path
    cdef readonly bint _reconnect
    cdef readonly Core _core
    cdef readonly object _owner
    cdef object _on_missed, _on_disconnect, _on_reconnect
