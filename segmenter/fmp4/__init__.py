"""Fragmented MP4 (ISO/IEC 14496-12) as CMAF (ISO/IEC 23000-19) wants it."""
