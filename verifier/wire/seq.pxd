cdef long long diff(unsigned int a, unsigned int b) noexcept
cdef unsigned int plus(unsigned int a, long long n) noexcept
