"""Sendwarden, the traffic warden of a mail system."""

__version__ = "0.1.0"
