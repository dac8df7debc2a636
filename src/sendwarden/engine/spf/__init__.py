"""Sender Policy Framework (RFC 7208): may this client send mail of this domain? Pure; asks by yielding."""
