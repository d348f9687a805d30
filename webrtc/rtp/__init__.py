"""RTP payload formats: access units in canonical form to payloads, one file per format."""
