"""Benchmarks that anybody can run. They print ratios against a peer in the same run, and are no tests."""
