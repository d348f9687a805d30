"""RTP, SDP, peers and fan-out: no HTTP, no paths."""
