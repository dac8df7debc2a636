"""Greylisting: shall mail of this client, sender and recipient wait? Pure; `triplets` remembers."""
