from verifier.wire.packet cimport Packet

cdef int decode(Packet packet, int link_type) except -100
cdef int step(Packet packet, int layer) except -100
cdef int skip(Packet packet, Py_ssize_t size, int following) except -100
cdef bint has(Packet packet, Py_ssize_t size) except -1
cdef int link(Packet packet, int kind) except -100
cdef int ethernet(Packet packet) except -100
cdef bint common(int kind) except -1
cdef bint common_behind(Packet packet, Py_ssize_t at) except -1
cdef int wifi_capture(Packet packet, int kind) except -100
cdef int ether_type(Packet packet, Py_ssize_t type_at, Py_ssize_t size) except -100
cdef int raw(Packet packet) except -100
cdef int family(Packet packet, Py_ssize_t size, unsigned int number) except -100
cdef int inside_frame(Packet packet, int kind) except -100
cdef int label(Packet packet) except -100
cdef int point_to_point(Packet packet) except -100
cdef int logical_link(Packet packet) except -100
cdef int frame_relay(Packet packet) except -100
cdef int netfilter_log(Packet packet) except -100
cdef int inside_ip(Packet packet, int protocol) except -100
cdef int routing_encapsulation(Packet packet) except -100
cdef int udp(Packet packet) except -100
cdef int tunnelled_user_data(Packet packet, Py_ssize_t body) except -100
cdef int access_point(Packet packet, Py_ssize_t body) except -100
cdef int teredo(Packet packet, Py_ssize_t body) except -100
cdef int elsewhere(Packet packet, int kind) except -100
cdef int radiotap(Packet packet) except -100
cdef int multilink(Packet packet) except -100
cdef int apart(Packet packet) except -100
cdef int network_layer(int number) except -100
cdef int wifi(Packet packet, bint padded) except -100
cdef int wifi_data(Packet packet, int control, int flags, bint padded) except -100
cdef int aggregate(Packet packet) except -100
