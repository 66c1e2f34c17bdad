cdef object _pack(object value)

cpdef bytes pack(object value)

cpdef object unpack(bytes body)

cpdef object unpack_or_keep(int flags, bytes body)
