"""The server: everything that touches the world (sockets, processes, disks, HTTP, config, CLI)."""

__version__ = "0.1.0"
