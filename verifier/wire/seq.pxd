# What seq.py says, in C: in each module that asks, so that no call is left.
cdef inline long long diff(unsigned int a, unsigned int b) noexcept nogil:
    return <int> (a - b)

cdef inline unsigned int plus(unsigned int a, long long n) noexcept nogil:
    return <unsigned int> (a + n)
