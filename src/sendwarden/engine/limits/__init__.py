"""Limits: how much one account may send in 10 minutes, an hour and a day. Pure; time is an argument."""
