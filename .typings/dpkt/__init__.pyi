from dpkt import ethernet as ethernet
from dpkt import pcap as pcap
from dpkt import tcp as tcp
