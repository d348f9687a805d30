"""Media timeline and CMAF, HLS and DASH packaging: pure, without I/O and without a clock."""
