"""WebRTC in the server: its process, what it is fed with, and signalling between the processes."""
