"""What lists in the DNS, and the DNS itself, say about a client: pure, asked by `service.reputation`."""
