TH_SYN: int
TH_ACK: int

class TCP:
    flags: int
    data: bytes
