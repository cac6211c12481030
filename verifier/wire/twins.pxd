cimport cython

from verifier.wire.tables cimport ConnectionTable

@cython.locals(places=cython.uint[::1])
cpdef dict alike(ConnectionTable table, unsigned long long seed)
