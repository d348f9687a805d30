"""RTMP: sans-IO core and a thin server."""
