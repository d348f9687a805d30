"""Parsers of codec configuration and bitstreams, and RFC 6381 strings."""
