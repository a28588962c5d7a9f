"""Bookings and campaigns: their forms, the week, and whether a goal will be reached."""
